package queue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Lane is what waits for the same way out: the domain of the recipients or,
// when an administrator chose another way for them, ">" and the name of that.
// A dead lane never holds up another one.
type Lane string

// Route gives the way that an administrator chose for the lane.
func (l Lane) Route() (name string, chosen bool) { return strings.CutPrefix(string(l), ">") }

// Domain gives the recipients' domain of a lane without a chosen way.
func (l Lane) Domain() string { return string(l) }

// LaneDue is a lane in which something waits.
type LaneDue struct {
	Lane Lane
	Due  time.Time // when its first item is due
}

const (
	// The lanes are found one by one in the index, however many items wait in each.
	qLanes = `WITH RECURSIVE waiting(lane) AS (
  SELECT min(lane) FROM queue_item WHERE state = 'waiting'
  UNION ALL
  SELECT (SELECT min(q.lane) FROM queue_item AS q WHERE q.state = 'waiting' AND q.lane > waiting.lane)
  FROM waiting WHERE waiting.lane IS NOT NULL)
SELECT lane FROM waiting WHERE lane IS NOT NULL`
	qLanePriority = `SELECT max(priority) FROM queue_item WHERE state = 'waiting' AND lane = $1 AND priority < $2`
	qLaneDue      = `SELECT min(next_us) FROM queue_item WHERE state = 'waiting' AND lane = $1 AND priority = $2`
	qLaneHead     = `SELECT queue_id, next_us FROM queue_item
 WHERE state = 'waiting' AND lane = $1 AND priority = $2 AND next_us <= $3 ORDER BY next_us, id LIMIT 1`
	qExpireLeases = `UPDATE queue_item SET state = 'waiting', next_us = $1 WHERE state = 'leased' AND leased_us < $2`
	qLease        = `UPDATE queue_item SET state = 'leased', leased_us = $1, attempts = attempts + 1
 WHERE id IN (SELECT id FROM queue_item WHERE queue_id = $2 AND state = 'waiting' AND lane = $3 AND next_us <= $4 ORDER BY id LIMIT $5)
 RETURNING ` + columns
	qRecover = `UPDATE queue_item SET state = 'waiting' WHERE state = 'leased'`
)

// abovePriority is more than any priority of RFC 6710.
const abovePriority = 100

