package queue

import (
	"context"
	"fmt"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Filter narrows a listing; the zero value lists what has not ended.
type Filter struct {
	All   bool // also items that are done or failed
	Queue ID   // only this message
	Limit int  // 0 means 1,000
}

const (
	qList = `SELECT ` + columns + ` FROM queue_item
 WHERE ($1 = 1 OR state NOT IN ('done', 'failed')) AND ($2 = '' OR queue_id = $2) ORDER BY id LIMIT $3`
	qHold = `UPDATE queue_item SET state = 'held' WHERE id = $1 AND state = 'waiting'`
	qFree = `UPDATE queue_item SET state = 'waiting', next_us = $1 WHERE id = $2 AND state = 'held'`
	qNow  = `UPDATE queue_item SET next_us = $1 WHERE id = $2 AND state = 'waiting'`
	qUses = `SELECT count(*) FROM queue_item WHERE message_id = $1 AND state NOT IN ('done', 'failed')`
)

// List returns items by their number.
func (q *Queue) List(ctx context.Context, f Filter) (items []Item, err error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	all := 0
	if f.All {
		all = 1
	}
	err = q.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qList, all, string(f.Queue), f.Limit)
		if err != nil {
			return err
		}
		items, err = scanItems(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the queue: %w", err)
	}
	return items, nil
}

// Hold stops a waiting item until Release. It fails with kind Conflict when
// the item does not wait.
func (q *Queue) Hold(ctx context.Context, actor journal.Actor, id ItemID) error {
	return q.change(ctx, actor, id, "queue.held", func(tx *sqldb.Tx) (int64, error) {
		return tx.Exec(ctx, qHold, int64(id))
	})
}

// Release lets a held item go, at once.
func (q *Queue) Release(ctx context.Context, actor journal.Actor, id ItemID) error {
	return q.change(ctx, actor, id, "queue.released", func(tx *sqldb.Tx) (int64, error) {
		return tx.Exec(ctx, qFree, sqldb.Micros(q.opt.Now()), int64(id))
	})
}

// RetryNow makes a waiting item due at once.
func (q *Queue) RetryNow(ctx context.Context, actor journal.Actor, id ItemID) error {
	return q.change(ctx, actor, id, "queue.retried", func(tx *sqldb.Tx) (int64, error) {
		return tx.Exec(ctx, qNow, sqldb.Micros(q.opt.Now()), int64(id))
	})
}

// change performs one administrator's act with its journal entry.
func (q *Queue) change(ctx context.Context, actor journal.Actor, id ItemID, event string, act func(*sqldb.Tx) (int64, error)) error {
	return q.db.Update(ctx, func(tx *sqldb.Tx) error {
		n, err := act(tx)
		if err != nil {
			return fmt.Errorf("change queue item %d: %w", id, err)
		}
		if n == 0 {
			return fault.Newf(fault.Conflict, "queue item %d is not in a state that allows this", id)
		}
		if _, err := journal.Append(ctx, tx, journal.Event{
			At: q.opt.Now(), Type: event, Actor: actor, Subject: fmt.Sprintf("queue/%d", id),
		}); err != nil {
			return err
		}
		tx.OnCommit(q.signal)
		return nil
	})
}

// Uses reports whether an item that has not ended still needs the message, so
// that it must not be collected.
func (q *Queue) Uses(ctx context.Context, r sqldb.Reader, msg MessageRef) (bool, error) {
	var n int
	err := r.QueryRow(ctx, qUses, int64(msg)).Scan(&n)
	return n > 0, err
}
