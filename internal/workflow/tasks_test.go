package workflow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// tasks gives what an account sees under "Việc của tôi", as "folder n".
func (p *province) tasks(a directory.AccountID) (list []string) {
	p.t.Helper()
	all, err := p.boxes.List(p.t.Context(), mailstore.Owner{Account: a})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range all {
		if rest, ok := strings.CutPrefix(m.Name, "Việc của tôi/"); ok && m.Messages > 0 {
			list = append(list, fmt.Sprintf("%s %d", rest, m.Messages))
		}
	}
	return list
}

// flagsOf gives the keywords of the only message of a mailbox, \Flagged as "!".
func (p *province) flagsOf(box mailstore.MailboxID) (list []string) {
	p.t.Helper()
	hot, err := p.boxes.Hot(p.t.Context(), box)
	if err != nil {
		p.t.Fatal(err)
	}
	defer hot.Release()
	v := hot.Version()
	if v.Len() != 1 {
		p.t.Fatalf("%d messages, want 1", v.Len())
	}
	f := v.At(1).Flags
	if f&mailstore.Flagged != 0 {
		list = append(list, "!")
	}
	for i, k := range v.Keywords {
		if f&mailstore.Keyword(i) != 0 {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

// Who works on a document sees it in the folder of its state and time, until it is done.
func TestTasksFollowTheDispatch(t *testing.T) {
	now := morning()
	p := newProvince(t, 1, func() time.Time { return now }, workflow.Options{})
	const unit = "xa01"
	d := p.send(unit).Dispatches[0]
	leader, staff, clerk := p.account(directory.RoleLeader, unit), p.account(directory.RoleStaff, unit), p.clerk(unit)
	act := func(who directory.AccountID, a workflow.Act) {
		t.Helper()
		if _, err := p.flow.Do(t.Context(), who, docstore.SourceCLI, d.ID, a); err != nil {
			t.Fatal(err)
		}
	}
	want := func(who directory.AccountID, list ...string) {
		t.Helper()
		if got := p.tasks(who); !slices.Equal(got, list) {
			t.Errorf("tasks %q, want %q", got, list)
		}
	}
	later := func(by time.Duration) {
		t.Helper()
		now = now.Add(by)
		if err := p.flow.SettleDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	assign := workflow.Act{Event: docstore.EventAssign, Due: now.Add(72 * time.Hour), Assign: []docstore.Assignee{
		{Account: staff, Role: docstore.RoleLead}, {Account: clerk, Role: docstore.RoleNotice},
	}}
	act(clerk, workflow.Act{Event: docstore.EventRegister})
	act(leader, assign)
	want(staff, "Chờ 1")
	want(clerk, "Chờ 1")
	want(leader)
	act(staff, workflow.Act{Event: docstore.EventStart})
	want(staff, "Đang xử lý 1")
	later(47 * time.Hour)
	want(staff, "Đang xử lý 1")
	later(2 * time.Hour)
	want(staff, "Sắp hạn 1")
	want(clerk, "Đang xử lý 1")
	if got := p.flagsOf(p.folder(unit, mailstore.RoleProcessing)); !slices.Contains(got, docstore.LabelOrange) || slices.Contains(got, docstore.KeywordLate) {
		t.Errorf("keywords when due soon: %q", got)
	}
	later(24 * time.Hour)
	want(staff, "Quá hạn 1")
	if got := p.flagsOf(p.folder(unit, mailstore.RoleProcessing)); !slices.Contains(got, docstore.KeywordLate) || !slices.Contains(got, docstore.LabelRed) {
		t.Errorf("keywords when late: %q", got)
	}
	act(leader, workflow.Act{Event: docstore.EventExtend, Due: now.Add(240 * time.Hour), Note: "chờ số liệu"})
	want(staff, "Đang xử lý 1")
	act(staff, workflow.Act{Event: docstore.EventComplete, Note: "xong"})
	want(staff)
	want(clerk)
	if got := p.flagsOf(p.folder(unit, mailstore.RoleCompleted)); slices.Contains(got, docstore.KeywordLate) || !slices.Contains(got, docstore.KeywordIncoming) {
		t.Errorf("keywords when done: %q", got)
	}
	act(leader, workflow.Act{Event: docstore.EventReopen, Note: "làm lại phần phụ lục"})
	want(staff, "Đang xử lý 1")

	// Its reader deletes the entry: nothing else happens to the document.
	all, err := p.boxes.List(t.Context(), mailstore.Owner{Account: staff})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Role == mailstore.RoleTaskWorking {
			p.update(func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := p.boxes.Remove(ctx, tx, m.ID, mailstore.AllUIDs())
				return err
			})
		}
	}
	want(staff)
	later(300 * time.Hour)
	want(staff)
	if got := p.dispatch(d.ID); got.State != docstore.StateProcessing || len(p.mails(p.folder(unit, mailstore.RoleProcessing))) != 1 {
		t.Errorf("the document is %s", got.State)
	}
	p.verify()
}

// A person's own entry can be dragged to the folders of the unit, as the document itself.
func TestDragOfATask(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	leader, staff := p.account(directory.RoleLeader, "xa01"), p.account(directory.RoleStaff, "xa01")
	p.do("xa01", d.ID, workflow.Act{Event: docstore.EventRegister})
	if _, err := p.flow.Do(t.Context(), leader, docstore.SourceCLI, d.ID, workflow.Act{
		Event: docstore.EventAssign, Assign: []docstore.Assignee{{Account: staff, Role: docstore.RoleLead}},
	}); err != nil {
		t.Fatal(err)
	}
	var from mailstore.MailboxID
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		from, err = p.boxes.RoleOf(ctx, r, mailstore.Owner{Account: staff}, mailstore.RoleTaskWaiting)
		return err
	})
	moved, handled, err := p.flow.MoveMessages(t.Context(), staff, from, []mailstore.UID{1}, p.folder("xa01", mailstore.RoleProcessing))
	if err != nil || !handled || len(moved) != 1 {
		t.Fatalf("moved %v, handled %v, %v", moved, handled, err)
	}
	if got := p.dispatch(d.ID); got.State != docstore.StateProcessing || got.Place.UID != int64(moved[1]) {
		t.Errorf("the document is %s at %v, moved %v", got.State, got.Place, moved)
	}
	if got := p.tasks(staff); !slices.Equal(got, []string{"Đang xử lý 1"}) {
		t.Errorf("tasks %q", got)
	}
	if _, _, err := p.flow.MoveMessages(t.Context(), staff, p.folder("xa01", mailstore.RoleProcessing), []mailstore.UID{moved[1]}, from); fault.KindOf(err) != fault.Denied {
		t.Errorf("a move into a task folder: %v", err)
	}
	p.verify()
}

