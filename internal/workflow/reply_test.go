package workflow_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// reply has somebody of a unit answer the document's message by lines, to the unit.
func (p *province) reply(role directory.Role, unit string, doc docstore.Document, text string) letter {
	p.t.Helper()
	who := p.account(role, unit)
	m := docstore.Replied{
		By: who, MailID: "<reply@client>", Answers: []docstore.MailID{doc.MailID}, Units: []directory.UnitID{p.unit(unit).ID},
		Reply: edoc.ParseReply(text, p.now()),
	}
	before := len(p.mails(p.inbox(who)))
	p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Replied(ctx, tx, m) })
	got := p.mails(p.inbox(who))
	if len(got) != before+1 {
		p.t.Fatalf("%d answers, want 1", len(got)-before)
	}
	return got[len(got)-1]
}

func TestReplyCommands(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	made := p.send("xa01")
	d := made.Dispatches[0]
	const clerk, leader, staff = directory.RoleClerk, directory.RoleLeader, directory.RoleStaff
	steps := []struct {
		who   directory.Role
		text  string
		state docstore.State
		says  []string
	}{
		{staff, "vào sổ", docstore.StateArrived, []string{"[Chưa làm]   vào sổ", "chỉ văn thư của UBND xã số 1", "not done: only a clerk"}},
		{clerk, "vào sổ\nbắt đầu", docstore.StateProcessing, []string{"đã thực hiện", "Số đến:       1/2026"}},
	}
	for _, s := range steps {
		got := p.reply(s.who, "xa01", made.Document, s.text)
		if x := p.dispatch(d.ID); x.State != s.state {
			t.Errorf("%s: %q leads to %s, want %s\n%s", s.who, s.text, x.State, s.state, got.text)
		}
		for _, want := range s.says[min(1, len(s.says)):] {
			if !strings.Contains(got.subject+"\n"+got.text, want) {
				t.Errorf("%s: %q: no %q in\n%s\n%s", s.who, s.text, want, got.subject, got.text)
			}
		}
	}

	made = p.sendCode("124/QĐ-UBND", p.unit("ubnd").ID, "xa01")
	d = made.Dispatches[0]
	more := []struct {
		who  directory.Role
		text string
		says string // in the answer
		then docstore.State
	}{
		{clerk, "vào sổ", "1/1 dòng", docstore.StateRegistered},
		{leader, "@nobody chủ trì", "không có ai tên “nobody”", docstore.StateRegistered},
		{leader, "@số 1 chủ trì\nhạn 30/11", "có thể là", docstore.StateRegistered},
		{leader, "@chuyenvien chủ trì\n@vanthu phối hợp\nhạn 30/11\nLàm sớm giúp.", "3/3 dòng", docstore.StateAssigned},
		{staff, "trả lại: sai", "ít nhất 10 ký tự", docstore.StateAssigned},
		{staff, "trả lại: không thuộc chức năng của phòng", "1/1 dòng", docstore.StateRegistered},
		{leader, "@chuyenvien chu tri", "1/1 dòng", docstore.StateAssigned},
		{leader, "@vanthu phối hợp", "1/1 dòng", docstore.StateAssigned},
		{staff, "bắt đầu\nhoàn thành: đã có báo cáo", "2/2 dòng", docstore.StateCompleted},
		{staff, "mở lại: còn thiếu phụ lục", "chỉ lãnh đạo", docstore.StateCompleted},
		{leader, "mở lại: còn thiếu phụ lục", "1/1 dòng", docstore.StateProcessing},
		{clerk, "gia hạn 02/12: chờ số liệu", "chỉ lãnh đạo", docstore.StateProcessing},
		{leader, "gia hạn 02/12: chờ số liệu", "23:59:59 02/12/2026", docstore.StateProcessing},
		{leader, "gia hạn 31/02", "không có ngày này", docstore.StateProcessing},
		{clerk, "đồng ý", "không có đề nghị nào", docstore.StateProcessing},
	}
	for _, s := range more {
		got := p.reply(s.who, "xa01", made.Document, s.text)
		if x := p.dispatch(d.ID); x.State != s.then {
			t.Errorf("%s: %q leads to %s, want %s\n%s", s.who, s.text, x.State, s.then, got.text)
		}
		if !strings.Contains(got.subject+"\n"+got.text, s.says) {
			t.Errorf("%s: %q: no %q in\n%s\n%s", s.who, s.text, s.says, got.subject, got.text)
		}
		if got.inReply != "<reply@client>" || !strings.Contains(got.raw, "Auto-Submitted: auto-replied") {
			t.Errorf("the answer's header:\n%s", got.raw)
		}
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		list, err := docstore.Assignees(ctx, r, d.ID)
		if err != nil || len(list) != 2 || list[0].Account != p.account(staff, "xa01") || list[1].Role != docstore.RoleAssist {
			t.Errorf("assignees %+v, %v", list, err)
		}
		return err
	})
	p.verify()
}

