package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/wire"
)

// The tests of this file are the fences around go-smtp v0.25.1: TestDefect_Sn is line Sn of reliability.md, section 5.1, _MSn is line Sn
// of mailservers.md, section 6.2. Each fails when go-smtp is left to do what it names.

const second = "MAIL FROM:<evil@out.example>\r\nRCPT TO:<a@tinh.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"

func TestDefect_S1_MS7_FalseEndsNeverEndData(t *testing.T) {
	ends := map[string]string{
		"LF.LF": "\n.\n", "LF.CRLF": "\n.\r\n", "CRLF.LF": "\r\n.\n", "CR.CR": "\r.\r", "CR.CRLF": "\r.\r\n", "CRLF.CR": "\r\n.\r",
		"LF.CR": "\n.\r", "CR.LF": "\r.\n", "LFCR.LFCR": "\n\r.\n\r", "NUL before": "\r\n\x00.\r\n", "NUL in": "\r\n.\x00\r\n",
		"NUL behind": "\r\n.\r\x00\n", "space behind": "\r\n. \r\n", "space before": "\r\n .\r\n", "double": "\r\n..\r\n",
		"VT": "\v.\v", "FF": "\f.\f", "NEL": "\u0085.\u0085", "wide": "\r\n\uff0e\r\n",
	}
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			before := len(m.got())
			c := dial(t, addr)
			c.want("", "220")
			c.want("EHLO out.example", "250")
			c.mailTo("a@tinh.example")
			c.want("DATA", "354")
			body := "Subject: x\r\n\r\ntext" + end + second
			c.send(body)
			got := c.reply()
			c.want("NOOP", "250 2.0.0 Ok") // a second reply to the data would stand here
			after := m.got()[before:]
			switch {
			case strings.HasPrefix(got, "550 5.5.2"):
				if len(after) != 0 {
					t.Errorf("refused, but delivered %q", after[0].body)
				}
			case strings.HasPrefix(got, "250"):
				if want := strings.ReplaceAll(strings.TrimSuffix(body, ".\r\n"), "\r\n.", "\r\n"); len(after) != 1 || after[0].body != want {
					t.Errorf("delivered %d messages, want one with all of %q", len(after), want)
				}
			default:
				t.Errorf("reply %q", got)
			}
		})
	}
}

func TestDefect_S2_MS2_ExtraCRStillEndsData(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	for _, end := range []string{"text\r\r\n.\r\n", ".\r\r\n.\r\n", "text\r\n\r\r\r\n.\r\n"} {
		c := dial(t, addr)
		c.want("", "220")
		c.want("EHLO out.example", "250")
		c.mailTo("a@tinh.example")
		c.want("DATA", "354")
		c.send("Subject: x\r\n\r\n" + end)
		c.want("", "550 5.5.2")
		c.want("QUIT", "221")
	}
	if n := len(m.got()); n != 0 || m.open() != 0 {
		t.Errorf("delivered %d, left open %d", n, m.open())
	}
}

func TestDefect_S3_MS1_StalledDataNeverRunsCommands(t *testing.T) {
	for _, how := range []string{"DATA", "BDAT 5000 LAST"} {
		t.Run(how, func(t *testing.T) {
			m := new(memory)
			inBubble(t, m, Options{}, func(c *client) {
				c.mailTo("a@tinh.example")
				start := time.Now()
				if how == "DATA" {
					c.want(how, "354")
				} else {
					c.send(how + "\r\n")
				}
				c.send("Subject: x\r\n\r\nfirst part\r\n")
				c.want("", "421 4.4.2")
				if d := time.Since(start); d != 3*time.Minute {
					t.Errorf("gave up after %v, want 3m", d)
				}
				c.send("\r\n.\r\n" + second)
				c.wantClosed()
			})
			if n := len(m.got()); n != 0 || m.aborted != 1 {
				t.Errorf("delivered %d, aborted %d, want 0 and 1", n, m.aborted)
			}
		})
	}
}

