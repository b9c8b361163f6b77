package docstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// TimerKind says what is to be done about a dispatch when its time comes.
type TimerKind string

// The kinds.
const (
	TimerUrgent TimerKind = "urgent" // an urgent document waits for its clerks
	TimerNews   TimerKind = "news"   // nothing is heard of what went to another server
)

// A Timer rings at a time about a dispatch.
type Timer struct {
	Dispatch DispatchID
	Kind     TimerKind
	Stage    int // how often it has rung
	Next     time.Time
}

// NewsLimits are how long nothing may be heard of a dispatch to another server;
// edoc.md §4.3, row 6.
type NewsLimits struct {
	Warn, Expire             time.Duration
	UrgentWarn, UrgentExpire time.Duration
}

// UsualNewsLimits are those of edoc.md §4.3.
func UsualNewsLimits() NewsLimits {
	return NewsLimits{Warn: 12 * time.Hour, Expire: 24 * time.Hour, UrgentWarn: 15 * time.Minute, UrgentExpire: time.Hour}
}

// Of gives after what time the sender of a document is warned, and when it is
// given up.
func (l NewsLimits) Of(u edoc.Urgency) (warn, expire time.Duration) {
	if u > edoc.UrgencyNormal {
		return l.UrgentWarn, l.UrgentExpire
	}
	return l.Warn, l.Expire
}

// NewsLimits gives the limits of the store.
func (s *Store) NewsLimits() NewsLimits { return s.news }

// TimersChanged returns a channel that receives when a timer was set that rings
// at once. It holds one signal and has one listener.
func (s *Store) TimersChanged() <-chan struct{} { return s.timers }

// Ringing returns the timers whose time has come, the earliest first.
func Ringing(ctx context.Context, r sqldb.Reader, now time.Time, limit int) ([]Timer, error) {
	return collect(ctx, r, scanTimer, qRinging, sqldb.Micros(now), limit)
}

// SetTimer has a timer ring at another time, or anew.
func (s *Store) SetTimer(ctx context.Context, tx *sqldb.Tx, t Timer) error {
	if _, err := tx.Exec(ctx, qSetTimer, int64(t.Dispatch), string(t.Kind), t.Stage, sqldb.Micros(t.Next)); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	return nil
}

// EndTimer removes a timer whose matter is settled.
func (s *Store) EndTimer(ctx context.Context, tx *sqldb.Tx, t Timer) error {
	if _, err := tx.Exec(ctx, qEndTimer, int64(t.Dispatch), string(t.Kind)); err != nil {
		return fmt.Errorf("end a timer: %w", err)
	}
	return nil
}

// urge has the clerks of the units told that got an urgent document.
func (s *Store) urge(ctx context.Context, tx *sqldb.Tx, doc Document, list []Dispatch, now time.Time) error {
	if doc.Urgency <= edoc.UrgencyNormal || len(list) == 0 {
		return nil
	}
	for _, d := range list {
		if err := s.SetTimer(ctx, tx, Timer{Dispatch: d.ID, Kind: TimerUrgent, Next: now}); err != nil {
			return err
		}
	}
	tx.OnCommit(func() {
		select {
		case s.timers <- struct{}{}:
		default: // a signal waits already
		}
	})
	return nil
}

// awaitNews sets the time at which the sender is warned that nothing is heard.
func (s *Store) awaitNews(ctx context.Context, tx *sqldb.Tx, doc Document, list []Dispatch, now time.Time) error {
	warn, _ := s.news.Of(doc.Urgency)
	for _, d := range list {
		if err := s.SetTimer(ctx, tx, Timer{Dispatch: d.ID, Kind: TimerNews, Next: now.Add(warn)}); err != nil {
			return err
		}
	}
	return nil
}

// NoNews records that the sender of a dispatch to another server was warned: no
// 01 has come. Nothing moves.
func (s *Store) NoNews(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, id DispatchID, note string) (Dispatch, StatusEvent, error) {
	d, err := DispatchByID(ctx, tx, id)
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	if d.To != 0 || d.State != StateQueued && d.State != StateSent {
		return Dispatch{}, StatusEvent{}, fault.Newf(fault.Conflict, "dispatch %d does not wait for news", id)
	}
	return s.outside(ctx, tx, d, StatusEvent{Status: StatusNoNews, Actor: actor, Source: SourceSystem, Note: note}, outsideData{})
}

func scanTimer(r row) (t Timer, err error) {
	var next int64
	err = r.Scan(&t.Dispatch, &t.Kind, &t.Stage, &next)
	t.Next = sqldb.Time(next)
	return t, err
}

const (
	qRinging  = `SELECT dispatch_id, kind, stage, next_us FROM dispatch_timer WHERE next_us <= $1 ORDER BY next_us, dispatch_id LIMIT $2`
	qSetTimer = `
INSERT INTO dispatch_timer (dispatch_id, kind, stage, next_us) VALUES ($1, $2, $3, $4)
ON CONFLICT (dispatch_id, kind) DO UPDATE SET stage = excluded.stage, next_us = excluded.next_us`
	qEndTimer = `DELETE FROM dispatch_timer WHERE dispatch_id = $1 AND kind = $2`
)
