package imapd

import (
	"iter"
	"math"

	"vanthu/internal/mailstore"
)

// window is the partial-range of RFC 9394: places in a result, counted from 1; with tail from its end backwards.
type window struct {
	lo, hi   uint32
	tail     bool
	from, to uint32 // as the client wrote them, without the sign
}

// parseWindow reads the blank and the range behind PARTIAL: 1:10 or -1:-10.
func parseWindow(l *lexer) (w window, valid bool) {
	if !l.sp() {
		return w, false
	}
	one := func() (uint32, bool) {
		if w.tail != l.special('-') {
			return 0, false
		}
		n, ok := l.number(math.MaxUint32)
		return uint32(n), ok && n > 0 //nolint:gosec // within the limit
	}
	w.tail = l.peek() == '-'
	if w.from, valid = one(); !valid || !l.special(':') {
		return w, false
	}
	if w.to, valid = one(); !valid {
		return w, false
	}
	w.lo, w.hi = min(w.from, w.to), max(w.from, w.to)
	return w, true
}

// append writes the range as the client did.
func (w *window) append(dst []byte) []byte {
	sign := ""
	if w.tail {
		sign = "-"
	}
	dst = appendUint(append(dst, sign...), w.from)
	return appendUint(append(append(dst, ':'), sign...), w.to)
}

// cut gives the part of a result that lies in the window.
func (w *window) cut(hits []target) []target {
	lo, hi := w.bounds(len(hits))
	return hits[lo:hi]
}

// bounds gives the part of n results that lies in the window, as slice bounds.
func (w *window) bounds(n int) (lo, hi int) {
	lo, hi = min(int(w.lo)-1, n), min(int(w.hi), n)
	if w.tail {
		return n - hi, n - lo
	}
	return lo, hi
}

// rows gives those messages that lie in the window.
func (w *window) rows(all iter.Seq2[int, mailstore.Row]) iter.Seq2[int, mailstore.Row] {
	return func(yield func(int, mailstore.Row) bool) {
		var list []target
		for seq, row := range all {
			if !w.tail && len(list) >= int(w.hi) {
				break
			}
			list = append(list, target{seq, row})
		}
		for _, t := range w.cut(list) {
			if !yield(t.seq, t.row) {
				return
			}
		}
	}
}