// Who is asked answers by reply as well, and the answer to our own notice is known by its thread.
func TestReplyToARequest(t *testing.T) {
	for _, tt := range []struct {
		text  string
		state docstore.State
	}{{"đồng ý", docstore.StateRecalled}, {"không đồng ý: đã triển khai rồi", docstore.StateRegistered}} {
		p := newProvince(t, 1, morning, workflow.Options{})
		made := p.send("xa01")
		d := made.Dispatches[0]
		p.do("xa01", d.ID, workflow.Act{Event: docstore.EventRegister})
		if _, err := p.flow.Recall(t.Context(), p.clerk("ubnd"), docstore.SourceCLI, made.Document.ID, workflow.Recall{Reason: "gửi nhầm"}); err != nil {
			t.Fatal(err)
		}
		request := p.mails(p.folder("xa01", mailstore.RoleAsked))[0]
		id := headerOf(request.raw, "Message-ID")
		if !strings.HasPrefix(id, "<vb."+string(d.ULID)+".") {
			t.Errorf("Message-ID of our notice is %q", id)
		}
		m := docstore.Replied{
			By: p.clerk("xa01"), Answers: []docstore.MailID{docstore.MailID(id)}, ToServer: true, Reply: edoc.ParseReply(tt.text, p.now()),
		}
		p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Replied(ctx, tx, m) })
		if got := p.dispatch(d.ID); got.State != tt.state || got.Overlay != docstore.OverlayNone {
			t.Errorf("%q: %s %q, want %s", tt.text, got.State, got.Overlay, tt.state)
		}
		p.verify()
	}
}

func headerOf(raw, name string) string {
	for line := range strings.Lines(raw) {
		if rest, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// What is not for a unit of the author's stays ordinary mail.
func TestReplyThatIsNone(t *testing.T) {
	p := newProvince(t, 2, morning, workflow.Options{})
	made := p.send("xa01", "xa02")
	before := p.state()
	for _, m := range []docstore.Replied{
		{By: p.clerk("xa01"), Units: []directory.UnitID{p.unit("xa02").ID}, Answers: []docstore.MailID{made.Document.MailID}},
		{By: p.clerk("ubnd"), ToServer: true, Answers: []docstore.MailID{made.Document.MailID}},
		{By: p.clerk("xa01"), ToServer: true, Answers: []docstore.MailID{"<other@x>", "<vb.nonsense.x@y>"}},
		{By: 12345, ToServer: true, Answers: []docstore.MailID{made.Document.MailID}},
	} {
		m.Reply = edoc.ParseReply("vào sổ", p.now())
		p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Replied(ctx, tx, m) })
	}
	if after := p.state(); after != before {
		t.Errorf("state changed:\n%s\n%s", before, after)
	}
}

