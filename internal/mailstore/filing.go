package mailstore

import (
	"context"

	"vanthu/internal/sqldb"
)

// ListIn is [Store.List] inside a transaction or snapshot.
func (s *Store) ListIn(ctx context.Context, r sqldb.Reader, o Owner) ([]Mailbox, error) {
	return mailboxes(ctx, r, o)
}

// CreateIn is [Store.CreateMailbox] inside a transaction, which may go on when
// it fails, for an account that is then subscribed to it.
func (s *Store) CreateIn(ctx context.Context, tx *sqldb.Tx, o Owner, name string) (MailboxID, error) {
	if !o.Valid() {
		return 0, errNoOwner
	}
	name, err := Name(name)
	if err != nil {
		return 0, err
	}
	id, err := s.create(ctx, s.pending(tx), o, name, UseNone)
	if err != nil || o.Account == 0 {
		return id, err
	}
	return id, subscribe(ctx, tx, o.Account, name)
}
