package delivery_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/filter"
	"vanthu/internal/journal"
	"vanthu/internal/mailauth"
	"vanthu/internal/mailstore"
)

// screened gives w's delivery a screen.
func (w *world) screened(s delivery.Screen) {
	w.t.Helper()
	clock := func() time.Time { return w.now }
	w.delivery = delivery.New(delivery.Stores{
		DB: w.db, Directory: w.dir, Mail: w.mail, Documents: docstore.New(docstore.Options{Now: clock}), Queue: w.queue,
	}, delivery.Options{Hostname: "mail.p.test", Now: clock, HasRoute: func(d string) bool { return d == "peer.test" }, Screen: s})
}

// trusting makes keys for a domain and a screen that signs and checks.
func (w *world) trusting(forged filter.Action) delivery.Screen {
	w.t.Helper()
	keys, err := mailauth.Open(w.t.Context(), w.db, mailauth.Options{Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := keys.Ensure(w.t.Context(), journal.System("test"), "snv.p.test"); err != nil {
		w.t.Fatal(err)
	}
	return delivery.Screen{Keys: keys, Verifier: mailauth.NewVerifier(keys, nil), Forged: forged, Authorless: forged}
}

// newest gives the message stored last: trace fields and received octets.
func (w *world) newest() (trace, received string) {
	w.t.Helper()
	c, err := w.mail.Content(w.t.Context(), mailstore.MessageID(w.count(`SELECT max(id) FROM message`)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	b, err := io.ReadAll(c.Body())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(c.Prefix), string(b)
}

func TestFieldsThatAreOurs(t *testing.T) {
	forged := []string{
		"Authentication-Results: mail.p.test; dkim=pass header.d=p.test",
		"Authentication-Results: (hidden) \"MAIL.P.test\" 1;\r\n\tspf=pass",
		"Authentication-Results: p.test; auth=pass",
		"Authentication-Results: ; dkim=pass",
		"Return-Path: <boss@p.test>", "X-Vanthu-Unfiltered: clamav",
	}
	kept := []string{
		"Authentication-Results: mx.peer.test; dkim=pass", "ARC-Seal: i=1; cv=none; d=peer.test; s=a; b=AA==",
		"ARC-Authentication-Results: i=1; mail.p.test; dkim=pass", "DKIM-Signature: v=1; d=peer.test",
	}
	for _, login := range []string{"", clerk} {
		w := newWorld(t)
		from := "a@world.test"
		if login != "" {
			from = login
		}
		clean := letter(from, "xa1@p.test", "x", "o1", "body\r\nbody", kept...)
		dirty := letter(from, "xa1@p.test", "x", "o1", "body\r\nbody", append(append([]string{forged[0]}, kept...), forged[1:]...)...)
		if login != "" {
			dirty = "Bcc: <an@p.test>,\r\n <binh@p.test>\r\n" + dirty
		}
		if _, err := w.send(login, from, dirty, "xa1@p.test"); err != nil {
			t.Fatal(err)
		}
		if _, got := w.newest(); got != clean {
			t.Errorf("login %q: stored\n%s\nwant\n%s", login, got, clean)
		}
		if _, err := w.send(login, from, clean+"more\r\n", "xa1@p.test"); err != nil {
			t.Fatal(err)
		}
		if _, got := w.newest(); got != clean+"more\r\n" {
			t.Errorf("login %q: a message without such fields was changed:\n%s", login, got)
		}
	}
}

func TestSubmissionIsSigned(t *testing.T) {
	w := newWorld(t)
	s := w.trusting(filter.Refuse)
	w.screened(s)
	msg := letter(clerk, "xa1@p.test", "x", "s1", "xin chào")
	tests := []struct {
		to         string
		signatures int
	}{{"xa1@p.test", 1}, {"a@peer.test", 2}}
	for _, tt := range tests {
		if _, err := w.send(clerk, clerk, msg, tt.to); err != nil {
			t.Fatal(err)
		}
		trace, received := w.newest()
		if received != msg {
			t.Errorf("the received octets were changed:\n%s", received)
		}
		if n := strings.Count(trace, "DKIM-Signature: "); n != tt.signatures {
			t.Errorf("to %s: %d signatures in\n%s", tt.to, n, trace)
		}
		// It comes back over another server, with its trace: the signature still holds.
		o := w.origin("")
		back := trace[strings.Index(trace, "\r\n")+2:] + received
		if _, err := w.send("", "list@peer.test", back, "xa2@p.test"); err != nil {
			t.Errorf("our own signed mail is refused: %v (%v)", err, o.Protocol)
		}
		trace, _ = w.newest()
		if !strings.Contains(trace, "Authentication-Results: mail.p.test;\r\n\tdkim=pass header.d=snv.p.test") {
			t.Errorf("results:\n%s", trace)
		}
	}
}

func TestForgedAuthor(t *testing.T) {
	ours := letter(clerk, "xa1@p.test", "x", "f1", "x")
	signed := "DKIM-Signature: v=1; a=rsa-sha256; d=snv.p.test; s=none; h=from; bh=AA==; b=AA==\r\n" + ours
	tests := []struct {
		name, message string
		forged        filter.Action
		kind          fault.Kind // of the refusal
		held          bool
		result        string
	}{
		{name: "refused", message: ours, forged: filter.Refuse, kind: fault.Denied},
		{name: "refused with a false signature", message: signed, forged: filter.Refuse, kind: fault.Denied},
		{name: "held", message: ours, forged: filter.Hold, held: true},
		{name: "noted", message: ours, forged: filter.Pass, result: `dmarc=fail reason="policy reject" header.from=snv.p.test`},
		{name: "a stranger's own", message: letter("a@world.test", "xa1@p.test", "x", "f2", "x"), forged: filter.Refuse, result: "none"},
		{name: "no From", message: "Subject: x\r\n\r\nx\r\n", forged: filter.Refuse, kind: fault.Denied},
		{name: "two From fields", message: "From: a@world.test\r\n" + ours, forged: filter.Refuse, kind: fault.Denied},
		{name: "two From fields, held", message: "From: a@world.test\r\n" + ours, forged: filter.Hold, held: true},
		{name: "two From fields, noted", message: "From: a@world.test\r\n" + ours, forged: filter.Pass, result: "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.screened(w.trusting(tt.forged))
			_, err := w.send("", "a@world.test", tt.message, "xa1@p.test")
			if tt.result == "" && !tt.held {
				if fault.KindOf(err) != tt.kind || err == nil {
					t.Errorf("got %v", err)
				}
				if n := w.count(`SELECT count(*) FROM journal WHERE type = 'mail.refused'`); n != 1 {
					t.Errorf("%d refusals in the journal", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := w.in("xa1", mailstore.RoleUnitInbox); n != map[bool]int{true: 0, false: 1}[tt.held] {
				t.Errorf("%d messages delivered", n)
			}
			if n := w.count(`SELECT count(*) FROM quarantine WHERE state = 'held'`); n != map[bool]int{true: 1, false: 0}[tt.held] {
				t.Errorf("%d messages held", n)
			}
			if trace, _ := w.newest(); !strings.Contains(trace, tt.result) {
				t.Errorf("no %s in\n%s", tt.result, trace)
			}
		})
	}
}

func TestSubmissionWithoutAuthor(t *testing.T) {
	w := newWorld(t)
	if _, err := w.send(clerk, clerk, "Subject: x\r\n\r\nx\r\n", "xa1@p.test"); fault.KindOf(err) != fault.Invalid || err == nil {
		t.Errorf("got %v", err)
	}
}

func TestHeaderTooLarge(t *testing.T) {
	for name, extra := range map[string]string{
		"in all": strings.Repeat("X-A: "+strings.Repeat("x", 900)+"\r\n", 1300), "one field": "X-A: " + strings.Repeat("x\r\n ", 90_000) + "\r\n",
		"number": strings.Repeat("X: y\r\n", 5001),
	} {
		w := newWorld(t)
		if _, err := w.send("", "a@world.test", extra+letter("a@world.test", "xa1@p.test", "x", "h", "x"), "xa1@p.test"); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSizeByRole(t *testing.T) {
	w := newWorld(t)
	w.screened(delivery.Screen{SizeByRole: map[directory.Role]int64{directory.RoleStaff: 1000, directory.RoleClerk: 3000}})
	tests := []struct {
		login string
		size  int
		ok    bool
	}{
		{"chuyenvien@snv.p.test", 500, true}, {"chuyenvien@snv.p.test", 1500, false}, {clerk, 1500, true}, {clerk, 3500, false}, {"", 9000, true},
	}
	for _, tt := range tests {
		from := tt.login
		if from == "" {
			from = "a@world.test"
		}
		_, err := w.send(tt.login, from, letter(from, "xa1@p.test", "x", "z", strings.Repeat("x", tt.size)), "xa1@p.test")
		if tt.ok != (err == nil) || err != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%s, %d octets: %v", tt.login, tt.size, err)
		}
	}
}

// withFile makes a letter with an attachment.
func withFile(from, subject, id, name, content string) string {
	return strings.Join([]string{
		"From: <" + from + ">", "To: <xa1@p.test>", "Subject: " + subject, "Message-ID: <" + id + "@p.test>", "MIME-Version: 1.0",
		"Content-Type: multipart/mixed; boundary=b", "", "--b", "", "text", "--b", "Content-Type: application/octet-stream",
		`Content-Disposition: attachment; filename="` + name + `"`, "Content-Transfer-Encoding: base64", "",
		base64.StdEncoding.EncodeToString([]byte(content)), "--b--", "",
	}, "\r\n")
}

func attachments() *filter.Attachments {
	return filter.NewAttachments(filter.Rules{Allow: []string{"pdf", "docx"}, Hold: []string{"rar"}, Risky: filter.Hold}, "")
}

func TestAttachmentRefused(t *testing.T) {
	w := newWorld(t)
	w.screened(delivery.Screen{Attachments: attachments()})
	_, err := w.send(clerk, clerk, withFile(clerk, "x", "a1", "ke-hoach.exe", "MZ\x00\x00"), "xa1@p.test")
	if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.Sentence(err).VI, "ke-hoach.exe") {
		t.Errorf("got %v", err)
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM message`: 0, `SELECT count(*) FROM journal WHERE type = 'mail.refused'`: 1,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
}

const taggedSubject = "=?utf-8?B?WzEyMy9RxJAtVUJORF0gVi92IGvhur8gaG/huqFjaA==?="

// TestHeldDocument: a held document is no document yet; released, it is one as
// if it had just come.
func TestHeldDocument(t *testing.T) {
	w := newWorld(t)
	s := w.trusting(filter.Refuse)
	s.Attachments = attachments()
	w.screened(s)
	msg := withFile(clerk, taggedSubject, "q1", "phu-luc.rar", "Rar!\x1a\x07\x00")
	acc, err := w.send(clerk, clerk, msg, "xa1@p.test")
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.send(clerk, clerk, msg, "xa1@p.test")
	if err != nil || !again.Repeated || again.QueueID != acc.QueueID {
		t.Errorf("sent again: %+v, %v", again, err)
	}
	if n := w.count(`SELECT count(*) FROM document`); n != 0 {
		t.Errorf("%d documents while it is held", n)
	}
	inbox := func() int {
		return w.count(`SELECT coalesce(sum(messages), 0) FROM mailbox WHERE account_id = $1`, int64(w.ids[clerk]))
	}
	if inbox() != 1 {
		t.Errorf("the sender has %d notices, want 1", inbox())
	}
	list, err := w.delivery.Quarantine(t.Context(), delivery.HeldFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d held, %v", len(list), err)
	}
	h, err := w.delivery.ShowHeld(t.Context(), list[0].ID)
	if err != nil || h.Queue != acc.QueueID || h.From != clerk || len(h.To) != 1 || h.To[0] != "xa1@p.test" || h.Subject != "[123/QĐ-UBND] V/v kế hoạch" ||
		h.Reason != filter.CodeType || len(h.Files) != 1 || h.Files[0].Name != "phu-luc.rar" || !strings.Contains(h.TextVI, "phu-luc.rar") {
		t.Errorf("shown as %+v, %v", h, err)
	}
	// The collector spares it, however long it waits.
	keep := func(ctx context.Context) {
		w.now = w.now.Add(48 * time.Hour)
		if _, err := w.mail.Collect(ctx, mailstore.CollectOptions{Thorough: true, Keep: delivery.HoldsMessage}); err != nil {
			t.Fatal(err)
		}
	}
	keep(t.Context())

	admin := journal.System("cli")
	if _, err := w.delivery.ReleaseHeld(t.Context(), admin, h.ID); err != nil {
		t.Fatal(err)
	}
	trace, received := w.newestWith("phu-luc.rar")
	if received != msg || !strings.Contains(trace, "DKIM-Signature: ") || !strings.Contains(trace, "09:00:00 +0700") || !strings.Contains(trace, "X-VB-Nhan-Dien: ") {
		t.Errorf("released as\n%s%s", trace, received)
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM document WHERE number = 123`:          1,
		`SELECT count(*) FROM dispatch WHERE state = 'arrived'`:     1,
		`SELECT count(*) FROM journal WHERE type = 'mail.held'`:     1,
		`SELECT count(*) FROM journal WHERE type = 'mail.released'`: 1,
		`SELECT count(*) FROM journal WHERE type = 'mail.accepted'`: 1,
		`SELECT count(*) FROM quarantine WHERE state = 'released'`:  1,
		`SELECT count(*) FROM quarantine WHERE decided_by = 'cli'`:  1,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
	if w.in("xa1", mailstore.RoleIncoming) != 1 || inbox() != 2 {
		t.Errorf("%d documents wait at the unit, the sender has %d notices", w.in("xa1", mailstore.RoleIncoming), inbox())
	}
	if _, err := w.delivery.ReleaseHeld(t.Context(), admin, h.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("released twice: %v", err)
	}
	if err := w.delivery.DropHeld(t.Context(), admin, h.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("dropped after release: %v", err)
	}
	if _, err := w.delivery.ReleaseHeld(t.Context(), admin, 99); fault.KindOf(err) != fault.NotFound {
		t.Errorf("released what is not there: %v", err)
	}
}

// newestWith gives the newest stored message that has a text in it.
func (w *world) newestWith(text string) (trace, received string) {
	w.t.Helper()
	for id := w.count(`SELECT max(id) FROM message`); id > 0; id-- {
		c, err := w.mail.Content(w.t.Context(), mailstore.MessageID(id))
		if err != nil {
			continue // collected
		}
		b, err := io.ReadAll(c.Body())
		if err != nil {
			w.t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(b), text) {
			return string(c.Prefix), string(b)
		}
	}
	return "", ""
}

func TestHeldIsDroppedOrExpires(t *testing.T) {
	w := newWorld(t)
	w.screened(delivery.Screen{Attachments: attachments(), HoldTime: 24 * time.Hour})
	large := "Rar!\x1a\x07\x00" + strings.Repeat("0123456789", 30_000)
	for i, from := range []string{clerk, clerk, "a@world.test"} {
		login := ""
		if from == clerk {
			login = clerk
		}
		if _, err := w.send(login, from, withFile(from, "x", string(rune('a'+i)), "a.rar", large), "xa1@p.test"); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.delivery.Quarantine(t.Context(), delivery.HeldFilter{})
	if err != nil || len(list) != 3 {
		t.Fatalf("%d held, %v", len(list), err)
	}
	if err := w.delivery.DropHeld(t.Context(), journal.System("cli"), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if n, err := w.delivery.ExpireHeld(t.Context()); n != 0 || err != nil {
		t.Errorf("%d expired at once, %v", n, err)
	}
	w.now = w.now.Add(24 * time.Hour)
	if n, err := w.delivery.ExpireHeld(t.Context()); n != 2 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	// Two notices on holding, one on dropping, one on expiry; none to the stranger.
	for q, want := range map[string]int{
		`SELECT count(*) FROM entry`:                               2 + 1 + 1,
		`SELECT count(*) FROM queue_item`:                          0,
		`SELECT count(*) FROM journal WHERE type = 'mail.dropped'`: 1,
		`SELECT count(*) FROM journal WHERE type = 'mail.expired'`: 2,
		`SELECT count(*) FROM quarantine WHERE state = 'held'`:     0,
	} {
		if got := w.count(q); got != want {
			t.Errorf("%s = %d, want %d", q, got, want)
		}
	}
	w.now = w.now.Add(48 * time.Hour)
	done, err := w.mail.Collect(t.Context(), mailstore.CollectOptions{Keep: delivery.HoldsMessage})
	if err != nil || done.Messages != 3 {
		t.Errorf("collected %+v, %v", done, err)
	}
}

// scanner is a milter that does to each message what fn says.
type scanner struct {
	milter.NoOpMilter
	body strings.Builder
	fn   func(m milter.Modifier, body string) (*milter.Response, error)
}

func (s *scanner) BodyChunk(chunk []byte, _ milter.Modifier) (*milter.Response, error) {
	s.body.Write(chunk)
	return milter.RespContinue, nil
}

func (s *scanner) EndOfMessage(m milter.Modifier) (*milter.Response, error) {
	return s.fn(m, s.body.String())
}

func startMilter(t *testing.T, name string, fn func(m milter.Modifier, body string) (*milter.Response, error)) *filter.Milter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := milter.NewServer(milter.WithMilter(func() milter.Milter { return &scanner{fn: fn} }),
		milter.WithActions(milter.OptAddHeader|milter.OptChangeBody|milter.OptChangeHeader|milter.OptQuarantine))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return filter.NewMilter(filter.MilterOptions{Name: name, Network: "tcp", Address: l.Addr().String(), Timeout: 5 * time.Second})
}

func TestMiltersInTheirOrder(t *testing.T) {
	w := newWorld(t)
	first := startMilter(t, "first", func(m milter.Modifier, body string) (*milter.Response, error) {
		if strings.Contains(body, "VIRUS") {
			return milter.RespReject, m.AddHeader("X-Never", "1")
		}
		if strings.Contains(body, "REPLACE") {
			if err := m.ReplaceBodyRawChunk([]byte("[removed]\ntwo\r\n")); err != nil {
				return nil, err
			}
		}
		if err := m.ChangeHeader(1, "Subject", "***SPAM*** x"); err != nil {
			return nil, err
		}
		return milter.RespAccept, m.AddHeader("X-Virus-Status", "Clean")
	})
	second := startMilter(t, "second", func(m milter.Modifier, body string) (*milter.Response, error) {
		if err := m.ChangeHeader(1, "X-Virus-Status", "Clean, twice"); err != nil { // what the first has added
			return nil, err
		}
		return milter.RespAccept, m.AddHeader("X-Seen", strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "|")))
	})
	w.screened(delivery.Screen{Milters: []*filter.Milter{first, second}})
	if _, err := w.send("", "a@world.test", letter("a@world.test", "xa1@p.test", "x", "m1", "hello"), "xa1@p.test"); err != nil {
		t.Fatal(err)
	}
	trace, received := w.newest()
	if !strings.HasSuffix(trace, "\r\nX-Seen: hello|\r\nX-Virus-Status: Clean, twice\r\n") {
		t.Errorf("trace:\n%s", trace)
	}
	if want := letter("a@world.test", "xa1@p.test", "***SPAM*** x", "m1", "hello"); received != want {
		t.Errorf("stored\n%s\nwant\n%s", received, want)
	}
	if _, err := w.send("", "a@world.test", letter("a@world.test", "xa1@p.test", "x", "m2", "REPLACE me"), "xa1@p.test"); err != nil {
		t.Fatal(err)
	}
	trace, received = w.newest()
	if !strings.Contains(trace, "X-Seen: [removed]|two|\r\n") || !strings.HasSuffix(received, "\r\n\r\n[removed]\r\ntwo\r\n") {
		t.Errorf("replaced:\n%s%s", trace, received)
	}
	_, err := w.send("", "a@world.test", letter("a@world.test", "xa1@p.test", "x", "m3", "VIRUS"), "xa1@p.test")
	if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.Sentence(err).EN, "first") {
		t.Errorf("got %v", err)
	}
	if n := w.count(`SELECT count(*) FROM message`); n != 2 {
		t.Errorf("%d messages stored", n)
	}
}

func TestMilterGone(t *testing.T) {
	w := newWorld(t)
	gone := filter.NewMilter(filter.MilterOptions{Name: "clamav", Network: "unix", Address: t.TempDir() + "/none", Timeout: time.Second})
	w.screened(delivery.Screen{Milters: []*filter.Milter{gone}})
	if _, err := w.send(clerk, clerk, letter(clerk, "xa1@p.test", "x", "g1", "x"), "xa1@p.test"); fault.KindOf(err) != fault.Temporary || err == nil {
		t.Errorf("to a unit: %v", err)
	}
	if _, err := w.send(clerk, clerk, letter(clerk, "vanthu@xa1.p.test", "x", "g2", "x"), "vanthu@xa1.p.test"); err != nil {
		t.Fatal(err)
	}
	if trace, _ := w.newest(); !strings.Contains(trace, "X-Vanthu-Unfiltered: clamav\r\n") {
		t.Errorf("not marked:\n%s", trace)
	}
	// A message that was put off is not taken for a repeated one.
	if n := w.count(`SELECT count(*) FROM message`); n != 1 {
		t.Errorf("%d messages stored", n)
	}
}
