package delivery_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
)

// postpone submits a message to be delivered in d.
func (w *world) postpone(d time.Duration, from, message string, to ...mail.Recipient) {
	w.t.Helper()
	env := mail.Envelope{From: mail.Path{Address: address(w.t, from)}, To: to, HoldUntil: w.now.Add(d), ID: "env-1", UTF8: true}
	if _, err := w.submit(w.origin(from), env, message); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) release() {
	w.t.Helper()
	if err := w.delivery.ReleaseDeferred(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// restart makes a new queue and delivery over the same data.
func (w *world) restart() {
	w.queue = queue.New(w.db, queue.Options{Now: func() time.Time { return w.now }})
	w.limit(delivery.Rate{}, delivery.Rate{})
}

func (w *world) collect() {
	w.t.Helper()
	keep := func(ctx context.Context, r sqldb.Reader, id mailstore.MessageID) (bool, error) {
		return w.queue.Uses(ctx, r, queue.MessageRef(id))
	}
	if _, err := w.mail.Collect(w.t.Context(), mailstore.CollectOptions{Thorough: true, Keep: keep}); err != nil {
		w.t.Fatal(err)
	}
}

// RFC 4865: a document and an ordinary copy are nowhere before their time, and
// at their time all is as if they had just come, whatever happened meanwhile.
func TestMailForLater(t *testing.T) {
	w := newWorld(t)
	doc := letter(clerk, "cac-xa@p.test>, <vanthu@xa1.p.test>, <a@peer.test", "[77/QĐ-UBND] V/v kế hoạch", "later1", "nội dung")
	w.postpone(20*time.Hour, clerk, doc, w.rcpt("cac-xa@p.test", mail.NotifySuccess), w.rcpt("vanthu@xa1.p.test", 0), w.rcpt("a@peer.test", 0))

	list, err := w.queue.List(t.Context(), queue.Filter{})
	if err != nil || len(list) != 3 {
		t.Fatalf("queued %+v, %v, want 3 items", list, err)
	}
	for _, it := range list {
		if it.State != queue.Later || !it.Next.Equal(w.now.Add(20*time.Hour)) || !it.Expires.After(it.Next.Add(48*time.Hour)) {
			t.Errorf("item %+v does not wait for its time", it)
		}
	}
	nothing := func(when string) {
		t.Helper()
		w.release()
		if got := w.count(`SELECT count(*) FROM entry`); got != 0 {
			t.Errorf("%s: %d entries in mailboxes", when, got)
		}
		if got := w.count(`SELECT count(*) FROM document`); got != 0 {
			t.Errorf("%s: %d documents", when, got)
		}
		if got, err := w.queue.Lanes(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("%s: lanes %v, %v: somebody would take it away", when, got, err)
		}
	}
	nothing("at once")
	w.now = w.now.Add(20*time.Hour - time.Second)
	w.restart()
	w.collect() // it is older than an hour, and in no mailbox
	nothing("a second before")

	w.now = w.now.Add(time.Second)
	if at, err := w.queue.NextLater(t.Context()); err != nil || at.After(w.now) {
		t.Errorf("next is due at %v, %v", at, err)
	}
	w.release()
	w.release() // a second look finds nothing
	if got := w.in("xa1", mailstore.RoleIncoming) + w.in("xa2", mailstore.RoleIncoming); got != 2 {
		t.Errorf("%d units have the document, want 2", got)
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM document WHERE number = 77`:           1,
		`SELECT count(*) FROM dispatch`:                             2,
		`SELECT count(*) FROM deferred`:                             0,
		`SELECT count(*) FROM queue_item WHERE state = 'later'`:     0,
		`SELECT count(*) FROM queue_item WHERE state = 'waiting'`:   1,
		`SELECT count(*) FROM journal WHERE type = 'mail.deferred'`: 1,
		`SELECT count(*) FROM journal WHERE type = 'mail.due'`:      1,
		`SELECT count(*) FROM journal WHERE type = 'mail.accepted'`: 1,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
	if got := w.inbox("vanthu@xa1.p.test"); len(got) != 1 || !strings.HasSuffix(got[0], doc) || !strings.Contains(got[0], "24 Nov 2026 09:00:00 +0700") {
		t.Errorf("delivered %q, want what was sent with the trace of its acceptance", got)
	}
	reports := w.inbox(clerk)
	if len(reports) != 1 {
		t.Fatalf("%d reports, want 1", len(reports))
	}
	wantAll(t, reports[0], "Action: expanded", "Original-Envelope-Id: env-1", "Arrival-Date: Tue, 24 Nov 2026 09:00:00 +0700",
		"Future-Release-Request: until; 2026-11-24T22:00:00Z")

	before := w.count(`SELECT count(*) FROM message`)
	w.now = w.now.Add(48 * time.Hour)
	w.collect()
	if got := w.count(`SELECT count(*) FROM message`); got != before-1 {
		t.Errorf("%d messages left of %d, want the copy that waited gone and no other", got, before)
	}
}

// An administrator's tools work on mail for later one recipient at a time.
func TestMailForLaterIsDroppedAndReleased(t *testing.T) {
	const user = "chuyenvien@snv.p.test"
	w := newWorld(t)
	w.postpone(time.Hour, user, letter(user, "vanthu@xa1.p.test", "x", "l2", "x"),
		w.rcpt("vanthu@xa1.p.test", 0), w.rcpt("vanthu@xa2.p.test", 0), w.rcpt("nhonho@p.test", 0))
	items, err := w.queue.List(t.Context(), queue.Filter{})
	if err != nil || len(items) != 3 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		chosen, err := w.queue.Take(t.Context(), tx, queue.Selection{Item: items[0].ID}, 10)
		if err != nil {
			return err
		}
		if len(chosen) != 1 {
			t.Errorf("%d items can be dropped, want 1", len(chosen))
		}
		return w.queue.End(t.Context(), tx, items[0], queue.Dropped, queue.Result{})
	}); err != nil {
		t.Fatal(err)
	}
	admin := journal.System("cli")
	if n, err := w.queue.Change(t.Context(), admin, queue.Selection{Queue: items[0].Queue}, queue.ActHold, ""); n != 0 || err != nil {
		t.Errorf("%d items held, %v: mail for later is held already", n, err)
	}
	if n, err := w.queue.Change(t.Context(), admin, queue.Selection{Item: items[1].ID}, queue.ActRelease, ""); n != 1 || err != nil {
		t.Errorf("released %d, %v", n, err)
	}
	w.release()
	count := func() [3]int {
		return [3]int{len(w.inbox("vanthu@xa1.p.test")), len(w.inbox("vanthu@xa2.p.test")), len(w.inbox("nhonho@p.test"))}
	}
	if got := count(); got != [3]int{0, 1, 0} {
		t.Errorf("copies %v, want one with whom it was released for", got)
	}
	w.now = w.now.Add(time.Hour)
	w.release()
	if got := count(); got != [3]int{0, 1, 1} {
		t.Errorf("copies %v, want none with whom it was dropped for", got)
	}

	w.postpone(time.Hour, user, letter(user, "vanthu@xa1.p.test", "x", "l3", "x"), w.rcpt("vanthu@xa1.p.test", 0))
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		chosen, err := w.queue.Take(t.Context(), tx, queue.Selection{All: true}, 10)
		if err != nil {
			return err
		}
		return w.queue.End(t.Context(), tx, chosen[0], queue.Dropped, queue.Result{})
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.delivery.ForgetDropped(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM deferred`); n != 0 {
		t.Errorf("%d messages wait for nobody", n)
	}
}

// What cannot be delivered at its time is tried again or reported, and holds up
// no other message.
func TestMailForLaterThatCannotBeDelivered(t *testing.T) {
	const user = "chuyenvien@snv.p.test"
	w := newWorld(t)
	g, err := w.dir.CreateGroup(t.Context(), journal.System("test"), directory.Group{
		Address: address(t, "tam@p.test"), Name: "Tạm", Members: []mail.Address{address(t, "vanthu@xa1.p.test")},
	})
	if err != nil {
		t.Fatal(err)
	}
	full := letter(user, "nhonho@p.test", "lon", "l4", strings.Repeat("0123456789\r\n", 100<<10))
	w.postpone(time.Hour, user, full, w.rcpt("nhonho@p.test", 0))
	w.postpone(time.Hour, user, letter(user, "tam@p.test", "x", "l5", "x"), w.rcpt("tam@p.test", 0), w.rcpt("vanthu@xa2.p.test", 0))
	if err := w.dir.DeleteGroup(t.Context(), journal.System("test"), g.ID); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Hour)
	w.release()
	if got := w.inbox("vanthu@xa2.p.test"); len(got) != 1 {
		t.Errorf("%d copies with whom it could be delivered, want 1", len(got))
	}
	reports := w.inbox(user)
	if len(reports) != 1 {
		t.Fatalf("%d reports, want one about the address that has ceased to be", len(reports))
	}
	wantAll(t, reports[0], "Final-Recipient: rfc822; tam@p.test\r\nAction: failed\r\nStatus: 5.1.1", "Message-ID: <l5@p.test>")

	items, err := w.queue.List(t.Context(), queue.Filter{})
	if err != nil || len(items) != 1 || items[0].State != queue.Later || items[0].Attempts != 1 || items[0].LastText == "" || !items[0].Next.After(w.now) {
		t.Fatalf("left %+v, %v, want the one without room, put off", items, err)
	}
	for range 200 {
		w.now = w.now.Add(time.Hour)
		w.release()
	}
	if n := w.count(`SELECT count(*) FROM queue_item`) + w.count(`SELECT count(*) FROM deferred`); n != 0 {
		t.Errorf("%d rows are left after days", n)
	}
	if reports = w.inbox(user); len(reports) != 2 {
		t.Fatalf("%d reports, want 2", len(reports))
	}
	wantAll(t, reports[1], "Final-Recipient: rfc822; nhonho@p.test\r\nAction: failed")
}
