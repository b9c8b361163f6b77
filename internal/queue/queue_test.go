package queue_test

import (
	"errors"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func address(t *testing.T, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func setup(t *testing.T) (*sqldb.DB, *queue.Queue, *clock) {
	t.Helper()
	db := sqldbtest.Open(t)
	c := &clock{now: time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)}
	q := queue.New(db, queue.Options{
		Schedule: []time.Duration{time.Minute, 10 * time.Minute}, Lifetime: time.Hour, Lease: 5 * time.Minute, Now: c.Now,
	})
	return db, q, c
}

func enqueue(t *testing.T, db *sqldb.DB, q *queue.Queue, id queue.ID, rcpts ...string) {
	t.Helper()
	var to []mail.Recipient
	for _, r := range rcpts {
		to = append(to, mail.Recipient{Addr: address(t, r)})
	}
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return q.Enqueue(t.Context(), tx, id, 7, mail.Envelope{From: mail.Path{Address: address(t, "a@x.test")}}, to)
	}); err != nil {
		t.Fatal(err)
	}
}

func lease(t *testing.T, q *queue.Queue) []queue.Item {
	t.Helper()
	lanes, err := q.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []queue.Lane
	for _, l := range lanes {
		names = append(names, l.Lane)
	}
	var items []queue.Item
	for {
		some, err := q.Lease(t.Context(), names...)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		items = append(items, some...)
	}
	return items
}

func settle(t *testing.T, db *sqldb.DB, q *queue.Queue, it queue.Item, r queue.Result) (s queue.State) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
		s, err = q.Settle(t.Context(), tx, it, r)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecipientsHaveTheirOwnFate(t *testing.T) {
	db, q, c := setup(t)
	enqueue(t, db, q, "Q1", "one@peer.test", "two@peer.test", "three@peer.test", "one@peer.test")
	select {
	case <-q.Wake():
	default:
		t.Error("nobody was woken")
	}
	items := lease(t, q)
	if len(items) != 3 {
		t.Fatalf("leased %d items, want 3", len(items))
	}
	if again := lease(t, q); len(again) != 0 {
		t.Fatalf("leased %d items twice", len(again))
	}
	if items[0].Attempts != 1 || items[0].Message != 7 || items[0].Sender.Address.String() != "a@x.test" {
		t.Errorf("item = %+v", items[0])
	}
	if s := settle(t, db, q, items[0], queue.Result{Code: 250}); s != queue.Done {
		t.Errorf("after 250: %s", s)
	}
	if s := settle(t, db, q, items[1], queue.Result{Code: 550, Text: "no such user"}); s != queue.Failed {
		t.Errorf("after 550: %s", s)
	}
	if s := settle(t, db, q, items[2], queue.Result{Text: "connection refused"}); s != queue.Waiting {
		t.Errorf("without a reply: %s", s)
	}
	if due := lease(t, q); len(due) != 0 {
		t.Errorf("%d items due before their time", len(due))
	}
	lanes, err := q.Lanes(t.Context())
	if err != nil || len(lanes) != 1 || lanes[0].Lane != "peer.test" || !lanes[0].Due.Equal(c.now.Add(time.Minute)) {
		t.Errorf("Lanes = %v %v, want peer.test in a minute", lanes, err)
	}
	c.now = c.now.Add(time.Minute)
	due := lease(t, q)
	if len(due) != 1 || due[0].Rcpt.String() != "three@peer.test" || due[0].Attempts != 2 {
		t.Fatalf("due = %+v", due)
	}
	left, err := q.List(t.Context(), queue.Filter{})
	if err != nil || len(left) != 1 {
		t.Errorf("List = %d items, %v; want 1", len(left), err)
	}
	all, err := q.List(t.Context(), queue.Filter{All: true, Queue: "Q1"})
	if err != nil || len(all) != 3 {
		t.Errorf("List all = %d items, %v; want 3", len(all), err)
	}
}

func TestExpiredItemFails(t *testing.T) {
	db, q, c := setup(t)
	enqueue(t, db, q, "Q1", "one@peer.test")
	c.now = c.now.Add(55 * time.Minute)
	it := lease(t, q)[0]
	it.Attempts = 2
	if s := settle(t, db, q, it, queue.Result{Code: 451}); s != queue.Failed {
		t.Errorf("next attempt would be after expiry: %s, want failed", s)
	}
}

// A runner that died must not take its items along.
func TestLostLeaseComesBackOnce(t *testing.T) {
	db, q, c := setup(t)
	enqueue(t, db, q, "Q1", "one@peer.test")
	first := lease(t, q)[0]
	c.now = c.now.Add(6 * time.Minute)
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error { return q.TakeBack(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	second := lease(t, q)
	if len(second) != 1 || second[0].Attempts != 2 {
		t.Fatalf("after the lease: %+v", second)
	}
	settle(t, db, q, second[0], queue.Result{Code: 250})
	err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := q.Settle(t.Context(), tx, first, queue.Result{Code: 550})
		return err
	})
	if !errors.Is(err, queue.ErrNotLeased) {
		t.Errorf("settling twice = %v, want ErrNotLeased", err)
	}
}

func TestHoldReleaseRetry(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "one@peer.test")
	actor := journal.Actor{Kind: journal.ActorSystem}
	items, err := q.List(t.Context(), queue.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	id := items[0].ID
	act := func(a queue.Act) error {
		_, err := q.Change(t.Context(), actor, queue.Selection{Item: id}, a, "")
		return err
	}
	if err := act(queue.ActHold); err != nil {
		t.Fatal(err)
	}
	if got := lease(t, q); len(got) != 0 {
		t.Errorf("leased %d held items", len(got))
	}
	if err := act(queue.ActHold); fault.KindOf(err) != fault.Conflict {
		t.Errorf("second hold = %v, want a conflict", err)
	}
	if err := act(queue.ActRelease); err != nil {
		t.Fatal(err)
	}
	it := lease(t, q)[0]
	settle(t, db, q, it, queue.Result{Code: 421})
	if err := act(queue.ActRetry); err != nil {
		t.Fatal(err)
	}
	if got := lease(t, q); len(got) != 1 {
		t.Errorf("retry left %d items due, want 1", len(got))
	}
	var used bool
	if err := db.View(t.Context(), func(r sqldb.Reader) (err error) {
		used, err = q.Uses(t.Context(), r, 7)
		return err
	}); err != nil || !used {
		t.Errorf("Uses = %v, %v; want true", used, err)
	}
	if err := db.View(t.Context(), func(r sqldb.Reader) error {
		rep, err := journal.Verify(t.Context(), r, journal.VerifyOptions{})
		if err == nil && rep.Entries != 3 {
			t.Errorf("journal has %d entries, want 3", rep.Entries)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
