package mailstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// scanAll reads every row and closes rows.
func scanAll(rows *sql.Rows, one func(scan func(...any) error) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

const (
	qMailboxes = `
SELECT id, account_id, unit_id, name, use, role, selectable, uid_validity, uid_next, modseq,
  messages, unseen, deleted, octets, created_us, seen_mode, public_modseq
FROM mailbox WHERE account_id = $1 AND unit_id = $2 ORDER BY name`
	qMailbox = `
SELECT id, account_id, unit_id, name, use, role, selectable, uid_validity, uid_next, modseq,
  messages, unseen, deleted, octets, created_us, seen_mode, public_modseq
FROM mailbox WHERE id = $1`
	qMailboxNamed = `
SELECT id, account_id, unit_id, name, use, role, selectable, uid_validity, uid_next, modseq,
  messages, unseen, deleted, octets, created_us, seen_mode, public_modseq
FROM mailbox WHERE account_id = $1 AND unit_id = $2 AND name = $3`
)

func scanMailbox(scan func(...any) error) (m Mailbox, err error) {
	var id, account, unit, selectable, validity, next, modseq, created, mode, public int64
	var use, role string
	err = scan(&id, &account, &unit, &m.Name, &use, &role, &selectable, &validity, &next, &modseq,
		&m.Messages, &m.Unseen, &m.Deleted, &m.Octets, &created, &mode, &public)
	m.ID, m.Owner = MailboxID(id), Owner{Account: directory.AccountID(account), Unit: directory.UnitID(unit)}
	m.Use, m.Role, m.Selectable = Use(use), FolderRole(role), selectable != 0
	m.UIDValidity, m.UIDNext, m.ModSeq, m.Created = uint32(validity), UID(next), ModSeq(modseq), sqldb.Time(created)
	m.PerUser, m.Visible, m.public = mode != 0, m.ModSeq, ModSeq(public)
	return m, err
}

func mailboxes(ctx context.Context, r sqldb.Reader, o Owner) (list []Mailbox, err error) {
	rows, err := r.Query(ctx, qMailboxes, int64(o.Account), int64(o.Unit))
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		m, err := scanMailbox(scan)
		list = append(list, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	return list, nil
}

func mailboxByID(ctx context.Context, r sqldb.Reader, id MailboxID) (Mailbox, error) {
	m, err := scanMailbox(r.QueryRow(ctx, qMailbox, int64(id)).Scan)
	if sqldb.NoRows(err) {
		return Mailbox{}, ErrNoMailbox
	}
	if err != nil {
		return Mailbox{}, fmt.Errorf("read mailbox %d: %w", id, err)
	}
	return m, nil
}

func mailboxByName(ctx context.Context, r sqldb.Reader, o Owner, name string) (Mailbox, error) {
	m, err := scanMailbox(r.QueryRow(ctx, qMailboxNamed, int64(o.Account), int64(o.Unit), name).Scan)
	if sqldb.NoRows(err) {
		return Mailbox{}, ErrNoMailbox
	}
	if err != nil {
		return Mailbox{}, fmt.Errorf("look up mailbox: %w", err)
	}
	return m, nil
}

// List gives the owner's mailboxes in the order of their names, with their
// counters, so that STATUS of all of them is one query.
func (s *Store) List(ctx context.Context, o Owner) (list []Mailbox, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		list, err = mailboxes(ctx, r, o)
		return err
	})
	return list, err
}

// Mailbox gives a mailbox by its id. It fails with [ErrNoMailbox].
func (s *Store) Mailbox(ctx context.Context, id MailboxID) (m Mailbox, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		m, err = mailboxByID(ctx, r, id)
		return err
	})
	return m, err
}

// MailboxIn is [Store.Mailbox] inside a transaction or snapshot.
func (s *Store) MailboxIn(ctx context.Context, r sqldb.Reader, id MailboxID) (Mailbox, error) {
	return mailboxByID(ctx, r, id)
}

// Lookup gives a mailbox by its name, in any form that [Name] accepts. It
// fails with [ErrNoMailbox] or [ErrBadName]. It is always one query, so that the
// time it takes does not tell whether the mailbox is there.
func (s *Store) Lookup(ctx context.Context, o Owner, name string) (m Mailbox, err error) {
	name, err = Name(name)
	if err != nil {
		return Mailbox{}, err
	}
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		m, err = mailboxByName(ctx, r, o, name)
		return err
	})
	return m, err
}