// Registers are shown in folders, one message for each entry, as they are.
func TestBooksAreShown(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	show := func() []letter {
		t.Helper()
		if err := p.flow.ShowBooks(t.Context()); err != nil {
			t.Fatal(err)
		}
		return p.mails(p.folder("xa01", mailstore.RoleBook("den", 2026)))
	}
	first, second := p.send("xa01").Dispatches[0], p.sendCode("124/QĐ-UBND", p.unit("ubnd").ID, "xa01").Dispatches[0]
	for _, d := range []docstore.Dispatch{first, second} {
		p.do("xa01", d.ID, workflow.Act{Event: docstore.EventRegister})
	}
	got := show()
	if len(got) != 2 || got[0].subject != "Số đến 1 · 123/QĐ-UBND · Quyết định; V/v giao chỉ tiêu kế hoạch" {
		t.Fatalf("%d messages, %q", len(got), got[0].subject)
	}
	for _, want := range []string{"Số đến:                     1\n", "Tác giả:                    UBND tỉnh Điện Biên\n", "Ghi chú:\n"} {
		if !strings.Contains(strings.ReplaceAll(got[0].text, "\r\n", "\n"), want) {
			t.Errorf("no %q in\n%s", want, got[0].text)
		}
	}
	if again := show(); len(again) != 2 || again[0].uid != got[0].uid {
		t.Error("what has not changed was made anew")
	}
	p.do("xa01", first.ID, workflow.Act{Event: docstore.EventUndo})
	got = show()
	if len(got) != 2 || !strings.HasPrefix(got[1].subject, "[ĐÃ HỦY] Số đến 1 ·") || !strings.Contains(got[1].text, "GẠCH BỎ") {
		t.Errorf("after the undo: %d messages, the last %q", len(got), got[len(got)-1].subject)
	}
	p.do("xa01", first.ID, workflow.Act{Event: docstore.EventRegister})
	if got = show(); len(got) != 2 || !strings.HasPrefix(got[1].subject, "Số đến 1 ·") {
		t.Errorf("after registering again: %q", got[len(got)-1].subject)
	}
	if out := p.mails(p.folder("ubnd", mailstore.RoleBook("di", 2026))); len(out) != 2 || !strings.HasPrefix(out[0].subject, "Số đi 123 · 123/QĐ-UBND · ") {
		t.Errorf("outgoing: %d messages, %+v", len(out), out)
	}
	// Nobody puts anything in, and nothing is taken out.
	box := p.folder("xa01", mailstore.RoleBook("den", 2026))
	if err := p.flow.MayAppend(t.Context(), box); fault.KindOf(err) != fault.Denied {
		t.Errorf("APPEND: %v", err)
	}
	d := p.dispatch(second.ID)
	if _, _, err := p.flow.CopyMessages(t.Context(), p.clerk("xa01"), mailstore.MailboxID(d.Place.Mailbox), []mailstore.UID{mailstore.UID(d.Place.UID)}, box); fault.KindOf(err) != fault.Denied {
		t.Errorf("COPY: %v", err)
	}
	p.verify()
}

