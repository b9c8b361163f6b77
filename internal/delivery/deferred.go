package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

const (
	qDefer       = `INSERT INTO deferred (queue_id, message_id, envelope, accepted_us) VALUES ($1, $2, $3, $4)`
	qDeferred    = `SELECT message_id, envelope, accepted_us FROM deferred WHERE queue_id = $1`
	qDeferredAll = `SELECT queue_id, message_id FROM deferred`
	qDeferredEnd = `DELETE FROM deferred WHERE queue_id = $1`
)

// defers tells whether the sender wants the message delivered at a later time.
func (in *Incoming) defers() bool { return in.env.HoldUntil.After(in.d.opt.Now()) }

// later accepts the message for the time that its sender named. RFC 4865. It is
// stored as it came, with an item of the queue for each recipient as named; what
// these addresses stand for is found out at that time, as all else is.
func (in *Incoming) later(ctx context.Context, tx *sqldb.Tx) (Accepted, error) {
	d, now := in.d, in.d.opt.Now()
	msg, err := d.stores.Mail.Store(ctx, tx, in.fin, in.trace(now, nil), now)
	if err != nil {
		return Accepted{}, err
	}
	env, err := json.Marshal(heldEnvelope{Origin: in.origin, Envelope: in.env})
	if err != nil {
		return Accepted{}, err
	}
	if _, err := tx.Exec(ctx, qDefer, string(in.id), int64(msg), env, sqldb.Micros(now)); err != nil {
		return Accepted{}, fmt.Errorf("keep a message for later: %w", err)
	}
	if err := d.stores.Queue.Defer(ctx, tx, in.id, queue.MessageRef(msg), in.env); err != nil {
		return Accepted{}, err
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "mail.deferred", Actor: in.actor(), Subject: string(in.id),
		Data: map[string]any{"until": in.env.HoldUntil.UTC().Format(time.RFC3339), "message": in.acceptedData(in.fin, 0)},
	}); err != nil {
		return Accepted{}, err
	}
	tx.OnCommit(func() { d.stats.Deferred.Add(1) })
	return Accepted{QueueID: in.id}, nil
}

// deferred is a message for later whose time has come.
type deferred struct {
	id       queue.ID
	message  mailstore.MessageID
	accepted time.Time
	held     heldEnvelope
	items    []queue.Item // the recipients that are due
}

// RunDeferred delivers mail for later when its time comes, until ctx ends. An
// error of the database is logged and tried again: what waits is safe.
func (d *Delivery) RunDeferred(ctx context.Context) error {
	const poll = time.Minute // the clock may be set
	for ctx.Err() == nil {
		if err := d.ReleaseDeferred(ctx); err != nil && ctx.Err() == nil {
			d.opt.Log.Error("cannot deliver mail for later", "err", err)
		}
		wait := poll
		if at, err := d.stores.Queue.NextLater(ctx); err == nil && !at.IsZero() {
			wait = min(max(at.Sub(d.opt.Now()), time.Second), poll)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.stores.Queue.WakeLater():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// ReleaseDeferred delivers all mail for later that is due, as if it had just
// come. What cannot be delivered now is put off.
func (d *Delivery) ReleaseDeferred(ctx context.Context) error {
	const atOnce = 100
	for n := atOnce; n == atOnce; {
		ids, err := d.stores.Queue.DueLater(ctx, atOnce)
		if err != nil {
			return err
		}
		n = len(ids)
		for _, id := range ids {
			if err := d.releaseOne(ctx, id); err != nil {
				return fmt.Errorf("deliver %s: %w", id, err)
			}
		}
	}
	return nil
}

func (d *Delivery) releaseOne(ctx context.Context, id queue.ID) error {
	m := deferred{id: id}
	var env []byte
	var accepted int64
	if err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		if err := r.QueryRow(ctx, qDeferred, string(id)).Scan(&m.message, &env, &accepted); err != nil {
			return err
		}
		m.items, err = d.stores.Queue.LaterOf(ctx, r, id)
		return err
	}); err != nil {
		return err
	}
	if err := json.Unmarshal(env, &m.held); err != nil {
		return err
	}
	m.accepted = sqldb.Time(accepted)
	err := d.deliverDeferred(ctx, &m)
	switch {
	case err == nil || errors.Is(err, queue.ErrNotLeased): // an administrator took one out meanwhile: the next look finds the rest
		return nil
	case ctx.Err() != nil || errors.Is(err, sqldb.ErrBroken) || errors.Is(err, sqldb.ErrFull):
		return err
	}
	return d.postpone(ctx, &m, err)
}

// deliverDeferred delivers a message to those of its recipients that are due.
// Addresses that have ceased to be are reported to its sender.
func (d *Delivery) deliverDeferred(ctx context.Context, m *deferred) (err error) {
	in := &Incoming{d: d, origin: m.held.Origin, env: m.held.Envelope, id: m.id, arrived: m.accepted, ended: true}
	in.env.To = nil
	var gone []Reported
	snap := d.stores.Directory.Snapshot()
	for _, r := range m.held.Envelope.To {
		if !slices.ContainsFunc(m.items, func(it queue.Item) bool { return it.Rcpt == r.Addr }) {
			continue
		}
		if _, err := snap.Expand(r.Addr); err != nil {
			gone = append(gone, Reported{To: r, Action: Failed, Status: "5.1.1", Text: fault.Sentence(err)})
			continue
		}
		in.env.To = append(in.env.To, r)
	}
	if err := in.expand(snap); err != nil {
		return err
	}
	if err := in.restore(ctx, m.message); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.fin.Release()) }()
	in.settleEnvelope(in.fin.Scan)
	doc, err := in.recognize(ctx, in.fin)
	if err != nil {
		return err
	}
	in.plan(ctx, in.fin)
	if err = in.readText(ctx); err != nil {
		return err
	}
	return in.update(ctx, func(tx *sqldb.Tx) error {
		if err := d.endDeferred(ctx, tx, m, "mail.due"); err != nil {
			return err
		}
		if len(in.env.To) > 0 {
			if _, err := in.store(ctx, tx, in.fin, doc); err != nil {
				return err
			}
		}
		return d.reportDeferred(ctx, tx, m, gone, in.fin)
	})
}

