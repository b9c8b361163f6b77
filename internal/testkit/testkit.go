// Package testkit runs whole servers for tests: in this process on a small
// province ([Start]), or as the real binary ([Build], [StartBinary]). It speaks
// SMTP and IMAP to them with clients that know nothing of the server's own code.
//
// A server that a test started is stopped and verified when the test ends:
// journal, registers and mail must be intact, and the log must not hold a
// single error.
package testkit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/app"
	"vanthu/internal/blob"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// Options says what province a server has; the zero value is one with the
// units ubnd, soyte, xa01 and xa02.
type Options struct {
	Communes         int           // 0 means 2
	TrackingInterval time.Duration // 0 means 50 ms

	Now func() time.Time // the server's clock; nil means the machine's

	Change func(*config.Config) // what else is to be set, before the server starts; nil means nothing
}

// Server is a whole server in this process. Its fields are for reading.
type Server struct {
	Config *config.Config
	Rooms  *app.Rooms
	Addr   app.Addresses
	TLS    *tls.Config // trusts the server's own authority

	now       func() time.Time
	passwords map[string]string
	log       *logBuffer
	stop      func() error
}

// Start makes a province in a temporary folder and serves it until the test
// ends. Then the server is stopped and everything it stored is verified.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	if opt.Communes == 0 {
		opt.Communes = 2
	}
	if opt.TrackingInterval == 0 {
		opt.TrackingInterval = 50 * time.Millisecond
	}
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.Domains = Domains(opt.Communes)
	cfg.Server = config.Server{Hostname: "mail." + Domain, Organisation: "Tỉnh thử nghiệm"}
	const free = config.Listen("127.0.0.1:0") // the system chooses
	cfg.SMTP.Relay, cfg.SMTP.Submission, cfg.SMTP.Submissions, cfg.SMTP.LMTP = free, free, free, free
	cfg.IMAP.IMAP, cfg.IMAP.IMAPS, cfg.HTTP.HTTP, cfg.HTTP.HTTPS = free, free, free, free
	// All clients of a test come from one address.
	cfg.Limits.ConnectionsPerAddress, cfg.SMTP.RelayConnectionsPerAddress, cfg.IMAP.SessionsPerAccount = 10_000, 10_000, 1000
	cfg.Limits.MinFree = 0
	cfg.Limits.WebConnectionsPerAddress = 10_000
	cfg.Limits.MessagesPerHour, cfg.Limits.RecipientsPerHour, cfg.Limits.RecipientsPerDay = 0, 0, 0
	cfg.Limits.ClerkMessagesPerHour, cfg.Limits.ClerkRecipientsPerHour, cfg.Limits.ClerkRecipientsPerDay = 0, 0, 0
	cfg.Documents.TrackingInterval = config.Duration(opt.TrackingInterval)
	cfg.Documents.Digest = "off" // a test must not depend on the time of day
	if opt.Change != nil {
		opt.Change(cfg)
	}

	sqldbtest.Fill(t, cfg.DataDir)
	s := &Server{Config: cfg, now: opt.Now, log: &logBuffer{}}
	s.serve(t)
	t.Cleanup(func() {
		s.Stop(t)
		s.verify(t)
	})
	made, err := makeProvince(context.Background(), s.Rooms.Control(), opt.Communes)
	if err != nil {
		t.Fatalf("make the province: %v", err)
	}
	s.passwords = made
	return s
}

// serve opens the data and starts all services.
func (s *Server) serve(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	rooms, err := app.Open(ctx, s.Config, app.Options{
		Version: "test", Now: s.now, Log: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatalf("open the data: %v", err)
	}
	err = rooms.EnsureDomains(ctx)
	var srv *app.Server
	if err == nil {
		srv, err = app.NewServer(ctx, rooms)
	}
	if err == nil {
		s.TLS, err = trust(app.AuthorityFile(s.Config))
	}
	if err != nil {
		t.Fatalf("start the server: %v", errors.Join(err, rooms.Close()))
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(running) }()
	s.Rooms, s.Addr = rooms, srv.Addresses()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, rooms.Close())
	})
}