func TestRecallByMail(t *testing.T) {
	p := newProvince(t, 2, morning, workflow.Options{})
	made := p.send("xa01", "xa02")
	code, err := edoc.ParseCode("123/QĐ-UBND")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(by directory.AccountID, units ...string) letter {
		t.Helper()
		m := docstore.Replied{By: by, MailID: "<r@c>", Recalls: true, Code: &code, Reason: "gửi nhầm phụ lục"}
		for _, u := range units {
			m.Units = append(m.Units, p.unit(u).ID)
		}
		p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Replied(ctx, tx, m) })
		all := p.mails(p.inbox(by))
		return all[len(all)-1]
	}
	if got := ask(p.clerk("xa01"), "xa02"); !strings.Contains(got.text, "chỉ văn thư của đơn vị ban hành") {
		t.Errorf("by another unit's clerk:\n%s", got.text)
	}
	if got := ask(p.clerk("ubnd"), "xa02"); !strings.Contains(got.subject, "1 đơn vị") {
		t.Errorf("by the issuer's:\n%s\n%s", got.subject, got.text)
	}
	if a, b := p.dispatch(made.Dispatches[0].ID).State, p.dispatch(made.Dispatches[1].ID).State; a != docstore.StateArrived || b != docstore.StateRecalled {
		t.Errorf("states %s and %s, want arrived and recalled", a, b)
	}
	ask(p.clerk("ubnd"), "ubnd")
	if a := p.dispatch(made.Dispatches[0].ID).State; a != docstore.StateRecalled {
		t.Errorf("state %s, want recalled", a)
	}
	p.verify()
}

// The same act by three surfaces at once: one has it, the others hear that the state is another one now.
func TestSameActAtOnce(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	for round := range 20 {
		made := p.sendCode("200/QĐ-UBND", p.unit("ubnd").ID, "xa01")
		d := made.Dispatches[0]
		clerk := p.clerk("xa01")
		to := p.folder("xa01", mailstore.RoleRegistered)
		answers := len(p.mails(p.inbox(clerk)))
		var wg sync.WaitGroup
		var moveErr, doErr, replyErr error
		wg.Go(func() {
			_, _, moveErr = p.flow.MoveMessages(t.Context(), clerk, mailstore.MailboxID(d.Place.Mailbox), []mailstore.UID{mailstore.UID(d.Place.UID)}, to)
		})
		wg.Go(func() {
			_, doErr = p.flow.Do(t.Context(), clerk, docstore.SourceCLI, d.ID, workflow.Act{Event: docstore.EventRegister})
		})
		wg.Go(func() {
			m := docstore.Replied{
				By: clerk, Answers: []docstore.MailID{made.Document.MailID}, Units: []directory.UnitID{d.To}, Reply: edoc.ParseReply("vào sổ", p.now()),
			}
			replyErr = p.db.Update(t.Context(), func(tx *sqldb.Tx) error { return p.flow.Replied(t.Context(), tx, m) })
		})
		wg.Wait()
		if replyErr != nil {
			t.Fatal(replyErr)
		}
		mails := p.mails(p.inbox(clerk))
		if len(mails) != answers+1 {
			t.Fatalf("%d answers", len(mails)-answers)
		}
		won := 0
		if strings.Contains(mails[len(mails)-1].subject, "1/1 dòng") {
			won++
		} else if !strings.Contains(mails[len(mails)-1].text, "đã vào sổ") {
			t.Errorf("the answer does not name the state:\n%s", mails[len(mails)-1].text)
		}
		for _, err := range []error{moveErr, doErr} {
			switch {
			case err == nil:
				won++
			case fault.KindOf(err) != fault.Conflict && fault.KindOf(err) != fault.NotFound || fault.Sentence(err).VI == "":
				t.Errorf("the loser heard %v", err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d surfaces won (%v, %v)", round, won, moveErr, doErr)
		}
		if got := p.dispatch(d.ID); got.State != docstore.StateRegistered || got.ArrivalNumber != round+1 {
			t.Errorf("round %d: %s, number %d", round, got.State, got.ArrivalNumber)
		}
	}
	p.verify()
}
