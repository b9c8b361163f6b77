package smtpd

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vanthu/internal/wire"
)

// T029: what is not mail is turned away.
func TestStrangersOnThePort(t *testing.T) {
	serverTLS, _ := testConfigs(t)
	s, addr := serve(t, new(memory), Relay, Options{TLS: serverTLS, GreetDelay: 200 * time.Millisecond})
	c := dial(t, addr)
	c.send("EHLO early.example\r\n")
	c.want("", "554 5.5.1 You spoke")
	c.wantClosed()
	if n := s.Stats().Refused.Load(); n != 1 {
		t.Errorf("refused = %d", n)
	}

	_, addr = serve(t, new(memory), Submission, Options{TLS: serverTLS})
	for _, verb := range []string{"GET / HTTP/1.1", "POST /x HTTP/1.1", "CONNECT a:25 HTTP/1.0", "PRI * HTTP/2.0"} {
		c := dial(t, addr)
		c.want("", "220")
		c.send(verb + "\r\nHost: x\r\nMAIL FROM:<a@b.example>\r\n\r\n")
		c.want("", "421 4.7.0")
		c.wantClosed()
	}

	// A TLS hello where the greeting is in clear: closed at once, not after the time-out.
	c = dial(t, addr)
	c.want("", "220")
	c.send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	c.wantClosed()

	// Clear text where TLS is from the start: nothing is answered.
	_, addr = serve(t, new(memory), Submissions, Options{TLS: serverTLS})
	c = dial(t, addr)
	c.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@tinh.example>\r\nDATA\r\n")
	all, _ := io.ReadAll(c.conn)
	if strings.Contains(string(all), "250") || strings.Contains(string(all), "220") {
		t.Errorf("clear text on the TLS port: %q", all)
	}
}

// T029: a whole session in one segment, with the client's half closed behind it.
func TestPipelinedSessionWithHalfClose(t *testing.T) {
	m := new(memory)
	_, addr := serve(t, m, LMTP, Options{})
	c := dial(t, addr)
	c.send("LHLO a\r\nMAIL FROM:<a@out.example>\r\nRCPT TO:<a@tinh.example>\r\nDATA\r\nx\r\n.\r\n")
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"220", "250", "250", "250", "354", "250 2.1.5"} {
		c.want("", code)
	}
	c.wantClosed()
	if got := m.got(); len(got) != 1 || got[0].origin.Protocol != "LMTP" || got[0].origin.Helo != "a" {
		t.Errorf("delivered %+v", got)
	}
}

// T047 and R21.
func TestTLSVersionsAndTickets(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t) // the server's configuration allows TLS 1.0
	s, err := New(new(memory), Options{TLS: serverTLS})
	if err != nil {
		t.Fatal(err)
	}
	if s.tls.MinVersion != tls.VersionTLS12 || s.tls.SessionTicketsDisabled || !s.relayTLS.SessionTicketsDisabled {
		t.Errorf("min version %x, tickets off %v, on relay %v", s.tls.MinVersion, s.tls.SessionTicketsDisabled, s.relayTLS.SessionTicketsDisabled)
	}
	srv, addr := serve(t, new(memory), Submissions, Options{TLS: serverTLS})
	old := clientTLS.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	c := dial(t, addr)
	if err := tls.Client(c.conn, old).Handshake(); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	c.wantClosed()
	if n := srv.Stats().HandshakesFailed.Load(); n != 1 {
		t.Errorf("failed handshakes = %d", n)
	}
}

// syncBuilder is a text that several goroutines write.
type syncBuilder struct {
	mu sync.Mutex
	strings.Builder
}