// trust makes a TLS configuration that trusts an authority's certificate.
func trust(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}, nil
}

// Stop ends the server in an orderly way. The data stay.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Errorf("stop the server: %v", err)
	}
}

// Restart stops the server and serves the same data again, on other ports.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.serve(t)
}

// Password gives the password of an account of the province.
func (s *Server) Password(login string) string { return s.passwords[login] }

// Sender gives a client that submits mail as an account.
func (s *Server) Sender(login string) *Sender {
	return &Sender{Addr: s.Addr.Submission, TLS: s.TLS, Login: login, Password: s.Password(login)}
}

// IMAP opens a session of an account; it is closed when the test ends.
func (s *Server) IMAP(t testing.TB, login string) *IMAP {
	t.Helper()
	c, err := DialIMAPS(s.Addr.IMAPS, s.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have gone first
	if err := c.Login(login, s.Password(login)); err != nil {
		t.Fatal(err)
	}
	return c
}

// View reads the data in one snapshot.
func (s *Server) View(t testing.TB, fn func(ctx context.Context, r sqldb.Reader) error) {
	t.Helper()
	if err := s.Rooms.DB.View(context.Background(), func(r sqldb.Reader) error {
		return fn(context.Background(), r)
	}); err != nil {
		t.Fatal(err)
	}
}

// Count runs a query that gives one number.
func (s *Server) Count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	s.View(t, func(ctx context.Context, r sqldb.Reader) error {
		return r.QueryRow(ctx, query, args...).Scan(&n)
	})
	return n
}

// verify checks everything that a stopped server has left.
func (s *Server) verify(t testing.TB) {
	t.Helper()
	for _, err := range Verify(context.Background(), s.Config) {
		t.Errorf("the stored data are not intact: %v", err)
	}
	if line := s.log.bad(); line != "" {
		t.Errorf("the log has: %s", line)
	}
	if t.Failed() {
		t.Logf("end of the log:\n%s", s.log.tail())
	}
}

// Verify checks journal, registers and mail in a data folder, which a server
// may have open.
func Verify(ctx context.Context, cfg *config.Config) (wrong []error) {
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: cfg.DataDir, ReadOnly: true})
	if err != nil {
		return []error{err}
	}
	add := func(err error) {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	defer func() { add(db.Close()) }()
	keys, err := app.JournalKey(cfg).Public()
	add(err)
	signed, err := journal.VerifyCheckpoints(app.JournalDir(cfg), keys)
	add(err)
	if w := signed.First; w != nil {
		add(fmt.Errorf("checkpoints: %+v", *w))
	}
	blobs, err := blob.Open(blob.Options{Dir: filepath.Join(cfg.DataDir, app.BlobFolder), ReadOnly: true})
	if err != nil {
		return append(wrong, err)
	}
	add(db.View(ctx, func(r sqldb.Reader) error {
		j, err := journal.Verify(ctx, r, journal.VerifyOptions{Checkpoints: signed.Checkpoints})
		if j.First != nil {
			err = errors.Join(err, fmt.Errorf("journal: %+v", *j.First))
		}
		d, docErr := docstore.Verify(ctx, r)
		if d.First != nil {
			err = errors.Join(err, fmt.Errorf("documents: %+v", *d.First))
		}
		m, mailErr := mailstore.Verify(ctx, r, blobs, mailstore.VerifyOptions{})
		if m.First != nil {
			err = errors.Join(err, fmt.Errorf("mail: %+v", *m.First))
		}
		return errors.Join(err, docErr, mailErr)
	}))
	return wrong
}

// logBuffer keeps a server's log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// badLine finds what no log of a healthy server holds.
var badLine = regexp.MustCompile(`(?m)^.*(?:level=ERROR|"level":"ERROR"|panic|\bBUG\b).*$`)

func (b *logBuffer) bad() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(badLine.Find(b.buf.Bytes()))
}

func (b *logBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 4096
	text := b.buf.Bytes()
	return string(text[max(0, len(text)-most):])
}
