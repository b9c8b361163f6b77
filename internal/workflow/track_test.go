package workflow_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mailstore"
	"vanthu/internal/workflow"
)

// running starts Run and returns what stops it and waits for its end.
func (p *province) running() (stop func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.flow.Run(ctx) }()
	return func() {
		p.t.Helper()
		cancel()
		if err := <-done; err != nil {
			p.t.Errorf("Run: %v", err)
		}
	}
}

func (p *province) do(unit string, id docstore.DispatchID, act workflow.Act) {
	p.t.Helper()
	if _, err := p.flow.Do(p.t.Context(), p.clerk(unit), docstore.SourceCLI, id, act); err != nil {
		p.t.Fatal(err)
	}
}

// The tracking message as the sender reads it.
func TestTrackingMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		now := func() time.Time { return morning().Add(time.Since(start)) }
		p := newProvince(t, 4, now, workflow.Options{TrackingInterval: time.Minute})
		res := p.send(communes(4)...)
		p.do("xa01", res.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
		p.do("xa01", res.Dispatches[0].ID, workflow.Act{Event: docstore.EventComplete})
		p.do("xa03", res.Dispatches[2].ID, workflow.Act{
			Event: docstore.EventRefuse, Reason: edoc.ReasonMissingFile, Note: "thiếu phụ lục",
		})
		p.do("xa04", res.Dispatches[3].ID, workflow.Act{Event: docstore.EventRegister})
		p.do("xa04", res.Dispatches[3].ID, workflow.Act{Event: docstore.EventUndo, Note: "kéo nhầm"})
		stop := p.running()
		time.Sleep(time.Second / 2)
		stop()

		got := p.mails(p.folder("ubnd", mailstore.RoleTracking))
		if len(got) != 1 {
			t.Fatalf("%d tracking messages, want 1", len(got))
		}
		m := got[0]
		const subject = "[Theo dõi 123/QĐ-UBND] 1/4 đã vào sổ · 2 chưa nhận · 1 từ chối"
		const text = `THEO DÕI VĂN BẢN 123/QĐ-UBND

Loại:         Quyết định
Ngày:         23/11/2026
Trích yếu:    V/v giao chỉ tiêu kế hoạch
Đã gửi lúc:   09:14:05 23/11/2026 (+07:00)
Tình hình:    1/4 đã vào sổ · 2 chưa nhận · 1 từ chối
Cập nhật lúc: 09:14:05 23/11/2026 (+07:00)

Đơn vị        Trạng thái         Số đến  Thời điểm (+07:00)   Lý do, ghi chú
UBND xã số 1  hoàn thành         1       09:14:05 23/11/2026
UBND xã số 2  chờ tiếp nhận              09:14:05 23/11/2026
UBND xã số 3  từ chối tiếp nhận          09:14:05 23/11/2026  Thiếu tệp hoặc tệp bị hỏng: thiếu phụ lục
UBND xã số 4  chờ tiếp nhận              09:14:05 23/11/2026  đã hoàn tác việc vào sổ: kéo nhầm
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
		for _, want := range []string{
			"Return-Path: <>\r\n", "Auto-Submitted: auto-generated\r\n", "References: " + string(res.Document.MailID) + "\r\n",
			"X-VB-Document: " + string(res.Document.ULID) + "\r\n", "<ubnd@dienbien.test>",
		} {
			if !strings.Contains(m.raw, want) {
				t.Errorf("message lacks %q:\n%s", want, m.raw)
			}
		}
	})
}

// At most one version per interval, the first at once, the last one never lost,
// and always exactly one message in the folder.
func TestTrackingInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvince(t, 3, time.Now, workflow.Options{TrackingInterval: 5 * time.Minute})
		stop := p.running()
		defer stop()
		folder := p.folder("ubnd", mailstore.RoleTracking)
		subject := func() string {
			t.Helper()
			got := p.mails(folder)
			if len(got) != 1 {
				t.Fatalf("%d tracking messages, want 1", len(got))
			}
			return strings.TrimPrefix(got[0].subject, "[Theo dõi 123/QĐ-UBND] ")
		}
		res := p.send(communes(3)...)
		steps := []struct {
			wait time.Duration
			unit int // registers before the wait; 0: nobody
			want string
		}{
			{time.Second, 0, "0/3 đã vào sổ · 3 chưa nhận"},
			{time.Second, 1, "0/3 đã vào sổ · 3 chưa nhận"},
			{4*time.Minute + 57*time.Second, 2, "0/3 đã vào sổ · 3 chưa nhận"},
			{2 * time.Second, 0, "2/3 đã vào sổ · 1 chưa nhận"},
			{time.Second, 3, "2/3 đã vào sổ · 1 chưa nhận"},
			{5 * time.Minute, 0, "3/3 đã vào sổ"},
		}
		for i, s := range steps {
			if s.unit != 0 {
				p.do(communes(3)[s.unit-1], res.Dispatches[s.unit-1].ID, workflow.Act{Event: docstore.EventRegister})
			}
			time.Sleep(s.wait)
			synctest.Wait()
			if got := subject(); got != s.want {
				t.Errorf("step %d: %q, want %q", i, got, s.want)
			}
		}
		uid := p.mails(folder)[0].uid
		time.Sleep(time.Hour)
		if got := p.mails(folder)[0].uid; got != uid {
			t.Errorf("message made again without a change: uid %d, want %d", got, uid)
		}
	})
}

// What is due lies in the database: a change before a stop is told after it.
func TestTrackingSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvince(t, 1, time.Now, workflow.Options{TrackingInterval: time.Minute})
		res := p.send("xa01")
		stop := p.running()
		time.Sleep(time.Second)
		p.do("xa01", res.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
		stop()
		time.Sleep(time.Hour)
		if got := p.mails(p.folder("ubnd", mailstore.RoleTracking)); len(got) != 1 || !strings.Contains(got[0].subject, "0/1") {
			t.Fatalf("before the restart: %+v, want the first version", got)
		}
		again, err := workflow.New(p.db, p.dir, p.boxes, docstore.New(docstore.Options{}), workflow.Options{TrackingInterval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		p.flow = again
		stop = p.running()
		time.Sleep(time.Second)
		stop()
		if got := p.mails(p.folder("ubnd", mailstore.RoleTracking)); len(got) != 1 || !strings.Contains(got[0].subject, "1/1 đã vào sổ") {
			t.Errorf("after the restart: %+v, want the registration", got)
		}
	})
}

// A sender without a unit reads it in INBOX; a document from outside has none;
// one that its reader deleted comes back with the next change.
func TestTrackingPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvince(t, 1, time.Now, workflow.Options{TrackingInterval: time.Minute})
		stop := p.running()
		defer stop()
		id := p.sendCode("7/BC-X", directory.UnitID(0), "xa01").Dispatches[0].ID
		time.Sleep(time.Second)
		inbox := p.inbox(p.clerk("ubnd"))
		got := p.mails(inbox)
		if len(got) != 1 || !strings.HasPrefix(got[0].subject, "[Theo dõi 07/BC-X] 0/1") {
			t.Fatalf("INBOX = %+v, want the tracking message", got)
		}
		p.remove(inbox, got[0].uid)
		p.do("xa01", id, workflow.Act{Event: docstore.EventRegister})
		time.Sleep(2 * time.Minute)
		if got := p.mails(inbox); len(got) != 1 || !strings.Contains(got[0].subject, "1/1 đã vào sổ") {
			t.Errorf("INBOX = %+v, want the new version", got)
		}
	})
}

// A mailbox without room is tried again after the interval, not all the time.
func TestTrackingWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvince(t, 1, time.Now, workflow.Options{TrackingInterval: time.Minute})
		p.quota.Store(10)
		p.sendCode("7/BC-X", 0, "xa01")
		stop := p.running()
		defer stop()
		inbox := p.inbox(p.clerk("ubnd"))
		time.Sleep(30 * time.Second)
		p.quota.Store(0)
		time.Sleep(20 * time.Second)
		if got := p.mails(inbox); len(got) != 0 {
			t.Errorf("before the interval is over: %d messages, want none", len(got))
		}
		time.Sleep(20 * time.Second)
		if got := p.mails(inbox); len(got) != 1 {
			t.Errorf("after the interval: %d messages, want 1", len(got))
		}
	})
}