func TestDefect_S4_CutBDATIsNotDelivered(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			m := new(memory)
			svc, opt := Submission, Options{AllowInsecureAuthOnLoopback: true}
			if secure {
				svc, opt = Submissions, Options{TLS: serverTLS}
			}
			_, addr := serve(t, m, svc, opt)
			c := dial(t, addr)
			if secure {
				tc := tls.Client(c.conn, clientTLS)
				c.conn, c.in = tc, &lineReader{r: tc}
			}
			c.want("", "220")
			c.login()
			c.want("MAIL FROM:<"+ourLogin+">", "250")
			c.want("RCPT TO:<a@tinh.example>", "250")
			c.send("BDAT 1000 LAST\r\nSubject: cut\r\n")
			if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil { // FIN, or close_notify
				t.Fatal(err)
			}
			c.wantClosed()
			if n := len(m.got()); n != 0 || m.open() != 0 {
				t.Errorf("delivered %d, left open %d", n, m.open())
			}
		})
	}
}

func TestDefect_S5_BadBDATNeverRunsItsChunk(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	for _, arg := range []string{"", "x", "-5", "+5", "0x10", "5 FIRST", "5 LAST x", "99999999999999999999", "18446744073709551616 LAST"} {
		t.Run(arg, func(t *testing.T) {
			c := dial(t, addr)
			c.want("", "220")
			c.want("EHLO out.example", "250")
			c.mailTo("a@tinh.example")
			c.send("BDAT " + arg + "\r\nRSET\r\n" + second)
			c.want("", "501 5.5.4")
			c.wantClosed()
		})
	}
	// A size that is only too large is skipped whole (or the session ends), like a chunk without a transaction.
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.send("BDAT 6\r\nQUIT\r\nNOOP\r\n")
	c.want("", "503")
	c.want("", "250 2.0.0 Ok")
	c.mailTo("a@tinh.example")
	c.send("BDAT 4294967296 LAST\r\n")
	c.want("", "552 5.3.4")
	c.wantClosed()
	if n := len(m.got()); n != 0 {
		t.Errorf("delivered %d", n)
	}
}

func TestDefect_S6_LineEndsOfMessagesAreChecked(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	for _, body := range []string{"a\rb\r\n", "a\nb\r\n", "a\x00b\r\n", ".\rX\r\n", "\r\r\n"} {
		c.mailTo("a@tinh.example")
		c.want("DATA", "354")
		c.send(body + ".\r\n")
		c.want("", "550 5.5.2")
		c.mailTo("a@tinh.example")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(body), body))
		c.want("", "550 5.5.2")
	}
	if n := len(m.got()); n != 0 || m.open() != 0 {
		t.Errorf("delivered %d, left open %d", n, m.open())
	}
}

func TestDefect_S7_MS6_NestedMAIL(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("MAIL FROM:<b@out.example>", "503")
	c.want("DATA", "354")
	c.want("x\r\n.", "250")
	if got := m.got(); len(got) != 1 || got[0].env.From.Local != "a" || len(got[0].env.To) != 1 {
		t.Errorf("delivered %+v, want one from a", got)
	}
}

func TestDefect_S8_MS4_Postmaster(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	for _, to := range []string{"<postmaster>", "<PostMaster>", "<Postmaster@tinh.example>"} {
		c.want("MAIL FROM:<>", "250")
		c.want("RCPT TO:"+to, "250")
		c.want("DATA", "354")
		c.want("x\r\n.", "250")
	}
	for _, g := range m.got() {
		if to := g.env.To[0].Addr; !strings.EqualFold(to.String(), "postmaster@tinh.example") {
			t.Errorf("delivered to %v", to)
		}
	}
}

