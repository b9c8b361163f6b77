package docstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// consult sends a document that asks n units for their opinion; the last of
// them only takes notice.
func (w *world) consult(n int) docstore.Result {
	w.t.Helper()
	in := decision(w.t, n)
	in.Recognition.Op = edoc.OpConsult
	in.Recipients[n-1].Kind = docstore.KindInfo
	res := w.intake(in)
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := w.doc.OpenConsultation(ctx, tx, clerk(900), res.Document, docstore.Consultation{
			Due: res.Document.Due, Next: res.Document.Due.AddDate(0, 0, -1),
		})
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) opine(d docstore.Dispatch, o docstore.Opinion) (docstore.Opinion, error) {
	w.t.Helper()
	err := w.update(func(ctx context.Context, tx *sqldb.Tx) (err error) {
		o, err = w.doc.Answer(ctx, tx, clerk(int64(d.To)), d, o)
		return err
	})
	return o, err
}

func (w *world) tally(id docstore.DocumentID) (t docstore.Tally) {
	w.t.Helper()
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		c, err := docstore.ConsultationOf(ctx, r, id)
		if err != nil {
			return err
		}
		t, err = docstore.Count(ctx, r, c)
		return err
	})
	return t
}

func (w *world) closeConsult(id docstore.DocumentID, end docstore.ConsultEnd) error {
	return w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := w.doc.CloseConsultation(ctx, tx, journal.System("test"), id, end)
		return err
	})
}

