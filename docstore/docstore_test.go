package docstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// world is a store with a clock that stands still until it is moved.
type world struct {
	t   testing.TB
	db  *sqldb.DB
	doc *docstore.Store
	now time.Time
}

// monday is an ordinary morning in Vietnam, a Monday.
func monday() time.Time { return time.Date(2026, 11, 23, 2, 14, 5, 0, time.UTC) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, db: sqldbtest.Open(t), now: monday()}
	w.doc = docstore.New(docstore.Options{Now: func() time.Time { return w.now }})
	return w
}

func (w *world) update(fn func(ctx context.Context, tx *sqldb.Tx) error) error {
	w.t.Helper()
	ctx := w.t.Context()
	return w.db.Update(ctx, func(tx *sqldb.Tx) error { return fn(ctx, tx) })
}

func (w *world) view(fn func(ctx context.Context, r sqldb.Reader) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.db.View(ctx, func(r sqldb.Reader) error { return fn(ctx, r) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) intake(in docstore.In) docstore.Result {
	w.t.Helper()
	res, err := w.tryIntake(in)
	if err != nil {
		w.t.Fatalf("Intake: %v", err)
	}
	return res
}

func (w *world) tryIntake(in docstore.In) (res docstore.Result, err error) {
	w.t.Helper()
	err = w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
		res, err = w.doc.Intake(ctx, tx, in)
		return err
	})
	return res, err
}

func (w *world) do(actor journal.Actor, id docstore.DispatchID, act docstore.Act) (d docstore.Dispatch, err error) {
	w.t.Helper()
	err = w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
		d, _, err = w.doc.Transition(ctx, tx, actor, id, act)
		return err
	})
	return d, err
}

func (w *world) mustDo(id docstore.DispatchID, act docstore.Act) docstore.Dispatch {
	w.t.Helper()
	d, err := w.do(clerk(1), id, act)
	if err != nil {
		w.t.Fatalf("%s: %v", act.Event, err)
	}
	return d
}

func (w *world) events(id docstore.DispatchID) (out []docstore.StatusEvent) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		out, err = docstore.Events(ctx, r, id)
		return err
	})
	return out
}

func (w *world) count(query string) (n int) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) error { return r.QueryRow(ctx, query).Scan(&n) })
	return n
}

// verify fails the test when the store is not intact.
func (w *world) verify() docstore.Report {
	w.t.Helper()
	rep := w.report()
	if rep.First != nil {
		w.t.Errorf("Verify: %v", rep.First)
	}
	return rep
}

func (w *world) report() (rep docstore.Report) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		rep, err = docstore.Verify(ctx, r)
		return err
	})
	return rep
}

func clerk(id int64) journal.Actor {
	return journal.Actor{Kind: journal.ActorAccount, ID: id, Name: fmt.Sprintf("vanthu%d@dienbien.test", id)}
}

const sender directory.UnitID = 100

// decision is 123/QĐ-UBND of the sender to n units, numbered from 1.
func decision(t testing.TB, n int) docstore.In {
	t.Helper()
	return document(t, "123/QĐ-UBND", n)
}

func document(t testing.TB, code string, n int) docstore.In {
	t.Helper()
	c, err := edoc.ParseCode(code)
	if err != nil {
		t.Fatal(err)
	}
	in := docstore.In{
		Recognition: edoc.Recognition{
			Level: edoc.L1, Code: &c, Type: edoc.TypeForCode(c), Abstract: "V/v giao chỉ tiêu kế hoạch",
			Issued: time.Date(2026, 11, 22, 17, 0, 0, 0, time.UTC), Year: 2026,
			Due: time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC),
		},
		Issuer: sender, IssuerName: "UBND tỉnh Điện Biên", From: 900,
		MailID: "<1@ubnd.dienbien.test>", Message: 1, BodySHA256: [32]byte{1}, QueueID: "q1",
		Files:  []docstore.File{{Role: docstore.FileMain, Name: "QD123.pdf", MediaType: "application/pdf", Size: 9, SHA256: [32]byte{2}}},
		Actor:  journal.Actor{Kind: journal.ActorAccount, ID: 900, Name: "vanthu@ubnd.dienbien.test"},
		Source: docstore.SourceSMTP,
	}
	for i := range n {
		in.Recipients = append(in.Recipients, docstore.Recipient{
			Unit:    directory.UnitID(i + 1),
			Address: mail.Address{Local: fmt.Sprintf("xa%02d", i+1), Domain: "dienbien.test"},
		})
	}
	return in
}

func wantKind(t testing.TB, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Fatalf("error = %v, want one of kind %v", err, want)
	}
	if s := fault.Sentence(err); s.EN == "" || s.VI == "" {
		t.Errorf("sentence = %+v, want both languages", s)
	}
}