func TestDefect_S9_MS5_MS8_Addresses(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{MaxBadCommands: 100})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	refused := []struct{ cmd, code string }{
		{"MAIL FROM:<a@b@out.example>", "501 5.1.7"},
		{"MAIL FROM:<\"a\rb\"@out.example>", "501"},
		{"MAIL FROM:<\"a\x00b\"@out.example>", "501"},
		{"MAIL FROM:<a b@out.example>", "501"},
		{"MAIL FROM:<.a@out.example>", "501 5.1.7"},
		{"MAIL FROM:<a@>", "501 5.1.7"},
		{"MAIL FROM:<@out.example>", "501 5.1.7"},
		{"MAIL FROM:<thư@out.example>", "553 5.6.7"},
		{"MAIL FROM:<\xff\xfe@out.example> SMTPUTF8", "501 5.1.7"},
		{"MAIL FROM:<" + strings.Repeat("l", 300) + "@out.example>", "501 5.1.7"},
		{"MAIL FROM:<a@" + strings.Repeat("l", 70) + ".example>", "501 5.1.7"},
		{"MAIL FROM:<a@" + strings.Repeat("l.", 400) + "example>", "501 5.1.7"},
		{"MAIL FROM:<a@out.example> x>", "555"},
	}
	for _, r := range refused {
		c.want(r.cmd, r.code)
	}
	c.want(`MAIL FROM:<"x> NOTIFY=NEVER <y"@out.example>`, "250")
	c.want(`RCPT TO:<"v@out.example"@tinh.example>`, "250")
	c.want("DATA", "354")
	c.want("x\r\n.", "250")
	got := m.got()[0].env
	if got.From.String() != `<"x> NOTIFY=NEVER <y"@out.example>` {
		t.Errorf("from = %v: the quotes must not get lost", got.From)
	}
	if to := got.To[0].Addr; to.Domain != ourDomain || to.Local != "v@out.example" || to.String() != `"v@out.example"@tinh.example` {
		t.Errorf("to = %#v", to)
	}
}

func TestDefect_S10_MS10_LoginFailuresAreCounted(t *testing.T) {
	m := new(memory)
	s, addr := serve(t, m, Submission, Options{AllowInsecureAuthOnLoopback: true})
	plain := func(parts ...string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
	}
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want(plain("", ourLogin, "wrong"), "535 5.7.8")
	c.want(plain("", "nobody@tinh.example", "wrong"), "535 5.7.8")
	c.want(plain("", ourLogin, "wrong"), "421 4.7.0")
	c.wantClosed()
	if m.tries != 3 || s.Stats().LoginsFailed.Load() != 3 {
		t.Errorf("tries = %d", m.tries)
	}

	// R24, T048: shapes of PLAIN that must never log in.
	for _, parts := range [][]string{
		{"lanhdao@tinh.example", ourLogin, ourPassword}, {"", "", ""}, {"", ourLogin, ""}, {"", "", ourPassword}, {ourLogin, ourPassword},
		{"", ourLogin, ourPassword, ""}, {"", ourLogin + "\n", ourPassword}, {"", "' OR 1=1 --", "x"}, {"", ourLogin, strings.Repeat("x", 5000)},
	} {
		c := dial(t, addr)
		c.want("", "220")
		c.want("EHLO out.example", "250")
		if got := c.ask(plain(parts...)); !strings.HasPrefix(got, "535 5.7.8") && !strings.HasPrefix(got, "501 5.5.2") {
			t.Errorf("PLAIN %.60q: %q", parts, got)
		}
	}
	c = dial(t, addr)
	c.want("", "220")
	c.want(plain("", ourLogin, ourPassword), "503") // before EHLO
	c.want("EHLO out.example", "250")
	c.want(plain("", "bikhoa@tinh.example", "x"), "454 4.7.0")
	c.want(plain(ourLogin, ourLogin, ourPassword), "235 2.7.0") // R24: oneself one may be
	c.want("MAIL FROM:<"+ourLogin+">", "250")
	c.want(plain("", ourLogin, ourPassword), "503")
	c.want("RSET", "250")
	c.want(plain("", ourLogin, ourPassword), "503")
	c = dial(t, addr)
	c.want("", "220")
	c.send("AUTH PLAIN " + strings.Repeat("A", 4<<20))
	c.want("", "500 5.5.6")
	c.wantClosed()
}

