package workflow_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// asks sends a document that asks communes for their opinion until a time.
func (p *province) asks(due time.Time, units ...string) docstore.Result {
	p.t.Helper()
	res := p.send(units...)
	res.Document.Due = due
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.flow.Issued(ctx, tx, docstore.Issued{
			Result: res, Recognition: edoc.Recognition{Op: edoc.OpConsult}, By: p.clerk("ubnd"),
		})
	})
	return res
}

// opinion has somebody answer a document by mail to the unit that asks.
func (p *province) opinion(role directory.Role, unit string, doc docstore.Document, text string) {
	p.t.Helper()
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.flow.Replied(ctx, tx, docstore.Replied{
			By: p.account(role, unit), MailID: docstore.MailID("<" + unit + text[:3] + "@client>"), Answers: []docstore.MailID{doc.MailID},
			Units: []directory.UnitID{p.unit("ubnd").ID}, Reply: edoc.ParseReply(text, p.now()), Message: 1, Files: 2,
		})
	})
}

func (p *province) tally(doc docstore.DocumentID) (t docstore.Tally) {
	p.t.Helper()
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		c, err := docstore.ConsultationOf(ctx, r, doc)
		if err == nil {
			t, err = docstore.Count(ctx, r, c)
		}
		return err
	})
	return t
}

