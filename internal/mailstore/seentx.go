package mailstore

import (
	"context"
	"fmt"
	"slices"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// seenTx is an account's own \Seen in a mailbox inside a transaction. Parts are
// read when they are asked for.
type seenTx struct {
	mailbox MailboxID
	account directory.AccountID
	seen    int64
	parts   map[uint32]*seenPart
	dirty   map[uint32]bool
}

const (
	qSeenAccounts   = `SELECT account_id, seen FROM seen_account WHERE mailbox_id = $1 ORDER BY account_id`
	qSeenAccount    = `SELECT seen FROM seen_account WHERE mailbox_id = $1 AND account_id = $2`
	qSeenPart       = `SELECT bits FROM seen_part WHERE mailbox_id = $1 AND account_id = $2 AND part = $3`
	qSeenParts      = `SELECT account_id, part, bits FROM seen_part WHERE mailbox_id = $1 ORDER BY account_id, part`
	qBaseline       = `SELECT uid FROM entry WHERE mailbox_id = $1 AND flags & 1 = 1 ORDER BY uid`
	qPutSeenAccount = `
INSERT INTO seen_account (mailbox_id, account_id, seen, modseq) VALUES ($1, $2, $3, $4)
ON CONFLICT (mailbox_id, account_id) DO UPDATE SET seen = excluded.seen,
  modseq = CASE WHEN excluded.modseq > seen_account.modseq THEN excluded.modseq ELSE seen_account.modseq END`
	qPutSeenPart = `
INSERT INTO seen_part (mailbox_id, account_id, part, bits) VALUES ($1, $2, $3, $4)
ON CONFLICT (mailbox_id, account_id, part) DO UPDATE SET bits = excluded.bits`
	qDropSeenPart  = `DELETE FROM seen_part WHERE mailbox_id = $1 AND account_id = $2 AND part = $3`
	qDropSeenParts = `DELETE FROM seen_part WHERE mailbox_id = $1`
	qDropSeen      = `DELETE FROM seen_account WHERE mailbox_id = $1`
	qMode          = `SELECT seen_mode FROM mailbox WHERE id = $1`
	qAnyMode       = `SELECT count(*) FROM mailbox WHERE seen_mode = 1`
	qSeenOf        = `SELECT mailbox_id, seen, modseq FROM seen_account WHERE account_id = $1`
)

// loadModes looks whether there are mailboxes with an own \Seen for each
// account at all: where there are none, nothing more is ever asked.
func (s *Store) loadModes(ctx context.Context) error {
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		var n int64
		err := r.QueryRow(ctx, qAnyMode).Scan(&n)
		s.anyOwn.Store(n > 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("read how mailboxes keep \\Seen: %w", err)
	}
	return nil
}

// perUser tells whether \Seen of a mailbox is each account's own, as this
// transaction sees it.
func (s *Store) perUser(ctx context.Context, p *pending, id MailboxID) (bool, error) {
	if !s.anyOwn.Load() {
		return false, nil
	}
	var mode int64
	err := p.tx.QueryRow(ctx, qMode, int64(id)).Scan(&mode)
	if sqldb.NoRows(err) {
		return false, ErrNoMailbox
	}
	if err != nil {
		return false, fmt.Errorf("read mode of mailbox %d: %w", id, err)
	}
	return mode != 0, nil
}

// loadSeen reads all sets of a mailbox. Equal parts are kept once: most people
// have seen the same.
func loadSeen(ctx context.Context, r sqldb.Reader, id MailboxID) (map[directory.AccountID]*seenSet, error) {
	all := map[directory.AccountID]*seenSet{}
	rows, err := r.Query(ctx, qSeenAccounts, int64(id))
	if err != nil {
		return nil, fmt.Errorf("load \\Seen of mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var account, n int64
		err := scan(&account, &n)
		all[directory.AccountID(account)] = &seenSet{}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load \\Seen of mailbox %d: %w", id, err)
	}
	same := map[seenPart]*seenPart{}
	if rows, err = r.Query(ctx, qSeenParts, int64(id)); err != nil {
		return nil, fmt.Errorf("load \\Seen of mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var account, part int64
		var b []byte
		if err := scan(&account, &part, &b); err != nil {
			return err
		}
		p, err := decodeSeen(b)
		set := all[directory.AccountID(account)]
		if err != nil || set == nil {
			return fmt.Errorf("part %d of account %d: %w", part, account, err)
		}
		if known := same[*p]; known != nil {
			p = known
		} else {
			same[*p] = p
		}
		set.keys, set.parts = append(set.keys, uint32(part)), append(set.parts, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load \\Seen of mailbox %d: %w", id, err)
	}
	return all, nil
}

// known gives the set of an account, or nil when it has never changed its own
// \Seen here.
func (s *Store) known(ctx context.Context, p *pending, id MailboxID, a directory.AccountID) (*seenTx, error) {
	if w := p.seen[id][a]; w != nil {
		return w, nil
	}
	w := &seenTx{mailbox: id, account: a}
	err := p.tx.QueryRow(ctx, qSeenAccount, int64(id), int64(a)).Scan(&w.seen)
	if sqldb.NoRows(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", id, err)
	}
	return p.keepSeen(w), nil
}

// keepSeen remembers a set for the rest of the transaction.
func (p *pending) keepSeen(w *seenTx) *seenTx {
	w.parts, w.dirty = map[uint32]*seenPart{}, map[uint32]bool{}
	if p.seen == nil {
		p.seen = map[MailboxID]map[directory.AccountID]*seenTx{}
	}
	if p.seen[w.mailbox] == nil {
		p.seen[w.mailbox] = map[directory.AccountID]*seenTx{}
	}
	p.seen[w.mailbox][w.account] = w
	return w
}

// everybody gives the sets of all accounts that have one here, by account.
func (s *Store) everybody(ctx context.Context, p *pending, id MailboxID) (list []*seenTx, err error) {
	rows, err := p.tx.Query(ctx, qSeenAccounts, int64(id))
	if err != nil {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", id, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var account, seen int64
		if err := scan(&account, &seen); err != nil {
			return err
		}
		w := p.seen[id][directory.AccountID(account)]
		if w == nil {
			w = p.keepSeen(&seenTx{mailbox: id, account: directory.AccountID(account), seen: seen})
		}
		list = append(list, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", id, err)
	}
	return list, nil
}

// own gives the set of an account, and makes it from what everybody sees when
// the account has none. The caller has bumped the mailbox: c is its change.
func (s *Store) own(ctx context.Context, p *pending, c *change, a directory.AccountID) (*seenTx, error) {
	w, err := s.known(ctx, p, c.mailbox, a)
	if w != nil || err != nil {
		return w, err
	}
	w = p.keepSeen(&seenTx{mailbox: c.mailbox, account: a})
	e := (&seenSet{}).edit()
	rows, err := p.tx.Query(ctx, qBaseline, int64(c.mailbox))
	if err != nil {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", c.mailbox, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var uid int64
		err := scan(&uid)
		e.put(UID(uid), true)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", c.mailbox, err)
	}
	set := e.done()
	w.seen = set.count()
	for i, key := range set.keys {
		part := *set.parts[i]
		w.parts[key], w.dirty[key] = &part, true
	}
	c.own(a, set)
	return w, w.flush(ctx, p.tx, c.modseq)
}

func (w *seenTx) part(ctx context.Context, r sqldb.Reader, key uint32) (*seenPart, error) {
	if p := w.parts[key]; p != nil {
		return p, nil
	}
	p := new(seenPart)
	var b []byte
	err := r.QueryRow(ctx, qSeenPart, int64(w.mailbox), int64(w.account), int64(key)).Scan(&b)
	if err == nil {
		p, err = decodeSeen(b)
	}
	if err != nil && !sqldb.NoRows(err) {
		return nil, fmt.Errorf("read \\Seen of mailbox %d: %w", w.mailbox, err)
	}
	w.parts[key] = p
	return p, nil
}

func (w *seenTx) has(ctx context.Context, r sqldb.Reader, u UID) (bool, error) {
	p, err := w.part(ctx, r, uint32(u>>seenShift))
	return err == nil && p.has(u), err
}

// put changes a bit; flush writes it.
func (w *seenTx) put(ctx context.Context, r sqldb.Reader, u UID, on bool) error {
	key := uint32(u >> seenShift)
	p, err := w.part(ctx, r, key)
	if err != nil || !p.put(u, on) {
		return err
	}
	w.dirty[key] = true
	if on {
		w.seen++
	} else {
		w.seen--
	}
	return nil
}

// flush writes what has changed; modseq is that of a change by the account
// itself, 0 for one that comes with others'.
func (w *seenTx) flush(ctx context.Context, tx *sqldb.Tx, modseq ModSeq) error {
	_, err := tx.Exec(ctx, qPutSeenAccount, int64(w.mailbox), int64(w.account), w.seen, int64(modseq))
	for key := range w.dirty {
		if err != nil {
			break
		}
		if p := w.parts[key]; *p == (seenPart{}) {
			_, err = tx.Exec(ctx, qDropSeenPart, int64(w.mailbox), int64(w.account), int64(key))
		} else {
			_, err = tx.Exec(ctx, qPutSeenPart, int64(w.mailbox), int64(w.account), int64(key), p.encode())
		}
	}
	if err != nil {
		return fmt.Errorf("write \\Seen of mailbox %d: %w", w.mailbox, err)
	}
	clear(w.dirty)
	return nil
}

// forgetSeen takes entries that have been removed out of all sets; the version
// does so by itself.
func (s *Store) forgetSeen(ctx context.Context, p *pending, id MailboxID, list []stored) error {
	all, err := s.everybody(ctx, p, id)
	if err != nil {
		return err
	}
	for _, w := range all {
		for i := range list {
			if err := w.put(ctx, p.tx, list[i].uid, false); err != nil {
				return err
			}
		}
		if len(w.dirty) == 0 {
			continue
		}
		if err := w.flush(ctx, p.tx, 0); err != nil {
			return err
		}
	}
	return nil
}

// seeAll gives a new entry that everybody has seen to those with sets too; the
// version does so by itself.
func (s *Store) seeAll(ctx context.Context, p *pending, id MailboxID, u UID) error {
	all, err := s.everybody(ctx, p, id)
	if err != nil {
		return err
	}
	for _, w := range all {
		if err := w.put(ctx, p.tx, u, true); err != nil {
			return err
		}
		if err := w.flush(ctx, p.tx, 0); err != nil {
			return err
		}
	}
	return nil
}

// see notes in an account's own set whether it has seen a new entry.
func (s *Store) see(ctx context.Context, p *pending, c *change, a directory.AccountID, u UID, on bool) error {
	w, err := s.own(ctx, p, c, a)
	if err != nil {
		return err
	}
	if err := w.put(ctx, p.tx, u, on); err != nil {
		return err
	}
	c.see(a, u, on)
	return w.flush(ctx, p.tx, c.modseq)
}

// personal shows mailboxes as an account sees them.
func personal(ctx context.Context, r sqldb.Reader, a directory.AccountID, list []Mailbox) error {
	if a == 0 || !slices.ContainsFunc(list, func(m Mailbox) bool { return m.PerUser }) {
		return nil
	}
	type own struct {
		seen   int64
		modseq ModSeq
	}
	have := map[MailboxID]own{}
	rows, err := r.Query(ctx, qSeenOf, int64(a))
	if err != nil {
		return fmt.Errorf("read what account %d has seen: %w", a, err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var id, seen, modseq int64
		err := scan(&id, &seen, &modseq)
		have[MailboxID(id)] = own{seen, ModSeq(modseq)}
		return err
	})
	if err != nil {
		return fmt.Errorf("read what account %d has seen: %w", a, err)
	}
	for i := range list {
		m := &list[i]
		if !m.PerUser {
			continue
		}
		m.Visible = m.public
		if o, found := have[m.ID]; found {
			m.Unseen, m.Visible = m.Messages-o.seen, max(m.public, o.modseq)
		}
	}
	return nil
}

// ListFor is [Store.List] as an account sees it: Unseen counts its own \Seen
// where that is each account's own.
func (s *Store) ListFor(ctx context.Context, o Owner, a directory.AccountID) (list []Mailbox, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		if list, err = mailboxes(ctx, r, o); err != nil {
			return err
		}
		return personal(ctx, r, a, list)
	})
	return list, err
}

// LookupFor is [Store.Lookup] as an account sees it.
func (s *Store) LookupFor(ctx context.Context, o Owner, name string, a directory.AccountID) (m Mailbox, err error) {
	name, err = Name(name)
	if err != nil {
		return Mailbox{}, err
	}
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		if m, err = mailboxByName(ctx, r, o, name); err != nil {
			return err
		}
		one := []Mailbox{m}
		err := personal(ctx, r, a, one)
		m = one[0]
		return err
	})
	return m, err
}
