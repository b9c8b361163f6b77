package mailstore

import (
	"context"
	"fmt"
	"slices"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// Copied pairs the UIDs of a COPY or MOVE: From[i] became To[i]. Both ascend.
type Copied struct{ From, To []UID }

// stored is an entry read inside a transaction.
type stored struct {
	uid UID
	newEntry
}

const qEntries = `
SELECT uid, flags, message_id, internal_us, size FROM entry
WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 ORDER BY uid`

// entries reads the entries of set in the order of their UIDs.
func entries(ctx context.Context, r sqldb.Reader, mailbox MailboxID, set UIDSet) (list []stored, err error) {
	for _, span := range set {
		rows, err := r.Query(ctx, qEntries, int64(mailbox), int64(span.First), int64(span.Last))
		if err != nil {
			return nil, fmt.Errorf("read entries of mailbox %d: %w", mailbox, err)
		}
		err = scanAll(rows, func(scan func(...any) error) error {
			var uid, flags, msg int64
			var e stored
			err := scan(&uid, &flags, &msg, &e.date, &e.size)
			e.uid, e.flags, e.msg = UID(uid), FlagSet(flags), MessageID(msg)
			list = append(list, e)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read entries of mailbox %d: %w", mailbox, err)
		}
	}
	return list, nil
}

// Entry is one message in one mailbox.
type Entry struct {
	Message MessageID
	Flags   FlagSet
}

// Entry gives an entry. It fails with [ErrNoMessage].
func (s *Store) Entry(ctx context.Context, r sqldb.Reader, mailbox MailboxID, uid UID) (Entry, error) {
	list, err := entries(ctx, r, mailbox, UIDs(uid))
	if err != nil {
		return Entry{}, err
	}
	if len(list) == 0 {
		return Entry{}, ErrNoMessage
	}
	return Entry{list[0].msg, list[0].flags}, nil
}

// Copy adds the entries of set to another mailbox, with their flags and dates,
// all or none. It fails with [ErrNoMailbox], [ErrOverQuota] or
// [ErrTooManyKeywords]. Copying nothing is no error.
func (s *Store) Copy(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID) (Copied, error) {
	return s.CopyWithout(ctx, tx, from, set, to, 0)
}

// CopyWithout is Copy that leaves out flags, of which drop holds the bits in
// the mailbox they are copied from.
func (s *Store) CopyWithout(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID, drop FlagSet) (Copied, error) {
	return s.CopyAs(ctx, tx, from, set, to, Carry{Drop: drop})
}

// Carry says what entries take with them to another mailbox.
type Carry struct {
	Drop FlagSet             // flags that are left out, by their bits in the mailbox they come from
	By   directory.AccountID // who copies or moves: his \Seen goes along where each account has its own; 0: nobody
}

// CopyAs is Copy by somebody.
func (s *Store) CopyAs(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID, with Carry) (Copied, error) {
	p := s.pending(tx)
	list, err := entries(ctx, tx, from, set)
	if err != nil {
		return Copied{}, err
	}
	owner, err := s.owner(ctx, p, to)
	if err != nil {
		return Copied{}, err
	}
	source, err := s.owner(ctx, p, from)
	if err != nil {
		return Copied{}, err
	}
	sees, err := s.carrySeen(ctx, p, transfer{from: from, to: to, among: source == owner, with: with}, list)
	if err != nil {
		return Copied{}, err
	}
	return s.place(ctx, p, from, sees.apply(strip(list, with.Drop)), to, sees, owner, Owner{})
}

// Move is Copy followed by the removal of the originals, in one step: no
// client sees the messages in both mailboxes or in none.
func (s *Store) Move(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID) (Copied, error) {
	return s.MoveWithout(ctx, tx, from, set, to, 0)
}

// strip gives entries without some of their flags.
func strip(list []stored, drop FlagSet) []stored {
	if drop == 0 {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].flags &^= drop
	}
	return list
}

// MoveWithout is to Move what CopyWithout is to Copy.
func (s *Store) MoveWithout(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID, drop FlagSet) (Copied, error) {
	return s.MoveAs(ctx, tx, from, set, to, Carry{Drop: drop})
}

// MoveAs is Move by somebody.
func (s *Store) MoveAs(ctx context.Context, tx *sqldb.Tx, from MailboxID, set UIDSet, to MailboxID, with Carry) (Copied, error) {
	p := s.pending(tx)
	list, err := entries(ctx, tx, from, set)
	if err != nil {
		return Copied{}, err
	}
	target, err := s.owner(ctx, p, to)
	if err != nil {
		return Copied{}, err
	}
	source, err := s.owner(ctx, p, from)
	if err != nil {
		return Copied{}, err
	}
	sees, err := s.carrySeen(ctx, p, transfer{from: from, to: to, among: source == target, with: with}, list)
	if err != nil {
		return Copied{}, err
	}
	res, err := s.place(ctx, p, from, sees.apply(strip(list, with.Drop)), to, sees, target, source)
	if err != nil || len(list) == 0 {
		return res, err
	}
	return res, s.take(ctx, p, from, list)
}

// MoveEntry moves one message and gives its new UID. It fails with
// [ErrNoMessage] when the mailbox has no such UID, or as Move does.
func (s *Store) MoveEntry(ctx context.Context, tx *sqldb.Tx, from MailboxID, uid UID, to MailboxID) (UID, error) {
	res, err := s.Move(ctx, tx, from, UIDs(uid), to)
	if err != nil {
		return 0, err
	}
	if len(res.To) == 0 {
		return 0, ErrNoMessage
	}
	return res.To[0], nil
}

// place adds entries of mailbox from to mailbox to. When giver is an owner, the
// usage passes from it to owner, otherwise owner uses more.
func (s *Store) place(
	ctx context.Context, p *pending, from MailboxID, list []stored, to MailboxID, sees carried, owner, giver Owner,
) (Copied, error) {
	if len(list) == 0 {
		return Copied{}, nil
	}
	d := delta{uids: int64(len(list))}
	tr := translation{s: s, p: p, from: from, to: to}
	kept := make([]FlagSet, len(list))
	for i, e := range list {
		f, err := tr.flags(ctx, e.flags)
		if err != nil {
			return Copied{}, err
		}
		kept[i] = f
		d.count(1, f, e.size)
	}
	if owner != giver {
		if err := s.use(ctx, p.tx, owner, d.octets, d.messages); err != nil {
			return Copied{}, err
		}
		if giver.Valid() {
			if err := s.unuse(ctx, p.tx, giver, d.octets, d.messages); err != nil {
				return Copied{}, err
			}
		}
	}
	c, uid, err := s.bump(ctx, p, to, d)
	if err != nil {
		return Copied{}, err
	}
	now := sqldb.Micros(s.opt.Now())
	res := Copied{From: make([]UID, len(list)), To: make([]UID, len(list))}
	for i, e := range list {
		res.From[i], res.To[i] = e.uid, uid
		entry := e.newEntry
		entry.flags, entry.saved = kept[i], now
		if err := s.insert(ctx, p.tx, c, uid, entry); err != nil {
			return Copied{}, err
		}
		uid++
	}
	return res, sees.note(ctx, s, p, c, res.To)
}

const (
	qTombstones = `
INSERT INTO expunged (mailbox_id, modseq, uid, at_us)
SELECT mailbox_id, $1, uid, $2 FROM entry WHERE mailbox_id = $3 AND uid >= $4 AND uid <= $5`
	qOrphans = `
INSERT INTO message_orphan (message_id, since_us)
SELECT DISTINCT message_id, $1 FROM entry WHERE mailbox_id = $2 AND uid >= $3 AND uid <= $4
ON CONFLICT (message_id) DO UPDATE SET since_us = excluded.since_us`
	qDeleteEntries = `DELETE FROM entry WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3`
)

// take removes exactly the entries of list from a mailbox and leaves
// tombstones.
func (s *Store) take(ctx context.Context, p *pending, mailbox MailboxID, list []stored) error {
	var d delta
	var set UIDSet
	for _, e := range list {
		d.count(-1, e.flags, e.size)
		set = set.add(e.uid)
	}
	c, _, err := s.bump(ctx, p, mailbox, d)
	if err != nil {
		return err
	}
	now := sqldb.Micros(s.opt.Now())
	for _, r := range set {
		if _, err := p.tx.Exec(ctx, qTombstones, int64(c.modseq), now, int64(mailbox), int64(r.First), int64(r.Last)); err != nil {
			return fmt.Errorf("leave tombstones in mailbox %d: %w", mailbox, err)
		}
		if _, err := p.tx.Exec(ctx, qDeleteEntries, int64(mailbox), int64(r.First), int64(r.Last)); err != nil {
			return fmt.Errorf("remove entries from mailbox %d: %w", mailbox, err)
		}
	}
	for _, e := range list {
		c.remove(e.uid)
	}
	if c.perUser {
		return s.forgetSeen(ctx, p, mailbox, list)
	}
	return nil
}

// Expunged is what an expunge removed.
type Expunged struct {
	UIDs   UIDSet
	ModSeq ModSeq // 0 when nothing was removed
}

// Expunge removes the entries of set that have \Deleted: EXPUNGE with
// [AllUIDs], UID EXPUNGE with its set.
func (s *Store) Expunge(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, set UIDSet) (Expunged, error) {
	return s.expunge(ctx, tx, mailbox, set, Deleted)
}

// Remove removes the entries of set whatever their flags.
func (s *Store) Remove(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, set UIDSet) (Expunged, error) {
	return s.expunge(ctx, tx, mailbox, set, 0)
}

func (s *Store) expunge(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, set UIDSet, having FlagSet) (Expunged, error) {
	p := s.pending(tx)
	list, err := entries(ctx, tx, mailbox, set)
	if err != nil {
		return Expunged{}, err
	}
	var res Expunged
	var octets int64
	kept := list[:0]
	for _, e := range list {
		if e.flags&having == having {
			kept = append(kept, e)
			octets += e.size
			res.UIDs = res.UIDs.add(e.uid)
		}
	}
	if len(kept) == 0 {
		return res, nil
	}
	owner, err := s.owner(ctx, p, mailbox)
	if err != nil {
		return Expunged{}, err
	}
	if err := s.unuse(ctx, tx, owner, octets, int64(len(kept))); err != nil {
		return Expunged{}, err
	}
	now := sqldb.Micros(s.opt.Now())
	for _, r := range res.UIDs {
		if _, err := tx.Exec(ctx, qOrphans, now, int64(mailbox), int64(r.First), int64(r.Last)); err != nil {
			return Expunged{}, fmt.Errorf("note orphans of mailbox %d: %w", mailbox, err)
		}
	}
	if err := s.take(ctx, p, mailbox, kept); err != nil {
		return Expunged{}, err
	}
	res.ModSeq = p.boxes[mailbox].modseq
	return res, nil
}

const (
	qVanished  = `SELECT uid FROM expunged WHERE mailbox_id = $1 AND modseq > $2 ORDER BY uid`
	qForgotten = `SELECT forgotten_modseq FROM mailbox WHERE id = $1`
)

// Vanished gives the UIDs of set that left the mailbox after mod-sequence
// since, as far as there are tombstones: see [Store.VanishedSince].
func (s *Store) Vanished(ctx context.Context, mailbox MailboxID, since ModSeq, set UIDSet) (UIDSet, error) {
	gone, _, err := s.VanishedSince(ctx, mailbox, since, set)
	return gone, err
}

// VanishedSince gives the UIDs of set that left the mailbox after mod-sequence
// since: the VANISHED (EARLIER) of RFC 7162, section 3.2.10. complete is false
// when tombstones of that time have been trimmed: then everything that is not
// there may have left since.
func (s *Store) VanishedSince(ctx context.Context, mailbox MailboxID, since ModSeq, set UIDSet) (gone UIDSet, complete bool, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		gone = nil
		var forgotten int64
		if err := r.QueryRow(ctx, qForgotten, int64(mailbox)).Scan(&forgotten); err != nil && !sqldb.NoRows(err) {
			return err
		}
		complete = since >= ModSeq(forgotten)
		rows, err := r.Query(ctx, qVanished, int64(mailbox), int64(since))
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var uid int64
			if err := scan(&uid); err != nil {
				return err
			}
			if set.Contains(UID(uid)) {
				gone = gone.add(UID(uid))
			}
			return nil
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("read tombstones of mailbox %d: %w", mailbox, err)
	}
	return gone, complete, nil
}
