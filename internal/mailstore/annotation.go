package mailstore

import (
	"context"
	"fmt"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// Limits of annotations.
const (
	MaxAnnotation  = 4 << 10 // octets of a value
	MaxAnnotations = 50      // of one mailbox that are shared, or private to one account
	MaxEntry       = 255     // octets of an entry's name
)

// ErrTooManyAnnotations: the mailbox has as many annotations as it can.
var ErrTooManyAnnotations = fault.New(fault.Exhausted, fault.Text{
	EN: "too many notes on this mailbox", VI: "thư mục có quá nhiều ghi chú",
})

// Annotation is a note on a mailbox: shared by all who may read it, or private
// to one account. RFC 5464.
type Annotation struct {
	Shared bool
	Entry  string // lower case, without /private or /shared: "/comment"
	Value  []byte // nil removes it
}

const qAnnotations = `
SELECT account_id, entry, value FROM annotation
WHERE mailbox_id = $1 AND (account_id = 0 OR account_id = $2) ORDER BY account_id, entry`

// Annotations gives the shared annotations of a mailbox and those private to
// an account, the shared ones first, each by entry.
func (s *Store) Annotations(ctx context.Context, id MailboxID, a directory.AccountID) (list []Annotation, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		list = nil
		rows, err := r.Query(ctx, qAnnotations, int64(id), int64(a))
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var account int64
			var n Annotation
			err := scan(&account, &n.Entry, &n.Value)
			if n.Value == nil {
				n.Value = []byte{} // an empty value is one
			}
			n.Shared = account == 0
			list = append(list, n)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read annotations of mailbox %d: %w", id, err)
	}
	return list, nil
}

const (
	qAnnotate = `
INSERT INTO annotation (mailbox_id, account_id, entry, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (mailbox_id, account_id, entry) DO UPDATE SET value = excluded.value`
	qUnannotate       = `DELETE FROM annotation WHERE mailbox_id = $1 AND account_id = $2 AND entry = $3`
	qCountAnnotations = `SELECT count(*) FROM annotation WHERE mailbox_id = $1 AND account_id = $2`
	qDropAnnotations  = `DELETE FROM annotation WHERE mailbox_id = $1`
)

// Annotate sets and removes annotations, all or none; the private ones are
// those of account a. It fails with [ErrNoMailbox] or [ErrTooManyAnnotations].
func (s *Store) Annotate(ctx context.Context, id MailboxID, a directory.AccountID, list []Annotation) error {
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		if _, err := mailboxByID(ctx, tx, id); err != nil {
			return err
		}
		for _, n := range list {
			account := int64(a)
			if n.Shared {
				account = 0
			}
			if n.Value == nil {
				if _, err := tx.Exec(ctx, qUnannotate, int64(id), account, n.Entry); err != nil {
					return fmt.Errorf("remove an annotation of mailbox %d: %w", id, err)
				}
				continue
			}
			if _, err := tx.Exec(ctx, qAnnotate, int64(id), account, n.Entry, n.Value); err != nil {
				return fmt.Errorf("annotate mailbox %d: %w", id, err)
			}
			var count int
			if err := tx.QueryRow(ctx, qCountAnnotations, int64(id), account).Scan(&count); err != nil {
				return fmt.Errorf("count annotations of mailbox %d: %w", id, err)
			}
			if count > MaxAnnotations {
				return ErrTooManyAnnotations
			}
		}
		return nil
	})
}
