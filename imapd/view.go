package imapd

import (
	"iter"
	"slices"

	"vanthu/internal/directory"
	"vanthu/internal/mailstore"
)

// box is the selected mailbox and what this client believes about it. Sequence numbers are those of known, which changes in update
// only, together with what the client is told.
type box struct {
	id       mailstore.MailboxID
	owner    mailstore.Owner
	role     mailstore.FolderRole
	rights   mailstore.Rights
	examined bool // by EXAMINE: stays read-only, whatever the rights
	readOnly bool // nothing may be changed
	hot      *mailstore.Hot
	viewer   directory.AccountID // whose \Seen counts where each account has its own
	known    *mailstore.Version
	safe     mailstore.ModSeq // the client has been told all up to here; below known's while expunges are held back
	sync     *syncLevel       // the session's
	result   mailstore.UIDSet // of SEARCH RETURN (SAVE)

	raw, seen *mailstore.Version // the last version that was looked at, and what the viewer sees of it
}

// newest gives the newest version as the account sees it.
func (b *box) newest() *mailstore.Version {
	v := b.hot.Version()
	if !v.PerUser {
		return v
	}
	if v != b.raw {
		b.raw, b.seen = v, v.As(b.viewer)
	}
	return b.seen
}

// invisible tells whether a message that has another mod-sequence shows the same flags: where each account has its own \Seen, it may be
// somebody else's that has changed.
func (b *box) invisible(row mailstore.Row, next *mailstore.Version) bool {
	if !b.known.PerUser || !next.PerUser {
		return false
	}
	seq, there := b.known.Seq(row.UID)
	return there && b.known.At(seq).Flags == row.Flags
}

// othersOnly tells whether all that has changed since the client was told last are mod-sequences, by what other accounts have seen.
func (b *box) othersOnly() bool {
	current := b.newest()
	if !current.PerUser || current.Dropped || len(current.Keywords) != len(b.known.Keywords) {
		return false
	}
	diff := mailstore.Compare(b.known, current)
	return len(diff.Gone) == 0 && len(diff.Added) == 0 &&
		!slices.ContainsFunc(diff.Changed, func(r mailstore.Ref) bool { return !b.invisible(current.At(r.Seq), current) })
}

// changeable gives the flags that the account may change here (RFC 4314, section 4); all keywords or none.
func (b *box) changeable() mailstore.FlagSet {
	if b.readOnly {
		return 0
	}
	return mayFlag(b.rights)
}

// mayFlag gives the flags that rights allow to change.
func mayFlag(r mailstore.Rights) mailstore.FlagSet {
	flags := mailstore.FlagSet(0)
	if r.Has(mailstore.RightSeen) {
		flags |= mailstore.Seen
	}
	if r.Has(mailstore.RightMark) {
		flags |= mailstore.Deleted
	}
	if r.Has(mailstore.RightWrite) {
		flags |= ^(mailstore.Seen | mailstore.Deleted)
	}
	return flags
}

// ranges resolves a message set against what the client knows.
func (b *box) ranges(set numSet, uid bool) []numRange {
	if uid {
		return set.resolve(uint32(b.known.Last()))
	}
	return set.resolve(uint32(b.known.Len()))
}

// rows gives the messages of a set with their sequence numbers, ascending. Numbers that name nothing are passed over.
func (b *box) rows(set numSet, uid bool) iter.Seq2[int, mailstore.Row] {
	switch {
	case set.saved:
		return b.known.InUIDs(b.result)
	case uid:
		return b.known.InUIDs(toUIDs(b.ranges(set, true)))
	}
	return func(yield func(int, mailstore.Row) bool) {
		for _, r := range b.ranges(set, false) {
			for seq, row := range b.known.Rows(int(r.lo), int(r.hi)) {
				if !yield(seq, row) {
					return
				}
			}
		}
	}
}

// uids gives the messages of a set as UIDs that exist in the client's view.
func (b *box) uids(set numSet, uid bool) []mailstore.UID {
	var list []mailstore.UID
	for _, row := range b.rows(set, uid) {
		list = append(list, row.UID)
	}
	return list
}

// invalid tells whether a set of sequence numbers names messages that the client cannot know.
func (b *box) invalid(set numSet, uid bool) bool {
	return !uid && !set.saved && set.beyond(uint32(b.known.Len()))
}