// What somebody received is handed to the clerks and stays his.
func TestHandOver(t *testing.T) {
	now := morning()
	p := newProvince(t, 1, func() time.Time { return now }, workflow.Options{})
	staff := p.account(directory.RoleStaff, "xa01")
	inbox := p.inbox(staff)
	var to mailstore.MailboxID
	p.view(func(ctx context.Context, r sqldb.Reader) (err error) {
		to, err = p.boxes.RoleOf(ctx, r, mailstore.Owner{Account: staff}, mailstore.RoleHandOver)
		return err
	})
	receive := func(id, from, subject, trace string) mailstore.UID {
		t.Helper()
		b := p.boxes.NewBody()
		fmt.Fprintf(b, "From: %s\r\nMessage-ID: <%s@so.test>\r\nSubject: %s\r\n\r\nKinh gui\r\n", from, id, subject)
		fin, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		defer fin.Release()
		var uid mailstore.UID
		p.update(func(ctx context.Context, tx *sqldb.Tx) error {
			msg, err := p.boxes.Store(ctx, tx, fin, []byte(trace), now)
			if err != nil {
				return err
			}
			uid, err = p.boxes.Deliver(ctx, tx, inbox, msg, 0, now)
			return err
		})
		return uid
	}
	const trace = "Return-Path: <x@so.test>\r\n"
	tagged := receive("1", "So Tai chinh <stc@so.test>", "[15/STC-NS] Bao cao", trace)
	plain := receive("2", "stc@so.test", "Moi hop", trace)
	own := receive("3", "stc@so.test", "x", "")
	arrived := now
	now = now.Add(26 * time.Hour)

	moved, handled, err := p.flow.MoveMessages(t.Context(), staff, inbox, []mailstore.UID{tagged, plain, own}, to)
	if !handled || len(moved) != 2 || fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Sentence(err).VI, "1 trên 3") {
		t.Fatalf("moved %v, handled %v, %v", moved, handled, err)
	}
	if a, b := len(p.mails(inbox)), len(p.mails(to)); a != 1 || b != 2 {
		t.Errorf("%d left in INBOX, %d handed over", a, b)
	}
	waiting := p.mails(p.folder("xa01", mailstore.RoleIncoming))
	if len(waiting) != 2 {
		t.Fatalf("%d documents wait", len(waiting))
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		docs, err := docstore.Documents(ctx, r, docstore.Filter{To: p.unit("xa01").ID}, docstore.Page{})
		if err != nil || len(docs) != 2 {
			t.Fatalf("%d documents, %v", len(docs), err)
		}
		if d := docs[1]; d.Code != "15/STC-NS" || d.IssuerName != "So Tai chinh" || d.Level.String() != "L1" || d.Issuer != 0 {
			t.Errorf("document %+v", d)
		}
		if d := docs[0]; d.Level.String() != "L3" || d.Abstract != "Moi hop" {
			t.Errorf("document %+v", d)
		}
		for _, doc := range docs {
			d, err := docstore.DispatchTo(ctx, r, doc.ID, p.unit("xa01").ID)
			if err != nil || !d.Arrived.Equal(arrived) || d.State != docstore.StateArrived {
				t.Errorf("dispatch %+v, %v", d, err)
			}
			if evs, err := docstore.Events(ctx, r, d.ID); err != nil || len(evs) != 1 || !evs[0].At.Equal(now) || evs[0].Source != docstore.SourceIMAP {
				t.Errorf("events %+v, %v", evs, err)
			}
		}
		return nil
	})

	// The same again, and what is none of one's own, is refused, and stays where it is.
	again := receive("1", "So Tai chinh <stc@so.test>", "[15/STC-NS] Bao cao", trace)
	if _, _, err := p.flow.CopyMessages(t.Context(), staff, inbox, []mailstore.UID{again}, to); fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Sentence(err).VI, "đã có") {
		t.Errorf("twice: %v", err)
	}
	if _, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), inbox, []mailstore.UID{again}, to); err == nil {
		t.Error("somebody else's folder took it")
	}
	if err := p.flow.MayAppend(t.Context(), to); fault.KindOf(err) != fault.Denied {
		t.Errorf("APPEND: %v", err)
	}
	if a, b, c := len(p.mails(inbox)), len(p.mails(to)), len(p.mails(p.folder("xa01", mailstore.RoleIncoming))); a != 2 || b != 2 || c != 2 {
		t.Errorf("after refusals %d in INBOX, %d handed over, %d wait", a, b, c)
	}
	p.do("xa01", 1, workflow.Act{Event: docstore.EventRegister})
	p.do("xa01", 2, workflow.Act{Event: docstore.EventDismiss})
	p.verify()
}

