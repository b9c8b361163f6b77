package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Filter narrows a listing; the zero value lists what has not ended.
type Filter struct {
	All    bool // also items that are done, failed or dropped
	Queue  ID   // only this message
	Item   ItemID
	Domain string // of the recipients
	Sender string // reverse-path; "<>" is the null one
	State  State
	Limit  int // 0 means 1,000
}

// where gives the conditions of a filter, with $1… as args has them.
func (f Filter) where() (cond string, args []any) {
	var b strings.Builder
	b.WriteString(`id > 0`)
	add := func(text string, v any) {
		args = append(args, v)
		b.WriteString(` AND ` + text + `$` + strconv.Itoa(len(args)))
	}
	if !f.All && f.State == "" {
		b.WriteString(` AND state IN ('later', 'waiting', 'leased', 'held')`)
	}
	if f.State != "" {
		add(`state = `, string(f.State))
	}
	if f.Queue != "" {
		add(`queue_id = `, string(f.Queue))
	}
	if f.Item != 0 {
		add(`id = `, int64(f.Item))
	}
	if f.Domain != "" {
		add(`domain = `, strings.ToLower(f.Domain))
	}
	switch f.Sender {
	case "":
	case "<>":
		add(`sender = `, "")
	default:
		add(`sender = `, f.Sender)
	}
	return b.String(), args
}

// List returns items by their number.
func (q *Queue) List(ctx context.Context, f Filter) (items []Item, err error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	cond, args := f.where()
	args = append(args, f.Limit)
	query := `SELECT ` + columns + ` FROM queue_item WHERE ` + cond + ` ORDER BY id LIMIT $` + strconv.Itoa(len(args))
	err = q.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, query, args...)
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

// LaneSummary is how much waits for one way out.
type LaneSummary struct {
	Lane     Lane      `json:"lane"`
	Waiting  int       `json:"waiting"`
	Leased   int       `json:"under_way"`
	Held     int       `json:"held"`
	Oldest   time.Time `json:"oldest"`              // when the oldest was accepted
	Next     time.Time `json:"next,omitzero"`       // first attempt that is due; zero when nothing waits
	LastCode int       `json:"last_code,omitempty"` // of the last attempt that failed
	LastText string    `json:"last_text,omitempty"`
}

const (
	qSummary = `SELECT lane, sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'leased' THEN 1 ELSE 0 END),
  sum(CASE WHEN state = 'held' THEN 1 ELSE 0 END), min(created_us), coalesce(min(CASE WHEN state = 'waiting' THEN next_us END), 0)
 FROM queue_item WHERE state IN ('waiting', 'leased', 'held') GROUP BY lane ORDER BY lane`
	qLastReply = `SELECT last_code, last_text FROM queue_item
 WHERE state IN ('waiting', 'leased', 'held') AND lane = $1 AND last_text <> '' ORDER BY leased_us DESC, id DESC LIMIT 1`
)

