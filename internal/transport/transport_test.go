package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"vanthu/internal/delivery"
	"vanthu/internal/mail"
	"vanthu/internal/queue"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
	"vanthu/internal/transport"
)

const message = "Subject: x\r\n\r\n.dot\r\nend\r\n"

// peer is another mail server that obeys a script.
type server struct {
	addr *net.TCPAddr

	mu   sync.Mutex
	got  []string // "from>to,to: body"
	rcpt func(to string) error
	data func() error

	conns atomic.Int64 // connections so far
}

func startPeer(t *testing.T) *server {
	t.Helper()
	p := &server{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().(*net.TCPAddr)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		p.conns.Add(1)
		return &peerSession{p: p}, nil
	}))
	s.Domain, s.EnableSMTPUTF8 = "peer.test", true
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

func (p *server) route() transport.Route {
	return transport.Route{Domain: "peer.test", Host: "127.0.0.1", Port: p.addr.Port, Mode: transport.TLSNone}
}

func (p *server) messages() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

type peerSession struct {
	p    *server
	from string
	to   []string
}

func (s *peerSession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *peerSession) Reset()                                      { s.from, s.to = "", nil }
func (s *peerSession) Logout() error                               { return nil }

func (s *peerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.p.rcpt != nil {
		if err := s.p.rcpt(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *peerSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.p.data != nil {
		if err := s.p.data(); err != nil {
			return err
		}
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.got = append(s.p.got, s.from+">"+strings.Join(s.to, ",")+": "+string(b))
	return nil
}

// bodies gives every queued message the same octets.
type bodies struct{}

func (bodies) OpenMessage(context.Context, queue.MessageRef) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(message)), int64(len(message)), nil
}

// reports collects what senders would be told.
type reports struct {
	mu  sync.Mutex
	all []delivery.Report
}

// Report notes the report before the transaction that it belongs to is
// committed: who sees the item settled finds it here.
func (r *reports) Report(_ context.Context, _ *sqldb.Tx, f delivery.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
	return nil
}

func (r *reports) list() []delivery.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery.Report(nil), r.all...)
}

type world struct {
	db      *sqldb.DB
	queue   *queue.Queue
	reports *reports
}

// run starts a runner that ends with the test.
func run(t *testing.T, routes ...transport.Route) *world {
	t.Helper()
	w := &world{db: sqldbtest.Open(t), reports: &reports{}}
	w.queue = queue.New(w.db, queue.Options{Schedule: []time.Duration{50 * time.Millisecond}, Lifetime: 2 * time.Second})
	r := transport.New(w.db, w.queue, bodies{}, w.reports, transport.Options{Hostname: "mail.p.test", Routes: routes, Timeout: 5 * time.Second})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) enqueue(t *testing.T, from string, to ...string) {
	t.Helper()
	sender := mail.Path{Null: from == ""}
	parse := func(s string) mail.Address {
		a, err := mail.ParseAddress(s, true)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if from != "" {
		sender.Address = parse(from)
	}
	var rcpts []mail.Recipient
	for _, r := range to {
		rcpts = append(rcpts, mail.Recipient{Addr: parse(r)})
	}
	if err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		return w.queue.Enqueue(t.Context(), tx, "Q1", 1, mail.Envelope{From: sender}, rcpts)
	}); err != nil {
		t.Fatal(err)
	}
}

// settled waits until no item is left and returns all by recipient.
func (w *world) settled(t *testing.T) map[string]queue.Item {
	t.Helper()
	for range 1000 {
		left, err := w.queue.List(t.Context(), queue.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			all, err := w.queue.List(t.Context(), queue.Filter{All: true})
			if err != nil {
				t.Fatal(err)
			}
			by := map[string]queue.Item{}
			for _, it := range all {
				by[it.Rcpt.String()] = it
			}
			return by
		}
		time.Sleep(10 * time.Millisecond) // the runner works on real sockets
	}
	t.Fatal("the queue never emptied")
	return nil
}

func TestOneTransactionForAllRecipientsBehindARoute(t *testing.T) {
	p := startPeer(t)
	w := run(t, p.route())
	w.enqueue(t, "van.thu@p.test", "a@peer.test", `"b c"@peer.test`)
	for rcpt, it := range w.settled(t) {
		if it.State != queue.Done {
			t.Errorf("%s: %s (%s)", rcpt, it.State, it.LastText)
		}
	}
	got := p.messages()
	if len(got) != 1 || !strings.HasSuffix(got[0], ": "+message) {
		t.Fatalf("the peer got %q, want one message, dots as they were", got)
	}
	if len(w.reports.list()) != 0 {
		t.Errorf("reports: %+v", w.reports.list())
	}
}