// endDeferred takes the due recipients of a message out of the queue; with the
// last one the copy that waited goes too.
func (d *Delivery) endDeferred(ctx context.Context, tx *sqldb.Tx, m *deferred, event string) error {
	left, err := d.stores.Queue.TakeLater(ctx, tx, m.id, m.items)
	if err != nil {
		return err
	}
	if left == 0 {
		if _, err := tx.Exec(ctx, qDeferredEnd, string(m.id)); err != nil {
			return fmt.Errorf("end the waiting of %s: %w", m.id, err)
		}
		if err := d.stores.Mail.Orphan(ctx, tx, m.message); err != nil {
			return err
		}
	}
	_, err = journal.Append(ctx, tx, journal.Event{
		At: d.opt.Now(), Type: event, Actor: journal.System("delivery"), Subject: string(m.id),
		Data: map[string]any{"recipients": len(m.items), "left": left},
	})
	return err
}

// ForgetDropped ends the waiting of messages whose recipients have all been
// taken out of the queue.
func (d *Delivery) ForgetDropped(ctx context.Context) error {
	waiting := map[queue.ID]mailstore.MessageID{}
	if err := d.stores.DB.View(ctx, func(r sqldb.Reader) (err error) {
		rows, err := r.Query(ctx, qDeferredAll)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var id queue.ID
			var msg mailstore.MessageID
			if err := rows.Scan(&id, &msg); err != nil {
				return err
			}
			waiting[id] = msg
		}
		return rows.Err()
	}); err != nil {
		return fmt.Errorf("read mail for later: %w", err)
	}
	for id, msg := range waiting {
		if err := d.stores.DB.Update(ctx, func(tx *sqldb.Tx) error {
			if left, err := d.stores.Queue.TakeLater(ctx, tx, id, nil); err != nil || left > 0 {
				return err
			}
			if _, err := tx.Exec(ctx, qDeferredEnd, string(id)); err != nil {
				return err
			}
			return d.stores.Mail.Orphan(ctx, tx, msg)
		}); err != nil {
			return fmt.Errorf("forget mail for later: %w", err)
		}
	}
	return nil
}

func (d *Delivery) reportDeferred(ctx context.Context, tx *sqldb.Tx, m *deferred, failed []Reported, fin *mailstore.Finished) (err error) {
	if len(failed) == 0 || m.held.Envelope.From.Null {
		return nil
	}
	rep := Report{Queue: m.id, Env: m.held.Envelope, Arrived: m.accepted, Recipients: failed}
	if fin != nil {
		if rep.Original, err = original(fin, fin.Size); err != nil {
			return err
		}
	}
	return d.Report(ctx, tx, rep)
}

// postpone tries a message again later that could not be delivered at its time,
// or gives it up and tells its sender.
func (d *Delivery) postpone(ctx context.Context, m *deferred, why error) error {
	text := fault.Sentence(why)
	d.opt.Log.Warn("mail for later could not be delivered at its time", "queue_id", string(m.id), "err", why)
	final := false
	switch fault.KindOf(why) {
	case fault.Invalid, fault.Denied, fault.Conflict, fault.NotFound:
		final = true // as a sender would be told when it sent it now
	}
	return d.stores.DB.Update(ctx, func(tx *sqldb.Tx) (err error) {
		over := m.items
		if !final {
			if over, err = d.stores.Queue.Postpone(ctx, tx, m.items, queue.Result{Text: text.EN}); err != nil {
				return err
			}
		}
		if len(over) == 0 {
			return nil
		}
		failed := make([]Reported, len(over))
		for i, it := range over {
			failed[i] = Reported{To: it.To, Action: Failed, Status: "5.0.0", Text: text}
		}
		m.items = over
		if err := d.endDeferred(ctx, tx, m, "mail.failed"); err != nil {
			return err
		}
		return d.reportDeferred(ctx, tx, m, failed, nil)
	})
}