const (
	qNextValidity = `
INSERT INTO usage (account_id, unit_id, octets, messages, uid_validity) VALUES ($1, $2, 0, 0, $3)
ON CONFLICT (account_id, unit_id) DO UPDATE SET uid_validity =
  CASE WHEN usage.uid_validity >= excluded.uid_validity THEN usage.uid_validity + 1 ELSE excluded.uid_validity END
RETURNING uid_validity`
	qInsertMailbox = `
INSERT INTO mailbox (account_id, unit_id, name, use, role, selectable, uid_validity, uid_next, modseq,
  messages, unseen, deleted, octets, created_us, public_modseq, seen_mode)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 1, 0, 0, 0, 0, $8, 1,
  coalesce((SELECT seen_mode FROM mailbox WHERE account_id = $1 AND unit_id = $2 AND name = $9), 0)) RETURNING id`
)

// insertMailbox adds a mailbox; whether \Seen is each account's own is taken
// over from the one above it. UIDVALIDITY is the time in seconds, and above
// every earlier one of the owner: a name that comes back, or that another
// mailbox is renamed to, always shows a value its clients have not seen.
func (s *Store) insertMailbox(ctx context.Context, p *pending, o Owner, f folder) (MailboxID, error) {
	validity, err := s.nextValidity(ctx, p.tx, o)
	if err != nil {
		return 0, err
	}
	selectable := int64(0)
	if f.selectable() {
		selectable = 1
	}
	var id int64
	err = p.tx.QueryRow(ctx, qInsertMailbox, int64(o.Account), int64(o.Unit), f.name, string(f.use), string(f.role), selectable,
		int64(validity), sqldb.Micros(s.opt.Now()), above(f.name)).Scan(&id)
	if sqldb.IsUnique(err) {
		return 0, ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("add mailbox: %w", err)
	}
	p.trees[o] = true
	return MailboxID(id), nil
}

func (s *Store) nextValidity(ctx context.Context, tx *sqldb.Tx, o Owner) (uint32, error) {
	var validity int64
	err := tx.QueryRow(ctx, qNextValidity, int64(o.Account), int64(o.Unit), s.opt.Now().Unix()).Scan(&validity)
	if err != nil {
		return 0, fmt.Errorf("take a UIDVALIDITY: %w", err)
	}
	return uint32(validity), nil
}

// CreateMailbox makes a mailbox and the levels above it that are missing. A
// name that a default mailbox has gets that one's special use back when none of
// the owner's mailboxes has it; use, unless empty, asks for one explicitly. It
// never touches what exists: it fails with [ErrExists], [ErrBadName],
// [ErrTooMany].
func (s *Store) CreateMailbox(ctx context.Context, o Owner, name string, use Use) (m Mailbox, err error) {
	if !o.Valid() {
		return Mailbox{}, errNoOwner
	}
	name, err = Name(name)
	if err != nil {
		return Mailbox{}, err
	}
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		id, err := s.create(ctx, s.pending(tx), o, name, use)
		if err != nil {
			return err
		}
		m, err = mailboxByID(ctx, tx, id)
		return err
	})
	return m, err
}

const qRevive = `UPDATE mailbox SET selectable = 1, uid_validity = $1 WHERE id = $2 AND selectable = 0 AND role = ''`

func (s *Store) create(ctx context.Context, p *pending, o Owner, name string, use Use) (MailboxID, error) {
	switch m, err := mailboxByName(ctx, p.tx, o, name); {
	case err == nil:
		return m.ID, s.revive(ctx, p, m)
	case !errors.Is(err, ErrNoMailbox):
		return 0, err
	}
	if err := s.createLevels(ctx, p, o, name, 1); err != nil {
		return 0, err
	}
	if use == UseNone && o.Account != 0 {
		var err error
		if use, err = lostUse(ctx, p.tx, o, name); err != nil {
			return 0, err
		}
	}
	return s.insertBelow(ctx, p, o, folder{name: name, use: use})
}

// insertBelow adds a mailbox with the rights of the one above it.
func (s *Store) insertBelow(ctx context.Context, p *pending, o Owner, f folder) (MailboxID, error) {
	id, err := s.insertMailbox(ctx, p, o, f)
	if err != nil {
		return 0, err
	}
	return id, s.inherit(ctx, p, o, id, f.name)
}