// Summary tells how much waits in each lane.
func (q *Queue) Summary(ctx context.Context) (list []LaneSummary, err error) {
	err = q.db.View(ctx, func(r sqldb.Reader) (err error) {
		list, err = summary(ctx, r)
		if err != nil {
			return err
		}
		for i := range list {
			l := &list[i]
			err := r.QueryRow(ctx, qLastReply, string(l.Lane)).Scan(&l.LastCode, &l.LastText)
			if err != nil && !sqldb.NoRows(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum the queue up: %w", err)
	}
	return list, nil
}

func summary(ctx context.Context, r sqldb.Reader) (list []LaneSummary, err error) {
	rows, err := r.Query(ctx, qSummary)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	for rows.Next() {
		var l LaneSummary
		var oldest, next int64
		if err := rows.Scan(&l.Lane, &l.Waiting, &l.Leased, &l.Held, &oldest, &next); err != nil {
			return nil, err
		}
		l.Oldest = sqldb.Time(oldest)
		if next != 0 {
			l.Next = sqldb.Time(next)
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// Selection names items for an administrator's act. Exactly one of its fields
// is set; of what it names, only items in a state that the act is for count.
type Selection struct {
	Item   ItemID `json:"item,omitempty"`
	Queue  ID     `json:"queue_id,omitempty"`
	Domain string `json:"domain,omitempty"`
	Sender string `json:"sender,omitempty"` // "<>" is the null reverse-path
	All    bool   `json:"all,omitempty"`
}

func (s Selection) filter() (Filter, error) {
	n := 0
	for _, set := range []bool{s.Item != 0, s.Queue != "", s.Domain != "", s.Sender != "", s.All} {
		if set {
			n++
		}
	}
	if n != 1 {
		return Filter{}, fault.New(fault.Invalid, fault.Text{
			EN: "name what is meant by exactly one of: an item, a queue id, a recipient domain, a sender, or all",
			VI: "hãy chỉ rõ bằng đúng một cách: số mục, mã hàng đợi, tên miền nhận, người gửi hoặc tất cả",
		})
	}
	return Filter{Item: s.Item, Queue: s.Queue, Domain: s.Domain, Sender: s.Sender}, nil
}

// Act is what an administrator does to items.
type Act string

// The acts.
const (
	ActHold    Act = "hold"    // waiting → held
	ActRelease Act = "release" // held, later → due at once
	ActRetry   Act = "retry"   // waiting → due at once
	ActRoute   Act = "route"   // waiting, held: another way
)

// acts gives the states that an act is for, and its entry in the journal.
func (a Act) rule() (from []State, event string, ok bool) {
	switch a {
	case ActHold:
		return []State{Waiting}, "queue.held", true
	case ActRelease:
		return []State{Held, Later}, "queue.released", true
	case ActRetry:
		return []State{Waiting}, "queue.retried", true
	case ActRoute:
		return []State{Waiting, Held}, "queue.rerouted", true
	}
	return nil, "", false
}

// Change carries an act out on all items of a selection and tells on how many.
// route is the new way of ActRoute, "" for the domain's own. It fails with
// kind Conflict when a single item was named that is in no state for it.
func (q *Queue) Change(ctx context.Context, actor journal.Actor, sel Selection, act Act, route string) (n int64, err error) {
	from, event, ok := act.rule()
	if !ok {
		return 0, fault.Newf(fault.Invalid, "the queue has no act %q", act)
	}
	f, err := sel.filter()
	if err != nil {
		return 0, err
	}
	err = q.db.Update(ctx, func(tx *sqldb.Tx) error {
		n = 0
		for _, s := range from {
			f.State = s
			k, err := q.change(ctx, tx, f, act, route)
			if err != nil {
				return fmt.Errorf("change queue items: %w", err)
			}
			n += k
		}
		if n == 0 {
			if sel.Item == 0 {
				return nil
			}
			return fault.New(fault.Conflict, fault.Text{
				EN: fmt.Sprintf("queue item %d is not in a state that allows this", sel.Item),
				VI: fmt.Sprintf("mục %d không ở trạng thái cho phép thao tác này", sel.Item),
			})
		}
		tx.OnCommit(func() {
			q.prod.Add(1)
			q.signal()
			notify(q.later)
		})
		return q.note(ctx, tx, actor, event, sel, changed{Selection: sel, Items: n, Route: route})
	})
	return n, err
}

// changed is what the journal keeps of an act on items.
type changed struct {
	Selection
	Items int64  `json:"items"`
	Route string `json:"route,omitempty"`
}

func (q *Queue) note(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, sel Selection, data any) error {
	subject := "queue"
	if sel.Item != 0 {
		subject = fmt.Sprintf("queue/%d", sel.Item)
	}
	if sel.Queue != "" {
		subject = string(sel.Queue)
	}
	_, err := journal.Append(ctx, tx, journal.Event{At: q.opt.Now(), Type: event, Actor: actor, Subject: subject, Data: data})
	return err
}

func (q *Queue) change(ctx context.Context, tx *sqldb.Tx, f Filter, act Act, route string) (int64, error) {
	cond, args := f.where()
	now := sqldb.Micros(q.opt.Now())
	// The values to set come after those of the conditions, which keep their numbers.
	set, next := "", `$`+strconv.Itoa(len(args)+1)
	switch act {
	case ActHold:
		set = `state = 'held'`
	case ActRelease:
		set, args = `next_us = `+next, append(args, now)
		if f.State == Held {
			set += `, state = 'waiting'`
		}
	case ActRetry:
		set, args = `next_us = `+next, append(args, now)
	case ActRoute:
		set, args = `route = `+next+`, next_us = $`+strconv.Itoa(len(args)+2), append(args, route, now)
	}
	// SQLite numbers parameters by their first appearance: the conditions must come first.
	return tx.Exec(ctx, `WITH chosen AS (SELECT id FROM queue_item WHERE `+cond+`)
UPDATE queue_item SET `+set+` WHERE id IN (SELECT id FROM chosen)`, args...)
}

// Take gives up to limit items of a selection that wait, also for a later time, or are held, for an
// administrator to drop in tx.
func (q *Queue) Take(ctx context.Context, tx *sqldb.Tx, sel Selection, limit int) (items []Item, err error) {
	f, err := sel.filter()
	if err != nil {
		return nil, err
	}
	for _, s := range []State{Later, Waiting, Held} {
		f.State = s
		cond, args := f.where()
		args = append(args, limit-len(items))
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM queue_item WHERE `+cond+` ORDER BY id LIMIT $`+strconv.Itoa(len(args)), args...)
		if err != nil {
			return nil, fmt.Errorf("look for queue items: %w", err)
		}
		more, err := scanItems(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	return items, nil
}

// Chosen tells how many items of a selection wait or are held, and how many
// are under way just now and cannot be dropped.
func (q *Queue) Chosen(ctx context.Context, sel Selection) (there, busy int, err error) {
	f, err := sel.filter()
	if err != nil {
		return 0, 0, err
	}
	f.Limit = 1 << 30
	items, err := q.List(ctx, f)
	for _, it := range items {
		if it.State == Leased {
			busy++
		} else {
			there++
		}
	}
	return there, busy, err
}

const qEnd = `UPDATE queue_item SET state = $1, next_us = $2, last_code = $3, last_text = $4 WHERE id = $5 AND state IN ('later', 'waiting', 'held')`

// End takes an item out for good, in state Failed or Dropped. The caller tells
// its sender, or not, in the same transaction.
func (q *Queue) End(ctx context.Context, tx *sqldb.Tx, it Item, as State, r Result) error {
	if !slices.Contains([]State{Failed, Dropped}, as) {
		return fmt.Errorf("queue item %d cannot end as %s", it.ID, as)
	}
	n, err := tx.Exec(ctx, qEnd, string(as), sqldb.Micros(q.opt.Now()), r.Code, clip(r.Text), int64(it.ID))
	if err != nil {
		return fmt.Errorf("end queue item %d: %w", it.ID, err)
	}
	if n == 0 {
		return ErrNotLeased
	}
	return nil
}

const qUses = `SELECT count(*) FROM queue_item WHERE message_id = $1 AND state IN ('later', 'waiting', 'leased', 'held')`

// Uses reports whether an item that has not ended still needs the message, so
// that it must not be collected.
func (q *Queue) Uses(ctx context.Context, r sqldb.Reader, msg MessageRef) (bool, error) {
	var n int
	err := r.QueryRow(ctx, qUses, int64(msg)).Scan(&n)
	return n > 0, err
}
