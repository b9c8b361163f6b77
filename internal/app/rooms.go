// Package app wires all rooms together from the configuration, starts them and
// stops them. It depends on everything; nothing but the binary and the test
// kit may depend on it.
package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/blob"
	"vanthu/internal/control"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/extract"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailauth"
	"vanthu/internal/mailstore"
	"vanthu/internal/queue"
	"vanthu/internal/rules"
	"vanthu/internal/search"
	"vanthu/internal/sqldb"
	"vanthu/internal/transport"
	"vanthu/internal/workflow"
)

// Folders and files inside the data folder.
const (
	BlobFolder    = "blobs" // large bodies
	journalFolder = "journal"
	tlsFolder     = "tls"
	engineFolder  = "engine" // the compiled PDF engine; may be removed at any time
	secretFile    = "secret" // keys the hashes of made passwords
)

// Options tunes the composition; the zero value works.
type Options struct {
	Version string
	Log     *slog.Logger     // nil discards
	Now     func() time.Time // nil means time.Now
	// MinPassword lowers the least length of a given password; 0 keeps the
	// directory's own. Only the benchmark's server lowers it.
	MinPassword int
	// Reader starts a child process that reads foreign files by
	// [extract.Worker]. Nil means that such files are found by name only.
	Reader func(extract.Worker) *exec.Cmd
}

// Rooms is the opened data with everything that works on it, without any
// network: what the command line needs when no server runs, and what the
// server is built on.
type Rooms struct {
	control.Rooms
	Config   *config.Config
	Delivery *delivery.Delivery
	Journal  *journal.Checkpointer
	Files    *extract.Pool // nil when foreign files are not read
	certs    *certificates

	opt Options

	peopleChanged chan struct{} // holds one signal: the directory has changed
}

// Open opens the data folder for writing. It fails when a server, or another
// command, has it open.
func Open(ctx context.Context, cfg *config.Config, opt Options) (_ *Rooms, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &Rooms{Config: cfg, opt: opt, peopleChanged: make(chan struct{}, 1)}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if r.DB, err = sqldb.Open(ctx, sqldb.Options{Dir: cfg.DataDir, Log: opt.Log}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.DB.Close())
		}
	}()
	secret, err := loadSecret(filepath.Join(cfg.DataDir, secretFile))
	if err != nil {
		return nil, err
	}
	if r.Journal, err = openJournal(ctx, r.DB, cfg, opt); err != nil {
		return nil, err
	}
	elsewhere, err := verifier(cfg)
	if err != nil {
		return nil, err
	}
	if r.Directory, err = directory.Open(ctx, r.DB, directory.Options{
		Secret: secret, Verifier: elsewhere, MinPassword: opt.MinPassword, Now: opt.Now, Log: opt.Log,
	}); err != nil {
		return nil, err
	}
	if r.Keys, err = mailauth.Open(ctx, r.DB, mailauth.Options{Secret: secret, Now: opt.Now}); err != nil {
		return nil, err
	}
	blobs, err := blob.Open(blob.Options{Dir: filepath.Join(cfg.DataDir, BlobFolder)})
	if err != nil {
		return nil, err
	}
	mailOptions := mailstore.Options{Quota: r.quota, QuotaMessages: r.quotaMessages, Now: opt.Now, Log: opt.Log}
	if r.Files = filePool(cfg, opt); r.Files != nil {
		mailOptions.Extract = attachmentText{r.Files}
	}
	if r.Mail, err = mailstore.Open(ctx, r.DB, blobs, mailOptions); err != nil {
		return nil, err
	}
	r.Directory.OnTurn(r.Mail.WakeAll)
	r.Directory.OnChange(func() {
		select {
		case r.peopleChanged <- struct{}{}:
		default: // a signal waits already
		}
	})
	calendar, err := cfg.Documents.Calendar()
	if err != nil {
		return nil, fmt.Errorf("the working time: %w", err)
	}
	r.Documents = docstore.New(docstore.Options{Now: opt.Now, Calendar: calendar, News: newsLimits(cfg)})
	if _, err := r.Documents.IndexOld(ctx, r.DB); err != nil {
		return nil, err
	}
	if r.Search, err = search.New(r.DB, r.Directory, r.Mail, search.Options{Now: opt.Now, Log: opt.Log}); err != nil {
		return nil, err
	}
	if r.Rules, err = rules.Open(ctx, r.DB, rules.Options{
		Now:        opt.Now,
		MayForward: func(o rules.Owner, to mail.Address) error { return r.Delivery.MayForward(mailstore.Owner(o), to) },
	}); err != nil {
		return nil, err
	}
	r.Queue = queue.New(r.DB, queue.Options{
		Schedule: durations(cfg.Queue.Retry), Jitter: 0.1, Lifetime: cfg.Queue.Expiry.Std(), Now: opt.Now,
	})
	if err := r.openPeers(ctx); err != nil {
		return nil, err
	}
	return r, r.connect()
}

