package mailstore

import (
	"iter"
	"slices"
)

// UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// UIDSet is a set of UIDs as ascending ranges that neither overlap nor touch.
// Build one with [MakeUIDSet] or [UIDs]; nil is the empty set.
type UIDSet []UIDRange

// AllUIDs is every UID there can be.
func AllUIDs() UIDSet { return UIDSet{{First: 1, Last: ^UID(0)}} }

// MakeUIDSet brings ranges in any order, also with First above Last, into a
// set. UID 0 is left out.
func MakeUIDSet(ranges ...UIDRange) UIDSet {
	list := make([]UIDRange, 0, len(ranges))
	for _, r := range ranges {
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First
		}
		if r.Last == 0 {
			continue
		}
		list = append(list, UIDRange{First: max(r.First, 1), Last: r.Last})
	}
	slices.SortFunc(list, func(a, b UIDRange) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	var set UIDSet
	for _, r := range list {
		if n := len(set); n > 0 && (set[n-1].Last == ^UID(0) || r.First <= set[n-1].Last+1) {
			set[n-1].Last = max(set[n-1].Last, r.Last)
			continue
		}
		set = append(set, r)
	}
	return set
}

// UIDs makes a set of single UIDs in any order.
func UIDs(list ...UID) UIDSet {
	if slices.IsSorted(list) {
		var set UIDSet
		for _, u := range list {
			set = set.add(u)
		}
		return set
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return UIDs(sorted...)
}

// add appends u, which is not below the set's last UID.
func (s UIDSet) add(u UID) UIDSet {
	if u == 0 {
		return s
	}
	if n := len(s); n > 0 {
		if s[n-1].Last == u {
			return s
		}
		if s[n-1].Last+1 == u {
			s[n-1].Last = u
			return s
		}
	}
	return append(s, UIDRange{First: u, Last: u})
}

// Contains reports whether u is in the set.
func (s UIDSet) Contains(u UID) bool {
	i, found := slices.BinarySearchFunc(s, u, func(r UIDRange, u UID) int {
		switch {
		case r.Last < u:
			return -1
		case r.First > u:
			return 1
		}
		return 0
	})
	return found && i < len(s)
}

// Len is how many UIDs the set has.
func (s UIDSet) Len() int64 {
	var n int64
	for _, r := range s {
		n += int64(r.Last-r.First) + 1
	}
	return n
}

// All gives every UID. Only for sets that the server made: a client's set may
// span four thousand million UIDs.
func (s UIDSet) All() iter.Seq[UID] {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for u := r.First; ; u++ {
				if !yield(u) {
					return
				}
				if u == r.Last {
					break
				}
			}
		}
	}
}