func TestDefect_S11_RefusedRecipientsSlowDownAndEnd(t *testing.T) {
	inBubble(t, new(memory), Options{}, func(c *client) {
		c.want("MAIL FROM:<a@out.example>", "250")
		start := time.Now()
		for range 19 {
			c.want("RCPT TO:<khongco@tinh.example>", "550 5.1.1")
		}
		c.send("RCPT TO:<khongco@tinh.example>\r\n")
		c.want("", "550 5.1.1")
		c.want("", "421 4.7.0")
		c.wantClosed()
		if d := time.Since(start); d != 15*time.Second {
			t.Errorf("20 refusals took %v, want 15s: one for each from the fifth", d)
		}
	})
}

func TestDefect_S11_CommandsWithoutMailAreLimited(t *testing.T) {
	_, addr := serve(t, new(memory), Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	verbs := []string{"NOOP", "RSET", "VRFY x", "HELO a"}
	for i := range 99 {
		c.want(verbs[i%4], "25")
	}
	c.want("NOOP", "421 4.7.0")
	c.wantClosed()

	c = dial(t, addr)
	c.want("", "220")
	for range 9 {
		c.want("FOO", "500")
	}
	c.want("FOO", "421 4.7.0")
	c.wantClosed()
}

func TestDefect_S11_RecipientsAreLimited(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want("MAIL FROM:<a@out.example>", "250")
	var all strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&all, "RCPT TO:<r%d@tinh.example>\r\n", i)
	}
	c.send(all.String())
	for range 1000 {
		c.want("", "250")
	}
	c.want("", "452 4.5.3")
	c.want("DATA", "354")
	c.want("x\r\n.", "250")
	if n := len(m.got()[0].env.To); n != 1000 {
		t.Errorf("recipients = %d, want the 1,000 that were taken", n)
	}
}

func TestDefect_S12_FailedHandshakeEndsTheSession(t *testing.T) {
	serverTLS, _ := testConfigs(t)
	m := new(memory)
	s, addr := serve(t, m, Relay, Options{TLS: serverTLS})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want("STARTTLS", "220")
	c.send("EHLO out.example\r\n" + second)
	rest, _ := io.ReadAll(c.conn)
	if bytes.Contains(append(c.in.buf, rest...), []byte("50 ")) {
		t.Errorf("answered in the clear: %q", rest)
	}
	if s.Stats().HandshakesFailed.Load() != 1 || len(m.got()) != 0 {
		t.Errorf("failed handshakes = %d, messages = %d", s.Stats().HandshakesFailed.Load(), len(m.got()))
	}
}

func TestDefect_S13_MS13_StateBeforeTLSIsForgotten(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{TLS: serverTLS})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("STARTTLS", "220")
	tc := tls.Client(c.conn, clientTLS)
	c.conn, c.in = tc, &lineReader{r: tc}
	c.want("DATA", "503")
	c.want("RCPT TO:<b@tinh.example>", "503")
	c.want("MAIL FROM:<a@out.example>", "503")
	if got := c.ask("EHLO out.example"); strings.Contains(got, "STARTTLS") {
		t.Errorf("STARTTLS offered inside TLS: %q", got)
	}
	c.want("STARTTLS", "503")
	c.mailTo("b@tinh.example")
	c.want("DATA", "354")
	c.want("x\r\n.", "250")
	if got := m.got(); len(got[0].env.To) != 1 || got[0].env.To[0].Addr.Local != "b" || got[0].origin.Protocol != "ESMTPS" || !strings.HasPrefix(got[0].origin.TLS, "TLS 1.3 TLS_") {
		t.Errorf("delivered %+v", got[0])
	}

	// Text behind STARTTLS in the same segment is never run.
	c = dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.send("STARTTLS\r\nMAIL FROM:<evil@out.example>\r\n")
	c.want("", "554 5.5.1")
	c.wantClosed()

	// EHLO ends a transaction, but not the session.
	c = dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("EHLO out.example", "250")
	c.want("DATA", "503")
}