func (b *syncBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

// T153: hundreds of handshakes that break off and connections that are reset cost
// others nothing, leave nothing behind, and do not fill the log.
func TestBrokenHandshakesAtOnce(t *testing.T) {
	const strangers = 300 // of each kind
	serverTLS, clientTLS := testConfigs(t)
	var log syncBuilder
	gate := wire.NewGate(wire.GateOptions{PerAddr: 10_000})
	_, addr := serve(t, new(memory), Submissions, Options{TLS: serverTLS, Gate: gate, Log: slog.New(slog.NewTextHandler(&log, nil))})
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for i := range 2 * strangers {
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 { // a hello that breaks off
				_, _ = io.WriteString(c, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		})
	}
	begun := time.Now()
	c := dial(t, addr)
	tc := tls.Client(c.conn, clientTLS)
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.conn, c.in = tc, &lineReader{r: tc}
	c.want("", "220")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("another client was greeted after %v", took)
	}
	all.Wait()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if n := strings.Count(log.String(), "\n"); n > 10 {
		t.Errorf("%d lines in the log:\n%.2000s", n, log.String())
	}
}

// T048: an answer of 4 MB to AUTH is not collected.
func TestHugeAuthAnswer(t *testing.T) {
	_, addr := serve(t, new(memory), Submission, Options{AllowInsecureAuthOnLoopback: true})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO pc.tinh.example", "250")
	c.want("AUTH PLAIN", "334")
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	go func() {
		chunk := []byte(strings.Repeat("QUFB", 16<<10))
		for range 64 {
			if _, err := c.conn.Write(chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c.conn, "\r\n")
	}()
	c.want("", "5")
	runtime.ReadMemStats(&b)
	if n := b.TotalAlloc - a.TotalAlloc; n > 2<<20 {
		t.Errorf("%d octets were allocated for it", n)
	}
}

// T014.
func TestLongCommandLines(t *testing.T) {
	_, addr := serve(t, new(memory), Relay, Options{})
	c := dial(t, addr)
	c.want("", "220")
	c.want("EHLO "+strings.Repeat("x", 250), "250")
	c.want("NOOP "+strings.Repeat("x", 2041), "250") // 2,048 with CRLF
	c.want("NOOP "+strings.Repeat("x", 2042), "500 5.5.2")
	c.want("NOOP "+strings.Repeat("x", 100_000), "500 5.5.2")
	c.want("NOOP", "250")
	c.want("NOOP "+strings.Repeat("x", 10_000), "421 4.7.0")
	c.wantClosed()

	c = dial(t, addr)
	c.want("", "220")
	go func() {
		chunk := []byte(strings.Repeat("x", 1<<16))
		for range 1024 { // 64 MiB; the server hangs up long before
			if _, err := c.conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	c.want("", "500 5.5.2")
	c.wantClosed()
}

func TestTimeLimits(t *testing.T) {
	tests := []struct {
		name  string
		svc   Service
		talk  func(c *client) // what the client does before it falls silent
		after time.Duration   // until it is told
	}{
		{"no login", Submission, func(c *client) {
			for range 5 {
				time.Sleep(10 * time.Second)
				c.want("NOOP", "250")
			}
		}, time.Minute},
		{"no command", Relay, func(c *client) {
			time.Sleep(4 * time.Minute)
			c.want("NOOP", "250")
		}, 9 * time.Minute},
		{"command letter by letter", Relay, func(c *client) {
			for range 4 {
				time.Sleep(time.Minute)
				c.send("N")
			}
		}, 5 * time.Minute},
		{"whole session", Relay, func(c *client) {
			for range 7 {
				time.Sleep(4 * time.Minute)
				c.want("NOOP", "250")
			}
		}, 30 * time.Minute},
		{"in a login", Submission, func(c *client) { c.want("AUTH LOGIN", "334") }, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrap := func(c net.Conn) net.Conn { return c }
				bubble(t, new(memory), tt.svc, Options{AllowInsecureAuthOnLoopback: true}, wrap, func(c *client) {
					start := time.Now()
					c.want("", "220")
					c.want("EHLO a.example", "250")
					tt.talk(c)
					c.want("", "421 4.4.2")
					c.wantClosed()
					if d := time.Since(start); d != tt.after {
						t.Errorf("told after %v, want %v", d, tt.after)
					}
				})
			})
		})
	}
}

