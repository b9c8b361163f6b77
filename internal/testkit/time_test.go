package testkit_test

import (
	"errors"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/internal/control"
	"vanthu/internal/journal"
	"vanthu/internal/queue"
	"vanthu/internal/testkit"
)

// clock is a clock that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// awaitMail waits until an account's INBOX has n messages whose Subject field
// has the text, and gives them.
func awaitMail(t *testing.T, s *testkit.Server, login, subject string, n int) []string {
	t.Helper()
	c := s.IMAP(t, login)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := c.Select("INBOX"); err != nil {
			t.Fatal(err)
		}
		found, err := c.Search(`SUBJECT "` + subject + `"`)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) >= n || time.Now().After(end) {
			if len(found) != n {
				t.Fatalf("%d messages with %q in the INBOX of %s, want %d", len(found), subject, login, n)
			}
			all := make([]string, 0, n)
			for _, id := range found {
				lines, _, err := c.Cmd("FETCH %s BODY.PEEK[]", id)
				if err != nil || len(lines) == 0 || len(lines[0].Literals) == 0 {
					t.Fatalf("fetch %s: %v", id, err)
				}
				all = append(all, string(lines[0].Literals[0]))
			}
			return all
		}
	}
}

// RFC 4865 from the client's MAIL to the mailbox: a message for later outlives
// a restart, is in the queue's listing until its time, and can be dropped.
func TestMailForLater(t *testing.T) {
	t.Parallel()
	var at clock
	s := testkit.Start(t, testkit.Options{Now: at.now})
	from, to := testkit.Login("chuyenvien", "xa01"), testkit.Login("chuyenvien", "xa02")
	later := s.Sender(from)
	send := func(wish, subject string) (reply string, err error) {
		sender := *later
		sender.Wishes = wish
		m := testkit.Message(from, subject, subject, to)
		return sender.Send(m.Bytes(), to)
	}
	for _, wish := range []string{"HOLDFOR=2592001", "HOLDUNTIL=2001-01-01T00:00:00Z"} {
		var refused *textproto.Error
		if _, err := send(wish, "refused"); !errors.As(err, &refused) || refused.Code != 501 {
			t.Errorf("%s: %v, want 501", wish, err)
		}
	}
	dropped, err := send("HOLDFOR=7200", "never")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := send("HOLDFOR=7200", "morning")
	if err != nil {
		t.Fatal(err)
	}
	listed := func() (list []control.QueueItem) {
		t.Helper()
		if err := s.Rooms.Control().Call(t.Context(), control.CallQueueList, control.QueueList{State: queue.Later}, &list, nil); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := listed(); len(got) != 2 || got[0].To != to || got[0].From != from || got[0].Next.Before(at.now().Add(119*time.Minute)) {
		t.Fatalf("listed %+v, want both messages, due in two hours", got)
	}
	var done control.QueueDone
	if err := s.Rooms.Control().Call(t.Context(), control.CallQueueAct, control.QueueAct{
		Selection: queue.Selection{Queue: queue.ID(testkit.QueueID(dropped))}, Act: "drop",
	}, &done, nil); err != nil || done.Items != 1 {
		t.Fatalf("dropped %+v, %v", done, err)
	}
	s.Restart(t)
	if got := listed(); len(got) != 1 || got[0].Queue != queue.ID(testkit.QueueID(kept)) {
		t.Fatalf("after the restart: %+v, want the one that was not dropped", got)
	}
	later = s.Sender(from)
	at.move(2 * time.Hour)
	if _, err := send("HOLDFOR=60", "wakes"); err != nil { // whoever waits for a time looks at the clock again
		t.Fatal(err)
	}
	got := awaitMail(t, s, to, "morning", 1)
	if !strings.Contains(got[0], "Subject: morning\r\n") {
		t.Errorf("delivered %q", got[0])
	}
	if got := listed(); len(got) != 1 {
		t.Errorf("%d wait, want the last one only", len(got))
	}
	awaitMail(t, s, to, "never", 0)
}

// A server that cannot be reached: after four hours its sender is told once, in
// two languages, that the message still waits (RFC 3464, action delayed), and at
// the end that it failed. NOTIFY is heeded (RFC 3461, section 4.1).
func TestDelayNotice(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port at which nobody answers
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var at clock
	s := testkit.Start(t, testkit.Options{Now: at.now, Change: func(c *config.Config) {
		c.Routes = []config.Route{{Domain: "bo.test", Host: "127.0.0.1", Port: port, TLS: "none"}}
	}})
	from := testkit.Login("chuyenvien", "xa01")
	m := testkit.Message(from, "gửi bộ", "late", "a@bo.test")
	if _, err := s.Sender(from).Send(m.Bytes(), "a@bo.test"); err != nil {
		t.Fatal(err)
	}
	again := func() { // as "vanthu queue retry --all"
		t.Helper()
		if _, err := s.Rooms.Queue.Change(t.Context(), journal.System("test"), queue.Selection{All: true}, queue.ActRetry, ""); err != nil {
			t.Fatal(err)
		}
	}
	at.move(3*time.Hour + 50*time.Minute)
	again()
	at.move(15 * time.Minute)
	again()
	got := awaitMail(t, s, from, "delayed mail", 1)
	for _, part := range []string{
		"Return-Path: <>", "report-type=delivery-status", "Action: delayed", "Status: 4.4.1", "Final-Recipient: rfc822; a@bo.test",
		"Will-Retry-Until: ", "-- English --", "Auto-Submitted: auto-replied",
	} {
		if !strings.Contains(got[0], part) {
			t.Errorf("the notice lacks %q:\n%s", part, got[0])
		}
	}
	at.move(6 * time.Hour)
	again()
	awaitMail(t, s, from, "delayed mail", 1) // once
	at.move(4 * 24 * time.Hour)
	again()
	got = awaitMail(t, s, from, "undelivered mail", 1)
	if !strings.Contains(got[0], "Status: 4.4.7") {
		t.Errorf("the report does not say that its time was over:\n%s", got[0])
	}
	awaitMail(t, s, from, "delayed mail", 1)
}
