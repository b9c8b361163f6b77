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
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

func TestDoRegister(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	id := p.send("xa01").Dispatches[0].ID
	d, err := p.flow.Do(t.Context(), p.clerk("xa01"), docstore.SourceCLI, id, workflow.Act{Event: docstore.EventRegister})
	if err != nil {
		t.Fatal(err)
	}
	if d.State != docstore.StateRegistered || d.ArrivalNumber != 1 || d != p.dispatch(id) {
		t.Errorf("dispatch = %+v, stored %+v, want registered with number 1", d, p.dispatch(id))
	}
	if got := mailstore.MailboxID(d.Place.Mailbox); got != p.folder("xa01", mailstore.RoleRegistered) {
		t.Errorf("message lies in mailbox %d, want the folder of registered ones", got)
	}
	if got := len(p.mails(p.folder("xa01", mailstore.RoleIncoming))); got != 0 {
		t.Errorf("%d messages still wait", got)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		_, entries, err := docstore.ReadBook(ctx, r, p.unit("xa01").ID, docstore.DirectionIn, 2026)
		if err != nil {
			return err
		}
		if c := entries[0].Columns; c.Recipient != "UBND xã số 1" || c.Handed != "2026-11-23" {
			t.Errorf("columns = %+v, want the unit as recipient", c)
		}
		evs, err := docstore.Events(ctx, r, id)
		if err != nil {
			return err
		}
		if e := evs[1]; e.Source != docstore.SourceCLI || e.Actor.Name != "vanthu@xa01."+domain {
			t.Errorf("event = %+v, want the clerk by the command line", e)
		}
		return nil
	})
	p.verify()
}

