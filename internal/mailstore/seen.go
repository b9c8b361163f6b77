package mailstore

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"vanthu/internal/directory"
)

// In a mailbox with an own \Seen for each account the bit in the rows is that
// of everybody who has never changed his own. Who has, has a set of UIDs here.
// Sets are immutable and hold only UIDs that exist; versions share them.

// A set is cut into parts of so many UIDs.
const (
	seenShift  = 11
	seenSpan   = 1 << seenShift
	seenOctets = seenSpan / 8
)

// seenPart is the bits of seenSpan UIDs.
type seenPart [seenSpan / 64]uint64

func (p *seenPart) has(u UID) bool { return p[u%seenSpan/64]&(1<<(u%64)) != 0 }

// put sets or clears a bit and reports whether it was different.
func (p *seenPart) put(u UID, on bool) bool {
	if p.has(u) == on {
		return false
	}
	p[u%seenSpan/64] ^= 1 << (u % 64)
	return true
}

func (p *seenPart) count() (n int64) {
	for _, w := range p {
		n += int64(bits.OnesCount64(w))
	}
	return n
}

// encode gives the bits as they are stored.
func (p *seenPart) encode() []byte {
	b := make([]byte, 0, seenOctets)
	for _, w := range p {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func decodeSeen(b []byte) (*seenPart, error) {
	if len(b) != seenOctets {
		return nil, errors.New("bits of a wrong length")
	}
	p := new(seenPart)
	for i := range p {
		p[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return p, nil
}

// seenSet is the UIDs that an account has seen.
type seenSet struct {
	keys  []uint32 // UID >> seenShift, ascending
	parts []*seenPart
}

func (s *seenSet) has(u UID) bool {
	i, found := slices.BinarySearch(s.keys, uint32(u>>seenShift))
	return found && s.parts[i].has(u)
}

func (s *seenSet) count() (n int64) {
	for _, p := range s.parts {
		n += p.count()
	}
	return n
}

// seenEditor makes the next set.
type seenEditor struct {
	seenSet
	own []bool // which parts are copies
}

func (s *seenSet) edit() *seenEditor {
	return &seenEditor{seenSet: seenSet{slices.Clone(s.keys), slices.Clone(s.parts)}, own: make([]bool, len(s.keys))}
}

func (e *seenEditor) put(u UID, on bool) {
	key := uint32(u >> seenShift)
	i, found := slices.BinarySearch(e.keys, key)
	switch {
	case !found && !on:
		return
	case !found:
		e.keys = slices.Insert(e.keys, i, key)
		e.parts = slices.Insert(e.parts, i, new(seenPart))
		e.own = slices.Insert(e.own, i, true)
	case e.parts[i].has(u) == on:
		return
	case !e.own[i]:
		p := *e.parts[i]
		e.parts[i], e.own[i] = &p, true
	}
	e.parts[i].put(u, on)
}

// done gives the set; e is not to be used any more.
func (e *seenEditor) done() *seenSet {
	s := e.seenSet
	for i := len(s.keys) - 1; i >= 0; i-- {
		if e.own[i] && *s.parts[i] == (seenPart{}) {
			s.keys, s.parts = slices.Delete(s.keys, i, i+1), slices.Delete(s.parts, i, i+1)
		}
	}
	return &s
}

// As gives the version as an account sees it: v itself unless the account has
// its own \Seen here. Views of one version share everything with it.
func (v *Version) As(a directory.AccountID) *Version {
	mine := v.seen[a]
	if mine == nil {
		return v
	}
	view := *v
	view.mine = mine
	view.Unseen = int64(v.length) - mine.count()
	return &view
}

// row gives a row with the \Seen of who looks.
func (v *Version) row(c *chunk, i int) Row {
	r := c.row(i)
	if v.mine != nil {
		r.Flags = v.mine.flags(r.UID, r.Flags)
	}
	return r
}

// flags gives a row's flags with the account's own \Seen.
func (s *seenSet) flags(u UID, f FlagSet) FlagSet {
	if s.has(u) {
		return f | Seen
	}
	return f &^ Seen
}

// sets is the sets of a mailbox while the next version is made.
type sets struct {
	of   map[directory.AccountID]*seenSet
	next map[directory.AccountID]*seenEditor
}

func (s *sets) edit(a directory.AccountID) *seenEditor {
	e := s.next[a]
	if e == nil {
		if s.next == nil {
			s.next = map[directory.AccountID]*seenEditor{}
		}
		set := s.of[a]
		if set == nil {
			set = &seenSet{}
		}
		e = set.edit()
		s.next[a] = e
	}
	return e
}

// putAll changes the bit of a UID in every set.
func (s *sets) putAll(u UID, on bool) {
	for a := range s.of {
		s.edit(a).put(u, on)
	}
}

// make gives an account a set of its own.
func (s *sets) make(a directory.AccountID, set *seenSet) {
	of := make(map[directory.AccountID]*seenSet, len(s.of)+1)
	for k, v := range s.of {
		of[k] = v
	}
	of[a] = set
	s.of = of
	delete(s.next, a)
}

func (s *sets) done() map[directory.AccountID]*seenSet {
	if len(s.next) == 0 {
		return s.of
	}
	of := make(map[directory.AccountID]*seenSet, len(s.of))
	for k, v := range s.of {
		of[k] = v
	}
	for a, e := range s.next {
		of[a] = e.done()
	}
	return of
}

// rowsOf gives about how many rows of an index take as much memory as the sets.
func (v *Version) rowsOf() int {
	n := 0
	for _, s := range v.seen {
		n += len(s.keys) * seenOctets
	}
	return v.length + n/rowOctets
}

// rowOctets is about what a row of an index takes in memory.
const rowOctets = 44