const qCountOf = `SELECT count(*) FROM mailbox WHERE account_id = $1 AND unit_id = $2`

// createLevels makes the missing levels above a name, if there is room for
// them and for more mailboxes besides.
func (s *Store) createLevels(ctx context.Context, p *pending, o Owner, name string, more int) error {
	var missing []string
	for _, level := range parents(name) {
		_, err := mailboxByName(ctx, p.tx, o, level)
		if errors.Is(err, ErrNoMailbox) {
			missing = append(missing, level)
		} else if err != nil {
			return err
		}
	}
	var count int
	if err := p.tx.QueryRow(ctx, qCountOf, int64(o.Account), int64(o.Unit)).Scan(&count); err != nil {
		return fmt.Errorf("count mailboxes: %w", err)
	}
	if count+len(missing)+more > MaxMailboxes {
		return ErrTooMany
	}
	for _, level := range missing {
		if _, err := s.insertBelow(ctx, p, o, folder{name: level}); err != nil {
			return err
		}
	}
	return nil
}

const qHasUse = `SELECT id FROM mailbox WHERE account_id = $1 AND unit_id = $2 AND use = $3 LIMIT 1`

// lostUse gives the special use of the default mailbox called name, if none of
// the account's mailboxes has it now.
func lostUse(ctx context.Context, r sqldb.Reader, o Owner, name string) (Use, error) {
	for _, f := range accountFolders() {
		if f.name != name || f.use == UseNone {
			continue
		}
		var id int64
		err := r.QueryRow(ctx, qHasUse, int64(o.Account), int64(o.Unit), string(f.use)).Scan(&id)
		if sqldb.NoRows(err) {
			return f.use, nil
		}
		if err != nil {
			return UseNone, fmt.Errorf("look for special use: %w", err)
		}
	}
	return UseNone, nil
}

// revive makes a level that holds nothing, left by a deletion, a mailbox again.
func (s *Store) revive(ctx context.Context, p *pending, m Mailbox) error {
	if m.Selectable || m.Role != RoleNone {
		return ErrExists
	}
	validity, err := s.nextValidity(ctx, p.tx, m.Owner)
	if err != nil {
		return err
	}
	if _, err := p.tx.Exec(ctx, qRevive, int64(validity), int64(m.ID)); err != nil {
		return fmt.Errorf("make mailbox %d selectable: %w", m.ID, err)
	}
	p.trees[m.Owner] = true
	return nil
}

const (
	qDropMailbox    = `DELETE FROM mailbox WHERE id = $1`
	qDropTombstones = `DELETE FROM expunged WHERE mailbox_id = $1`
	qDropKeywords   = `DELETE FROM keyword WHERE mailbox_id = $1`
	qOrphanAll      = `
INSERT INTO message_orphan (message_id, since_us) SELECT DISTINCT message_id, $1 FROM entry WHERE mailbox_id = $2
ON CONFLICT (message_id) DO UPDATE SET since_us = excluded.since_us`
	qDropEntries       = `DELETE FROM entry WHERE mailbox_id = $1`
	qInsertPlaceholder = `
INSERT INTO mailbox (account_id, unit_id, name, use, role, selectable, uid_validity, uid_next, modseq,
  messages, unseen, deleted, octets, created_us, public_modseq, seen_mode)
VALUES ($1, $2, $3, '', '', 0, $4, 1, 1, 0, 0, 0, 0, $5, 1, $6)`
)

// DeleteMailbox removes a mailbox with all it holds. If there are mailboxes
// below it, it stays as a level that holds nothing. It fails with
// [ErrNoMailbox], [ErrProtected], or [ErrHasChildren] when it is such a level.
func (s *Store) DeleteMailbox(ctx context.Context, id MailboxID) error {
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		m, err := mailboxByID(ctx, tx, id)
		if err != nil {
			return err
		}
		if m.Role != RoleNone || m.Name == inbox {
			return ErrProtected
		}
		have, err := mailboxes(ctx, tx, m.Owner)
		if err != nil {
			return err
		}
		children := false
		for _, other := range have {
			children = children || below(other.Name, m.Name)
		}
		if children && !m.Selectable {
			return ErrHasChildren
		}
		p := s.pending(tx)
		if err := s.drop(ctx, p, m); err != nil || !children {
			return err
		}
		validity, err := s.nextValidity(ctx, tx, m.Owner)
		if err != nil {
			return err
		}
		mode := int64(0)
		if m.PerUser {
			mode = 1
		}
		_, err = tx.Exec(ctx, qInsertPlaceholder, int64(m.Owner.Account), int64(m.Owner.Unit), m.Name, int64(validity), sqldb.Micros(s.opt.Now()), mode)
		if err != nil {
			return fmt.Errorf("keep the level %d: %w", id, err)
		}
		return nil
	})
}