// connect makes the rooms that stand on several stores.
func (r *Rooms) connect() error {
	cfg, opt := r.Config, r.opt
	routes, err := routes(cfg.Routes, opt.Now)
	if err != nil {
		return err
	}
	dedupe := cfg.Delivery.DedupeWindow.Std()
	if dedupe == 0 { // off, as the configuration says it
		dedupe = -1
	}
	if r.EdXML, err = r.edxml(); err != nil {
		return err
	}
	r.Delivery = delivery.New(delivery.Stores{
		DB: r.DB, Directory: r.Directory, Mail: r.Mail, Documents: r.Documents, Queue: r.Queue, Rules: r.Rules,
	}, delivery.Options{
		Hostname: Hostname(cfg), DedupeWindow: dedupe, Now: opt.Now, Log: opt.Log,
		Screen:      r.screen(),
		HasRoute:    func(domain string) bool { return r.Transport.HasRoute(domain) },
		RouteUnits:  func(domain string) []string { return r.Transport.RouteUnits(domain) },
		Peers:       r.Peers,
		Axis:        r.EdXML,
		ConsultDays: cfg.Documents.ConsultDays,
		Issued: func(ctx context.Context, tx *sqldb.Tx, doc docstore.Issued) error {
			return r.Workflow.Issued(ctx, tx, doc)
		},
		Replied: func(ctx context.Context, tx *sqldb.Tx, m docstore.Replied) error {
			return r.Workflow.Replied(ctx, tx, m)
		},
		Reported: func(ctx context.Context, tx *sqldb.Tx, rep docstore.Reported) error {
			return r.Workflow.Reported(ctx, tx, rep)
		},
		Room:       (&diskRoom{dir: cfg.DataDir, least: int64(cfg.Limits.MinFree), now: opt.Now}).check,
		RawHeaders: cfg.SMTP.RawHeaders,
		LookUp: func(ctx context.Context, q delivery.LookUp) (string, error) {
			return r.Search.Answer(ctx, q.Account, q.Unit, q.Query)
		},
		Reads: func(f extract.File) bool { return r.Files != nil && f.Reads() },
		Rate: delivery.Rate{
			MessagesPerHour: cfg.Limits.MessagesPerHour, RecipientsPerHour: cfg.Limits.RecipientsPerHour,
			RecipientsPerDay: cfg.Limits.RecipientsPerDay,
		},
		ClerkRate: delivery.Rate{
			MessagesPerHour: cfg.Limits.ClerkMessagesPerHour, RecipientsPerHour: cfg.Limits.ClerkRecipientsPerHour,
			RecipientsPerDay: cfg.Limits.ClerkRecipientsPerDay,
		},
	})
	r.Quarantine = r.Delivery
	resolver := transport.SystemResolver()
	if cfg.Queue.Resolver != "" {
		resolver = transport.NewResolver(cfg.Queue.Resolver)
	}
	r.Transport = transport.New(r.DB, r.Queue, messages{r.Mail}, r.Delivery, transport.Options{
		Hostname: Hostname(cfg), Routes: routes, Peers: r.Peers, Certificate: r.certificate, Documents: r.Documents,
		Workers: cfg.Queue.Workers, PerDestination: cfg.Queue.PerDestination, Resolver: resolver, Now: opt.Now, Log: opt.Log,
	})
	signs, err := receipts(cfg)
	if err != nil {
		return err
	}
	r.Workflow, err = workflow.New(r.DB, r.Directory, r.Mail, r.Documents, workflow.Options{
		Receipts: signs, Digest: digestAt(cfg), UrgentLimit: cfg.Documents.UrgentLimit.Std(), DayBefore: r.Documents.UsualCalendar().SoonFrom,
		TrackingInterval: cfg.Documents.TrackingInterval.Std(), Peers: r.Delivery, Now: opt.Now, Log: opt.Log,
		Silence: docstore.Silence(cfg.Documents.ConsultSilence), OpinionFiles: opinionFiles,
		Queue: withdrawer{r.Queue, r.EdXML}, Keep: r.keeps, Issuer: issuer{r.Delivery},
		Reads: func(f extract.File) bool { return r.Files != nil && f.Reads() },
	})
	return err
}