func (p *province) look() {
	p.t.Helper()
	if err := p.flow.Consultations(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func TestConsultation(t *testing.T) {
	at := morning() // Monday
	files := func(doc docstore.Document, tally docstore.Tally, name func(docstore.Dispatch) string) ([]mail.File, error) {
		return []mail.File{{Name: "y-kien.csv", Type: "text/csv", Content: []byte(name(tally.Units[0].Dispatch))}}, nil
	}
	p := newProvince(t, 5, func() time.Time { return at }, workflow.Options{Silence: docstore.SilenceAgree, OpinionFiles: files})
	due := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC) // the next Monday, 17:00
	res := p.asks(due, communes(5)...)
	doc, d := res.Document, res.Dispatches
	const clerk, leader, staff = directory.RoleClerk, directory.RoleLeader, directory.RoleStaff

	p.do("xa01", d[0].ID, workflow.Act{Event: docstore.EventRegister})
	p.opinion(leader, "xa01", doc, "Đồng ý\nNhất trí toàn văn.")
	if x := p.dispatch(d[0].ID); x.State != docstore.StateCompleted || x.Status != edoc.StatusCompleted {
		t.Errorf("the dispatch of a unit that answered is %s, want completed", x.State)
	}
	got := p.tally(doc.ID)
	if got.Agree != 1 || got.Asked != 5 || got.Units[0].Opinion.Text != "Nhất trí toàn văn." || got.Units[0].Opinion.Files != 2 || got.Units[0].Opinion.Message != 1 {
		t.Errorf("after one answer: %+v", got)
	}

	// Staff does not speak for the unit, and is told so; who asks says nothing of the kind.
	before := len(p.mails(p.inbox(p.account(staff, "xa02"))))
	p.opinion(staff, "xa02", doc, "đồng ý")
	if m := p.mails(p.inbox(p.account(staff, "xa02"))); len(m) != before+1 || !strings.Contains(m[len(m)-1].text, "chỉ văn thư hoặc lãnh đạo của UBND xã số 2") {
		t.Errorf("staff is answered %+v", m)
	}
	p.opinion(clerk, "ubnd", doc, "đồng ý")
	p.opinion(clerk, "xa02", doc, "đồng ý\nkhông đồng ý: x") // which of them?
	if got := p.tally(doc.ID); got.Answered() != 1 {
		t.Errorf("%d answers, want still 1", got.Answered())
	}

	// Before it is registered an answer counts; the dispatch is completed when the
	// registration cannot be taken back any more.
	p.opinion(clerk, "xa02", doc, "khong dong y: thieu kinh phi")
	p.opinion(clerk, "xa02", doc, "Ý kiến khác: giao xã số 3") // replaces it
	p.do("xa02", d[1].ID, workflow.Act{Event: docstore.EventRegister})
	p.look()
	if x := p.dispatch(d[1].ID); x.State != docstore.StateRegistered {
		t.Errorf("just registered it is %s", x.State)
	}
	at = at.Add(docstore.UndoLimit + time.Second)
	p.look()
	if x := p.dispatch(d[1].ID); x.State != docstore.StateCompleted {
		t.Errorf("after the time to undo it is %s, want completed", x.State)
	}
	if got := p.tally(doc.ID); got.Other != 1 || got.Disagree != 0 || len(got.Units[1].Earlier) != 1 {
		t.Errorf("after a change of mind: %+v", got)
	}

	// The command line has the same effect.
	p.do("xa03", d[2].ID, workflow.Act{Event: docstore.EventRegister})
	answer := func(by directory.AccountID) error {
		_, err := p.flow.Answer(t.Context(), by, docstore.SourceCLI, d[2].ID, docstore.Opinion{Vote: docstore.VoteDisagree, Text: "chưa đủ người"})
		return err
	}
	if err := answer(p.clerk("xa01")); fault.KindOf(err) != fault.Denied {
		t.Errorf("another unit's clerk: %v, want denied", err)
	}
	if err := answer(p.clerk("xa03")); err != nil {
		t.Fatal(err)
	}
	if x := p.dispatch(d[2].ID); x.State != docstore.StateCompleted {
		t.Errorf("answered by command it is %s, want completed", x.State)
	}

	// One working day before the deadline silent units are reminded, once.
	reminders := func(unit string) (n int) {
		for _, m := range p.mails(p.folder(unit, mailstore.RoleUnitInbox)) {
			if strings.HasPrefix(m.subject, "[Nhắc lấy ý kiến 123/QĐ-UBND]") {
				n++
			}
		}
		return n
	}
	at = time.Date(2026, 11, 27, 0, 29, 0, 0, time.UTC) // Friday, 07:29
	p.look()
	if n := reminders("xa04"); n != 0 {
		t.Errorf("%d reminders before the morning, want none", n)
	}
	at = at.Add(time.Minute)
	p.look()
	p.look()
	if a, b := reminders("xa04"), reminders("xa01"); a != 1 || b != 0 {
		t.Errorf("reminders: %d to a silent unit, %d to one that answered; want 1, 0", a, b)
	}

	if _, err := p.flow.CloseConsultation(t.Context(), p.clerk("xa01"), docstore.SourceCLI, doc.ID); fault.KindOf(err) != fault.Denied {
		t.Errorf("a unit that is asked closes: %v, want denied", err)
	}
	at = due
	p.look()
	got = p.tally(doc.ID)
	if got.Overdue != 2 || got.Consultation.Ended != docstore.EndDeadline {
		t.Errorf("at the deadline: %+v", got)
	}
	p.opinion(clerk, "xa04", doc, "đồng ý") // too late
	if got := p.tally(doc.ID); got.Agree != 1 {
		t.Errorf("after the end %d agree, want 1", got.Agree)
	}
	summary := func() []letter {
		var list []letter
		for _, m := range p.mails(p.inbox(p.clerk("ubnd"))) {
			if strings.HasPrefix(m.subject, "[Tổng hợp ý kiến 123/QĐ-UBND]") {
				list = append(list, m)
			}
		}
		return list
	}
	const score = "3/5 đã trả lời · 1 đồng ý · 1 không đồng ý · 1 ý kiến khác · 2 quá hạn (coi như đồng ý)"
	if list := summary(); len(list) != 1 || !strings.HasSuffix(list[0].subject, score) || !strings.Contains(list[0].raw, "y-kien.csv") {
		t.Fatalf("summaries %+v, want one with %s", list, score)
	}

	// More time opens it again; when all have answered it ends by itself.
	if _, err := p.flow.ExtendConsultation(t.Context(), p.account(leader, "ubnd"), docstore.SourceCLI, doc.ID, due); fault.KindOf(err) != fault.Invalid {
		t.Errorf("until a time that is over: %v, want invalid", err)
	}
	if _, err := p.flow.ExtendConsultation(t.Context(), p.account(leader, "ubnd"), docstore.SourceCLI, doc.ID, due.AddDate(0, 0, 4)); err != nil {
		t.Fatal(err)
	}
	p.opinion(clerk, "xa04", doc, "đồng ý")
	p.opinion(leader, "xa05", doc, "dong y")
	got = p.tally(doc.ID)
	if !got.Complete() || got.Consultation.Ended != docstore.EndAnswered || got.Agree != 3 {
		t.Errorf("when all have answered: %+v", got)
	}
	if list := summary(); len(list) != 2 {
		t.Errorf("%d summaries, want 2", len(list))
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		rep, err := docstore.Verify(ctx, r)
		if rep.First != nil {
			t.Error(rep.First)
		}
		return err
	})
}

