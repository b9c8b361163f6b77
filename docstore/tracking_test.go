package docstore_test

import (
	"context"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/sqldb"
)

func TestTracking(t *testing.T) {
	w := newWorld(t)
	res := w.intake(decision(t, 2))
	select {
	case <-w.doc.TrackingChanged():
	default:
		t.Error("no signal after Intake")
	}
	stale := func(made time.Time) (n int) {
		w.view(func(ctx context.Context, r sqldb.Reader) error {
			ts, err := docstore.StaleTracking(ctx, r, made, 10)
			n = len(ts)
			return err
		})
		return n
	}
	if got := stale(time.Time{}); got != 1 {
		t.Fatalf("stale without a message = %d, want 1 at once", got)
	}
	set := docstore.Tracking{Document: res.Document.ID, Place: docstore.Place{Mailbox: 5, UID: 6}, Made: w.now}
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.SetTracking(ctx, tx, set, 2) }); err != nil {
		t.Fatal(err)
	}
	if got := stale(w.now); got != 0 {
		t.Errorf("stale after it was made = %d, want 0", got)
	}
	w.mustDo(res.Dispatches[0].ID, act(docstore.EventRegister))
	if got := stale(w.now.Add(-time.Second)); got != 0 {
		t.Errorf("stale before the interval is over = %d, want 0", got)
	}
	if got := stale(w.now); got != 1 {
		t.Errorf("stale when the interval is over = %d, want 1", got)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		got, ok, err := docstore.TrackingOf(ctx, r, res.Document.ID)
		if !ok || got != set {
			t.Errorf("TrackingOf = %+v %v, want %+v", got, ok, set)
		}
		made, ok, err2 := docstore.NextTracking(ctx, r)
		if !ok || !made.Equal(w.now) || err2 != nil {
			t.Errorf("NextTracking = %v %v %v, want %v", made, ok, err2, w.now)
		}
		return err
	})
}

// What happens while a tracking message is being made is not lost.
func TestTrackingMissesNothing(t *testing.T) {
	w := newWorld(t)
	res := w.intake(decision(t, 1))
	seen := w.events(res.Dispatches[0].ID)[0].ID
	w.mustDo(res.Dispatches[0].ID, act(docstore.EventRegister))
	set := docstore.Tracking{Document: res.Document.ID, Made: w.now}
	for _, tt := range []struct {
		upTo  int64
		dirty int
	}{{seen, 1}, {seen + 1, 0}} {
		if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
			return w.doc.SetTracking(ctx, tx, set, tt.upTo)
		}); err != nil {
			t.Fatal(err)
		}
		if got := w.count(`SELECT dirty FROM tracking`); got != tt.dirty {
			t.Errorf("dirty after a message up to event %d = %d, want %d", tt.upTo, got, tt.dirty)
		}
	}
}

func TestDelayTracking(t *testing.T) {
	w := newWorld(t)
	doc := w.intake(decision(t, 1)).Document.ID
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.DelayTracking(ctx, tx, doc) }); err != nil {
		t.Fatal(err)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		made, ok, err := docstore.NextTracking(ctx, r)
		if !ok || !made.Equal(w.now) {
			t.Errorf("NextTracking = %v %v, want %v", made, ok, w.now)
		}
		return err
	})
}
