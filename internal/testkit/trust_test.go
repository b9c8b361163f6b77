package testkit_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vanthu/internal/control"
	"vanthu/internal/delivery"
	"vanthu/internal/testkit"
)

// dialogue plays an SMTP session in the clear and gives the reply to each step.
func dialogue(t *testing.T, addr string, steps ...string) (replies []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	reply := func() string {
		var all string
		for {
			l, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("after %q: %v", replies, err)
			}
			if all += l; len(l) > 3 && l[3] == ' ' {
				return strings.TrimSpace(all)
			}
		}
	}
	reply() // greeting
	for _, s := range steps {
		if _, err := c.Write([]byte(s + "\r\n")); err != nil {
			t.Fatal(err)
		}
		replies = append(replies, reply())
	}
	return replies
}

// attached makes a message with a file.
func attached(from, to, name, content string) string {
	return strings.Join([]string{
		"From: <" + from + ">", "To: <" + to + ">", "Subject: x", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
		"--b", "", "text", "--b", "Content-Type: application/octet-stream", `Content-Disposition: attachment; filename="` + name + `"`,
		"Content-Transfer-Encoding: base64", "", base64.StdEncoding.EncodeToString([]byte(content)), "--b--",
	}, "\r\n")
}

// TestScreenedSessions: what each refusal of the screen looks like to a client
// of the whole server, and that what is held can be released. T033–T036.
func TestScreenedSessions(t *testing.T) {
	s := testkit.Start(t, testkit.Options{})
	clerk := testkit.Login("vanthu", testkit.Commune(1))
	to := testkit.Login("vanthu", testkit.Commune(2))
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + clerk + "\x00" + s.Password(clerk)))
	const stranger = "a@la.example"
	letter := func(from string) string { return "From: <" + from + ">\r\nTo: <" + to + ">\r\nSubject: x\r\n\r\nx" }
	tests := []struct {
		name, message string
		submit        bool
		want          string // beginning of the reply
		says          string
	}{
		{"a stranger's letter", letter(stranger), false, "250 2.0.0 Ok: queued as ", ""},
		{"From of ours", letter(clerk), false, "550 5.7.1 ", "nothing proves it (DMARC)"},
		{"no From", "Subject: x\r\n\r\nx", false, "550 5.7.1 ", "0 From fields"},
		{"two From fields", "From: <" + stranger + ">\r\n" + letter(stranger), false, "550 5.7.1 ", "2 From fields"},
		{"a program", attached(stranger, to, "a.exe", "MZ\x00"), false, "550 5.7.1 ", `"a.exe" is a program`},
		{"a program as PDF", attached(clerk, to, "a.pdf", "\x7fELF"), true, "550 5.7.1 ", `"a.pdf" is a program`},
		{"a kind that is not taken", attached(clerk, to, "a.iso", "x"), true, "550 5.7.1 ", `"a.iso" is of a kind`},
		{"header too large", strings.Repeat("X: "+strings.Repeat("y", 900)+"\r\n", 1300) + letter(clerk), true, "55", "header is too large"},
		{"no From in a submission", "Subject: x\r\n\r\nx", true, "55", "no From field"},
		{"From of somebody else", letter(to), true, "550 5.7.1 ", "may not send as"},
		{"held", attached(clerk, to, "a.rar", "Rar!\x1a\x07\x00"), true, "250 2.0.0 Ok: queued as ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr, steps := s.Addr.Relay, []string{"EHLO c.example", "MAIL FROM:<" + stranger + ">"}
			if tt.submit {
				addr, steps = s.Addr.Submission, []string{"EHLO c.example", "AUTH PLAIN " + plain, "MAIL FROM:<" + clerk + ">"}
			}
			got := dialogue(t, addr, append(steps, "RCPT TO:<"+to+">", "DATA", tt.message+"\r\n.")...)
			last := got[len(got)-1]
			if !strings.HasPrefix(last, tt.want) || !strings.Contains(last, tt.says) {
				t.Errorf("got %q, want %q… with %q", last, tt.want, tt.says)
			}
		})
	}
	var held []delivery.Held
	if err := s.Rooms.Control().Call(t.Context(), control.CallHeldList, control.HeldList{}, &held, nil); err != nil || len(held) != 1 {
		t.Fatalf("%d held, %v", len(held), err)
	}
	for _, dry := range []bool{true, false} {
		var acted control.HeldActed
		err := s.Rooms.Control().Call(t.Context(), control.CallHeldAct, control.HeldAct{ID: held[0].ID, Act: "release", DryRun: dry}, &acted, nil)
		if err != nil || acted.DryRun != dry || acted.Held.Files[0].Name != "a.rar" {
			t.Errorf("release: %+v, %v", acted, err)
		}
		inbox := s.IMAP(t, to)
		found, err := inbox.In("INBOX")
		if err != nil || len(found) != map[bool]int{true: 1, false: 2}[dry] {
			t.Errorf("dry run %v: %d messages, %v", dry, len(found), err)
		}
		if !dry {
			body, err := inbox.Body(found[1])
			if err != nil || !strings.Contains(string(body), "DKIM-Signature: v=1; a=ed25519-sha256") || !strings.Contains(string(body), `filename="a.rar"`) {
				t.Errorf("released as %s, %v", body, err)
			}
		}
	}
	if n := s.Count(t, `SELECT count(*) FROM journal WHERE type = 'mail.refused'`); n != 6 {
		t.Error(fmt.Sprint(n, " refusals in the journal, want 6"))
	}
}