// Oracle 4: who is not the unit's clerk changes nothing, from any surface.
func TestOracle04OnlyClerks(t *testing.T) {
	tests := []struct {
		name       string
		role       directory.Role
		unit       string
		event      docstore.Event
		registered bool // before
		want       fault.Kind
		ok         bool
	}{
		{"staff registers", directory.RoleStaff, "xa01", docstore.EventRegister, false, fault.Denied, false},
		{"staff refuses", directory.RoleStaff, "xa01", docstore.EventRefuse, false, fault.Denied, false},
		{"other unit's clerk registers", directory.RoleClerk, "xa02", docstore.EventRegister, false, fault.Denied, false},
		{"sender's clerk registers", directory.RoleClerk, "ubnd", docstore.EventRegister, false, fault.Denied, false},
		{"staff completes", directory.RoleStaff, "xa01", docstore.EventComplete, true, fault.Denied, false},
		{"staff takes back", directory.RoleStaff, "xa01", docstore.EventUndo, true, fault.Denied, false},
		{"staff starts", directory.RoleStaff, "xa01", docstore.EventStart, true, 0, true},
		{"other unit's staff starts", directory.RoleStaff, "xa02", docstore.EventStart, true, fault.Denied, false},
		{"clerk completes", directory.RoleClerk, "xa01", docstore.EventComplete, true, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvince(t, 2, morning, workflow.Options{})
			id := p.send("xa01").Dispatches[0].ID
			if tt.registered {
				if _, err := p.flow.Do(t.Context(), p.clerk("xa01"), docstore.SourceCLI, id,
					workflow.Act{Event: docstore.EventRegister}); err != nil {
					t.Fatal(err)
				}
			}
			before := p.state()
			act := workflow.Act{Event: tt.event}
			if tt.event == docstore.EventRefuse {
				act.Reason = edoc.ReasonBadForm
			}
			_, err := p.flow.Do(t.Context(), p.account(tt.role, tt.unit), docstore.SourcePortal, id, act)
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				p.verify()
				return
			}
			wantKind(t, err, tt.want)
			if after := p.state(); after != before {
				t.Errorf("state changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestDoNeedsActiveAccount(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	id := p.send("xa01").Dispatches[0].ID
	clerk := p.clerk("xa01")
	if err := p.dir.SetState(t.Context(), system(), clerk, directory.Locked); err != nil {
		t.Fatal(err)
	}
	for _, a := range []directory.AccountID{clerk, 0, 9999} {
		_, err := p.flow.Do(t.Context(), a, docstore.SourceCLI, id, workflow.Act{Event: docstore.EventRegister})
		wantKind(t, err, fault.Denied)
	}
}

// A message that somebody deleted does not hold its document up.
func TestDoWithoutMessage(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	p.remove(mailstore.MailboxID(d.Place.Mailbox), mailstore.UID(d.Place.UID))
	for _, e := range []docstore.Event{docstore.EventRegister, docstore.EventComplete} {
		got, err := p.flow.Do(t.Context(), p.clerk("xa01"), docstore.SourceCLI, d.ID, workflow.Act{Event: e})
		if err != nil {
			t.Fatal(err)
		}
		if got.Place != (docstore.Place{}) {
			t.Errorf("%s: place = %+v, want none", e, got.Place)
		}
	}
	p.verify()
}

// A refusal is told to the sender at once, in the thread of the document.
func TestRefusalNotice(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	res := p.send("xa01")
	d, err := p.flow.Do(t.Context(), p.clerk("xa01"), docstore.SourcePortal, res.Dispatches[0].ID,
		workflow.Act{Event: docstore.EventRefuse, Reason: edoc.ReasonNoSignature, Note: "thiếu chữ ký cơ quan"})
	if err != nil {
		t.Fatal(err)
	}
	if d.State != docstore.StateRefused {
		t.Errorf("state = %s, want refused", d.State)
	}
	got := p.mails(p.inbox(p.clerk("ubnd")))
	if len(got) != 1 {
		t.Fatalf("%d messages in the sender's INBOX, want 1", len(got))
	}
	m := got[0]
	const subject = "[Từ chối 123/QĐ-UBND] UBND xã số 1: Thiếu chữ ký số hoặc chữ ký số không hợp lệ"
	const text = `TỪ CHỐI TIẾP NHẬN VĂN BẢN 123/QĐ-UBND

Văn bản:      Quyết định: 123/QĐ-UBND: V/v giao chỉ tiêu kế hoạch
Bên gửi:      UBND tỉnh Điện Biên
Bên nhận:     UBND xã số 1
Lúc:          09:14:05 23/11/2026 (+07:00)
Người xử lý:  vanthu@xa01.dienbien.test
Lý do:        Thiếu chữ ký số hoặc chữ ký số không hợp lệ: thiếu chữ ký cơ quan
Việc cần làm: ký số và gửi lại; giữ nguyên số, ký hiệu
`
	if m.subject != subject {
		t.Errorf("subject = %q, want %q", m.subject, subject)
	}
	if plain := strings.ReplaceAll(m.text, "\r\n", "\n"); plain != text {
		t.Errorf("text =\n%s\nwant\n%s", plain, text)
	}
	if m.inReply != string(res.Document.MailID) {
		t.Errorf("In-Reply-To = %q, want %q", m.inReply, res.Document.MailID)
	}
	p.verify()
}

// A sender without room for the notice does not keep a clerk from refusing.
func TestRefusalWithoutRoomForTheNotice(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	id := p.send("xa01").Dispatches[0].ID
	p.quota.Store(10)
	d, err := p.flow.Do(t.Context(), p.clerk("xa01"), docstore.SourcePortal, id,
		workflow.Act{Event: docstore.EventRefuse, Reason: edoc.ReasonDuplicate})
	if err != nil || d.State != docstore.StateRefused {
		t.Errorf("state %s, error %v; want refused", d.State, err)
	}
	if got := p.mails(p.inbox(p.clerk("ubnd"))); len(got) != 0 {
		t.Errorf("INBOX = %+v, want nothing", got)
	}
	p.verify()
}

func TestNewRefusesNonsense(t *testing.T) {
	p := newProvince(t, 0, morning, workflow.Options{})
	if _, err := workflow.New(nil, p.dir, p.boxes, p.docs, workflow.Options{}); err == nil {
		t.Error("New without a database: no error")
	}
	if _, err := workflow.New(p.db, p.dir, p.boxes, p.docs, workflow.Options{TrackingInterval: -1}); err == nil {
		t.Error("New with a negative interval: no error")
	}
}

// Who acts for the clerk may what the clerk may, and the journal names both.
func TestActingClerk(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	id := p.send("xa01").Dispatches[0].ID
	deputy := p.account(directory.RoleStaff, "xa01")
	if _, err := p.flow.Do(t.Context(), deputy, docstore.SourceCLI, id, workflow.Act{Event: docstore.EventRegister}); fault.KindOf(err) != fault.Denied {
		t.Fatalf("without delegation: %v, want it denied", err)
	}
	_, err := p.dir.Delegate(t.Context(), journal.System("test"), directory.Delegation{
		From: p.clerk("xa01"), To: deputy, Unit: p.unit("xa01").ID, Role: directory.RoleClerk, Start: morning().Add(-time.Hour), End: morning().AddDate(0, 0, 7),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.flow.Do(t.Context(), deputy, docstore.SourceCLI, id, workflow.Act{Event: docstore.EventRegister}); err != nil {
		t.Fatal(err)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		evs, err := docstore.Events(ctx, r, id)
		if err != nil {
			return err
		}
		if got, want := evs[1].Actor.Name, " thay mặt vanthu@xa01."+domain; !strings.HasSuffix(got, want) || strings.HasPrefix(got, "vanthu@") {
			t.Errorf("actor = %q, want who acts and %q", got, want)
		}
		return nil
	})
	p.verify()
}
