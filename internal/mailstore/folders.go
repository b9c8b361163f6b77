package mailstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// EnsureAccount gives an account the mailboxes that it lacks of INBOX, Drafts,
// Sent, Junk, Trash, Archive and Chuyển văn thư, and subscribes to the new ones.
func (s *Store) EnsureAccount(ctx context.Context, tx *sqldb.Tx, a directory.AccountID) error {
	return s.ensure(ctx, tx, Owner{Account: a}, accountFolders())
}

// EnsureUnit gives a unit the folders of the document workflow that it lacks.
func (s *Store) EnsureUnit(ctx context.Context, tx *sqldb.Tx, u directory.UnitID) error {
	return s.ensure(ctx, tx, Owner{Unit: u}, unitFolders())
}

func (s *Store) ensure(ctx context.Context, tx *sqldb.Tx, o Owner, want []folder) error {
	if !o.Valid() {
		return fmt.Errorf("make default mailboxes: owner %+v: %w", o, errNoOwner)
	}
	have, err := mailboxes(ctx, tx, o)
	if err != nil {
		return err
	}
	names, roles, uses := map[string]bool{}, map[FolderRole]bool{}, map[Use]bool{}
	for _, m := range have {
		names[m.Name] = true
		roles[m.Role] = true
		uses[m.Use] = true
	}
	p := s.pending(tx)
	for _, f := range want {
		if names[f.name] || (f.use != UseNone && uses[f.use]) || (f.role != RoleNone && f.role != RoleGroup && f.role != RoleBooks && roles[f.role]) {
			continue
		}
		if _, err := s.insertMailbox(ctx, p, o, f); err != nil {
			return err
		}
		if o.Account != 0 {
			if err := subscribe(ctx, tx, o.Account, f.name); err != nil {
				return err
			}
		}
	}
	return nil
}

var errNoOwner = fault.New(fault.Invalid, fault.Text{EN: "a mailbox needs exactly one owner"})

// folderKey is what a mailbox is asked for by: its role, or its name.
type folderKey struct {
	role FolderRole
	name string
}

// folderCache remembers, per owner, the ids of mailboxes asked for by role or
// name. Only committed answers are kept, and "none" never.
type folderCache struct {
	mu  sync.RWMutex
	m   map[Owner]map[folderKey]MailboxID
	gen uint64 // grows whenever something is forgotten
}

func (c *folderCache) get(o Owner, k folderKey) (id MailboxID, gen uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[o][k], c.gen
}

// put keeps an answer that was found after gen was read, unless something was
// forgotten since: then the answer may be from before.
func (c *folderCache) put(o Owner, k folderKey, id MailboxID, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen {
		return
	}
	if c.m == nil {
		c.m = map[Owner]map[folderKey]MailboxID{}
	}
	if c.m[o] == nil {
		c.m[o] = map[folderKey]MailboxID{}
	}
	c.m[o][k] = id
}

func (c *folderCache) forget(o Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, o)
	c.gen++
}

// Inbox gives the mailbox that mail for an account, or ordinary mail for a
// unit, is delivered to. r may be the transaction. It fails with
// [ErrNoMailbox] before EnsureAccount or EnsureUnit.
func (s *Store) Inbox(ctx context.Context, r sqldb.Reader, o Owner) (MailboxID, error) {
	if o.Unit != 0 {
		return s.Role(ctx, r, o.Unit, RoleUnitInbox)
	}
	return s.find(ctx, r, o, folderKey{name: inbox})
}

// Role gives the folder of a unit that has a workflow role. r may be the
// transaction. It fails with [ErrNoMailbox].
func (s *Store) Role(ctx context.Context, r sqldb.Reader, u directory.UnitID, role FolderRole) (MailboxID, error) {
	return s.RoleOf(ctx, r, Owner{Unit: u}, role)
}

// RoleOf is [Store.Role] for any owner.
func (s *Store) RoleOf(ctx context.Context, r sqldb.Reader, o Owner, role FolderRole) (MailboxID, error) {
	if role == RoleNone || role == RoleGroup || role == RoleBooks {
		return 0, ErrNoMailbox
	}
	return s.find(ctx, r, o, folderKey{role: role})
}

// Named gives the mailbox of this name, in any form that [Name] accepts. r may
// be the transaction. It fails with [ErrNoMailbox] or [ErrBadName].
func (s *Store) Named(ctx context.Context, r sqldb.Reader, o Owner, name string) (MailboxID, error) {
	name, err := Name(name)
	if err != nil {
		return 0, err
	}
	return s.find(ctx, r, o, folderKey{name: name})
}

