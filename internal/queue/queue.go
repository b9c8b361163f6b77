// Package queue holds what must leave this server: one item for each message
// and recipient, with its own state, retry and expiry, so that one dead host
// never holds up another recipient.
//
// It owns table queue_item. An item is made in the transaction that accepts
// the message (250 is a promise) and ends in exactly one of the states done,
// failed or dropped. A runner leases due items, lane by lane; a lease that is
// not settled in time falls back by itself, and all fall back when a runner
// starts, so a crash in the middle of an attempt costs at most one duplicate,
// never a loss. Another vanthu server drops that duplicate, because the queue
// id stays the same (docs/adr/0007-peers.md).
package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// ItemID names one item: one recipient of one message.
type ItemID int64

// ID is the name of an accepted message that the sender saw in its 250.
type ID string

// MessageRef is the stored message an item carries; mailstore gives it out.
type MessageRef int64

// State of an item.
type State string

// The states. Done, Failed and Dropped are final.
const (
	Later   State = "later"   // not before Next, as its sender wants it; it has not been delivered anywhere. RFC 4865
	Waiting State = "waiting" // due at Next
	Leased  State = "leased"  // an attempt is under way
	Held    State = "held"    // an administrator stopped it
	Done    State = "done"    // the next hop took it
	Failed  State = "failed"  // given up; its sender has been told
	Dropped State = "dropped" // an administrator took it out; nobody has been told
)

// Item is one recipient of one message on its way out.
type Item struct {
	ID       ItemID       `json:"id"`
	Queue    ID           `json:"queue_id"`
	Message  MessageRef   `json:"-"`
	Sender   mail.Path    `json:"-"`
	Rcpt     mail.Address `json:"-"`
	State    State        `json:"state"`
	Attempts int          `json:"attempts"`
	Created  time.Time    `json:"created"`
	Next     time.Time    `json:"next"`
	Expires  time.Time    `json:"expires"`
	Route    string       `json:"route,omitempty"`     // the way an administrator chose; "" is the domain's own
	Warned   time.Time    `json:"warned,omitzero"`     // when the sender was told that it is late
	LastCode int          `json:"last_code,omitempty"` // SMTP reply code of the last attempt; 0 for none
	LastText string       `json:"last_text,omitempty"`

	Env mail.Envelope  `json:"-"` // what was asked for besides the addresses; From is Sender, To is empty
	To  mail.Recipient `json:"-"` // Rcpt with its NOTIFY and ORCPT
}

// Options tunes a queue; the zero value works.
type Options struct {
	// Schedule is how long to wait after each failed attempt; the last one
	// repeats. Empty means 1m, 5m, 15m, 30m, 1h. RFC 5321, section 4.5.4.1.
	Schedule []time.Duration
	// Jitter spreads every wait by up to this part of it to both sides, so that
	// what failed together does not come back together; 0 means not at all.
	Jitter   float64
	Lifetime time.Duration    // from acceptance to giving up; 0 means 4 days
	Lease    time.Duration    // longest attempt; 0 means 15 minutes
	Now      func() time.Time // nil means time.Now
}

// Queue is the durable queue. Its methods may be called concurrently.
type Queue struct {
	db    *sqldb.DB
	opt   Options
	wake  chan struct{}
	later chan struct{}
	prod  atomic.Int64
}

