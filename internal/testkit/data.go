package testkit

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

// Province is a configuration and a filled data folder for the real program.
type Province struct {
	Config    *config.Config
	File      string // the configuration file
	Passwords map[string]string
}

// MakeProvince writes a configuration with free ports and a data folder with
// the units, accounts and groups of a test province. Nothing serves it yet.
func MakeProvince(t testing.TB, communes int) *Province {
	t.Helper()
	dir := t.TempDir()
	base := FreePortBase(t)
	at := func(port int) config.Listen { return config.Listen("127.0.0.1:" + strconv.Itoa(base+port)) }
	cfg := config.Default()
	cfg.DataDir = filepath.Join(dir, "data")
	cfg.Domains = Domains(communes)
	cfg.Server = config.Server{Hostname: "mail." + Domain, Organisation: "Tỉnh thử nghiệm"}
	cfg.SMTP.Relay, cfg.SMTP.Submission, cfg.SMTP.Submissions = at(25), at(587), at(465)
	cfg.IMAP.IMAP, cfg.IMAP.IMAPS, cfg.HTTP.HTTP, cfg.HTTP.HTTPS = at(143), at(993), at(80), ""
	cfg.Limits.ConnectionsPerAddress, cfg.IMAP.SessionsPerAccount = 10_000, 1000
	cfg.Limits.MinFree = 0
	cfg.Limits.MessagesPerHour, cfg.Limits.RecipientsPerHour, cfg.Limits.RecipientsPerDay = 0, 0, 0
	cfg.Limits.ClerkMessagesPerHour, cfg.Limits.ClerkRecipientsPerHour, cfg.Limits.ClerkRecipientsPerDay = 0, 0, 0
	cfg.Documents.TrackingInterval = config.Duration(time.Second)
	p := &Province{Config: cfg, File: filepath.Join(dir, "vanthu.toml")}
	if err := os.WriteFile(p.File, config.Format(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	sqldbtest.Fill(t, cfg.DataDir)
	rooms, err := app.Open(t.Context(), cfg, app.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	err = rooms.EnsureDomains(t.Context())
	if err == nil {
		p.Passwords, err = makeProvince(t.Context(), rooms.Control(), communes)
	}
	if err := errors.Join(err, rooms.Close()); err != nil {
		t.Fatal(err)
	}
	return p
}

// View reads the data in one snapshot, whether a server has them open, has
// been stopped, or was killed.
func (p *Province) View(t testing.TB, fn func(ctx context.Context, r sqldb.Reader) error) {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: p.Config.DataDir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, func(r sqldb.Reader) error { return fn(ctx, r) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TLS trusts the authority that the server made at its first start.
func (p *Province) TLS() (*tls.Config, error) { return trust(app.AuthorityFile(p.Config)) }