const (
	qMailboxByName = `SELECT id FROM mailbox WHERE account_id = $1 AND unit_id = $2 AND name = $3`
	qMailboxByRole = `SELECT id FROM mailbox WHERE account_id = $1 AND unit_id = $2 AND role = $3`
)

func (s *Store) find(ctx context.Context, r sqldb.Reader, o Owner, k folderKey) (MailboxID, error) {
	tx, inTx := r.(*sqldb.Tx)
	changed := inTx && s.pending(tx).trees[o]
	known, gen := s.folders.get(o, k)
	if known != 0 && !changed {
		return known, nil
	}
	q, key := qMailboxByName, k.name
	if k.role != RoleNone {
		q, key = qMailboxByRole, string(k.role)
	}
	var id int64
	err := r.QueryRow(ctx, q, int64(o.Account), int64(o.Unit), key).Scan(&id)
	if sqldb.NoRows(err) {
		return 0, ErrNoMailbox
	}
	if err != nil {
		return 0, fmt.Errorf("look up mailbox: %w", err)
	}
	switch {
	case !inTx:
		s.folders.put(o, k, MailboxID(id), gen)
	case !changed:
		tx.OnCommit(func() { s.folders.put(o, k, MailboxID(id), gen) })
	}
	return MailboxID(id), nil
}

const (
	qSubscribe     = `INSERT INTO subscription (account_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	qUnsubscribe   = `DELETE FROM subscription WHERE account_id = $1 AND name IN ($2, $3)`
	qSubscriptions = `SELECT name FROM subscription WHERE account_id = $1 ORDER BY name`
)

// off stands before a name in the row that says: this account does not want
// what it would be subscribed to without asking. No mailbox name begins with it.
const off = "/"

// Subscribe adds a name to the account's subscriptions or takes it away. The
// name is the one the account sees, with a namespace prefix; the mailbox need
// not exist (RFC 9051, section 6.3.7). It fails with [ErrBadName].
func (s *Store) Subscribe(ctx context.Context, a directory.AccountID, name string, on bool) error {
	return s.setSubscription(ctx, a, name, func(ctx context.Context, tx *sqldb.Tx, name string) error {
		if !on {
			return nil
		}
		return subscribe(ctx, tx, a, name)
	})
}

// Decline takes a name away that the account is subscribed to without asking;
// Subscribe brings it back. It fails with [ErrBadName].
func (s *Store) Decline(ctx context.Context, a directory.AccountID, name string) error {
	return s.setSubscription(ctx, a, name, func(ctx context.Context, tx *sqldb.Tx, name string) error {
		return subscribe(ctx, tx, a, off+name)
	})
}

// setSubscription forgets what was said about a name, then lets add say something new.
func (s *Store) setSubscription(ctx context.Context, a directory.AccountID, name string, add func(context.Context, *sqldb.Tx, string) error) error {
	name, err := Name(strings.TrimPrefix(name, "/"))
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		s.pending(tx).trees[Owner{Account: a}] = true
		if _, err := tx.Exec(ctx, qUnsubscribe, int64(a), name, off+name); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
		return add(ctx, tx, name)
	})
}

func subscribe(ctx context.Context, tx *sqldb.Tx, a directory.AccountID, name string) error {
	if _, err := tx.Exec(ctx, qSubscribe, int64(a), name); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// Subscriptions gives the names the account is subscribed to, in order.
func (s *Store) Subscriptions(ctx context.Context, a directory.AccountID) ([]string, error) {
	names, _, err := s.subscriptions(ctx, a)
	return names, err
}

// Declined gives the names the account has declined, in order.
func (s *Store) Declined(ctx context.Context, a directory.AccountID) ([]string, error) {
	_, names, err := s.subscriptions(ctx, a)
	return names, err
}

func (s *Store) subscriptions(ctx context.Context, a directory.AccountID) (wanted, declined []string, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		wanted, declined = nil, nil
		rows, err := r.Query(ctx, qSubscriptions, int64(a))
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			if rest, isOff := strings.CutPrefix(name, off); isOff {
				declined = append(declined, rest)
			} else {
				wanted = append(wanted, name)
			}
			return err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list subscriptions: %w", err)
	}
	return wanted, declined, nil
}