// A message under way is taken even when the session's time is over.
func TestSessionTimeSparesAMessageUnderWay(t *testing.T) {
	m := new(memory)
	inBubble(t, m, Options{SessionTime: time.Minute, DataIdle: 2 * time.Minute}, func(c *client) {
		c.mailTo("a@tinh.example")
		c.want("DATA", "354")
		time.Sleep(90 * time.Second)
		c.send("x\r\n.\r\n")
		c.want("", "250")
		c.want("", "421 4.4.2")
	})
	if n := len(m.got()); n != 1 {
		t.Errorf("delivered %d", n)
	}
}

// remoteConn is a connection from another address.
type remoteConn struct {
	net.Conn
	addr netip.AddrPort
}

func (r remoteConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(r.addr) }

func TestRemotePeers(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.7:1234")
	far := func(c net.Conn) net.Conn { return remoteConn{c, from} }
	synctest.Test(t, func(t *testing.T) {
		bubble(t, new(memory), LMTP, Options{}, far, func(c *client) {
			c.want("", "554 5.7.1")
			c.wantClosed()
		})
		peers := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		bubble(t, new(memory), LMTP, Options{LMTPPeers: peers}, far, func(c *client) {
			c.want("", "220")
		})
		// T045: a password in clear only from loopback, even when that is allowed.
		m := new(memory)
		bubble(t, m, Submission, Options{AllowInsecureAuthOnLoopback: true}, far, func(c *client) {
			c.want("", "220")
			if got := c.ask("EHLO a.example"); strings.Contains(got, "AUTH") {
				t.Errorf("AUTH offered in clear: %q", got)
			}
			c.want("AUTH PLAIN AHZhbnRodUB0aW5oLmV4YW1wbGUAbeG6rXQga2jhuql1IDE=", "538 5.7.11")
		})
		if m.tries != 0 {
			t.Errorf("password was looked at")
		}
	})
}

// R32: people behind one address are counted as strangers only until they have logged in.
func TestOfficeBehindOneAddress(t *testing.T) {
	gate := wire.NewGate(wire.GateOptions{PerAddr: 1})
	s, addr := serve(t, new(memory), Submission, Options{AllowInsecureAuthOnLoopback: true, Gate: gate})
	for range 5 {
		c := dial(t, addr)
		c.want("", "220")
		c.login()
	}
	dial(t, addr).want("", "220")
	dial(t, addr).want("", "421 4.7.0")
	if n := s.Open(); n != 6 {
		t.Errorf("open = %d, want 6", n)
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(new(memory), Options{MaxMessage: -1}); err == nil {
		t.Error("negative limit was taken")
	}
	s, err := New(new(memory), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l, Submissions); err == nil {
		t.Error("Submissions without TLS was served")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown of an idle server: %v", err)
	}
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l, Relay); err != nil {
		t.Errorf("Serve after Shutdown: %v, want nil at once", err)
	}
}

func TestProtocolNames(t *testing.T) {
	serverTLS, clientTLS := testConfigs(t)
	m := new(memory)
	_, addr := serve(t, m, Submissions, Options{TLS: serverTLS})
	c := dial(t, addr)
	tc := tls.Client(c.conn, clientTLS)
	c.conn, c.in = tc, &lineReader{r: tc}
	c.want("", "220")
	c.login()
	for _, param := range []string{"", " SMTPUTF8"} {
		c.want("MAIL FROM:<"+ourLogin+">"+param, "250")
		c.want("RCPT TO:<a@tinh.example>", "250")
		c.want("DATA", "354")
		c.want("x\r\n.", "250")
	}
	got := m.got()
	if a, b := got[0].origin, got[1].origin; a.Protocol != "ESMTPSA" || b.Protocol != "UTF8SMTPSA" || a.Account != 7 || len(a.Session) != 12 || !a.Remote.IsValid() {
		t.Errorf("origins = %+v, %+v", a, b)
	}
	if !got[1].env.UTF8 || got[0].env.UTF8 {
		t.Errorf("utf8 = %v, %v", got[0].env.UTF8, got[1].env.UTF8)
	}
}
