package imapd

import (
	"iter"
	"math"

	"vanthu/internal/mailstore"
)

// syncLevel is how much of RFC 7162 the client has asked for; it only rises.
type syncLevel uint8

const (
	syncPlain     syncLevel = iota
	syncCondStore           // FETCH lines tell mod-sequences
	syncQResync             // and VANISHED stands for EXPUNGE
)

// Limits of mod-sequences and of the lines that name many UIDs.
const (
	maxModSeq   = math.MaxInt64 // RFC 7162, section 7: 63 bits
	maxUIDsLine = 8000          // octets of a VANISHED line; longer ones are cut in several
)

// raise notes that the client understands mod-sequences. When that is news and a mailbox is selected, the client is told how far its
// view of it reaches (RFC 7162, section 3.1.3, example 5).
func (s *session) raise(to syncLevel) {
	if to <= s.sync {
		return
	}
	news := s.sync == syncPlain
	s.sync = to
	if news && s.box != nil {
		_ = s.out(s.box.appendHighest(nil)) // a broken connection shows at the next read
	}
}

// appendHighest writes the HIGHESTMODSEQ line: the client has been told all that happened up to it.
func (b *box) appendHighest(dst []byte) []byte {
	dst = appendUint(append(dst, "* OK [HIGHESTMODSEQ "...), b.safe)
	return append(dst, "] Highest\r\n"...)
}

// highestCode is the response code for commands that removed messages (RFC 7162, sections 3.2.7 and 3.2.9). Call it after a poll.
func (s *session) highestCode() string {
	return string(appendUint([]byte("HIGHESTMODSEQ "), s.box.safe))
}

// appendModSeq writes the MODSEQ item.
func appendModSeq(dst []byte, m mailstore.ModSeq) []byte {
	return append(appendUint(append(dst, "MODSEQ ("...), m), ')')
}