// An urgent document comes flagged; keywords go along with the message, and say that its sender wants it back.
func TestKeywordsOfDocuments(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	made := p.send("xa01")
	made.Document.Urgency = edoc.UrgencyFlash
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.flow.Issued(ctx, tx, docstore.Issued{Result: made})
	})
	want := []string{"!", docstore.LabelRed, docstore.KeywordIncoming}
	if got := p.flagsOf(p.folder("xa01", mailstore.RoleIncoming)); !slices.Equal(got, want) {
		t.Errorf("on arrival %q, want %q", got, want)
	}
	p.do("xa01", made.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
	if got := p.flagsOf(p.folder("xa01", mailstore.RoleRegistered)); !slices.Equal(got, want) {
		t.Errorf("registered %q, want %q", got, want)
	}
	if _, err := p.flow.Recall(t.Context(), p.clerk("ubnd"), docstore.SourceCLI, made.Document.ID, workflow.Recall{Reason: "gửi nhầm"}); err != nil {
		t.Fatal(err)
	}
	if got := p.flagsOf(p.folder("xa01", mailstore.RoleRegistered)); !slices.Contains(got, docstore.KeywordRecall) {
		t.Errorf("asked back: %q", got)
	}
	p.do("xa01", made.Dispatches[0].ID, workflow.Act{Event: docstore.EventDecline, Note: "đã triển khai"})
	if got := p.flagsOf(p.folder("xa01", mailstore.RoleRegistered)); slices.Contains(got, docstore.KeywordRecall) {
		t.Errorf("answered: %q", got)
	}
}