func TestConsultation(t *testing.T) {
	w := newWorld(t)
	res := w.consult(5)
	d := res.Dispatches
	for i, o := range []docstore.Opinion{
		{Vote: docstore.VoteAgree, By: 1, MailID: "<a1@x>", Message: 7},
		{Vote: docstore.VoteDisagree, Text: norm.NFD.String("thiếu kinh phí"), By: 2},
		{Vote: docstore.VoteOther, Text: "sửa điều 3\r\nvà điều 4\x00", By: 3},
	} {
		if _, err := w.opine(d[i], o); err != nil {
			t.Fatal(err)
		}
	}
	// A later answer replaces the earlier one; the same again changes nothing.
	for range 2 {
		if _, err := w.opine(d[0], docstore.Opinion{Vote: docstore.VoteDisagree, Text: "xem lại", By: 1, MailID: "<a2@x>", Message: 8}); err != nil {
			t.Fatal(err)
		}
	}
	got := w.tally(res.Document.ID)
	if got.Asked != 4 || got.Agree != 0 || got.Disagree != 2 || got.Other != 1 || got.Answered() != 3 || got.Complete() || len(got.Silent()) != 1 {
		t.Errorf("tally %+v", got)
	}
	if e := got.Units[0].Earlier; len(e) != 1 || e[0].Vote != docstore.VoteAgree {
		t.Errorf("earlier answers %+v, want one that agrees", e)
	}
	if text := got.Units[1].Opinion.Text; text != "thiếu kinh phí" {
		t.Errorf("text %q is not NFC", text)
	}
	if text := got.Units[2].Opinion.Text; text != "sửa điều 3\nvà điều 4" {
		t.Errorf("text %q", text)
	}
	_, err := w.opine(d[4], docstore.Opinion{Vote: docstore.VoteAgree})
	wantKind(t, err, fault.Conflict) // only for notice
	_, err = w.opine(d[3], docstore.Opinion{Vote: docstore.VoteOverdue})
	wantKind(t, err, fault.Invalid)
	_, err = w.opine(d[3], docstore.Opinion{Vote: docstore.VoteOther})
	wantKind(t, err, fault.Invalid)

	// Time is up: silence is recorded, and nobody may answer.
	w.now = res.Document.Due.Add(time.Second)
	if err := w.closeConsult(res.Document.ID, docstore.EndDeadline); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.closeConsult(res.Document.ID, docstore.EndClosed), fault.Conflict)
	_, err = w.opine(d[3], docstore.Opinion{Vote: docstore.VoteAgree})
	wantKind(t, err, fault.Conflict)
	if got := w.tally(res.Document.ID); got.Overdue != 1 || got.Consultation.Ended != docstore.EndDeadline || got.Answered() != 3 {
		t.Errorf("after the deadline %+v", got)
	}

	// More time opens it again.
	due := w.now.AddDate(0, 0, 3)
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := w.doc.ExtendConsultation(ctx, tx, clerk(900), res.Document.ID, due, due)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.opine(d[3], docstore.Opinion{Vote: docstore.VoteAgree}); err != nil {
		t.Fatal(err)
	}
	got = w.tally(res.Document.ID)
	if !got.Complete() || got.Agree != 1 || got.Overdue != 0 || !got.Units[0].Dispatch.Due.Equal(due) || !got.Units[0].Dispatch.Due.Equal(got.Consultation.Due) {
		t.Errorf("after the extension %+v", got)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		for msg, want := range map[docstore.MessageRef]bool{1: true, 7: true, 8: true, 9: false} {
			used, err := docstore.Uses(ctx, r, msg)
			if err != nil || used != want {
				t.Errorf("message %d used: %v, %v; want %v", msg, used, err, want)
			}
		}
		list, err := docstore.Consultations(ctx, r, docstore.ConsultFilter{Party: 2, Open: true}, 0)
		if err != nil || len(list) != 1 {
			t.Errorf("consultations of unit 2: %d, %v; want one", len(list), err)
		}
		if list, err = docstore.Consultations(ctx, r, docstore.ConsultFilter{Party: 77}, 0); err != nil || len(list) != 0 {
			t.Errorf("consultations of unit 77: %d, %v; want none", len(list), err)
		}
		unsettled, err := docstore.UnsettledOpinions(ctx, r, 100)
		if err != nil || len(unsettled) != 0 {
			t.Errorf("unsettled: %d, %v; want none while the documents wait", len(unsettled), err)
		}
		return nil
	})
	want := map[string]int{"consult.opened": 1, "consult.answered": 5, "consult.overdue": 1, "consult.closed": 1, "consult.extended": 1}
	for event, n := range want {
		if got := w.count(`SELECT count(*) FROM journal WHERE type = '` + event + `'`); got != n {
			t.Errorf("%s: %d entries, want %d", event, got, n)
		}
	}
	w.verify()

	// An opinion that the journal does not know is found.
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE opinion SET at_us = at_us + 1 WHERE id = 2`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if rep := w.report(); rep.First == nil || rep.First.Kind != "opinion" {
		t.Errorf("Verify found %v, want the changed opinion", rep.First)
	}
}

func TestConsultationWithoutNumber(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 1)
	in.Recognition.Op, in.Recognition.Code = edoc.OpConsult, nil
	w.intake(in)
	if n := w.count(`SELECT count(*) FROM register_entry`); n != 0 {
		t.Errorf("%d entries in the register of outgoing documents, want none", n)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		_, err := docstore.ConsultationOf(ctx, r, 1)
		wantKind(t, err, fault.NotFound)
		return nil
	})
}

func TestDraft(t *testing.T) {
	w := newWorld(t)
	draft := docstore.Draft{Author: 5, Name: "Chuyên viên", Unit: 3, Abstract: "Quy chế làm việc", MailID: "<d@x>", Message: 4}
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		for range 2 { // sent twice is one draft
			if err := w.doc.AddDraft(ctx, tx, clerk(5), draft); err != nil {
				return err
			}
		}
		d, err := docstore.DraftByMail(ctx, tx, []docstore.MailID{"<other@x>", "<d@x>"})
		if err != nil {
			return err
		}
		for _, c := range []docstore.DraftComment{
			{Author: 6, Name: "A", Vote: docstore.VoteAgree, MailID: "<c1@x>"}, {Author: 6, Name: "A", MailID: "<c1@x>"},
			{Name: "ngoài", Text: strings.Repeat("ý", docstore.MaxOpinion+10), MailID: "<c2@x>"},
		} {
			if err := w.doc.AddComment(ctx, tx, clerk(6), d, c); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		list, err := docstore.Drafts(ctx, r, docstore.DraftFilter{Unit: 3, Author: 5}, 0)
		if err != nil || len(list) != 1 {
			t.Fatalf("drafts: %d, %v; want one", len(list), err)
		}
		comments, err := docstore.Comments(ctx, r, list[0].ID)
		if err != nil || len(comments) != 2 || comments[1].Ordinal != 2 || len([]rune(comments[1].Text)) != docstore.MaxOpinion {
			t.Errorf("comments %d, %v", len(comments), err)
		}
		for _, ids := range [][]docstore.MailID{nil, {"<none@x>"}} {
			_, err = docstore.DraftByMail(ctx, r, ids)
			wantKind(t, err, fault.NotFound)
		}
		_, err = docstore.DraftByULID(ctx, r, "01")
		wantKind(t, err, fault.NotFound)
		return nil
	})
	if n := w.count(`SELECT count(*) FROM document`); n != 0 {
		t.Errorf("%d documents, want none: a draft is no document", n)
	}
}
