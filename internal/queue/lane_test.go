package queue_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

func laneNames(t *testing.T, q *queue.Queue) (names []queue.Lane) {
	t.Helper()
	lanes, err := q.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lanes {
		names = append(names, l.Lane)
	}
	return names
}

func TestLanesAreTheWaysOut(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test")
	enqueue(t, db, q, "Q2", "c@one.test", "d@three.test")
	if got := laneNames(t, q); !slices.Equal(got, []queue.Lane{"one.test", "three.test", "two.test"}) {
		t.Errorf("lanes = %v", got)
	}
	first, err := q.Lease(t.Context(), "one.test", "two.test")
	if err != nil || len(first) != 2 || first[0].Queue != "Q1" || first[1].Queue != "Q1" {
		t.Fatalf("first lease = %v, %v; want both recipients of Q1 together", first, err)
	}
	second, err := q.Lease(t.Context(), "one.test", "two.test")
	if err != nil || len(second) != 1 || second[0].Rcpt.String() != "c@one.test" {
		t.Errorf("second lease = %v, %v", second, err)
	}
	if none, err := q.Lease(t.Context(), "one.test", "two.test"); err != nil || len(none) != 0 {
		t.Errorf("third lease = %v, %v; want nothing", none, err)
	}
}

func TestUrgentMessageGoesFirst(t *testing.T) {
	db, q, c := setup(t)
	for i, p := range []mail.Priority{0, -5, 6} {
		c.now = c.now.Add(time.Second)
		if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
			return q.Enqueue(t.Context(), tx, queue.ID(fmt.Sprint("Q", i)), 7, mail.Envelope{From: mail.Path{Null: true}, Priority: p},
				[]mail.Recipient{{Addr: address(t, fmt.Sprintf("p%d@y.test", p))}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"p6@y.test", "p0@y.test", "p-5@y.test"} {
		items, err := q.Lease(t.Context(), "y.test")
		if err != nil || len(items) != 1 || items[0].Rcpt.String() != want {
			t.Errorf("Lease = %v, %v, want %s", items, err, want)
		}
	}
}

func TestRecoverTakesEveryLeaseBack(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test")
	it := lease(t, q)[0]
	if n, err := q.Recover(t.Context()); err != nil || n != 2 {
		t.Fatalf("Recover = %d, %v; want 2", n, err)
	}
	if got := lease(t, q); len(got) != 2 || got[0].Attempts != it.Attempts+1 {
		t.Errorf("after Recover: %+v", got)
	}
}

func TestRouteChangeMakesALane(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test")
	actor := journal.System("cli")
	if n, err := q.Change(t.Context(), actor, queue.Selection{Domain: "one.test"}, queue.ActRoute, "mail.other.test"); err != nil || n != 1 {
		t.Fatalf("route = %d, %v", n, err)
	}
	got := laneNames(t, q)
	if !slices.Equal(got, []queue.Lane{">mail.other.test", "two.test"}) {
		t.Fatalf("lanes = %v", got)
	}
	if name, ok := got[0].Route(); !ok || name != "mail.other.test" {
		t.Errorf("Route = %q, %v", name, ok)
	}
	if n, err := q.Change(t.Context(), actor, queue.Selection{All: true}, queue.ActRoute, ""); err != nil || n != 2 {
		t.Errorf("back to the domains' own = %d, %v", n, err)
	}
	if got := laneNames(t, q); !slices.Equal(got, []queue.Lane{"one.test", "two.test"}) {
		t.Errorf("lanes = %v", got)
	}
	if q.Prods() != 2 {
		t.Errorf("Prods = %d, want 2", q.Prods())
	}
}

func TestSelectionNamesExactlyOneThing(t *testing.T) {
	_, q, _ := setup(t)
	for _, sel := range []queue.Selection{{}, {Item: 1, All: true}, {Domain: "a.test", Sender: "<>"}} {
		if _, err := q.Change(t.Context(), journal.System("cli"), sel, queue.ActHold, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v, want Invalid", sel, err)
		}
	}
}

func TestSelectionBySenderAndQueueID(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test")
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return q.Enqueue(t.Context(), tx, "Q2", 8, mail.Envelope{From: mail.Path{Null: true}}, []mail.Recipient{{Addr: address(t, "c@one.test")}})
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		sel  queue.Selection
		want int64
	}{
		{"null sender", queue.Selection{Sender: "<>"}, 1},
		{"sender", queue.Selection{Sender: "a@x.test"}, 2},
		{"queue id", queue.Selection{Queue: "Q2"}, 1},
		{"domain in any case", queue.Selection{Domain: "ONE.test"}, 2},
		{"all", queue.Selection{All: true}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n, err := q.Change(t.Context(), journal.System("cli"), tt.sel, queue.ActHold, ""); err != nil || n != tt.want {
				t.Errorf("held %d, %v; want %d", n, err, tt.want)
			}
			if n, err := q.Change(t.Context(), journal.System("cli"), tt.sel, queue.ActRelease, ""); err != nil || n != tt.want {
				t.Errorf("released %d, %v; want %d", n, err, tt.want)
			}
		})
	}
}