// Close closes the data.
func (r *Rooms) Close() error {
	var err error
	if r.Files != nil {
		err = r.Files.Close()
	}
	return errors.Join(err, r.DB.Close())
}

// filePool makes the pool that reads foreign files, nil when there is none.
func filePool(cfg *config.Config, opt Options) *extract.Pool {
	if opt.Reader == nil || !cfg.Extract.Enabled {
		return nil
	}
	cache := filepath.Join(cfg.DataDir, engineFolder)
	return extract.New(extract.Options{
		Command: func(engine bool) *exec.Cmd { return opt.Reader(extract.Worker{Engine: engine, Cache: cache}) },
		Timeout: cfg.Extract.Timeout.Std(), Idle: cfg.Extract.Idle.Std(), Log: opt.Log,
	})
}

// Control answers the command line's calls in this process.
func (r *Rooms) Control() *control.Service {
	return control.NewService(r.Rooms, control.Options{Version: r.opt.Version, Now: r.opt.Now})
}

// quotaMessages gives how many messages an account may have; 0 is no limit.
func (r *Rooms) quotaMessages(o mailstore.Owner) int64 {
	a, _ := r.Directory.Snapshot().Account(o.Account)
	return a.QuotaMessages
}

// quota gives the octets that an owner of mailboxes may use.
func (r *Rooms) quota(o mailstore.Owner) int64 {
	mib := int64(r.Config.Limits.QuotaMiB)
	if o.Account == 0 {
		return 0 // units share what the disk has
	}
	if a, ok := r.Directory.Snapshot().Account(o.Account); ok && a.QuotaMiB > 0 {
		mib = a.QuotaMiB
	}
	return mib << 20
}

// Hostname is this server's name: configured, or "mail." and the first domain.
func Hostname(cfg *config.Config) string {
	if cfg.Server.Hostname != "" || len(cfg.Domains) == 0 {
		return string(cfg.Server.Hostname)
	}
	return "mail." + string(cfg.Domains[0])
}

// JournalKey is the key that signs the journal's checkpoints.
func JournalKey(cfg *config.Config) journal.Key {
	if cfg.Journal.KeyFile != "" {
		return journal.Key{File: cfg.Journal.KeyFile}
	}
	return journal.KeyIn(JournalDir(cfg))
}