// "đồng ý" answers a recall when it replies to our message about one.
func TestConsultationAndRecall(t *testing.T) {
	p := newProvince(t, 2, morning, workflow.Options{})
	res := p.asks(morning().AddDate(0, 0, 5), communes(2)...)
	d := res.Dispatches[0]
	p.do("xa01", d.ID, workflow.Act{Event: docstore.EventRegister})
	if _, err := p.flow.Recall(t.Context(), p.clerk("ubnd"), docstore.SourceCLI, res.Document.ID, workflow.Recall{Reason: "sai số liệu"}); err != nil {
		t.Fatal(err)
	}
	asked := p.mails(p.folder("xa01", mailstore.RoleAsked))
	if len(asked) != 1 {
		t.Fatalf("%d requests, want one", len(asked))
	}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.flow.Replied(ctx, tx, docstore.Replied{
			By: p.clerk("xa01"), MailID: "<r@client>", Answers: []docstore.MailID{docstore.MailID(headerOf(asked[0].raw, "Message-ID")), res.Document.MailID},
			Units: []directory.UnitID{p.unit("xa01").ID}, Reply: edoc.ParseReply("đồng ý", p.now()),
		})
	})
	if x := p.dispatch(d.ID); x.State != docstore.StateRecalled {
		t.Errorf("state %s, want recalled", x.State)
	}
	if got := p.tally(res.Document.ID); got.Answered() != 0 || got.Asked != 0 {
		t.Errorf("tally %+v, want nobody asked and no answer", got)
	}
}

// A reply is known by the code that it answers, as a document too; what people
// write to each other is not counted.
func TestOpinionByCode(t *testing.T) {
	p := newProvince(t, 3, morning, workflow.Options{})
	res := p.asks(morning().AddDate(0, 0, 5), communes(3)...)
	code, err := edoc.ParseCode("123/QĐ-UBND")
	if err != nil {
		t.Fatal(err)
	}
	reply := func(m docstore.Replied) {
		t.Helper()
		m.MailID, m.Reply = "<x@client>", edoc.ParseReply("đồng ý", p.now())
		p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Replied(ctx, tx, m) })
	}
	reply(docstore.Replied{By: p.clerk("xa01"), Codes: []edoc.Code{code}, Document: true, Units: []directory.UnitID{p.unit("ubnd").ID}})
	reply(docstore.Replied{By: p.clerk("xa02"), Codes: []edoc.Code{code}, People: []directory.AccountID{p.clerk("ubnd")}})
	reply(docstore.Replied{By: p.clerk("xa03"), Answers: []docstore.MailID{res.Document.MailID}, People: []directory.AccountID{p.clerk("xa01")}})
	if got := p.tally(res.Document.ID); got.Agree != 2 || got.Units[2].Opinion != nil {
		t.Errorf("tally %+v, want two that agree", got)
	}
}

func TestConsultationIsTracked(t *testing.T) {
	p := newProvince(t, 2, time.Now, workflow.Options{TrackingInterval: time.Millisecond})
	res := p.asks(time.Now().AddDate(0, 0, 9), communes(2)...)
	stop := p.running()
	defer stop()
	p.opinion(directory.RoleClerk, "xa02", res.Document, "không đồng ý: trùng kế hoạch")
	const want = "[Theo dõi 123/QĐ-UBND] 1/2 đã trả lời · 1 không đồng ý"
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := p.mails(p.folder("ubnd", mailstore.RoleTracking))
		if len(got) == 1 && got[0].subject == want && strings.Contains(got[0].text, "trùng kế hoạch") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("tracking messages %+v, want one with %q", got, want)
		}
	}
}
