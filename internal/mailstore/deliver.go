package mailstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// A Drop is one mailbox that gets a message.
type Drop struct {
	Mailbox MailboxID
	Flags   FlagSet   // system flags, or keyword bits of this mailbox ([Store.Bits])
	Date    time.Time // INTERNALDATE; zero means now
}

// Dropped is what became of a Drop: the UID, or [ErrOverQuota] or
// [ErrNoMailbox].
type Dropped struct {
	UID UID
	Err error
}

// Deliver makes an entry for a stored message in a mailbox. It returns
// [ErrOverQuota], [ErrNoMailbox] or [ErrNoMessage] without having changed
// anything, so the transaction may go on after these. The same message may be
// in a mailbox many times.
func (s *Store) Deliver(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, msg MessageID, flags FlagSet, date time.Time) (UID, error) {
	p := s.pending(tx)
	size, err := p.size(ctx, msg)
	if err != nil {
		return 0, err
	}
	now := s.opt.Now()
	if date.IsZero() {
		date = now
	}
	return s.deliver(ctx, p, mailbox, newEntry{msg: msg, flags: flags, date: sqldb.Micros(date), saved: sqldb.Micros(now), size: size})
}

// DeliverMany makes an entry in each of many mailboxes; the results are in the
// order of drops. The error is for trouble that must undo the transaction.
func (s *Store) DeliverMany(ctx context.Context, tx *sqldb.Tx, drops []Drop, msg MessageID) ([]Dropped, error) {
	p := s.pending(tx)
	size, err := p.size(ctx, msg)
	if err != nil {
		return nil, err
	}
	now := s.opt.Now()
	list := make([]Dropped, len(drops))
	for i, d := range drops {
		date := d.Date
		if date.IsZero() {
			date = now
		}
		e := newEntry{msg: msg, flags: d.Flags, date: sqldb.Micros(date), saved: sqldb.Micros(now), size: size}
		list[i].UID, list[i].Err = s.deliver(ctx, p, d.Mailbox, e)
		if err := list[i].Err; err != nil && !errors.Is(err, ErrOverQuota) && !errors.Is(err, ErrNoMailbox) {
			return nil, err
		}
	}
	return list, nil
}

// newEntry is an entry that has no UID yet.
type newEntry struct {
	msg         MessageID
	flags       FlagSet
	date, saved int64
	size        int64
	by          directory.AccountID // whose \Seen is in flags; 0: everybody's
}

const qInsertEntry = `
INSERT INTO entry (mailbox_id, uid, modseq, flags, message_id, internal_us, saved_us, size)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

func (s *Store) deliver(ctx context.Context, p *pending, mailbox MailboxID, e newEntry) (UID, error) {
	owner, err := s.owner(ctx, p, mailbox)
	if err != nil {
		return 0, err
	}
	own := false
	if e.flags&Seen != 0 {
		if own, err = s.perUser(ctx, p, mailbox); err != nil {
			return 0, err
		}
		if own && e.by != 0 {
			e.flags &^= Seen
		}
	}
	if err := s.use(ctx, p.tx, owner, e.size, 1); err != nil {
		return 0, err
	}
	d := delta{uids: 1}
	d.count(1, e.flags, e.size)
	c, uid, err := s.bump(ctx, p, mailbox, d)
	if errors.Is(err, ErrNoMailbox) {
		return 0, errors.Join(err, s.unuse(ctx, p.tx, owner, e.size, 1))
	}
	if err != nil {
		return 0, err
	}
	err = s.insert(ctx, p.tx, c, uid, e)
	switch {
	case err != nil || !own:
	case e.by != 0:
		err = s.see(ctx, p, c, e.by, uid, true)
	default:
		err = s.seeAll(ctx, p, mailbox, uid)
	}
	return uid, err
}

// insert writes the row of an entry and records it for the hot state.
func (s *Store) insert(ctx context.Context, tx *sqldb.Tx, c *change, uid UID, e newEntry) error {
	_, err := tx.Exec(ctx, qInsertEntry, int64(c.mailbox), int64(uid), int64(c.modseq), int64(e.flags),
		int64(e.msg), e.date, e.saved, e.size)
	if err != nil {
		return fmt.Errorf("add message %d to mailbox %d: %w", e.msg, c.mailbox, err)
	}
	c.add(Row{UID: uid, Flags: e.flags, ModSeq: c.modseq, Message: e.msg, Size: e.size, date: e.date})
	return nil
}

const qMessageSize = `SELECT size FROM message WHERE id = $1`

// size gives the size of a message, from memory when this transaction stored it.
func (p *pending) size(ctx context.Context, msg MessageID) (int64, error) {
	if n, ok := p.sizes[msg]; ok {
		return n, nil
	}
	var n int64
	err := p.tx.QueryRow(ctx, qMessageSize, int64(msg)).Scan(&n)
	if sqldb.NoRows(err) {
		return 0, ErrNoMessage
	}
	if err != nil {
		return 0, fmt.Errorf("read size of message %d: %w", msg, err)
	}
	p.sizes[msg] = n
	return n, nil
}

// Item is one message of [Store.Append].
type Item struct {
	Body  *Finished
	Flags Flags
	Date  time.Time           // INTERNALDATE; zero means now
	By    directory.AccountID // whose \Seen is in Flags where each account has its own; 0: everybody's
}

// Append stores messages and puts them into one mailbox, all or none, in one
// transaction of its own. The UIDs are in the order of items. It fails with
// [ErrNoMailbox], [ErrOverQuota], [ErrBadKeyword] or [ErrTooManyKeywords].
func (s *Store) Append(ctx context.Context, mailbox MailboxID, items ...Item) (uids []UID, err error) {
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		uids, err = s.Put(ctx, tx, mailbox, items...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return uids, nil
}

// Put is [Store.Append] as part of a transaction, which must fail when Put
// does.
func (s *Store) Put(ctx context.Context, tx *sqldb.Tx, mailbox MailboxID, items ...Item) ([]UID, error) {
	now := s.opt.Now()
	p := s.pending(tx)
	uids := make([]UID, len(items))
	for i, it := range items {
		msg, err := s.Store(ctx, tx, it.Body, nil, now)
		if err != nil {
			return nil, err
		}
		bits, err := s.Bits(ctx, tx, mailbox, it.Flags)
		if err != nil {
			return nil, err
		}
		e := newEntry{msg: msg, flags: bits, date: sqldb.Micros(it.Date), saved: sqldb.Micros(now), size: it.Body.Size, by: it.By}
		if it.Date.IsZero() {
			e.date = e.saved
		}
		if uids[i], err = s.deliver(ctx, p, mailbox, e); err != nil {
			return nil, err
		}
	}
	return uids, nil
}
