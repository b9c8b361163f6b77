package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/fault"
)

// demoMark is the file by which a folder is known as a training province that
// this command made, and may be made anew.
const demoMark = "training-province"

// demoPorts are what is added to the port base.
const (
	portRelay       = 25
	portSubmission  = 587
	portSubmissions = 465
	portLMTP        = 24
	portIMAP        = 143
	portIMAPS       = 993
	portHTTP        = 80
	portHTTPS       = 443
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	dir   string
	base  int
	any   bool
	once  bool
	bench bool
	peer  bool
	lang  string
}

func (c *cli) demoCmd() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A training province on this machine, with a story to watch",
		Long: `Makes the training province dienbien.test in a folder, starts every service on
127.0.0.1, plays one official document from its sender to 45 communes over real
SMTP and IMAP, checks each step, and goes on serving until Ctrl-C. The folder has
demo.json with all addresses, accounts and passwords.`,
		Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			if o.lang != "vi" && o.lang != "en" {
				return fault.Newf(fault.Invalid, "--lang is vi or en, not %q", o.lang)
			}
			if o.bench && !cmd.Flags().Changed("port-base") {
				o.base = 4000
			}
			if o.bench && o.peer {
				return fault.Newf(fault.Invalid, "--bench and --peer do not go together")
			}
			return c.demo(cmd.Context(), o)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "`folder` for the province; made new, or one that a demo made")
	f.IntVar(&o.base, "port-base", 2000, "`number` added to the usual ports")
	f.BoolVar(&o.any, "any-ports", false, "when a port is taken, try other port bases instead of giving up")
	f.BoolVar(&o.once, "once", false, "stop after the story; exit code 0 only when every step came true")
	f.BoolVar(&o.bench, "bench", false, "no story: 500 accounts u1@bench.test … (password: pass) for the benchmark, on ports 4000 and up")
	f.BoolVar(&o.peer, "peer", false, "also a second province on a server of its own, in DIR/peer and on ports 10000 higher; a document goes across")
	f.StringVar(&o.lang, "lang", "vi", "`language` of the story: vi or en")
	must(cmd.MarkFlagRequired("dir"))
	return cmd
}

func (c *cli) demo(ctx context.Context, o demoOptions) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	if err := o.portsFree(ctx, o.base); err != nil {
		if o.base = o.freeBase(ctx); o.base == 0 || !o.any {
			return err
		}
	}
	if err := prepareDemoDir(dir); err != nil {
		return err
	}
	cfg, err := demoConfig(o, func(*config.Config) {})
	if err != nil {
		return err
	}
	opt := app.Options{Version: version, Reader: fileReader, Log: c.demoLog(dir)}
	if o.bench {
		opt.MinPassword = 4
	}
	return serve(ctx, cfg, opt, func(ctx context.Context, s *app.Server, rooms *app.Rooms) error {
		d := &demo{cli: c, opt: o, cfg: cfg, rooms: rooms, addr: s.Addresses(), say: story{out: c.out, en: o.lang == "en"}}
		switch {
		case o.bench:
			return d.bench(ctx)
		case o.peer:
			return c.serveNeighbour(ctx, o, func(ctx context.Context, n *neighbour) error {
				d.neighbour = n
				return d.play(ctx)
			})
		}
		return d.play(ctx)
	})
}

// portsFree names the first port that is taken, of both servers.
func (o demoOptions) portsFree(ctx context.Context, base int) error {
	err := demoPortsFree(ctx, base)
	if err == nil && o.peer {
		err = demoPortsFree(ctx, base+peerPorts)
	}
	return err
}