// appendVanished writes VANISHED lines for a set; earlier marks what happened before the client's view (RFC 7162, section 3.2.10).
func appendVanished(dst []byte, earlier bool, set mailstore.UIDSet) []byte {
	for i := 0; i < len(set); {
		start := len(dst)
		dst = append(dst, "* VANISHED "...)
		if earlier {
			dst = append(dst, "(EARLIER) "...)
		}
		for first := i; i < len(set) && (i == first || len(dst)-start < maxUIDsLine); i++ {
			if i > first {
				dst = append(dst, ',')
			}
			dst = appendUint(dst, set[i].First)
			if set[i].Last > set[i].First {
				dst = appendUint(append(dst, ':'), set[i].Last)
			}
		}
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// changed gives the messages of a set that changed after a mod-sequence.
func (b *box) changed(set numSet, uid bool, since mailstore.ModSeq) iter.Seq2[int, mailstore.Row] {
	return func(yield func(int, mailstore.Row) bool) {
		if set.saved {
			for seq, row := range b.known.InUIDs(b.result) {
				if row.ModSeq > since && !yield(seq, row) {
					return
				}
			}
			return
		}
		ranges := b.ranges(set, uid)
		for seq, row := range b.known.ChangedSince(since) {
			n := uint32(seq)
			if uid {
				n = uint32(row.UID)
			}
			if contains(ranges, n) && !yield(seq, row) {
				return
			}
		}
	}
}

// goneFrom gives the UIDs of a set that left the mailbox after a mod-sequence. What the client still has in its view is left out: it is
// told by a VANISHED that counts.
func (s *session) goneFrom(b *box, set mailstore.UIDSet, since mailstore.ModSeq) (mailstore.UIDSet, error) {
	if len(set) == 0 {
		return nil, nil
	}
	gone, complete, err := s.srv.be.Store.VanishedSince(s.ctx, b.id, since, set)
	switch {
	case err != nil:
		return nil, err
	case !complete: // all that is not there may be told to be gone (RFC 7162, section 3.2.5.2)
		return b.missing(set), nil
	}
	var list []mailstore.UID
	for uid := range gone.All() {
		if _, there := b.known.Seq(uid); !there {
			list = append(list, uid)
		}
	}
	return mailstore.UIDs(list...), nil
}

// missing gives the UIDs of a set that are not in the client's view, whatever became of them.
func (b *box) missing(set mailstore.UIDSet) mailstore.UIDSet {
	var out []mailstore.UIDRange
	for _, r := range set {
		next := uint64(r.First)
		for _, row := range b.known.InUIDs(mailstore.UIDSet{r}) {
			if uint64(row.UID) > next {
				out = append(out, mailstore.UIDRange{First: mailstore.UID(next), Last: row.UID - 1})
			}
			next = uint64(row.UID) + 1
		}
		if next <= uint64(r.Last) {
			out = append(out, mailstore.UIDRange{First: mailstore.UID(next), Last: r.Last})
		}
	}
	return mailstore.MakeUIDSet(out...)
}

// everUIDs resolves a UID set against all UIDs that the mailbox has given: "*" is the last of them, whether it is still there or not.
func (b *box) everUIDs(set numSet) mailstore.UIDSet {
	if set.saved {
		return b.result
	}
	return toUIDs(set.resolve(uint32(b.known.UIDNext - 1)))
}

// qresync is the QRESYNC parameter of SELECT: what the client knew when it last had the mailbox open.
type qresync struct {
	validity uint32
	modseq   mailstore.ModSeq
	known    numSet
	listed   bool // known was given
}

// parseQResync reads the parameter's arguments (RFC 7162, section 7). The list that matches numbers with UIDs is of use only to servers
// that have forgotten which messages were removed; this one has not.
func parseQResync(l *lexer) (q qresync, ok bool) {
	if !l.special('(') {
		return q, false
	}
	validity, ok := l.number(math.MaxUint32)
	if !ok || validity == 0 || !l.special(' ') {
		return q, false
	}
	modseq, ok := l.number(maxModSeq)
	if !ok {
		return q, false
	}
	q.validity, q.modseq = uint32(validity), mailstore.ModSeq(modseq)
	if l.special(')') {
		return q, true
	}
	if !l.special(' ') {
		return q, false
	}
	if l.peek() != '(' {
		q.listed = true
		if q.known, ok = l.explicitSet(); !ok {
			return q, false
		}
		if l.special(')') {
			return q, true
		}
		if !l.special(' ') {
			return q, false
		}
	}
	n := 0
	ok = l.list(func() bool {
		n++
		_, valid := l.explicitSet()
		return valid
	})
	return q, ok && n == 2 && l.special(')')
}

// explicitSet reads a set of numbers without "*" and "$".
func (l *lexer) explicitSet() (numSet, bool) {
	set, ok := l.numSet()
	if !ok || set.saved {
		return set, false
	}
	for _, r := range set.ranges {
		if r.lo == star || r.hi == star {
			return set, false
		}
	}
	return set, true
}

// resync gives what a client that knew q must be told: the UIDs that are gone, and a mod-sequence after which all changes are to be
// told. A client that knows nothing (0), or a future that this server has not seen, which happens when a backup was put back, is told
// all there is.
func (s *session) resync(b *box, q qresync) (gone mailstore.UIDSet, since mailstore.ModSeq, err error) {
	set := mailstore.MakeUIDSet(mailstore.UIDRange{First: 1, Last: b.known.UIDNext - 1})
	if q.listed {
		set = toUIDs(q.known.resolve(0))
	}
	switch {
	case q.modseq == 0 || q.modseq > b.known.ModSeq:
		return b.missing(set), 0, nil
	case q.modseq == b.known.ModSeq:
		return nil, q.modseq, nil
	}
	gone, err = s.goneFrom(b, set, q.modseq)
	return gone, q.modseq, err
}

// tellResync writes the end of a SELECT's data: VANISHED before any FETCH (RFC 7162, section 3.2.6).
func (s *session) tellResync(b *box, q qresync, gone mailstore.UIDSet, since mailstore.ModSeq) {
	buf := appendVanished(nil, true, gone)
	set := q.known
	if !q.listed {
		set = numSet{ranges: []numRange{{1, math.MaxUint32}}}
	}
	for seq, row := range b.changed(set, true, since) {
		buf = b.appendFlagUpdate(buf, seq, row, b.known.Keywords)
		if len(buf) >= fetchBuffer {
			if s.out(buf) != nil {
				return // shows at the next read
			}
			buf = buf[:0]
		}
	}
	_ = s.out(buf)
}
