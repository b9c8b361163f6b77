package queue

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Mail for later (RFC 4865): each recipient that the sender named is an item in
// state Later until its time comes. No runner sees it; whoever accepted the
// message takes the items out again and delivers it as if it had just come.

// Defer puts one item in state Later for each recipient of env into tx, due at
// env.HoldUntil. What cannot be delivered then is tried for Options.Lifetime.
func (q *Queue) Defer(ctx context.Context, tx *sqldb.Tx, id ID, msg MessageRef, env mail.Envelope) error {
	err := q.insert(ctx, tx, Item{
		Queue: id, Message: msg, State: Later, Created: q.opt.Now(), Next: env.HoldUntil, Expires: env.HoldUntil.Add(q.opt.Lifetime), Env: env,
	}, env.To)
	if err == nil {
		tx.OnCommit(func() { notify(q.later) })
	}
	return err
}

// WakeLater gives a value when the time of mail for later may have changed.
func (q *Queue) WakeLater() <-chan struct{} { return q.later }

const (
	qLaterNext = `SELECT coalesce(min(next_us), 0) FROM queue_item WHERE state = 'later'`
	qLaterDue  = `SELECT queue_id FROM queue_item WHERE state = 'later' AND next_us <= $1 GROUP BY queue_id ORDER BY min(next_us) LIMIT $2`
	qLaterOf   = `SELECT ` + columns + ` FROM queue_item WHERE queue_id = $1 AND state = 'later' AND next_us <= $2 ORDER BY id`
	qLaterLeft = `SELECT count(*) FROM queue_item WHERE queue_id = $1 AND state = 'later'`
	qLaterGone = `DELETE FROM queue_item WHERE id = $1 AND state = 'later'`
	qPostpone  = `UPDATE queue_item SET next_us = $1, attempts = attempts + 1, last_code = $2, last_text = $3 WHERE id = $4 AND state = 'later'`
)

// NextLater tells when the next mail for later is due; zero when there is none.
func (q *Queue) NextLater(ctx context.Context) (at time.Time, err error) {
	err = q.db.View(ctx, func(r sqldb.Reader) error {
		var us int64
		err := r.QueryRow(ctx, qLaterNext).Scan(&us)
		at = sqldb.Time(us)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("look for mail for later: %w", err)
	}
	return at, nil
}

// DueLater gives the messages for later whose time has come, at most limit, the
// one that is due longest first.
func (q *Queue) DueLater(ctx context.Context, limit int) (ids []ID, err error) {
	err = q.db.View(ctx, func(r sqldb.Reader) error {
		ids, err = column[ID](ctx, r, qLaterDue, sqldb.Micros(q.opt.Now()), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for mail for later: %w", err)
	}
	return ids, nil
}

// LaterOf gives the items of a message that are due and in state Later.
func (q *Queue) LaterOf(ctx context.Context, r sqldb.Reader, id ID) ([]Item, error) {
	rows, err := r.Query(ctx, qLaterOf, string(id), sqldb.Micros(q.opt.Now()))
	if err != nil {
		return nil, fmt.Errorf("look for mail for later: %w", err)
	}
	return scanItems(rows)
}

// TakeLater takes items in state Later out of the queue, for whoever delivers
// them in tx, and tells how many of the message are left. It returns
// [ErrNotLeased] when one of them is there no more.
func (q *Queue) TakeLater(ctx context.Context, tx *sqldb.Tx, id ID, items []Item) (left int, err error) {
	for _, it := range items {
		n, err := tx.Exec(ctx, qLaterGone, int64(it.ID))
		if err != nil {
			return 0, fmt.Errorf("take queue item %d: %w", it.ID, err)
		}
		if n == 0 {
			return 0, ErrNotLeased
		}
	}
	if err := tx.QueryRow(ctx, qLaterLeft, string(id)).Scan(&left); err != nil {
		return 0, fmt.Errorf("look for mail for later: %w", err)
	}
	return left, nil
}

// Postpone puts off items in state Later that could not be delivered at their
// time, and gives those whose time is over: these are still in state Later, for
// the caller to end ([Queue.End]).
func (q *Queue) Postpone(ctx context.Context, tx *sqldb.Tx, items []Item, r Result) (over []Item, err error) {
	for _, it := range items {
		next := q.opt.Now().Add(q.Delay(it.Attempts + 1))
		if next.After(it.Expires) {
			over = append(over, it)
			continue
		}
		if _, err := tx.Exec(ctx, qPostpone, sqldb.Micros(next), r.Code, clip(r.Text), int64(it.ID)); err != nil {
			return nil, fmt.Errorf("put off queue item %d: %w", it.ID, err)
		}
	}
	return over, nil
}