// demoLog keeps the log out of the story: it goes to a file.
func (c *cli) demoLog(dir string) *slog.Logger {
	f, err := os.OpenFile(filepath.Join(dir, "vanthu.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return c.logger(slog.LevelWarn, "text")
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// demoPortsFree names the first port that is taken, before anything is made.
func demoPortsFree(ctx context.Context, base int) error {
	for _, p := range []int{portRelay, portSubmission, portSubmissions, portLMTP, portIMAP, portIMAPS, portHTTP, portHTTPS} {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", loopback(base+p))
		if err != nil {
			return fault.Wrap(fault.Conflict, err, fault.Text{
				EN: fmt.Sprintf("port %d is taken by another program: stop that, or choose another --port-base", base+p),
				VI: fmt.Sprintf("cổng %d đang được chương trình khác dùng: hãy tắt chương trình đó hoặc chọn --port-base khác", base+p),
			})
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// freeBase finds a port base without a taken port, 0 when there is none.
func (o demoOptions) freeBase(ctx context.Context) int {
	most := 60_000
	if o.peer {
		most -= peerPorts
	}
	for next := 2_000; next < most; next += 10_000 {
		if o.portsFree(ctx, next) == nil {
			return next
		}
	}
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// prepareDemoDir empties a folder that a demo made before, and refuses any
// other that holds something.
func prepareDemoDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil {
			return fault.New(fault.Conflict, fault.Text{
				EN: dir + " holds something that the demo did not make: choose another --dir",
				VI: dir + " có dữ liệu không do chương trình đào tạo tạo ra: hãy chọn --dir khác",
			})
		}
		for _, e := range entries {
			if e.Name() == demoMark { // last, so that a stop in between can be made good
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, demoMark), []byte("made by vanthu demo; may be removed at any time\n"), 0o600)
}

// demoConfig writes the configuration into the folder and reads it as every
// other command will.
func demoConfig(o demoOptions, change func(*config.Config)) (*config.Config, error) {
	cfg := config.Default()
	cfg.DataDir = filepath.Join(o.dir, "data")
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, err
	}
	cfg.Domains = demoDomains()
	cfg.Server = config.Server{Hostname: "mail.dienbien.test", Organisation: "Tỉnh Điện Biên (đào tạo)"}
	if o.bench {
		cfg.Domains = []config.Domain{"bench.test"}
		cfg.Documents.Digest = "off"
		cfg.Server = config.Server{Hostname: "mail.bench.test", Organisation: "bench.test"}
	}
	at := func(port int) config.Listen { return config.Listen(loopback(o.base + port)) }
	cfg.SMTP.Relay, cfg.SMTP.Submission, cfg.SMTP.Submissions, cfg.SMTP.LMTP = at(portRelay), at(portSubmission), at(portSubmissions), at(portLMTP)
	cfg.IMAP.IMAP, cfg.IMAP.IMAPS = at(portIMAP), at(portIMAPS)
	cfg.HTTP.HTTP, cfg.HTTP.HTTPS = at(portHTTP), at(portHTTPS)
	cfg.HTTP.PublicNames = []config.Host{"127.0.0.1", "localhost"}
	// All clients are on this machine: limits by address would bite them all.
	cfg.Limits.ConnectionsPerAddress, cfg.SMTP.RelayConnectionsPerAddress = 10_000, 10_000
	cfg.IMAP.SessionsPerAccount, cfg.Limits.WebConnectionsPerAddress = 1000, 10_000
	if o.bench {
		cfg.Limits.MessagesPerHour, cfg.Limits.RecipientsPerHour, cfg.Limits.RecipientsPerDay = 0, 0, 0
		cfg.Limits.ClerkMessagesPerHour, cfg.Limits.ClerkRecipientsPerHour, cfg.Limits.ClerkRecipientsPerDay = 0, 0, 0
	}
	cfg.Documents.TrackingInterval = config.Duration(time.Second)
	cfg.Limits.MinFree = 0
	change(cfg)
	file := filepath.Join(o.dir, "vanthu.toml")
	if err := os.WriteFile(file, config.Format(cfg), 0o600); err != nil {
		return nil, err
	}
	return config.Load(file, nil)
}

// demoAccount is one account in demo.json.
type demoAccount struct {
	Login    string   `json:"login"`
	Password string   `json:"password"`
	Unit     string   `json:"unit"`
	Roles    []string `json:"roles"`
	Name     string   `json:"name"`
}

// demoFile is demo.json: where everything is. Its fields are a fixed surface.
type demoFile struct {
	PID         int           `json:"pid"`
	SMTP        string        `json:"smtp"`
	Submission  string        `json:"submission"`
	Submissions string        `json:"submissions"`
	LMTP        string        `json:"lmtp"`
	IMAP        string        `json:"imap"`
	IMAPS       string        `json:"imaps"`
	HTTP        string        `json:"http"`
	HTTPS       string        `json:"https"`
	CA          string        `json:"ca"`
	Config      string        `json:"config"`
	Accounts    []demoAccount `json:"accounts"`
}

// write puts demo.json into the folder, whole or not at all.
func (f *demoFile) write(dir string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, ".demo.json")
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "demo.json"))
}

// file describes the running demo.
func (d *demo) file() *demoFile {
	return &demoFile{
		PID: os.Getpid(), SMTP: d.addr.Relay, Submission: d.addr.Submission, Submissions: d.addr.Submissions,
		LMTP: d.addr.LMTP, IMAP: d.addr.IMAP, IMAPS: d.addr.IMAPS, HTTP: d.addr.HTTP, HTTPS: d.addr.HTTPS,
		CA: app.AuthorityFile(d.cfg), Config: filepath.Join(d.opt.dir, "vanthu.toml"), Accounts: d.accounts,
	}
}