func TestRecipientsFailByThemselves(t *testing.T) {
	p := startPeer(t)
	var once sync.Once
	p.rcpt = func(to string) (err error) {
		switch {
		case strings.HasPrefix(to, "no"):
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here"}
		case strings.HasPrefix(to, "later"):
			once.Do(func() { err = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "busy"} })
		}
		return err
	}
	w := run(t, p.route())
	w.enqueue(t, "vanthu@p.test", "yes@peer.test", "no@peer.test", "later@peer.test")
	by := w.settled(t)
	for rcpt, want := range map[string]queue.State{"yes@peer.test": queue.Done, "no@peer.test": queue.Failed, "later@peer.test": queue.Done} {
		if got := by[rcpt].State; got != want {
			t.Errorf("%s: %s, want %s", rcpt, got, want)
		}
	}
	if by["later@peer.test"].Attempts != 2 || by["yes@peer.test"].Attempts != 1 {
		t.Errorf("attempts: %d and %d, want 2 and 1", by["later@peer.test"].Attempts, by["yes@peer.test"].Attempts)
	}
	if len(w.reports.list()) != 1 || len(w.reports.list()[0].Recipients) != 1 || !strings.Contains(w.reports.list()[0].Recipients[0].Remote, "550 5.1.1 nobody here") {
		t.Errorf("reports: %+v, want one about no@peer.test with the peer's reply", w.reports.list())
	}
}

func TestRefusedAfterDataFailsAll(t *testing.T) {
	p := startPeer(t)
	p.data = func() error {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "not this one"}
	}
	w := run(t, p.route())
	w.enqueue(t, "", "a@peer.test", "b@peer.test")
	for rcpt, it := range w.settled(t) {
		if it.State != queue.Failed || it.LastCode != 554 {
			t.Errorf("%s: %s %d", rcpt, it.State, it.LastCode)
		}
	}
	if len(w.reports.list()) != 0 {
		t.Error("a message with the null reverse-path was reported about")
	}
}

func TestDeadHostExpires(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := run(t, transport.Route{Domain: "*", Host: "127.0.0.1", Port: port, Mode: transport.TLSNone})
	w.enqueue(t, "vanthu@p.test", "a@dead.test")
	it := w.settled(t)["a@dead.test"]
	if it.State != queue.Failed || it.Attempts < 2 {
		t.Errorf("item %s after %d attempts, want failed after several", it.State, it.Attempts)
	}
	if len(w.reports.list()) != 1 || w.reports.list()[0].Recipients[0].Status != "4.4.7" {
		t.Errorf("reports: %+v, want one with status 4.4.7", w.reports.list())
	}
}

func TestRouteGoneFails(t *testing.T) {
	w := run(t)
	w.enqueue(t, "vanthu@p.test", "a@gone.test")
	if it := w.settled(t)["a@gone.test"]; it.State != queue.Failed || it.LastCode != 550 {
		t.Errorf("item %s %d, want failed 550", it.State, it.LastCode)
	}
}

// A route that wants TLS must not fall back to clear text.
func TestNoTLSNoMail(t *testing.T) {
	p := startPeer(t) // offers no STARTTLS
	rt := p.route()
	rt.Mode, rt.TLS = transport.TLSStart, &tls.Config{MinVersion: tls.VersionTLS12}
	w := run(t, rt)
	w.enqueue(t, "vanthu@p.test", "a@peer.test")
	if it := w.settled(t)["a@peer.test"]; it.State != queue.Failed {
		t.Errorf("item %s, want failed", it.State)
	}
	if got := p.messages(); len(got) != 0 {
		t.Errorf("the peer got %q in clear text", got)
	}
}

func TestMostSpecificRoute(t *testing.T) {
	r := transport.New(nil, nil, nil, nil, transport.Options{Routes: []transport.Route{{Domain: ".gov.test", Host: "h1"}, {Domain: "bo.gov.test", Host: "h2"}}})
	for domain, want := range map[string]bool{"bo.gov.test": true, "x.gov.test": true, "gov.test": false, "notgov.test": false} {
		if got := r.HasRoute(domain); got != want {
			t.Errorf("HasRoute(%s) = %v, want %v", domain, got, want)
		}
	}
}