func toUIDs(rs []numRange) mailstore.UIDSet {
	out := make([]mailstore.UIDRange, len(rs))
	for i, r := range rs {
		out[i] = mailstore.UIDRange{First: mailstore.UID(r.lo), Last: mailstore.UID(r.hi)}
	}
	return mailstore.MakeUIDSet(out...)
}

// told says which flag changes of an update need no line, because the client knows or will be told otherwise. nil means none.
type told func(seq int, row mailstore.Row) bool

// update moves the client's view to the newest version and writes what it must be told on the way. Without expunge, messages that are
// gone stay in the view until a later update (RFC 9051, section 7.5.1).
func (b *box) update(dst []byte, expunge bool, skip told) []byte {
	current := b.newest()
	if current == b.known {
		return dst
	}
	diff := mailstore.Compare(b.known, current)
	next := current
	if !expunge && len(diff.Gone) > 0 {
		next = mailstore.Hold(b.known, current)
		diff = mailstore.Compare(b.known, next)
	}
	if len(next.Keywords) != len(b.known.Keywords) {
		dst = appendFlagLines(dst, next.Keywords, b.changeable())
	}
	dst = b.appendGone(dst, diff.Gone)
	if len(diff.Added) > 0 {
		dst = appendUint(append(dst, "* "...), next.Len())
		dst = append(dst, " EXISTS\r\n"...)
	}
	for _, ref := range diff.Changed {
		row := next.At(ref.Seq)
		if skip != nil && skip(ref.Seq, row) || skip == nil && *b.sync < syncCondStore && b.invisible(row, next) {
			continue
		}
		dst = b.appendFlagUpdate(dst, ref.Seq, row, next.Keywords)
	}
	b.known = next
	if next == current {
		b.safe = current.ModSeq
	}
	return dst
}

// appendGone writes what tells that messages are gone.
func (b *box) appendGone(dst []byte, gone []mailstore.Ref) []byte {
	if *b.sync == syncQResync {
		uids := make([]mailstore.UID, len(gone))
		for i := range gone {
			uids[i] = gone[i].UID
		}
		return appendVanished(dst, false, mailstore.UIDs(uids...))
	}
	for i := len(gone) - 1; i >= 0; i-- { // from the end, so that no number moves another
		dst = appendUint(append(dst, "* "...), gone[i].Seq)
		dst = append(dst, " EXPUNGE\r\n"...)
	}
	return dst
}

// appendFlagUpdate writes a FETCH line with UID and flags, and the mod-sequence to clients that understand it.
func (b *box) appendFlagUpdate(dst []byte, seq int, row mailstore.Row, keywords []string) []byte {
	dst = appendUint(append(dst, "* "...), seq)
	dst = appendUint(append(dst, " FETCH (UID "...), row.UID)
	dst = appendFlags(append(dst, " FLAGS "...), row.Flags, keywords)
	if *b.sync >= syncCondStore {
		dst = appendModSeq(append(dst, ' '), row.ModSeq)
	}
	return append(dst, ")\r\n"...)
}

// appendFlagLines writes FLAGS and PERMANENTFLAGS; may are the flags that can be changed.
func appendFlagLines(dst []byte, keywords []string, may mailstore.FlagSet) []byte {
	all := mailstore.SystemFlags
	for i := range keywords {
		all |= mailstore.Keyword(i)
	}
	dst = appendFlags(append(dst, "* FLAGS "...), all, keywords)
	dst = append(dst, "\r\n* OK [PERMANENTFLAGS "...)
	dst = appendFlags(dst, all&may, keywords)
	if may&mailstore.Keyword(0) != 0 && len(keywords) < mailstore.MaxKeywords {
		dst = append(dst[:len(dst)-1], ` \*)`...)
	}
	return append(dst, "] Flags\r\n"...)
}

// poll tells the client what changed in the selected mailbox.
func (s *session) poll(expunge bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box == nil {
		return
	}
	if lines := s.tellBox(expunge); len(lines) > 0 {
		_ = s.out(lines) // a broken connection shows at the next read
	}
}

// tellBox gives what the client is to be told about the selected mailbox; mu is held.
func (s *session) tellBox(expunge bool) []byte {
	lines := s.box.update(nil, expunge, nil)
	if s.sync == syncQResync && s.box.safe < s.box.known.ModSeq {
		// The client has seen mod-sequences above those of removals that it is told later; it must not come back with them (RFC 7162,
		// section 6).
		lines = s.box.appendHighest(lines)
	}
	return lines
}