func TestDefect_S14_SteadySenderIsNotCutOff(t *testing.T) {
	m := new(memory)
	inBubble(t, m, Options{}, func(c *client) {
		c.mailTo("a@tinh.example")
		c.want("DATA", "354")
		line := strings.Repeat("x", 598) + "\r\n"
		for range 540 { // nine minutes at 600 octets a second
			time.Sleep(time.Second)
			c.send(line)
		}
		c.send(".\r\n")
		c.want("", "250")
		c.mailTo("a@tinh.example")
		c.want("DATA", "354")
		start := time.Now()
		go func() { // one octet a second is an attack
			for {
				if _, err := io.WriteString(c.conn, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		c.want("", "421 4.4.2")
		if d := time.Since(start); d < 3*time.Minute || d > 182*time.Second {
			t.Errorf("trickling sender kept for %v, want about 3m", d)
		}
		time.Sleep(2 * time.Second)
	})
	if n := len(m.got()); n != 1 {
		t.Errorf("delivered %d, want 1", n)
	}
}

func TestDefect_S15_ShutdownEndsEverySession(t *testing.T) {
	m := &memory{hold: make(chan struct{})}
	s, addr := serve(t, m, Relay, Options{})
	idle := dial(t, addr)
	idle.want("", "220")
	mid := dial(t, addr)
	mid.want("", "220")
	mid.want("EHLO out.example", "250")
	mid.mailTo("a@tinh.example")
	data := dial(t, addr)
	data.want("", "220")
	data.want("EHLO out.example", "250")
	data.mailTo("a@tinh.example")
	data.want("DATA", "354")
	data.send("Subject: in flight\r\n")

	done := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { done <- s.Shutdown(ctx) }()
	idle.want("", "421 4.3.2")
	idle.wantClosed()
	mid.want("", "421 4.3.2")
	mid.wantClosed()
	data.send("\r\nx\r\n.\r\nMAIL FROM:<b@out.example>\r\n")
	close(m.hold)
	data.want("", "250")
	data.want("", "421 4.3.2")
	data.wantClosed()
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("still listening")
	}
	if n := len(m.got()); n != 1 {
		t.Errorf("delivered %d, want the one in flight", n)
	}
}

func TestDefect_S15_ShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	m := new(memory)
	s, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want DeadlineExceeded", err)
	}
	c.wantClosed()
}

func TestDefect_S16_ConnectionsAreLimited(t *testing.T) {
	gate := wire.NewGate(wire.GateOptions{PerAddr: 2})
	s, addr := serve(t, new(memory), Relay, Options{RelayGate: gate})
	for range 2 {
		dial(t, addr).want("", "220")
	}
	c := dial(t, addr)
	c.want("", "421 4.7.0")
	c.wantClosed()
	if n := s.Stats().Refused.Load(); n != 1 {
		t.Errorf("refused = %d", n)
	}
}

func TestDefect_S16_PanicEndsOneSessionOnly(t *testing.T) {
	m := &memory{abortFn: func() { panic("in Abort") }}
	s, addr := serve(t, m, Relay, Options{})

	c := dial(t, addr) // in a callback: the library's recover
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want("MAIL FROM:<panic@out.example>", "421 4.0.0")
	c.wantClosed()

	c = dial(t, addr) // in our Read
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.send("x\ny\r\n.\r\n")
	c.want("", "421 4.3.0")
	c.wantClosed()

	c = dial(t, addr) // in Logout, where the library has no recover
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("BDAT 0", "250")
	c.conn.Close()

	c = dial(t, addr)
	c.want("", "220")
	for deadline := time.Now().Add(5 * time.Second); s.Stats().Panics.Load() < 3 && time.Now().Before(deadline); {
		c.want("NOOP", "250")
		time.Sleep(60 * time.Millisecond)
	}
	if n := s.Stats().Panics.Load(); n != 3 {
		t.Errorf("panics counted = %d, want 3", n)
	}
}

func TestDefect_S17_MS15_ResetBetweenChunksEndsTheMessageOnce(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	for _, end := range []string{"RSET", "EHLO again.example"} {
		c.mailTo("a@tinh.example")
		c.want("BDAT 6\r\nabcd", "250") // and CRLF
		c.want(end, "250")
		if m.open() != 0 { // the reply comes after the message is gone: nothing runs beside the session
			t.Errorf("after %s: message still open", end)
		}
	}
	c.mailTo("b@tinh.example")
	c.send("BDAT 4\r\nabcdBDAT 4 LAST\r\nef\r\n")
	c.want("", "250 2.0.0 Ok")
	c.want("", "250 2.0.0 Ok: queued as Q1")
	if got := m.got(); got[0].body != "abcdef\r\n" || m.aborted != 2 {
		t.Errorf("body = %q, aborted = %d", got[0].body, m.aborted)
	}
}