// drop removes a mailbox row and everything under it.
func (s *Store) drop(ctx context.Context, p *pending, m Mailbox) error {
	if err := s.unuse(ctx, p.tx, m.Owner, m.Octets, m.Messages); err != nil {
		return err
	}
	if _, err := p.tx.Exec(ctx, qOrphanAll, sqldb.Micros(s.opt.Now()), int64(m.ID)); err != nil {
		return fmt.Errorf("empty mailbox %d: %w", m.ID, err)
	}
	for _, q := range []string{qDropEntries, qDropTombstones, qDropKeywords, qDropAnnotations, qDropSeenParts, qDropSeen, qDropMailbox} {
		if _, err := p.tx.Exec(ctx, q, int64(m.ID)); err != nil {
			return fmt.Errorf("delete mailbox %d: %w", m.ID, err)
		}
	}
	p.trees[m.Owner] = true
	p.boxes[m.ID] = &change{mailbox: m.ID, dropped: true}
	return s.dropRights(ctx, p, &m)
}

const qRename = `UPDATE mailbox SET name = $1 WHERE id = $2`

// RenameMailbox gives a mailbox and all below it another name, and makes the
// levels above that are missing. UIDs and UIDVALIDITY stay. Renaming INBOX
// moves its messages to a new mailbox and leaves it empty (RFC 9051, section
// 6.3.6). It fails with [ErrNoMailbox], [ErrExists], [ErrBadName],
// [ErrProtected], [ErrTooMany].
func (s *Store) RenameMailbox(ctx context.Context, id MailboxID, to string) error {
	to, err := Name(to)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		m, err := mailboxByID(ctx, tx, id)
		if err != nil {
			return err
		}
		p := s.pending(tx)
		switch {
		case m.Role != RoleNone:
			return ErrProtected
		case to == m.Name:
			return ErrExists
		case m.Name == inbox:
			return s.renameInbox(ctx, p, m, to)
		case below(to, m.Name):
			return ErrBadName
		}
		return s.rename(ctx, p, m, to)
	})
}

func (s *Store) renameInbox(ctx context.Context, p *pending, m Mailbox, to string) error {
	if _, err := mailboxByName(ctx, p.tx, m.Owner, to); err == nil {
		return ErrExists
	} else if !errors.Is(err, ErrNoMailbox) {
		return err
	}
	dest, err := s.create(ctx, p, m.Owner, to, UseNone)
	if err != nil {
		return err
	}
	_, err = s.Move(ctx, p.tx, m.ID, AllUIDs(), dest)
	return err
}

func (s *Store) rename(ctx context.Context, p *pending, m Mailbox, to string) error {
	if _, err := mailboxByName(ctx, p.tx, m.Owner, to); err == nil {
		return ErrExists
	} else if !errors.Is(err, ErrNoMailbox) {
		return err
	}
	have, err := mailboxes(ctx, p.tx, m.Owner)
	if err != nil {
		return err
	}
	if err := s.createLevels(ctx, p, m.Owner, to, 0); err != nil {
		return err
	}
	for _, other := range have {
		if other.ID != m.ID && !below(other.Name, m.Name) {
			continue
		}
		if other.Role != RoleNone {
			return ErrProtected
		}
		name, err := Name(to + other.Name[len(m.Name):]) // a child's name may have become too long
		if err != nil {
			return err
		}
		if _, err := p.tx.Exec(ctx, qRename, name, int64(other.ID)); sqldb.IsUnique(err) {
			return ErrExists
		} else if err != nil {
			return fmt.Errorf("rename mailbox %d: %w", other.ID, err)
		}
	}
	p.trees[m.Owner] = true
	return nil
}
