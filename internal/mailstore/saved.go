package mailstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/sqldb"
)

const qSaved = `
SELECT uid, saved_us FROM entry WHERE mailbox_id = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid`

// Saved tells when each entry of the set came into the mailbox, by ascending
// UID: the SAVEDATE of RFC 8514. UIDs that are not there are passed over.
func (s *Store) Saved(ctx context.Context, mailbox MailboxID, set UIDSet, fn func(UID, time.Time)) error {
	return s.db.View(ctx, func(r sqldb.Reader) error {
		for _, part := range set {
			rows, err := r.Query(ctx, qSaved, int64(mailbox), int64(part.First), int64(part.Last))
			if err != nil {
				return fmt.Errorf("dates of mailbox %d: %w", mailbox, err)
			}
			var uid, at int64
			err = scanAll(rows, func(scan func(...any) error) error {
				if err := scan(&uid, &at); err != nil {
					return err
				}
				fn(UID(uid), sqldb.Time(at)) //nolint:gosec // a stored UID
				return nil
			})
			if err != nil {
				return fmt.Errorf("dates of mailbox %d: %w", mailbox, err)
			}
		}
		return nil
	})
}