// New returns the queue kept in db.
func New(db *sqldb.DB, opt Options) *Queue {
	if len(opt.Schedule) == 0 {
		opt.Schedule = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	}
	if opt.Lifetime == 0 {
		opt.Lifetime = 4 * 24 * time.Hour
	}
	if opt.Lease == 0 {
		opt.Lease = 15 * time.Minute
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Queue{db: db, opt: opt, wake: make(chan struct{}, 1), later: make(chan struct{}, 1)}
}

// Wake gives a value when new items may be due.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

func (q *Queue) signal() { notify(q.wake) }

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

const qInsert = `INSERT INTO queue_item
 (queue_id, message_id, sender, rcpt, domain, state, attempts, created_us, next_us, expires_us, leased_us, last_code, last_text,
  envid, ret, notify, orcpt, orcpt_type, utf8, body, require_tls, tls_optional, by_us, by_mode, by_trace, priority, hold_us)
 VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, 0, 0, '',
  $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
 ON CONFLICT (queue_id, rcpt) DO NOTHING`

// Enqueue puts one item for each of rcpts into tx, with the sender and all
// else that env asks for; env.To does not count. The same recipient of the
// same message is queued once.
func (q *Queue) Enqueue(ctx context.Context, tx *sqldb.Tx, id ID, msg MessageRef, env mail.Envelope, rcpts []mail.Recipient) error {
	now := q.opt.Now()
	expires := now.Add(q.opt.Lifetime)
	if !env.By.Deadline.IsZero() && env.By.Mode == mail.ByReturn && env.By.Deadline.Before(expires) { // RFC 2852, section 4.1.3
		expires = env.By.Deadline
	}
	err := q.insert(ctx, tx, Item{
		Queue: id, Message: msg, State: Waiting, Created: now, Next: now, Expires: expires, Env: env,
	}, rcpts)
	if err == nil {
		tx.OnCommit(q.signal)
	}
	return err
}

// insert makes an item like it for each of rcpts.
func (q *Queue) insert(ctx context.Context, tx *sqldb.Tx, it Item, rcpts []mail.Recipient) error {
	env := it.Env
	for _, r := range rcpts {
		if _, err := tx.Exec(ctx, qInsert, string(it.Queue), int64(it.Message), senderText(env.From), r.Addr.String(), r.Addr.Domain,
			string(it.State), sqldb.Micros(it.Created), sqldb.Micros(it.Next), sqldb.Micros(it.Expires),
			env.ID, int(env.Ret), int(r.Notify), r.Original, string(r.OriginalType), bit(env.UTF8), int(env.Body), bit(env.RequireTLS), bit(env.TLSOptional),
			sqldb.Micros(env.By.Deadline), int(env.By.Mode), bit(env.By.Trace), int(env.Priority), sqldb.Micros(env.HoldUntil)); err != nil {
			return fmt.Errorf("queue %s for one recipient: %w", it.Queue, err)
		}
	}
	return nil
}

// bit is b as both engines store it.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

const columns = `id, queue_id, message_id, sender, rcpt, state, attempts, created_us, next_us, expires_us, last_code, last_text,
 envid, ret, notify, orcpt, orcpt_type, utf8, body, require_tls, tls_optional, by_us, by_mode, by_trace, priority, route, warned_us, hold_us`

// Result is how an attempt for one item ended.
type Result struct {
	Code int    // SMTP reply code; 0 when no reply was received
	Text string // the reply's text or the cause, for the administrator and the delivery report

	Host       string // the server that took it, "" when none did
	Unreported bool   // it took it but does not know DSN: nobody after us tells the sender. RFC 3461, section 5.2.2
}

// Class sorts a result by RFC 5321, section 4.2.1: 2yz done, 5yz failed, all
// else to be tried again. No reply at all is temporary.
func (r Result) Class() State {
	switch r.Code / 100 {
	case 2:
		return Done
	case 5:
		return Failed
	}
	return Waiting
}

const qSettle = `UPDATE queue_item SET state = $1, next_us = $2, last_code = $3, last_text = $4
 WHERE id = $5 AND state = 'leased'`

// Settle ends the lease of an item in tx and returns its new state: Done,
// Failed, or Waiting for the next attempt. An item past its expiry fails.
// The caller writes what follows from it, such as a report to the sender, in
// the same transaction. It returns [ErrNotLeased] when the lease was lost.
func (q *Queue) Settle(ctx context.Context, tx *sqldb.Tx, it Item, r Result) (State, error) {
	now := q.opt.Now()
	state := r.Class()
	next := now
	if state == Waiting {
		next = now.Add(q.Delay(it.Attempts))
		if next.After(it.Expires) {
			state = Failed
		}
	}
	n, err := tx.Exec(ctx, qSettle, string(state), sqldb.Micros(next), r.Code, clip(r.Text), int64(it.ID))
	if err != nil {
		return "", fmt.Errorf("settle queue item %d: %w", it.ID, err)
	}
	if n == 0 {
		return "", ErrNotLeased
	}
	if state == Waiting { // whoever sleeps until the next due item must learn of this one
		tx.OnCommit(q.signal)
	}
	return state, nil
}

// ErrNotLeased: the item's lease ended, or somebody else settled it.
var ErrNotLeased = fault.New(fault.Conflict, fault.Text{EN: "the queue item is not under way"})

// Delay is the wait after the n-th failed attempt, n from 1.
func (q *Queue) Delay(n int) time.Duration {
	i := min(max(n-1, 0), len(q.opt.Schedule)-1)
	d := q.opt.Schedule[i]
	return d + time.Duration(q.opt.Jitter*(2*rand.Float64()-1)*float64(d))
}

func scanItems(rows *sql.Rows) (items []Item, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var it Item
		var sender, rcpt string
		var created, next, expires, by, warned, hold int64
		if err := rows.Scan(&it.ID, &it.Queue, &it.Message, &sender, &rcpt, &it.State, &it.Attempts,
			&created, &next, &expires, &it.LastCode, &it.LastText,
			&it.Env.ID, &it.Env.Ret, &it.To.Notify, &it.To.Original, &it.To.OriginalType, &it.Env.UTF8, &it.Env.Body,
			&it.Env.RequireTLS, &it.Env.TLSOptional, &by, &it.Env.By.Mode, &it.Env.By.Trace, &it.Env.Priority, &it.Route, &warned, &hold); err != nil {
			return nil, err
		}
		if it.Rcpt, err = mail.ParseAddress(rcpt, true); err != nil {
			return nil, fmt.Errorf("queue item %d: recipient: %w", it.ID, err)
		}
		if it.Sender, err = parseSender(sender); err != nil {
			return nil, fmt.Errorf("queue item %d: sender: %w", it.ID, err)
		}
		it.Env.From, it.To.Addr = it.Sender, it.Rcpt
		if by != 0 {
			it.Env.By.Deadline = sqldb.Time(by)
		}
		if warned != 0 {
			it.Warned = sqldb.Time(warned)
		}
		it.Env.HoldUntil = sqldb.Time(hold)
		it.Created, it.Next, it.Expires = sqldb.Time(created), sqldb.Time(next), sqldb.Time(expires)
		items = append(items, it)
	}
	return items, rows.Err()
}

func senderText(p mail.Path) string {
	if p.Null {
		return ""
	}
	return p.Address.String()
}

func parseSender(s string) (mail.Path, error) {
	if s == "" {
		return mail.Path{Null: true}, nil
	}
	a, err := mail.ParseAddress(s, true)
	return mail.Path{Address: a}, err
}

// clip keeps what a foreign server said within bounds.
func clip(s string) string {
	const longest = 1000
	if len(s) > longest {
		s = s[:longest]
	}
	return s
}
