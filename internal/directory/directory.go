// Package directory knows who and what there is: the units of the province as
// a dated tree, the accounts and their roles, groups, aliases, domains, and
// the credentials.
//
// It owns the tables unit, unit_code_legacy, unit_successor, account,
// account_role, credential, app_password, mail_group, mail_group_member, mail_group_poster,
// alias and domain.
// Everything is read from an immutable [Snapshot] in memory that is replaced
// after each change: lookups take no lock and no query. Only one process may
// write at a time, which the lock of the data folder provides. Each change has its
// journal entry in the same transaction.
package directory

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Options tunes a Directory; the zero value works.
type Options struct {
	// Secret keys the fast hashes of made passwords and seals the keys of
	// SCRAM. Without it made passwords still hold, by their 128 random bits;
	// with it a stolen database alone is no use to check guesses against.
	Secret []byte
	// MinPassword is the least number of characters of a password that a
	// person chooses; 0 means 8.
	MinPassword int
	// VerifiedFor says how long a verified login need not be verified by
	// Argon2id again; 0 means 15 minutes, negative turns it off.
	VerifiedFor time.Duration
	// Verifier checks the passwords of accounts that have theirs elsewhere; nil
	// means that there are none.
	Verifier Verifier
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil discards
}

// Verifier is another directory that knows passwords: LDAP, Active Directory.
type Verifier interface {
	// Covers tells whether the account of login has its password there. Its own
	// password here is then not asked for; app passwords work as ever.
	Covers(login mail.Address) bool
	// Verify tells whether p is right. An error means that nobody knows.
	Verify(ctx context.Context, login mail.Address, p Password) (bool, error)
}

// Directory answers and changes. All methods may be called concurrently.
type Directory struct {
	db          *sqldb.DB
	secret      []byte
	minPassword int
	now         func() time.Time
	log         *slog.Logger
	snapshot    atomic.Pointer[Snapshot]
	writing     sync.Mutex // held from checking a change until the snapshot shows it
	login       *login
	verifier    Verifier
	seals       seals
	told        []func() // of turns of delegations
	changed     []func() // after each change
}

// Open reads the directory of db.
func Open(ctx context.Context, db *sqldb.DB, opt Options) (*Directory, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.MinPassword == 0 {
		opt.MinPassword = 8
	}
	if opt.VerifiedFor == 0 {
		opt.VerifiedFor = 15 * time.Minute
	}
	keys, err := newSeals(opt.Secret)
	if err != nil {
		return nil, err
	}
	d := &Directory{
		db: db, seals: keys, verifier: opt.Verifier, secret: opt.Secret, minPassword: opt.MinPassword, now: opt.Now, log: opt.Log,
		login: newLogin(opt.VerifiedFor),
	}
	if err := d.Reload(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Snapshot returns the present state. It never changes afterwards, so a
// caller that asks several things keeps it to get answers that fit together.
func (d *Directory) Snapshot() *Snapshot { return d.snapshot.Load() }

// Reload reads everything anew: for a directory whose database another process
// has changed. Writes of this Directory do it themselves.
func (d *Directory) Reload(ctx context.Context) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.reload(ctx)
}

// reload is Reload with d.writing held.
func (d *Directory) reload(ctx context.Context) error {
	s, err := load(ctx, d.db, d.now)
	if err != nil {
		return fmt.Errorf("load the directory: %w", err)
	}
	d.snapshot.Store(s)
	for _, fn := range d.changed {
		fn()
	}
	return nil
}

// OnChange has fn called after each change, when [Directory.Snapshot] shows it.
// fn must return at once and not change the directory. Call it before anything
// else is done with the directory.
func (d *Directory) OnChange(fn func()) { d.changed = append(d.changed, fn) }
