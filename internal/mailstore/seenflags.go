package mailstore

import (
	"context"
	"fmt"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// ownChange is a change of flags by an account with a \Seen of its own.
type ownChange struct {
	by       directory.AccountID
	keep, on FlagSet
	limit    int64
}

const (
	qStoreShared = `UPDATE entry SET flags = (flags & $1) | $2, modseq = $3 WHERE mailbox_id = $4 AND uid >= $5 AND uid <= $6`
	qTouch       = `UPDATE entry SET modseq = $1 WHERE mailbox_id = $2 AND uid >= $3 AND uid <= $4`
)

// flagRow is an entry's flags before and after, as the account sees them.
type flagRow struct {
	uid         UID
	stored      FlagSet // what the row has
	before, now FlagSet
}

// setOwnFlags is SetFlags where \Seen is each account's own. All entries that
// change get the mailbox's next mod-sequence, though others see nothing new
// when it was \Seen alone: RFC 7162 allows to tell more.
func (s *Store) setOwnFlags(ctx context.Context, p *pending, mailbox MailboxID, set UIDSet, ch ownChange) (FlagResult, error) {
	var res FlagResult
	mine, err := s.known(ctx, p, mailbox, ch.by)
	if err != nil {
		return res, err
	}
	changed, err := readOwn(ctx, p, mailbox, set, mine, &ch, &res)
	if err != nil || len(changed) == 0 {
		return res, err
	}
	var private, shared UIDSet
	var d delta
	for _, f := range changed {
		if f.before&Seen != f.now&Seen {
			private = private.add(f.uid)
		}
		if (f.before^f.now)&^Seen != 0 {
			shared = shared.add(f.uid)
			d.reflag(f.stored, f.now&^Seen|f.stored&Seen)
		}
	}
	d.private = len(shared) == 0
	c, _, err := s.bump(ctx, p, mailbox, d)
	if err != nil {
		return res, err
	}
	res.ModSeq = c.modseq
	for _, r := range private {
		if _, err := p.tx.Exec(ctx, qTouch, int64(c.modseq), int64(mailbox), int64(r.First), int64(r.Last)); err != nil {
			return res, fmt.Errorf("change flags in mailbox %d: %w", mailbox, err)
		}
	}
	for _, r := range shared {
		_, err := p.tx.Exec(ctx, qStoreShared, int64(ch.keep|Seen), int64(ch.on&^Seen), int64(c.modseq), int64(mailbox), int64(r.First), int64(r.Last))
		if err != nil {
			return res, fmt.Errorf("change flags in mailbox %d: %w", mailbox, err)
		}
	}
	if len(private) > 0 && mine == nil {
		if mine, err = s.own(ctx, p, c, ch.by); err != nil {
			return res, err
		}
	}
	for _, f := range changed {
		if (f.before^f.now)&^Seen != 0 {
			c.reflag(f.uid, f.now&^Seen|f.stored&Seen)
		}
		if f.before&Seen != f.now&Seen {
			if err := mine.put(ctx, p.tx, f.uid, f.now&Seen != 0); err != nil {
				return res, err
			}
			c.see(ch.by, f.uid, f.now&Seen != 0)
		}
	}
	if len(private) == 0 {
		return res, nil
	}
	return res, mine.flush(ctx, p.tx, c.modseq)
}

// readOwn gives the entries of set that are to change, and notes them in res.
func readOwn(ctx context.Context, p *pending, mailbox MailboxID, set UIDSet, mine *seenTx, ch *ownChange, res *FlagResult) ([]flagRow, error) {
	var read []flagRow
	for _, r := range set {
		rows, err := p.tx.Query(ctx, qFlags, int64(mailbox), int64(r.First), int64(r.Last))
		if err != nil {
			return nil, fmt.Errorf("read flags in mailbox %d: %w", mailbox, err)
		}
		err = scanAll(rows, func(scan func(...any) error) error {
			var uid, flags, modseq int64
			err := scan(&uid, &flags, &modseq)
			if modseq > ch.limit {
				res.Failed = res.Failed.add(UID(uid))
				return err
			}
			read = append(read, flagRow{uid: UID(uid), stored: FlagSet(flags), before: FlagSet(flags)})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read flags in mailbox %d: %w", mailbox, err)
		}
	}
	changed := read[:0]
	for _, f := range read {
		if mine != nil {
			seen, err := mine.has(ctx, p.tx, f.uid)
			if err != nil {
				return nil, err
			}
			if f.before &^= Seen; seen {
				f.before |= Seen
			}
		}
		if f.now = f.before&ch.keep | ch.on; f.now != f.before {
			changed = append(changed, f)
			res.Changed = append(res.Changed, Reflagged{UID: f.uid, Flags: f.now})
		}
	}
	return changed, nil
}

// transfer is a copy or a move.
type transfer struct {
	from, to MailboxID
	among    bool // both mailboxes have the same owner
	with     Carry
}

// carried is who has seen entries that come to another mailbox: the bits of
// their rows there, and of those with own sets, entry by entry.
type carried struct {
	base []bool // nil: as it was
	all  bool   // those with sets in the new mailbox see what the row says
	of   map[directory.AccountID][]bool
}

// apply puts the bits into the entries.
func (m carried) apply(list []stored) []stored {
	if m.base == nil {
		return list
	}
	out := make([]stored, len(list))
	for i, e := range list {
		if e.flags &^= Seen; m.base[i] {
			e.flags |= Seen
		}
		out[i] = e
	}
	return out
}

// note writes the sets; uids are those of the new entries.
func (m carried) note(ctx context.Context, s *Store, p *pending, c *change, uids []UID) error {
	if m.all {
		for i, u := range uids {
			if !m.base[i] {
				continue
			}
			if err := s.seeAll(ctx, p, c.mailbox, u); err != nil {
				return err
			}
		}
	}
	for a, seen := range m.of {
		for i, u := range uids {
			if err := s.see(ctx, p, c, a, u, seen[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// carrySeen decides who has seen entries in the mailbox that they go to. Among
// the mailboxes of one owner, everybody's \Seen goes along; from elsewhere only
// that of who brings them. In a mailbox with one \Seen for all, it is his, and
// without him anybody's.
func (s *Store) carrySeen(ctx context.Context, p *pending, t transfer, list []stored) (carried, error) {
	var m carried
	source, err := s.perUser(ctx, p, t.from)
	if err != nil || len(list) == 0 {
		return m, err
	}
	target, err := s.perUser(ctx, p, t.to)
	if err != nil || !source && !target {
		return m, err
	}
	var sets []*seenTx
	if source {
		if sets, err = s.everybody(ctx, p, t.from); err != nil {
			return m, err
		}
	}
	m.base = make([]bool, len(list))
	view := func(w *seenTx) ([]bool, error) { // nil: of who has no set
		out := make([]bool, len(list))
		for i := range list {
			out[i] = list[i].flags&Seen != 0
			if w != nil {
				if out[i], err = w.has(ctx, p.tx, list[i].uid); err != nil {
					return nil, err
				}
			}
		}
		return out, nil
	}
	if m.base, err = view(nil); err != nil {
		return m, err
	}
	mine := m.base
	if w := setOf(sets, t.with.By); w != nil {
		if mine, err = view(w); err != nil {
			return m, err
		}
	}
	switch {
	case !target && t.with.By != 0:
		m.base = mine
		if t.with.Drop&Seen != 0 {
			m.base = make([]bool, len(list))
		}
	case !target: // by nobody: what anybody has seen
		for _, w := range sets {
			seen, err := view(w)
			if err != nil {
				return m, err
			}
			for i := range seen {
				m.base[i] = m.base[i] || seen[i]
			}
		}
	case !t.among:
		m.base = make([]bool, len(list))
		if t.with.By != 0 && t.with.Drop&Seen == 0 {
			m.of = map[directory.AccountID][]bool{t.with.By: mine}
		}
	case !source:
		m.all = true
	default:
		m.of = map[directory.AccountID][]bool{}
		for _, w := range sets {
			if m.of[w.account], err = view(w); err != nil {
				return m, err
			}
		}
		m.all = true // for those with sets only there; the others are noted behind
	}
	return m, nil
}

func setOf(sets []*seenTx, a directory.AccountID) *seenTx {
	for _, w := range sets {
		if w.account == a {
			return w
		}
	}
	return nil
}

// SeenMode says whose \Seen is in a mailbox.
type SeenMode bool

// The two modes.
const (
	SeenShared  SeenMode = false // one for all, as for the other flags
	SeenPerUser SeenMode = true  // each account its own
)

// String gives the mode as the command line writes it.
func (m SeenMode) String() string {
	if m == SeenPerUser {
		return "per-user"
	}
	return "shared"
}

var errLevel = fault.New(fault.Conflict, fault.Text{
	EN: "name one mailbox or none for all", VI: "hãy ghi một thư mục, hoặc để trống để chọn tất cả",
})

const (
	qSetMode  = `UPDATE mailbox SET seen_mode = $1 WHERE id = $2`
	qAllFlags = `SELECT uid, flags FROM entry WHERE mailbox_id = $1 ORDER BY uid`
)

// SetSeenMode says whose \Seen is in a mailbox and all below it, in one
// transaction with the journal entries; name "" means all mailboxes of the
// owner. It gives those that were changed. New mailboxes follow the one above
// them. Where it becomes each account's own, everybody begins with what was
// common; where it becomes common, a message is seen that anybody had seen. It
// fails with [ErrNoMailbox] or [ErrBadName].
func (s *Store) SetSeenMode(ctx context.Context, actor journal.Actor, o Owner, name string, mode SeenMode) (changed []Mailbox, err error) {
	if name != "" {
		if name, err = Name(name); err != nil {
			return nil, err
		}
	}
	if !o.Valid() {
		return nil, errLevel
	}
	if mode == SeenPerUser {
		s.anyOwn.Store(true) // before the first transaction that may depend on it
	}
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		changed = nil
		list, err := mailboxes(ctx, tx, o)
		if err != nil {
			return err
		}
		p := s.pending(tx)
		found := name == ""
		for _, m := range list {
			if name != "" && m.Name != name && !below(m.Name, name) {
				continue
			}
			found = true
			if m.PerUser == bool(mode) {
				continue
			}
			if err := s.setMode(ctx, p, actor, m, mode); err != nil {
				return err
			}
			changed = append(changed, m)
		}
		if !found {
			return ErrNoMailbox
		}
		return nil
	})
	return changed, err
}

func (s *Store) setMode(ctx context.Context, p *pending, actor journal.Actor, m Mailbox, mode SeenMode) error {
	n := int64(0)
	if mode == SeenPerUser {
		n = 1
	}
	if _, err := p.tx.Exec(ctx, qSetMode, n, int64(m.ID)); err != nil {
		return fmt.Errorf("set mode of mailbox %d: %w", m.ID, err)
	}
	p.modes[m.ID] = bool(mode)
	s.changing = true
	if m.Selectable {
		if err := s.joinSeen(ctx, p, m, mode); err != nil {
			return err
		}
	}
	_, err := journal.Append(ctx, p.tx, journal.Event{
		At: s.opt.Now(), Type: "mailbox.seen", Actor: actor, Subject: fmt.Sprintf("mailbox:%d", m.ID), Unit: int64(m.Owner.Unit),
		Data: struct {
			Mailbox int64  `json:"mailbox"`
			Name    string `json:"name"`
			Account int64  `json:"owner_account,omitempty"`
			Unit    int64  `json:"owner_unit,omitempty"`
			Seen    string `json:"seen"`
		}{int64(m.ID), m.Name, int64(m.Owner.Account), int64(m.Owner.Unit), mode.String()},
	})
	if err != nil {
		return fmt.Errorf("record the mode of mailbox %d: %w", m.ID, err)
	}
	return nil
}

// joinSeen makes the entries of a mailbox fit its new mode. Everything that
// anybody sees differently afterwards gets a new mod-sequence.
func (s *Store) joinSeen(ctx context.Context, p *pending, m Mailbox, mode SeenMode) error {
	sets, err := s.everybody(ctx, p, m.ID)
	if err != nil {
		return err
	}
	var rows []flagRow
	if mode == SeenShared && len(sets) > 0 {
		if rows, err = differing(ctx, p, m.ID, sets); err != nil {
			return err
		}
	}
	var d delta
	for _, f := range rows {
		d.reflag(f.stored, f.now)
	}
	c, _, err := s.bump(ctx, p, m.ID, d)
	if err != nil {
		return err
	}
	var set UIDSet
	for _, f := range rows {
		set = set.add(f.uid)
		c.reflag(f.uid, f.now)
	}
	for _, r := range set {
		_, err := p.tx.Exec(ctx, qStoreShared, int64(-1), int64(Seen), int64(c.modseq), int64(m.ID), int64(r.First), int64(r.Last))
		if err != nil {
			return fmt.Errorf("join \\Seen of mailbox %d: %w", m.ID, err)
		}
	}
	for _, q := range []string{qDropSeenParts, qDropSeen} {
		if _, err := p.tx.Exec(ctx, q, int64(m.ID)); err != nil {
			return fmt.Errorf("join \\Seen of mailbox %d: %w", m.ID, err)
		}
	}
	delete(p.seen, m.ID)
	return nil
}

// differing gives the entries that some have seen and others have not.
func differing(ctx context.Context, p *pending, id MailboxID, sets []*seenTx) ([]flagRow, error) {
	rows, err := p.tx.Query(ctx, qAllFlags, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read flags in mailbox %d: %w", id, err)
	}
	var list []flagRow
	err = scanAll(rows, func(scan func(...any) error) error {
		var uid, flags int64
		err := scan(&uid, &flags)
		list = append(list, flagRow{uid: UID(uid), stored: FlagSet(flags), now: FlagSet(flags) | Seen})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read flags in mailbox %d: %w", id, err)
	}
	out := list[:0]
	for _, f := range list {
		n := 0
		for _, w := range sets {
			seen, err := w.has(ctx, p.tx, f.uid)
			if err != nil {
				return nil, err
			}
			if seen {
				n++
			}
		}
		all := f.stored&Seen != 0
		if (all || n > 0) && (!all || n < len(sets)) {
			out = append(out, f)
		}
	}
	return out, nil
}
