package imapd

import (
	"cmp"
	"slices"
	"strings"
)

// threading is an algorithm of THREAD.
type threading uint8

const (
	threadOrderedSubject threading = iota // RFC 5256
	threadReferences                      // RFC 5256
	threadRefs                            // draft-ietf-morg-inthread: by references alone, the thread with the newest arrival last
)

// runThread answers THREAD (RFC 5256, section 3).
func (s *session) runThread(cmd *command) result {
	l := &cmd.args
	r := searchRequest{uid: strings.HasPrefix(cmd.verb, "UID "), name: "THREAD"}
	wrong := bad("Expected: THREAD algorithm charset keys")
	if !l.sp() {
		return answer(wrong)
	}
	var how threading
	switch word, _ := l.word(); word {
	case "ORDEREDSUBJECT":
		how = threadOrderedSubject
	case "REFERENCES":
		how = threadReferences
	case "REFS":
		how = threadRefs
	default:
		return syntax("Unknown threading algorithm")
	}
	if !l.sp() {
		return answer(wrong)
	}
	if st := r.parseCharset(l, wrong); st != nil {
		return answer(*st)
	}
	if st := r.parseKeys(l, wrong); st != nil {
		return answer(*st)
	}
	if !s.prepare(s.box, r.program) {
		return syntax("No such message")
	}
	if r.modseq {
		s.raise(syncCondStore)
	}
	stop := s.working()
	hits, err := s.find(s.box, r.program)
	var ds []*digest
	if err == nil {
		ds, err = s.digests(hits)
	}
	stop()
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	f := newForest(hits, ds)
	f.thread(how)
	out := []byte("* THREAD")
	if len(f.top) > 0 {
		out = append(out, ' ')
	}
	for _, n := range f.top {
		out = f.append(out, n, &r)
	}
	if err := s.out(append(out, "\r\n"...)); err != nil {
		return s.lost(err)
	}
	return answer(ok("THREAD completed"))
}

// none is no node.
const none int32 = -1

// forest is messages being put into threads. Nodes are numbered: first the hits, in the order of the mailbox, then messages that are
// only referred to ("dummies"). Nothing here calls itself: threads are as deep as strangers make them.
type forest struct {
	hits []target
	ds   []*digest
	sent []int64 // of each hit
	date []int32 // hits in the order in which they were sent
	rank []int32 // place in date; of a dummy that of its first child

	parent            []int32
	kids              []int32 // how many nodes have this one as their parent, while links are made
	first, last, next []int32 // children, once the links are made, in the order of rank
	top               []int32
}

func newForest(hits []target, ds []*digest) *forest {
	n := len(hits)
	f := &forest{hits: hits, ds: ds, sent: make([]int64, n), date: make([]int32, n), rank: make([]int32, n)}
	list := make([]ordered, n)
	for i := range hits {
		f.sent[i] = sentOf(&hits[i], ds[i])
		list[i] = ordered{uint64(f.sent[i]) ^ 1<<63, int32(i)} //nolint:gosec // see sortKey.number; a mailbox has less than 2^31 messages
	}
	slices.SortFunc(list, func(a, b ordered) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return cmp.Compare(a.at, b.at)
	})
	for i := range list {
		f.date[i] = list[i].at
		f.rank[list[i].at] = int32(i) //nolint:gosec // as above
	}
	return f
}

func (f *forest) dummy(n int32) bool { return int(n) >= len(f.hits) }

func (f *forest) thread(how threading) {
	switch how {
	case threadOrderedSubject:
		f.childless(len(f.hits))
		f.orderedSubject()
	case threadReferences:
		f.link()
		f.prune()
		f.gather()
	case threadRefs:
		f.link()
		f.prune()
		f.byArrival()
	}
}

// childless makes the lists of children, empty, of n nodes.
func (f *forest) childless(n int) {
	f.first, f.last, f.next = make([]int32, n), make([]int32, n), make([]int32, n)
	for i := range n {
		f.first[i], f.last[i], f.next[i] = none, none, none
	}
}

// newDummy adds a node without children.
func (f *forest) newDummy() int32 {
	f.first, f.last, f.next = append(f.first, none), append(f.last, none), append(f.next, none)
	f.rank = append(f.rank, 0)
	return int32(len(f.first) - 1) //nolint:gosec // as above
}

// adopt makes c, which is nobody's child, the last child of p.
func (f *forest) adopt(p, c int32) {
	f.next[c] = none
	if f.last[p] == none {
		f.first[p] = c
	} else {
		f.next[f.last[p]] = c
	}
	f.last[p] = c
}

// orderedSubject puts messages with the same base subject under the first of them.
func (f *forest) orderedSubject() {
	heads := make(map[string]int32)
	for _, n := range f.date {
		base := f.ds[n].at(textSubject)
		if head, found := heads[base]; found {
			f.adopt(head, n)
			continue
		}
		heads[base] = n
		f.top = append(f.top, n)
	}
}

// byArrival orders threads by their newest message's arrival.
func (f *forest) byArrival() {
	newest := make([]int64, len(f.first))
	for _, n := range f.top { // the walk visits every node once
		for at := range f.below(n) {
			if !f.dummy(at) {
				newest[n] = max(newest[n], f.hits[at].row.Date().UnixMicro())
			}
		}
	}
	slices.SortFunc(f.top, func(a, b int32) int {
		if newest[a] != newest[b] {
			return cmp.Compare(newest[a], newest[b])
		}
		return cmp.Compare(f.rank[a], f.rank[b])
	})
}

// below gives a node and all below it.
func (f *forest) below(n int32) func(yield func(int32) bool) {
	return func(yield func(int32) bool) {
		stack := []int32{n}
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !yield(at) {
				return
			}
			for c := f.first[at]; c != none; c = f.next[c] {
				stack = append(stack, c)
			}
		}
	}
}

// append writes one thread: (2), (3 6 (4 23)(44 7 96)).
func (f *forest) append(dst []byte, n int32, r *searchRequest) []byte {
	var open []int32 // of every nested list under way, the thread to come next
	for {
		dst = append(dst, '(')
		blank := false
		for {
			if !f.dummy(n) {
				if blank {
					dst = append(dst, ' ')
				}
				dst = appendUint(dst, r.number(f.hits[n]))
				blank = true
			}
			c := f.first[n]
			if c == none || f.next[c] != none {
				break
			}
			n = c
		}
		if c := f.first[n]; c != none {
			if blank {
				dst = append(dst, ' ')
			}
			open = append(open, f.next[c])
			n = c
			continue
		}
		dst = append(dst, ')')
		for len(open) > 0 && open[len(open)-1] == none {
			open = open[:len(open)-1]
			dst = append(dst, ')')
		}
		if len(open) == 0 {
			return dst
		}
		n = open[len(open)-1]
		open[len(open)-1] = f.next[n]
	}
}