// Lanes gives the lanes in which something waits, with when it is due.
func (q *Queue) Lanes(ctx context.Context) (list []LaneDue, err error) {
	err = q.db.View(ctx, func(r sqldb.Reader) error {
		lanes, err := column[Lane](ctx, r, qLanes)
		if err != nil {
			return err
		}
		list = make([]LaneDue, 0, len(lanes))
		for _, l := range lanes {
			var due int64
			if err := priorities(ctx, r, l, func(p int) (bool, error) {
				var us int64
				if err := r.QueryRow(ctx, qLaneDue, string(l), p).Scan(&us); err != nil {
					return false, err
				}
				if due == 0 || us < due {
					due = us
				}
				return true, nil
			}); err != nil {
				return err
			}
			list = append(list, LaneDue{Lane: l, Due: sqldb.Time(due)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is due: %w", err)
	}
	return list, nil
}

// priorities calls do for each priority that waits in a lane, the most urgent
// first, until it says false. Each is one step in the index.
func priorities(ctx context.Context, r sqldb.Reader, l Lane, do func(p int) (bool, error)) error {
	for p := abovePriority; ; {
		var next *int
		if err := r.QueryRow(ctx, qLanePriority, string(l), p).Scan(&next); err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		p = *next
		if more, err := do(p); err != nil || !more {
			return err
		}
	}
}

func column[T ~string](ctx context.Context, r sqldb.Reader, query string, args ...any) (list []T, err error) {
	rows, err := r.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// MaxTogether is how many recipients of a message one lease takes at most.
// RFC 5321, section 4.5.3.1.8: every server takes a hundred.
const MaxTogether = 100

// Lease claims one message that is due in one of the lanes, for Options.Lease:
// the most urgent, of these the one that is due longest, with all of its
// recipients that are due there. The list is empty when nothing is due.
func (q *Queue) Lease(ctx context.Context, lanes ...Lane) (items []Item, err error) {
	err = q.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		items, err = q.LeaseIn(ctx, tx, lanes...)
		return err
	})
	return items, err
}

// LeaseIn is [Queue.Lease] as a part of tx, so that settling one message and
// claiming the next cost one commit.
func (q *Queue) LeaseIn(ctx context.Context, tx *sqldb.Tx, lanes ...Lane) (items []Item, err error) {
	now := q.opt.Now()
	head, ok, err := q.head(ctx, tx, now, lanes)
	if err != nil || !ok {
		return nil, err
	}
	for _, l := range lanes {
		if len(items) >= MaxTogether {
			break
		}
		rows, err := tx.Query(ctx, qLease, sqldb.Micros(now), head, string(l), sqldb.Micros(now), MaxTogether-len(items))
		if err != nil {
			return nil, fmt.Errorf("lease queue items: %w", err)
		}
		more, err := scanItems(rows)
		if err != nil {
			return nil, fmt.Errorf("lease queue items: %w", err)
		}
		items = append(items, more...)
	}
	return items, nil
}

// head finds the message whose turn it is.
func (q *Queue) head(ctx context.Context, tx *sqldb.Tx, now time.Time, lanes []Lane) (id string, ok bool, err error) {
	best, since := -abovePriority, int64(0)
	for _, l := range lanes {
		err := priorities(ctx, tx, l, func(p int) (bool, error) {
			var queueID string
			var due int64
			err := tx.QueryRow(ctx, qLaneHead, string(l), p, sqldb.Micros(now)).Scan(&queueID, &due)
			switch {
			case sqldb.NoRows(err):
				return true, nil // nothing of this priority is due yet
			case err != nil:
				return false, err
			}
			if !ok || p > best || p == best && due < since {
				id, ok, best, since = queueID, true, p, due
			}
			return false, nil
		})
		if err != nil {
			return "", false, fmt.Errorf("look for what is due: %w", err)
		}
	}
	return id, ok, nil
}

// Recover takes back every lease: who starts to run the queue calls it, since
// whoever held them is dead. It tells how many there were.
func (q *Queue) Recover(ctx context.Context) (n int64, err error) {
	err = q.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		n, err = tx.Exec(ctx, qRecover)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take leases of a dead runner back: %w", err)
	}
	return n, nil
}

// TakeBack takes back leases that were not settled within Options.Lease.
func (q *Queue) TakeBack(ctx context.Context, tx *sqldb.Tx) error {
	now := q.opt.Now()
	_, err := tx.Exec(ctx, qExpireLeases, sqldb.Micros(now), sqldb.Micros(now.Add(-q.opt.Lease)))
	if err != nil {
		return fmt.Errorf("take lost leases back: %w", err)
	}
	return nil
}

const (
	qLeaseExpired = `UPDATE queue_item SET state = 'leased', leased_us = $1
 WHERE id IN (SELECT id FROM queue_item WHERE state = 'waiting' AND expires_us <= $2 ORDER BY expires_us LIMIT $3)
 RETURNING ` + columns
	qLate = `SELECT ` + columns + ` FROM queue_item
 WHERE state = 'waiting' AND warned_us = 0 AND (created_us <= $1 OR priority >= $2 AND created_us <= $3 OR by_mode = 2 AND by_us <= $4)
 ORDER BY created_us LIMIT $5`
	qWarned = `UPDATE queue_item SET warned_us = $1 WHERE id = $2`
	qPrune  = `DELETE FROM queue_item WHERE id IN (
  SELECT id FROM queue_item WHERE state IN ('done', 'failed', 'dropped') AND next_us < $1 LIMIT $2)`
)

// LeaseExpired claims items whose time is over, whether or not their lane was
// tried lately, so that their senders can be told.
func (q *Queue) LeaseExpired(ctx context.Context, tx *sqldb.Tx, limit int) ([]Item, error) {
	now := sqldb.Micros(q.opt.Now())
	rows, err := tx.Query(ctx, qLeaseExpired, now, now, limit)
	if err != nil {
		return nil, fmt.Errorf("look for expired items: %w", err)
	}
	return scanItems(rows)
}

// Lateness says since when an item must wait to be late.
type Lateness struct {
	Since       time.Time
	Urgent      mail.Priority // items of at least this priority
	UrgentSince time.Time     // are late when they wait since then
}

// Late claims items that are late, or beyond the time at which their sender
// wanted to be told (RFC 2852, mode N), and whose sender was not told yet; they
// count as told from then on.
func (q *Queue) Late(ctx context.Context, tx *sqldb.Tx, l Lateness, limit int) ([]Item, error) {
	now := sqldb.Micros(q.opt.Now())
	rows, err := tx.Query(ctx, qLate, sqldb.Micros(l.Since), int(l.Urgent), sqldb.Micros(l.UrgentSince), now, limit)
	if err != nil {
		return nil, fmt.Errorf("look for late items: %w", err)
	}
	items, err := scanItems(rows)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		if _, err := tx.Exec(ctx, qWarned, now, int64(it.ID)); err != nil {
			return nil, fmt.Errorf("mark a late item: %w", err)
		}
	}
	return items, nil
}

// Prune forgets items that ended before that time; the journal keeps what
// became of them. It tells how many.
func (q *Queue) Prune(ctx context.Context, before time.Time) (total int64, err error) {
	const atOnce = 5000 // keeps the writer free for others
	for {
		var n int64
		if err := q.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
			n, err = tx.Exec(ctx, qPrune, sqldb.Micros(before), atOnce)
			return err
		}); err != nil {
			return total, fmt.Errorf("forget ended queue items: %w", err)
		}
		if total += n; n < atOnce {
			return total, nil
		}
	}
}

// Prods counts how often an administrator wanted things tried now: a runner
// then forgets that a destination did not answer.
func (q *Queue) Prods() int64 { return q.prod.Load() }
