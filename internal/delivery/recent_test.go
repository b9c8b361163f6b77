package delivery_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/queue"
)

// TestSameMessageAtOnce hands the same octets over on ten connections: a client
// that lost patience tries again while the first attempt is being stored.
func TestSameMessageAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		message string
	}{
		{"ordinary mail", letter(clerk, "xa1@p.test", "hop", "p1", "x")},
		{"document", letter(clerk, "xa1@p.test", "[31/BC-SNV] bao cao", "p2", "x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			ids := make([]queue.ID, 10)
			var g errgroup.Group
			for i := range ids {
				g.Go(func() error {
					acc, err := w.send(clerk, clerk, tt.message, "xa1@p.test")
					ids[i] = acc.QueueID
					return err
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if id != ids[0] {
					t.Errorf("queue ids %s and %s for the same message", ids[0], id)
				}
			}
			if got := w.count(`SELECT count(*) FROM message`); got != 1 {
				t.Errorf("stored %d times, want once", got)
			}
		})
	}
}

// TestNoDedupe shows that the window can be turned off.
func TestNoDedupe(t *testing.T) {
	w := newWorld(t)
	w.delivery = delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{}), Queue: w.queue,
	}, delivery.Options{Hostname: "mail.p.test", DedupeWindow: -1})
	for range 2 {
		if _, err := w.send(clerk, clerk, letter(clerk, "xa1@p.test", "hop", "p3", "x"), "xa1@p.test"); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.count(`SELECT count(*) FROM message`); got != 2 {
		t.Errorf("stored %d times, want twice", got)
	}
}