func TestDefect_S18_ErrorsNeverShowInternals(t *testing.T) {
	secret := errors.New("open /var/lib/vanthu/secret.db: SQLITE_BUSY")
	m := &memory{commitErr: fmt.Errorf("commit: %w", secret)}
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want("MAIL FROM:<batdau@out.example>", "250")
	c.want("RCPT TO:<hong@tinh.example>", "451 4.3.0 the server cannot do this now")
	c.want("RCPT TO:<khongco@tinh.example>", "550 5.1.1 no such address: khongco@tinh.example") // wrapped
	c.want("RCPT TO:<day@tinh.example>", "452 4.2.2 mailbox is full")
	c.want("RCPT TO:<a@tinh.example>", "250")
	c.want("DATA", "452 4.3.1 disk is nearly full") // Begin refuses: no 354
	c.want("DATA", "503")
	c.want("MAIL FROM:<batdau@out.example>", "250")
	c.want("RCPT TO:<a@tinh.example>", "250")
	c.send("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n") // refused, yet skipped
	c.want("", "452 4.3.1 disk is nearly full")
	c.want("", "503")
	c.want("", "250 2.0.0 Ok")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.want("x\r\n.", "451 4.3.0 the server cannot do this now")
	m.commitErr, m.writeErr = nil, secret
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.want("x\r\n.", "451 4.3.0 the server cannot do this now")
	if m.open() != 1 { // the memory backend counts the failed commit as open
		t.Errorf("left open %d", m.open())
	}
}

func TestDefect_S19_HelloAndSizeAreExact(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{MaxMessage: 1000, MaxBadCommands: 50})
	c := dial(t, addr)
	c.want("", "220")
	for _, bad := range []string{"a\rb", "a\x00b", "a\x1bb", strings.Repeat("x", 400), "", "\xff\xfe"} {
		if got := c.ask("EHLO " + bad); !strings.HasPrefix(got, "501") || strings.ContainsAny(got, "\r\x00\x1b") {
			t.Errorf("EHLO %.20q: %q", bad, got)
		}
	}
	c.want("EHLO máy-văn-thư", "250")
	for _, n := range []int{999, 1000, 1001} {
		c.want(fmt.Sprintf("MAIL FROM:<a@out.example> SIZE=%d", min(n, 1000)), "250")
		c.want("RCPT TO:<a@tinh.example>", "250")
		c.want("DATA", "354")
		c.send(strings.Repeat("x", n-2) + "\r\n.\r\n")
		if n <= 1000 {
			c.want("", "250")
		} else {
			c.want("", "552 5.3.4")
		}
		c.mailTo("a@tinh.example")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n%s\r\n", n, strings.Repeat("x", n-2)))
		if n <= 1000 {
			c.want("", "250")
		} else {
			c.want("", "552 5.3.4")
		}
	}
	c.want("MAIL FROM:<a@out.example> SIZE=1001", "552 5.3.4")
	if got := m.got(); len(got) != 4 || got[0].origin.Helo != "m?y-v?n-th?" {
		t.Errorf("delivered %d, helo %q", len(got), got[0].origin.Helo)
	}
}

func TestDefect_S20_MS3_LongTextLinesAreKept(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	body := "Subject: x\r\n\r\n" + strings.Repeat("y", 1<<20-2) + "\r\n"
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.send(body + ".\r\n")
	c.want("", "250")
	if got := m.got()[0].body; got != body {
		t.Errorf("kept %d octets of %d", len(got), len(body))
	}
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	c.send("y" + body + "z" + strings.Repeat("y", 1<<20) + "\r\n.\r\n")
	c.want("", "554 5.6.0")
	c.want("NOOP", "250")
}