// openJournal makes the key and the first checkpoint for an empty journal, and
// otherwise compares the journal with what was signed.
func openJournal(ctx context.Context, db *sqldb.DB, cfg *config.Config, opt Options) (*journal.Checkpointer, error) {
	var entries int64
	if err := db.View(ctx, func(r sqldb.Reader) (err error) {
		entries, _, err = journal.Head(ctx, r)
		return err
	}); err != nil {
		return nil, err
	}
	key := JournalKey(cfg)
	_, err := os.Stat(key.File)
	if errors.Is(err, fs.ErrNotExist) && entries == 0 {
		err = journal.Init(JournalDir(cfg), key, journal.SignerName(Hostname(cfg)), opt.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("the journal's key: %w", err)
	}
	return journal.NewCheckpointer(ctx, db, journal.CheckpointOptions{
		Dir: JournalDir(cfg), Key: key, Every: cfg.Journal.CheckpointInterval.Std(), Now: opt.Now, Log: opt.Log,
	})
}

// JournalDir is where the journal's checkpoints lie.
func JournalDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, journalFolder) }

// AuthorityFile is the certificate of the own authority that clients install,
// whether it is there or not.
func AuthorityFile(cfg *config.Config) string {
	return filepath.Join(cfg.DataDir, tlsFolder, authorityCert)
}

func durations(list []config.Duration) []time.Duration {
	out := make([]time.Duration, len(list))
	for i, d := range list {
		out[i] = d.Std()
	}
	return out
}

// loadSecret reads the server's secret, or makes one of 32 octets.
func loadSecret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
		return key, writeFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("read the server's secret: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) < 32 {
		return nil, fmt.Errorf("the server's secret in %s is damaged: restore it from a backup, made passwords depend on it", path)
	}
	return key, nil
}

// Collect removes stored messages and bodies that nothing holds any more: no
// mailbox, no document, no queue item.
func (r *Rooms) Collect(ctx context.Context, thorough bool) (mailstore.Collected, error) {
	return r.Mail.Collect(ctx, mailstore.CollectOptions{Thorough: thorough, Keep: r.keeps})
}

// forgetEnded drops what is known of mail that left long ago.
func (r *Rooms) forgetEnded(ctx context.Context, now time.Time) {
	keep := r.Config.Queue.Keep.Std()
	if _, err := r.Queue.Prune(ctx, now.Add(-keep)); err != nil && ctx.Err() == nil {
		r.opt.Log.Error("cannot forget ended queue items", "err", err)
	}
	// A peer gives up within days; a month is more than any sender tries.
	if _, err := r.Peers.Forget(ctx, now.Add(-max(keep, 30*24*time.Hour))); err != nil && ctx.Err() == nil {
		r.opt.Log.Error("cannot forget old transfers", "err", err)
	}
}

// keeps tells whether a message without mailbox is still needed.
func (r *Rooms) keeps(ctx context.Context, rd sqldb.Reader, id mailstore.MessageID) (bool, error) {
	used, err := r.Queue.Uses(ctx, rd, queue.MessageRef(id))
	if used || err != nil {
		return used, err
	}
	if used, err = delivery.HoldsMessage(ctx, rd, id); used || err != nil {
		return used, err
	}
	return docstore.Uses(ctx, rd, docstore.MessageRef(id))
}

// EnsureDomains makes the directory answer for every domain of the
// configuration, with keys to sign their mail.
func (r *Rooms) EnsureDomains(ctx context.Context) error {
	for _, d := range r.Config.Domains {
		if r.Directory.Snapshot().IsLocal(string(d)) {
			continue
		}
		if err := r.Directory.AddDomain(ctx, journal.System("config"), directory.Domain(d)); err != nil {
			return fmt.Errorf("add domain %s: %w", d, err)
		}
	}
	return r.ensureKeys(ctx)
}

// trim removes what would grow without end: tombstones and dead parts of the
// text index.
func (r *Rooms) trim(ctx context.Context) error {
	_, err := r.Mail.TrimTombstones(ctx)
	if err == nil {
		_, err = r.Mail.CompactIndex(ctx)
	}
	return err
}
