package mailstore

import (
	"context"
	"fmt"

	"vanthu/internal/sqldb"
)

const qReclaimable = `SELECT coalesce(sum(size), 0) FROM entry WHERE mailbox_id = $1 AND (flags & $2) <> 0`

// Reclaimable tells how many octets an expunge of the whole mailbox would give
// back: the sizes of its messages with \Deleted (RFC 9208, DELETED-STORAGE).
func (s *Store) Reclaimable(ctx context.Context, id MailboxID) (octets int64, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		return r.QueryRow(ctx, qReclaimable, int64(id), int64(Deleted)).Scan(&octets)
	})
	if err != nil {
		return 0, fmt.Errorf("add up deleted messages of mailbox %d: %w", id, err)
	}
	return octets, nil
}
