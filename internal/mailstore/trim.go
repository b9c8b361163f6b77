package mailstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"vanthu/internal/sqldb"
)

// Tombstones stay so long, and so many of each mailbox however old they are:
// clients that come back later are told more than they need, never less.
const (
	tombstoneAge  = 60 * 24 * time.Hour
	tombstoneKeep = 1_000 // of a mailbox
	tombstoneStep = 500   // removed in one transaction, about
)

const (
	qTombstoneBoxes = `SELECT mailbox_id FROM expunged WHERE mailbox_id > $1 GROUP BY mailbox_id HAVING count(*) > $2 ORDER BY mailbox_id LIMIT 64`
	qTombstoneKept  = `SELECT modseq FROM expunged WHERE mailbox_id = $1 ORDER BY modseq DESC, uid DESC LIMIT 1 OFFSET $2`
	qTombstoneOld   = `SELECT modseq, at_us FROM expunged WHERE mailbox_id = $1 AND modseq < $2 ORDER BY modseq, uid LIMIT $3`
	qTombstoneTrim  = `DELETE FROM expunged WHERE mailbox_id = $1 AND modseq <= $2`
	qForget         = `UPDATE mailbox SET forgotten_modseq = $1 WHERE id = $2 AND forgotten_modseq < $1`
)

// TrimTombstones removes tombstones that hardly anybody asks for any more, and
// notes up to which mod-sequence of a mailbox they are not complete
// ([Store.VanishedSince]). It works in small transactions and may be stopped by
// ctx or a crash at any time. It gives how many it removed.
func (s *Store) TrimTombstones(ctx context.Context) (removed int64, err error) {
	for last := int64(0); ; {
		var boxes []int64
		err := s.db.View(ctx, func(r sqldb.Reader) error {
			boxes = nil
			rows, err := r.Query(ctx, qTombstoneBoxes, last, tombstoneKeep)
			if err != nil {
				return err
			}
			return scanAll(rows, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				boxes = append(boxes, id)
				return err
			})
		})
		if err != nil {
			return removed, fmt.Errorf("look for tombstones: %w", err)
		}
		if len(boxes) == 0 {
			return removed, nil
		}
		last = boxes[len(boxes)-1]
		for _, id := range boxes {
			for n := int64(1); n > 0; removed += n {
				if n, err = s.trimSome(ctx, MailboxID(id)); err != nil {
					return removed, fmt.Errorf("trim tombstones of mailbox %d: %w", id, err)
				}
			}
		}
	}
}

// trimSome removes the oldest tombstones of a mailbox: whole mod-sequences, of
// which one may be large.
func (s *Store) trimSome(ctx context.Context, id MailboxID) (n int64, err error) {
	before := sqldb.Micros(s.opt.Now().Add(-tombstoneAge))
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		n = 0
		var kept int64
		err := tx.QueryRow(ctx, qTombstoneKept, int64(id), tombstoneKeep-1).Scan(&kept)
		if sqldb.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, qTombstoneOld, int64(id), kept, tombstoneStep)
		if err != nil {
			return err
		}
		upTo, young := int64(0), int64(math.MaxInt64)
		err = scanAll(rows, func(scan func(...any) error) error {
			var modseq, at int64
			if err := scan(&modseq, &at); err != nil {
				return err
			}
			if at >= before {
				young = min(young, modseq)
			}
			upTo = modseq
			return nil
		})
		if upTo = min(upTo, young-1); err != nil || upTo == 0 {
			return err
		}
		if n, err = tx.Exec(ctx, qTombstoneTrim, int64(id), upTo); err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, qForget, upTo, int64(id))
		return err
	})
	return n, err
}
