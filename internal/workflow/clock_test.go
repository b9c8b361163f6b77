package workflow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// clockwork is a clock that stands still until it is moved.
type clockwork struct{ at time.Time }

func (c *clockwork) now() time.Time { return c.at }

// vietnamTime reads a local time.
func vietnamTime(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", text, time.FixedZone("", 7*3600))
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func (p *province) tick() {
	p.t.Helper()
	if err := p.flow.Tick(p.t.Context()); err != nil {
		p.t.Fatalf("Tick: %v", err)
	}
}

// subjects gives those of the INBOX of somebody.
func (p *province) subjects(role directory.Role, unit string) (list []string) {
	p.t.Helper()
	for _, m := range p.mails(p.inbox(p.account(role, unit))) {
		list = append(list, m.subject)
	}
	return list
}

func (p *province) wantSubjects(role directory.Role, unit string, want ...string) {
	p.t.Helper()
	got := p.subjects(role, unit)
	if len(got) != len(want) {
		p.t.Fatalf("%s of %s has %q, want %d messages", role, unit, got, len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			p.t.Errorf("%s of %s has %q, want one with %q", role, unit, got[i], want[i])
		}
	}
}

func urgent(u edoc.Urgency) func(*docstore.In) {
	return func(in *docstore.In) { in.Recognition.Urgency = u }
}

// Clerks are told of an urgent document at once, and once more with their
// leader when nobody acts; edoc.md §1.9.
func TestAlarm(t *testing.T) {
	t.Parallel()
	clock := &clockwork{vietnamTime(t, "2026-11-27 20:00")} // a Friday
	p := newProvince(t, 2, clock.now, workflow.Options{})
	p.alter = urgent(edoc.UrgencyUrgent)
	res := p.send("xa01", "xa02")
	p.tick()
	p.tick()
	p.wantSubjects(directory.RoleClerk, "xa01", "[KHẨN] 123/QĐ-UBND")
	p.wantSubjects(directory.RoleLeader, "xa01")
	first := p.mails(p.inbox(p.clerk("xa01")))[0]
	if n := strings.Count(first.text, "\n"); n > 12 {
		t.Errorf("the alarm has %d lines, want at most 12:\n%s", n, first.text)
	}
	for _, want := range []string{"Auto-Submitted: auto-generated", "Return-Path: <>", "Importance: high", "X-VB-Dispatch: " + string(res.Dispatches[0].ULID)} {
		if !strings.Contains(first.raw, want) {
			t.Errorf("the alarm has not %q", want)
		}
	}
	clock.at = clock.at.Add(29 * time.Minute)
	p.act(p.clerk("xa02"), res.Dispatches[1].ID, workflow.Act{Event: docstore.EventRegister})
	clock.at = clock.at.Add(time.Minute)
	p.tick()
	clock.at = clock.at.Add(time.Hour)
	p.tick()
	p.wantSubjects(directory.RoleClerk, "xa01", "[KHẨN]", "Nhắc lại [KHẨN]")
	p.wantSubjects(directory.RoleLeader, "xa01", "Nhắc lại [KHẨN]")
	p.wantSubjects(directory.RoleClerk, "xa02", "[KHẨN]") // has acted
	p.wantSubjects(directory.RoleLeader, "xa02")

	// A flash goes to the leader at once.
	p.alter = urgent(edoc.UrgencyFlash)
	p.sendCode("124/QĐ-UBND", p.unit("ubnd").ID, "xa02")
	p.tick()
	p.wantSubjects(directory.RoleLeader, "xa02", "[HỎA TỐC] 124/QĐ-UBND")
	p.verify()
}

// Alarms that were due while the server was down are raised once it is up, and
// none twice.
func TestAlarmAfterRestart(t *testing.T) {
	t.Parallel()
	clock := &clockwork{vietnamTime(t, "2026-11-27 09:00")}
	p := newProvince(t, 1, clock.now, workflow.Options{})
	p.alter = urgent(edoc.UrgencyUrgent)
	p.send("xa01")
	p.tick()
	clock.at = clock.at.Add(3 * time.Hour)
	var err error
	if p.flow, err = workflow.New(p.db, p.dir, p.boxes, p.docs, workflow.Options{Now: clock.now}); err != nil {
		t.Fatal(err)
	}
	p.tick()
	p.tick()
	p.wantSubjects(directory.RoleClerk, "xa01", "[KHẨN]", "Nhắc lại [KHẨN]")
}

// withdrawals notes what is taken out of the queue.
type withdrawals struct {
	gone []string
	busy bool
}

func (w *withdrawals) Withdraw(_ context.Context, _ *sqldb.Tx, _, address string) (bool, error) {
	if !w.busy {
		w.gone = append(w.gone, address)
	}
	return !w.busy, nil
}

// Nothing is heard of documents to other servers: their sender is warned, then
// they are given up; a late 01 is told. edoc.md §4.3, row 6.
func TestNoNews(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		urgency      edoc.Urgency
		warn, expire time.Duration
	}{
		{"ordinary", edoc.UrgencyNormal, 12 * time.Hour, 24 * time.Hour},
		{"urgent", edoc.UrgencyHigh, 15 * time.Minute, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clock := &clockwork{vietnamTime(t, "2026-11-27 09:14")}
			queue := &withdrawals{busy: true}
			p := newProvince(t, 1, clock.now, workflow.Options{Queue: queue})
			p.alter = func(in *docstore.In) {
				in.Recognition.Urgency = tt.urgency
				for _, name := range []string{"a", "b", "c"} {
					in.Outside = append(in.Outside, docstore.Outside{Address: mail.Address{Local: name, Domain: "so.test"}, Peer: "so.test"})
				}
			}
			res := p.send("xa01")
			var out []docstore.Dispatch
			p.view(func(ctx context.Context, r sqldb.Reader) error {
				all, err := docstore.Dispatches(ctx, r, res.Document.ID)
				for _, d := range all {
					if d.To == 0 {
						out = append(out, d)
					}
				}
				return err
			})
			report := func(d docstore.Dispatch, s edoc.Status) {
				p.update(func(ctx context.Context, tx *sqldb.Tx) error {
					return p.flow.Reported(ctx, tx, docstore.Reported{Peer: "so.test", Transfer: d.Transfer, Recipient: d.Address, Unit: d.Address, Status: s, At: clock.at})
				})
			}
			p.update(func(ctx context.Context, tx *sqldb.Tx) error { // a stays in the queue, b and c leave
				for _, d := range out[1:] {
					if err := p.docs.Outgoing(ctx, tx, docstore.Outgoing{Transfer: d.Transfer, Address: d.Address, Taken: true, Actor: system()}); err != nil {
						return err
					}
				}
				return nil
			})
			report(out[2], edoc.StatusArrived)

			begin := clock.at
			clock.at = begin.Add(tt.warn - time.Second)
			p.tick()
			p.wantSubjects(directory.RoleClerk, "ubnd")
			clock.at = begin.Add(tt.warn)
			p.tick()
			p.tick()
			p.wantSubjects(directory.RoleClerk, "ubnd", "[Chưa đến 123/QĐ-UBND] a@so.test", "[Chưa đến 123/QĐ-UBND] b@so.test")

			clock.at = begin.Add(tt.expire)
			p.tick() // a is under way just now and is tried again
			if d := p.dispatch(out[0].ID); d.State != docstore.StateQueued {
				t.Errorf("a is %s while its message is under way", d.State)
			}
			queue.busy = false
			clock.at = clock.at.Add(time.Minute)
			p.tick()
			clock.at = clock.at.Add(time.Hour)
			p.tick()
			for i, want := range []docstore.State{docstore.StateExpired, docstore.StateExpired, docstore.StateArrived} {
				if d := p.dispatch(out[i].ID); d.State != want {
					t.Errorf("%s is %s, want %s", d.Address, d.State, want)
				}
			}
			if fmt.Sprint(queue.gone) != "[a@so.test]" {
				t.Errorf("taken out of the queue: %v, want what had not left", queue.gone)
			}
			p.wantSubjects(directory.RoleClerk, "ubnd", "Chưa đến", "Chưa đến", "[Hết hạn chuyển 123/QĐ-UBND] b@so.test", "[Hết hạn chuyển 123/QĐ-UBND] a@so.test")

			report(out[1], edoc.StatusArrived) // it is there after all
			p.wantSubjects(directory.RoleClerk, "ubnd", "", "", "", "", "[Báo muộn 123/QĐ-UBND] b@so.test: Đã đến")
			if d := p.dispatch(out[1].ID); d.State != docstore.StateExpired {
				t.Errorf("after the late 01 b is %s, want expired: it is final", d.State)
			}
			p.verify()
		})
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	clock := &clockwork{vietnamTime(t, "2026-11-26 09:00")} // a Thursday
	opt := workflow.Options{Digest: 7*time.Hour + 30*time.Minute}
	p := newProvince(t, 3, clock.now, opt)
	ctx := t.Context()
	top := p.unit("ubnd")
	for _, name := range communes(3) {
		u := p.unit(name)
		u.Parent = top.ID
		if _, err := p.dir.UpdateUnit(ctx, system(), u); err != nil {
			t.Fatal(err)
		}
	}
	auditor, _, err := p.dir.CreateAccount(ctx, system(), directory.Account{
		Login: mail.Address{Local: "kiemtra", Domain: domain}, Name: "Kiểm tra", Roles: []directory.Assignment{{Role: directory.RoleAuditor}}, State: directory.Active,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.boxes.EnsureAccount(ctx, tx, auditor.ID) })

	p.alter = func(in *docstore.In) { in.Recognition.Due = clock.at.Add(30 * time.Hour) } // Friday 15:00
	res := p.send("xa01", "xa02")
	id := res.Dispatches[0].ID
	p.act(p.clerk("xa01"), id, workflow.Act{Event: docstore.EventRegister})
	p.act(p.account(directory.RoleLeader, "xa01"), id, workflow.Act{
		Event: docstore.EventAssign, Assign: []docstore.Assignee{{Account: p.account(directory.RoleStaff, "xa01"), Role: docstore.RoleLead}},
	})

	at := func(text string) { clock.at = vietnamTime(t, text); p.tick() }
	at("2026-11-27 07:29")
	p.wantSubjects(directory.RoleStaff, "xa01")
	at("2026-11-27 07:30")
	at("2026-11-27 07:31")
	p.wantSubjects(directory.RoleStaff, "xa01", "[Việc ngày 27/11/2026] 1 sắp đến hạn")
	p.wantSubjects(directory.RoleClerk, "xa02", "[Việc ngày 27/11/2026] 1 chờ vào sổ")
	p.wantSubjects(directory.RoleClerk, "xa03") // nothing to tell
	p.wantSubjects(directory.RoleLeader, "xa01")

	// A restart on the same day repeats nothing.
	if p.flow, err = workflow.New(p.db, p.dir, p.boxes, p.docs, workflow.Options{Digest: opt.Digest, Now: clock.now}); err != nil {
		t.Fatal(err)
	}
	at("2026-11-27 09:00")
	p.wantSubjects(directory.RoleStaff, "xa01", "27/11")

	// Weekends are free; on Monday it is late, and xa02 is silent.
	at("2026-11-28 07:30")
	at("2026-11-29 08:00")
	p.wantSubjects(directory.RoleStaff, "xa01", "27/11")
	at("2026-11-30 07:30")
	p.wantSubjects(directory.RoleStaff, "xa01", "27/11", "[Việc ngày 30/11/2026] 1 quá hạn")
	p.wantSubjects(directory.RoleLeader, "xa01", "1 quá hạn trong đơn vị")
	p.wantSubjects(directory.RoleLeader, "ubnd", "1 đơn vị chưa vào sổ")
	if got := p.mails(p.inbox(auditor.ID)); len(got) != 1 || !strings.Contains(got[0].text, "UBND xã số 2: 1 văn bản, cũ nhất đến lúc 09:00:00 26/11/2026") {
		t.Errorf("the auditor has %+v", got)
	}

	// A recall waits for its answer: the clerk sees it, and when it is overdue the auditor.
	p.act(p.clerk("ubnd"), id, workflow.Act{Event: docstore.EventRecall, Note: "Sai phụ lục"})
	at("2026-12-01 07:30")
	p.wantSubjects(directory.RoleClerk, "xa01", "1 chờ trả lời")
	at("2026-12-02 07:30")
	got := p.mails(p.inbox(auditor.ID))
	if last := got[len(got)-1]; !strings.Contains(last.subject, "1 thu hồi chưa trả lời") || !strings.Contains(last.text, "Chưa trả lời yêu cầu thu hồi đúng hạn (1)") {
		t.Errorf("the auditor has %q\n%s", last.subject, last.text)
	}
	p.verify()
}

// A crash at any step of writing the mails of the morning neither loses nor
// repeats one: what is written and who had it are one transaction.
func TestDigestOnceWithFailures(t *testing.T) {
	t.Parallel()
	clock := &clockwork{vietnamTime(t, "2026-11-26 09:00")}
	p := newProvince(t, 60, clock.now, workflow.Options{})
	p.send(communes(60)...)
	clock.at = vietnamTime(t, "2026-11-27 07:30")
	broken := 0
	for stop := 1; ; stop++ { // ends at the stop-th look at the clock
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		flow, err := workflow.New(p.db, p.dir, p.boxes, p.docs, workflow.Options{Digest: 7 * time.Hour, Now: func() time.Time {
			if looks++; looks == stop {
				cancel()
			}
			return clock.at
		}})
		if err != nil {
			t.Fatal(err)
		}
		err = flow.Tick(ctx)
		if cancel(); err == nil && looks < stop {
			break
		}
		broken++
	}
	if broken < 3 {
		t.Errorf("it was broken off %d times only", broken)
	}
	for _, name := range communes(60) {
		p.wantSubjects(directory.RoleClerk, name, "1 chờ vào sổ")
	}
}
