package imapd

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// numRange is an inclusive range of message numbers; lo ≤ hi once resolved.
type numRange struct{ lo, hi uint32 }

// star stands for "*" in a range that is not resolved yet.
const star = 0

// numSet is a sequence-set of RFC 9051, section 9, as the client wrote it: numbers are not checked against a mailbox.
type numSet struct {
	ranges []numRange
	saved  bool // "$": the result kept by SEARCH RETURN (SAVE), RFC 5182
}

// parseNumSet reads a whole sequence-set. Zero, signs, numbers above 32 bits and doubled colons are refused.
func parseNumSet(b []byte) (numSet, bool) {
	if string(b) == "$" {
		return numSet{saved: true}, true
	}
	var s numSet
	for part := range bytes.SplitSeq(b, []byte{','}) {
		from, to, isRange := bytes.Cut(part, []byte{':'})
		lo, ok := parseSetNumber(from)
		if !ok {
			return numSet{}, false
		}
		hi := lo
		if isRange {
			if hi, ok = parseSetNumber(to); !ok {
				return numSet{}, false
			}
		}
		s.ranges = append(s.ranges, numRange{lo, hi})
	}
	return s, true
}

// single tells whether the set is one number.
func (s numSet) single() bool {
	return !s.saved && len(s.ranges) == 1 && s.ranges[0].lo == s.ranges[0].hi
}

func parseSetNumber(b []byte) (uint32, bool) {
	if len(b) == 1 && b[0] == '*' {
		return star, true
	}
	n, ok := parseNumber(b, math.MaxUint32)
	return uint32(n), ok && n != 0
}

// parseNumber reads decimal digits only, at most limit.
func parseNumber(b []byte, limit uint64) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var n uint64
	for _, ch := range b {
		d := uint64(ch - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, n <= limit
}

// resolve gives the ranges with "*" as last, ascending and without overlaps. last is the highest number of the mailbox, 0 when it is
// empty: then "*" names nothing.
func (s numSet) resolve(last uint32) []numRange {
	out := make([]numRange, 0, len(s.ranges))
	for _, r := range s.ranges {
		if (r.lo == star || r.hi == star) && last == 0 {
			continue
		}
		if r.lo == star {
			r.lo = last
		}
		if r.hi == star {
			r.hi = last
		}
		if r.lo > r.hi {
			r.lo, r.hi = r.hi, r.lo
		}
		out = append(out, r)
	}
	return mergeRanges(out)
}

// beyond tells whether the set names a sequence number above count, which RFC 9051, section 9 (seq-number), answers with BAD. In an
// empty mailbox a set with "*" is let pass: clients ask for 1:* without looking.
func (s numSet) beyond(count uint32) bool {
	for _, r := range s.ranges {
		if count == 0 && (r.lo == star || r.hi == star) {
			continue
		}
		if r.lo > count || r.hi > count {
			return true
		}
	}
	return false
}

// mergeRanges sorts ranges in place and joins those that touch.
func mergeRanges(rs []numRange) []numRange {
	slices.SortFunc(rs, func(a, b numRange) int { return int(int64(a.lo) - int64(b.lo)) })
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && uint64(r.lo) <= uint64(out[n-1].hi)+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
			continue
		}
		out = append(out, r)
	}
	return out
}

// contains tells whether n lies in the resolved ranges.
func contains(rs []numRange, n uint32) bool {
	i, _ := slices.BinarySearchFunc(rs, n, func(r numRange, n uint32) int {
		if r.hi < n {
			return -1
		}
		return 1
	})
	return i < len(rs) && rs[i].lo <= n
}

// appendRanges writes ranges in the order given.
func appendRanges(dst []byte, rs []numRange) []byte {
	for i, r := range rs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(r.lo), 10)
		if r.hi != r.lo {
			dst = append(dst, ':')
			dst = strconv.AppendUint(dst, uint64(r.hi), 10)
		}
	}
	return dst
}
