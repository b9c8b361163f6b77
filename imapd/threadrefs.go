package imapd

import (
	"cmp"
	"slices"
)

// maxAncestry is how far a thread is followed upwards to find out whether a link would close a circle. Beyond it the link is not made:
// honest threads are not that deep, and strangers shall not choose how long THREAD takes.
const maxAncestry = 10_000

// link makes the links of RFC 5256, section 3 (REFERENCES), step 1.
func (f *forest) link() {
	n := len(f.hits)
	f.parent, f.kids = make([]int32, n, n+n/4), make([]int32, n, n+n/4)
	byID := make(map[uint64]int32, n)
	for i, d := range f.ds {
		f.parent[i] = none
		if _, taken := byID[d.id]; d.id != 0 && !taken { // a message whose id another has already is as good as without
			byID[d.id] = int32(i) //nolint:gosec // a mailbox has less than 2^31 messages
		}
	}
	for i, d := range f.ds {
		up := none
		for _, id := range d.refs {
			at, known := byID[id]
			if !known {
				at = int32(len(f.parent)) //nolint:gosec // as above, and at most 100 references each
				f.parent, f.kids = append(f.parent, none), append(f.kids, 0)
				byID[id] = at
			}
			if up != none && f.parent[at] == none {
				f.under(at, up)
			}
			up = at
		}
		child := int32(i) //nolint:gosec // as above
		if old := f.parent[child]; old != none {
			f.kids[old]--
			f.parent[child] = none
		}
		if up != none {
			f.under(child, up)
		}
	}
}

// under makes up the parent of child, unless that would close a circle.
func (f *forest) under(child, up int32) {
	if child == up {
		return
	}
	if f.kids[child] > 0 {
		steps := 0
		for at := up; at != none; at = f.parent[at] {
			if steps++; at == child || steps > maxAncestry {
				return
			}
		}
	}
	f.parent[child] = up
	f.kids[up]++
}

// prune takes dummies out, but for those at the top with several children (steps 2 and 3), and puts siblings into order.
func (f *forest) prune() {
	n := len(f.hits)
	f.childless(len(f.parent))
	f.rank = append(f.rank, make([]int32, len(f.parent)-n)...)
	// above is for every dummy the nearest message above it, or the topmost dummy of its chain.
	above := make([]int32, len(f.parent))
	for i := range above {
		above[i] = none
	}
	var chain []int32
	find := func(at int32) int32 {
		chain = chain[:0]
		for f.dummy(at) && above[at] == none {
			chain = append(chain, at)
			if f.parent[at] == none {
				break
			}
			at = f.parent[at]
		}
		if f.dummy(at) && above[at] != none {
			at = above[at]
		}
		for _, c := range chain {
			above[c] = at
		}
		return at
	}
	for _, m := range f.date {
		p := f.parent[m]
		if p == none {
			f.top = append(f.top, m)
			continue
		}
		if p = find(p); f.first[p] == none && f.dummy(p) {
			f.rank[p] = f.rank[m]
			f.top = append(f.top, p)
		}
		f.adopt(p, m)
	}
	for i, t := range f.top { // a dummy at the top with one child makes room for it
		if c := f.first[t]; f.dummy(t) && f.next[c] == none {
			f.top[i] = c
		}
	}
}

// gather brings threads with the same base subject together (steps 5 and 6).
func (f *forest) gather() {
	subject := func(n int32) *digest {
		if f.dummy(n) {
			n = f.first[n]
		}
		return f.ds[n]
	}
	// heads is the subject table. Dummies count as no replies.
	reply := func(n int32) bool { return !f.dummy(n) && f.ds[n].reply }
	heads := make(map[string]int32, len(f.top))
	for _, t := range f.top {
		base := subject(t).at(textSubject)
		if base == "" {
			continue
		}
		head, found := heads[base]
		if !found || !f.dummy(head) && (f.dummy(t) || reply(head) && !reply(t)) {
			heads[base] = t
		}
	}
	gone := make(map[int32]bool)
	touched := make(map[int32]bool)
	var added []int32
	for _, t := range f.top {
		base := subject(t).at(textSubject)
		head := heads[base]
		if base == "" || head == t {
			continue
		}
		gone[t] = true
		switch {
		case f.dummy(head) && f.dummy(t):
			for c := f.first[t]; c != none; {
				next := f.next[c]
				f.adopt(head, c)
				c = next
			}
		case f.dummy(head), reply(t) && !reply(head):
			f.adopt(head, t)
		default:
			both := f.newDummy()
			f.adopt(both, head)
			f.adopt(both, t)
			gone[head] = true
			added = append(added, both)
			heads[base], head = both, both
		}
		touched[head] = true
	}
	if len(gone) == 0 {
		return
	}
	for p := range touched {
		f.arrange(p)
	}
	f.top = slices.DeleteFunc(append(f.top, added...), func(n int32) bool { return gone[n] })
	slices.SortFunc(f.top, func(a, b int32) int { return cmp.Compare(f.rank[a], f.rank[b]) })
}

// arrange puts the children of p into the order of rank.
func (f *forest) arrange(p int32) {
	var list []int32
	for c := f.first[p]; c != none; c = f.next[c] {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b int32) int { return cmp.Compare(f.rank[a], f.rank[b]) })
	f.first[p], f.last[p] = none, none
	for _, c := range list {
		f.adopt(p, c)
	}
	if f.dummy(p) {
		f.rank[p] = f.rank[list[0]]
	}
}