func TestEndedItemsAreForgotten(t *testing.T) {
	db, q, c := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test", "c@three.test")
	items := lease(t, q)
	settle(t, db, q, items[0], queue.Result{Code: 250})
	settle(t, db, q, items[1], queue.Result{Code: 550})
	if n, err := q.Prune(t.Context(), c.now); err != nil || n != 0 {
		t.Errorf("Prune = %d, %v; want none so soon", n, err)
	}
	if n, err := q.Prune(t.Context(), c.now.Add(time.Hour)); err != nil || n != 2 {
		t.Errorf("Prune = %d, %v; want 2", n, err)
	}
	left, err := q.List(t.Context(), queue.Filter{All: true})
	if err != nil || len(left) != 1 || left[0].State != queue.Leased {
		t.Errorf("left = %v, %v", left, err)
	}
}

func TestExpiredAndLateAreFoundInAnyLane(t *testing.T) {
	db, q, c := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@two.test")
	var late, again, expired []queue.Item
	c.now = c.now.Add(30 * time.Minute)
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
		l := queue.Lateness{Since: c.now.Add(-time.Hour), Urgent: 0, UrgentSince: c.now.Add(-20 * time.Minute)}
		if late, err = q.Late(t.Context(), tx, l, 10); err != nil {
			return err
		}
		again, err = q.Late(t.Context(), tx, l, 10)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(late) != 2 || len(again) != 0 {
		t.Errorf("late %d, then %d; want 2, then 0", len(late), len(again))
	}
	c.now = c.now.Add(time.Hour)
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) (err error) {
		expired, err = q.LeaseExpired(t.Context(), tx, 10)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(expired) != 2 {
		t.Fatalf("expired %d, want 2", len(expired))
	}
	if s := settle(t, db, q, expired[0], queue.Result{Text: "never answered"}); s != queue.Failed {
		t.Errorf("an expired item is %s, want failed", s)
	}
}

// What waits for one dead host must not slow down the others: T159.
func TestT159ManyItemsOfOneLane(t *testing.T) {
	n := 20_000
	if s := os.Getenv("VANTHU_TEST_QUEUE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)}
	q := queue.New(db, queue.Options{Now: c.Now})
	for i := 0; i < n; i += 1000 {
		if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
			for j := range 1000 {
				to := address(t, fmt.Sprintf("u%d@dead.test", i+j))
				if err := q.Enqueue(t.Context(), tx, queue.ID(fmt.Sprint("Q", i+j)), 7, mail.Envelope{From: mail.Path{Null: true}}, []mail.Recipient{{Addr: to}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(t, db, q, "QX", "a@alive.test")
	c.now = c.now.Add(time.Second)
	begun := time.Now()
	for range 100 {
		if got := laneNames(t, q); len(got) != 2 {
			t.Fatalf("lanes = %v", got)
		}
	}
	if it, err := q.Lease(t.Context(), "alive.test"); err != nil || len(it) != 1 {
		t.Errorf("Lease = %v, %v", it, err)
	}
	// An index walk takes well under a millisecond; reading all rows some 10 ms each time.
	if took := time.Since(begun); took > time.Second {
		t.Errorf("100 looks at a queue of %d took %v", n, took)
	}

	// A restart takes back what was under way and finds its way at once, without reading all of it.
	if items, err := q.Lease(t.Context(), "dead.test"); err != nil || len(items) != 1 {
		t.Errorf("Lease = %v, %v", items, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun = time.Now()
	if db, err = sqldb.Open(t.Context(), sqldb.Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q = queue.New(db, queue.Options{Now: c.Now})
	if back, err := q.Recover(t.Context()); err != nil || back != 2 {
		t.Errorf("took %d back, %v, want 2", back, err)
	}
	if got := laneNames(t, q); len(got) != 2 {
		t.Errorf("lanes = %v", got)
	}
	if it, err := q.Lease(t.Context(), "alive.test"); err != nil || len(it) != 1 {
		t.Errorf("Lease = %v, %v", it, err)
	}
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if octets := after.TotalAlloc - before.TotalAlloc; took > 10*time.Second || octets > 64<<20 {
		t.Errorf("a restart with %d items took %v and %d octets", n, took, octets)
	}
	t.Logf("%d items: restart in %v, %d KiB", n, took, (after.TotalAlloc-before.TotalAlloc)>>10)
}

func TestSummary(t *testing.T) {
	db, q, _ := setup(t)
	enqueue(t, db, q, "Q1", "a@one.test", "b@one.test", "c@two.test")
	items := lease(t, q)
	settle(t, db, q, items[0], queue.Result{Code: 451, Text: "busy"})
	list, err := q.Summary(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("Summary = %v, %v", list, err)
	}
	if l := list[0]; l.Lane != "one.test" || l.Waiting != 1 || l.Leased != 1 || l.LastCode != 451 || l.LastText != "busy" || l.Next.IsZero() {
		t.Errorf("one.test = %+v", l)
	}
	if l := list[1]; l.Leased != 1 || !l.Next.IsZero() {
		t.Errorf("two.test = %+v", l)
	}
}

func TestJitterSpreadsWaits(t *testing.T) {
	q := queue.New(nil, queue.Options{Schedule: []time.Duration{time.Hour}, Jitter: 0.1})
	seen := map[time.Duration]bool{}
	for range 100 {
		d := q.Delay(1)
		if d < 54*time.Minute || d > 66*time.Minute {
			t.Fatalf("waits %v, want an hour ± 10 %%", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 waits had only %d lengths", len(seen))
	}
}
