package smtpd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// memory is a Backend that keeps messages in memory. Its world: the domain tinh.example is ours; the account vanthu@tinh.example has
// the password "mật khẩu 1" and may send as itself; the recipients khongco@, day@, hong@, cam@ and loi@ fail with one kind of fault each.
type memory struct {
	revoked  atomic.Bool // logins hold no longer
	mu       sync.Mutex
	messages []message
	begun    int
	aborted  int
	tries    int

	commitErr error
	writeErr  error
	hold      chan struct{} // when set, Commit waits for it
	abortFn   func()
}

type message struct {
	origin Origin
	env    mail.Envelope
	body   string
}

const (
	ourDomain   = "tinh.example"
	ourLogin    = "vanthu@tinh.example"
	ourPassword = "mật khẩu 1"
)

func (m *memory) Authenticate(_ context.Context, login Login, password Password, _ netip.Addr) (Access, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	switch {
	case login == "bikhoa@tinh.example":
		return Access{}, fault.New(fault.Exhausted, fault.Text{EN: "too many failed logins, wait a moment"})
	case login != ourLogin || password != ourPassword:
		return Access{}, fault.New(fault.Denied, fault.Text{EN: "unknown account or wrong password"})
	}
	return Access{Account: 7, Holds: func() bool { return !m.revoked.Load() }}, nil
}

func (m *memory) CheckSender(_ context.Context, o Origin, from mail.Path) error {
	if o.Account != 0 && from.Key() != ourLogin {
		return fault.New(fault.Denied, fault.Text{EN: "not your address", VI: "không phải địa chỉ của bạn"})
	}
	if o.Account == 0 && o.Protocol != "LMTP" && from.Domain == ourDomain {
		return fault.New(fault.Denied, fault.Text{EN: "our senders log in first"})
	}
	if from.Local == "panic" {
		panic("in CheckSender")
	}
	return nil
}

func (m *memory) CheckRecipient(_ context.Context, o Origin, _ mail.Path, to mail.Address) error {
	if to.Domain != ourDomain {
		if o.Account != 0 {
			return nil
		}
		return fault.New(fault.Denied, fault.Text{EN: "relaying denied"})
	}
	switch to.Local {
	case "khongco":
		return fmt.Errorf("look up: %w", fault.New(fault.NotFound, fault.Text{EN: "no such address: khongco@tinh.example", VI: "không có địa chỉ này"}))
	case "day":
		return fault.New(fault.Exhausted, fault.Text{EN: "mailbox is full"})
	case "hong":
		return errors.New("disk /var/lib/secret: input/output error")
	case "panic":
		panic("in CheckRecipient")
	}
	return nil
}

func (m *memory) Begin(_ context.Context, o Origin, env mail.Envelope) (Incoming, error) {
	if env.From.Local == "batdau" {
		return nil, fault.New(fault.Exhausted, fault.Text{EN: "disk is nearly full"})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun++
	return &incoming{m: m, msg: message{origin: o, env: env}}, nil
}

type incoming struct {
	m    *memory
	msg  message
	body bytes.Buffer
	done bool
}

func (i *incoming) Write(p []byte) (int, error) {
	if i.m.writeErr != nil {
		return 0, i.m.writeErr
	}
	return i.body.Write(p)
}

func (i *incoming) Commit(context.Context) (QueueID, error) {
	if i.m.hold != nil {
		<-i.m.hold
	}
	i.end()
	if i.m.commitErr != nil {
		return "", i.m.commitErr
	}
	i.m.mu.Lock()
	defer i.m.mu.Unlock()
	i.msg.body = i.body.String()
	i.m.messages = append(i.m.messages, i.msg)
	return QueueID(fmt.Sprintf("Q%d", len(i.m.messages))), nil
}

func (i *incoming) Abort() {
	i.end()
	i.m.mu.Lock()
	i.m.aborted++
	i.m.mu.Unlock()
	if i.m.abortFn != nil {
		i.m.abortFn()
	}
}

func (i *incoming) end() {
	if i.done {
		panic("Incoming used after its end")
	}
	i.done = true
}

// got returns the messages taken so far.
func (m *memory) got() []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]message(nil), m.messages...)
}

// open returns how many messages were begun and neither committed nor aborted.
func (m *memory) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begun - m.aborted - len(m.messages)
}

// serve runs a Server for m on a loopback port until the test ends, and returns it with its address.
func serve(t testing.TB, m *memory, svc Service, opt Options) (*Server, string) {
	t.Helper()
	if opt.Hostname == "" {
		opt.Hostname, opt.Domain = "mx.tinh.example", ourDomain
	}
	if opt.GreetDelay == 0 {
		opt.GreetDelay = time.Millisecond
	}
	s, err := New(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, svc) }()
	t.Cleanup(func() {
		now, stop := context.WithCancel(context.Background())
		stop()
		_ = s.Shutdown(now) // kills what a test left open
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := s.Stats().Panics.Load(); n > 0 && !strings.Contains(t.Name(), "Panic") {
			t.Errorf("panics = %d", n)
		}
	})
	return s, l.Addr().String()
}

// testConfigs returns TLS configurations for a server called "localhost" and a client that trusts it.
func testConfigs(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	client = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"}
	return server, client
}

// client is a connection to a Server in a test.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *lineReader
}

type lineReader struct {
	r   io.Reader
	buf []byte
	err error // of the last read
}

// slow tells whether the last read gave up because nothing came.
func (l *lineReader) slow() bool {
	var ne net.Error
	return errors.As(l.err, &ne) && ne.Timeout()
}

// next returns the next line without CRLF; "" and false at the end of the connection.
func (l *lineReader) next() (string, bool) {
	for {
		if i := bytes.IndexByte(l.buf, '\n'); i >= 0 {
			line := strings.TrimSuffix(string(l.buf[:i]), "\r")
			l.buf = l.buf[i+1:]
			return line, true
		}
		p := make([]byte, 4096)
		n, err := l.r.Read(p)
		l.buf = append(l.buf, p[:n]...)
		if n == 0 && err != nil {
			l.err = err
			return "", false
		}
	}
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t: t, conn: c, in: &lineReader{r: c}}
}

// send writes s as it is.
func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Logf("send: %v", err) // the server may have closed, which shows in what is read
	}
}

// reply reads one whole reply; "" when the connection is closed.
func (c *client) reply() string {
	c.t.Helper()
	var all []string
	for {
		line, ok := c.in.next()
		if !ok {
			return strings.Join(all, "\n")
		}
		all = append(all, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(all, "\n")
		}
	}
}

// ask sends a command and returns its reply.
func (c *client) ask(line string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.reply()
}

// want sends a command (or nothing when it is "") and fails the test unless the reply begins with code.
func (c *client) want(line, code string) {
	c.t.Helper()
	var got string
	if line == "" {
		got = c.reply()
	} else {
		got = c.ask(line)
	}
	if !strings.HasPrefix(got, code) || code == "" && got != "" {
		c.t.Errorf("%.80q: got reply %q, want %q", line, got, code)
	}
}

// wantClosed fails the test unless the server closes without another word.
func (c *client) wantClosed() {
	c.t.Helper()
	if got := c.reply(); got != "" || c.in.slow() {
		c.t.Errorf("got %q, open %v, want the connection closed", got, c.in.slow())
	}
}

// mailTo opens a transaction from an outside sender up to DATA.
func (c *client) mailTo(rcpt string) {
	c.t.Helper()
	c.want("MAIL FROM:<a@out.example>", "250")
	c.want("RCPT TO:<"+rcpt+">", "250")
}
