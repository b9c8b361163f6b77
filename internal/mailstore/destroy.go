package mailstore

import (
	"context"
	"fmt"

	"vanthu/internal/blob"
	"vanthu/internal/sqldb"
)

const qEntriesOf = `
SELECT e.mailbox_id, e.uid, m.account_id, m.unit_id FROM entry e JOIN mailbox m ON m.id = e.mailbox_id
WHERE e.message_id = $1 ORDER BY e.mailbox_id, e.uid`

// RemoveFrom takes a message out of every mailbox of the owners that of names,
// copies in folders of their own included, and tells how many entries that
// were. Their users see it vanish at once.
func (s *Store) RemoveFrom(ctx context.Context, tx *sqldb.Tx, msg MessageID, of func(Owner) bool) (removed int, err error) {
	rows, err := tx.Query(ctx, qEntriesOf, int64(msg))
	if err != nil {
		return 0, fmt.Errorf("look for the copies of a message: %w", err)
	}
	sets := map[MailboxID]UIDSet{}
	var order []MailboxID
	err = scanAll(rows, func(scan func(...any) error) error {
		var mailbox, uid int64
		var o Owner
		if err := scan(&mailbox, &uid, &o.Account, &o.Unit); err != nil || !of(o) {
			return err
		}
		id := MailboxID(mailbox)
		if sets[id] == nil {
			order = append(order, id)
		}
		sets[id] = sets[id].add(UID(uid))
		removed++
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for the copies of a message: %w", err)
	}
	for _, id := range order {
		if _, err := s.Remove(ctx, tx, id, sets[id]); err != nil {
			return 0, err
		}
	}
	return removed, nil
}

// Erase deletes a message that no mailbox holds any more and nobody keeps, with
// its file, at once instead of when it is collected; otherwise it does nothing.
// keep is as in [CollectOptions].
func (s *Store) Erase(ctx context.Context, msg MessageID, keep func(ctx context.Context, r sqldb.Reader, id MessageID) (bool, error)) error {
	var file []byte
	err := s.db.Update(ctx, func(tx *sqldb.Tx) error {
		needed, err := s.needed(ctx, tx, msg, CollectOptions{Keep: keep})
		if err != nil || needed {
			return err
		}
		if _, err := tx.Exec(ctx, qDeleteOrphan, int64(msg)); err != nil {
			return err
		}
		var size, inBlob int64
		var sum []byte
		err = tx.QueryRow(ctx, qDeleteMessage, int64(msg)).Scan(&size, &sum, &inBlob)
		if sqldb.NoRows(err) {
			return nil
		}
		if inBlob != 0 {
			file = sum
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("erase a message: %w", err)
	}
	s.structs.forget(msg)
	s.previews.forget(msg)
	s.index.texts.forget(msg)
	if len(file) != len(blob.Hash{}) {
		return nil
	}
	return s.removeUnused(ctx, blob.Hash(file))
}