func TestDefect_S21_CredentialsNeverReachTheLog(t *testing.T) {
	var mu sync.Mutex
	var buf bytes.Buffer
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, addr := serve(t, new(memory), Submission, Options{AllowInsecureAuthOnLoopback: true, Log: log})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.want("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+ourLogin+"\x00canary-1")), "535")
	c.want("AUTH LOGIN", "334")
	c.want(base64.StdEncoding.EncodeToString([]byte(ourLogin)), "334")
	c.want("canary-2", "501")
	c.login()
	c.want("MAIL FROM:<"+ourLogin+">", "250")
	c.want("RCPT TO:<a@tinh.example>", "250")
	c.want("DATA", "354")
	c.want("Subject: canary-3\r\n\r\ncanary-4\r\n.", "250")
	mu.Lock()
	defer mu.Unlock()
	for _, s := range []string{"canary", ourPassword, base64.StdEncoding.EncodeToString([]byte("canary"))[:6], "AHZhbnRod"} {
		if strings.Contains(buf.String(), s) {
			t.Errorf("log has %q:\n%s", s, buf.String())
		}
	}
	if !strings.Contains(buf.String(), "message accepted") || !strings.Contains(buf.String(), "queue_id=Q1") {
		t.Errorf("log lacks the acceptance:\n%s", buf.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestDefect_MS9_UnknownParameters(t *testing.T) {
	_, addr := serve(t, new(memory), Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	for range 5 { // the library closes at the fourth protocol error
		c.want("MAIL FROM:<a@out.example> FOO=1", "555 5.5.4")
	}
	c.mailTo("a@tinh.example")
}

func TestDefect_MS11_QueueIDInTheFinalReply(t *testing.T) {
	_, addr := serve(t, new(memory), Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	if got := c.ask("x\r\n."); got != "250 2.0.0 Ok: queued as Q1" {
		t.Errorf("reply = %q", got)
	}
}

func TestDefect_MS12_OneWriteForEachAnswer(t *testing.T) {
	writes := new(atomic.Int64)
	inBubbleWith(t, new(memory), Options{}, func(c net.Conn) net.Conn { return countWrites{c, writes} }, func(c *client) {
		if n := writes.Load(); n != 2 {
			t.Errorf("greeting and EHLO took %d writes, want 2", n)
		}
		c.send("MAIL FROM:<a@out.example>\r\nRCPT TO:<a@tinh.example>\r\nRCPT TO:<b@tinh.example>\r\nDATA\r\n")
		for _, code := range []string{"250", "250", "250", "354"} {
			c.want("", code)
		}
		if n := writes.Load(); n != 3 {
			t.Errorf("a pipelined envelope was answered in %d writes, want 1", n-2)
		}
		c.send("x\r\n.\r\nQUIT\r\n")
		c.want("", "250")
		c.want("", "221")
		if n := writes.Load(); n != 4 {
			t.Errorf("the last two answers took %d writes, want 1", n-3)
		}
	})
}

type countWrites struct {
	net.Conn
	n *atomic.Int64
}

func (c countWrites) Write(p []byte) (int, error) { c.n.Add(1); return c.Conn.Write(p) }

func TestDefect_MS14_EndlessDataIsCutOff(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{MaxMessage: 100_000})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.mailTo("a@tinh.example")
	c.want("DATA", "354")
	go func() {
		line := bytes.Repeat([]byte("x\r\n"), 20_000)
		for {
			if _, err := c.conn.Write(line); err != nil {
				return
			}
		}
	}()
	c.want("", "552 5.3.4")
	c.wantClosed()
	if n := len(m.got()); n != 0 || m.open() != 0 {
		t.Errorf("delivered %d, left open %d", n, m.open())
	}
}

func TestDefect_MS16_BareLFCommandsAreRefused(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO out.example", "250")
	c.send("NOOP\nMAIL FROM:<a@out.example>\nRCPT TO:<a@tinh.example>\nNOOP\r\n")
	for range 3 {
		c.want("", "500 5.5.2")
	}
	c.want("", "250")
}

// login logs in as ourLogin after EHLO.
func (c *client) login() {
	c.t.Helper()
	c.want("EHLO may-tinh", "250")
	c.want("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+ourLogin+"\x00"+ourPassword)), "235")
}
