package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vanthu/config"
	"vanthu/imapd"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/portal"
	"vanthu/internal/wire"
	"vanthu/smtpd"
)

// stopTime is how long sessions may take to end after a stop was asked for.
const stopTime = 30 * time.Second

// Addresses are what the services really listen on, "" for those that are off.
type Addresses struct {
	Relay, Submission, Submissions, LMTP, IMAP, IMAPS, HTTP, HTTPS string
}

// Server is a running set of services over Rooms.
type Server struct {
	rooms   *Rooms
	smtp    *smtpd.Server
	imap    *imapd.Server
	portal  *portal.Portal
	control *control.Server
	addr    Addresses
	serving []func(ctx context.Context) error
	socks   []net.Listener
}

// NewServer opens every listener, so that whatever is in the way (a port in
// use, a broken certificate) is known before anything starts.
func NewServer(ctx context.Context, r *Rooms) (_ *Server, err error) {
	s := &Server{rooms: r}
	defer func() {
		if err != nil {
			for _, l := range s.socks {
				err = errors.Join(err, l.Close())
			}
		}
	}()
	if err := s.makeServices(); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	svc := control.NewService(r.Rooms, control.Options{
		Version: r.opt.Version, Started: r.opt.Now(), Now: r.opt.Now, Counters: s.counters,
	})
	s.control, err = control.Listen(ctx, r.Config.DataDir, svc, r.opt.Log)
	return s, err
}

// Addresses gives what the services listen on.
func (s *Server) Addresses() Addresses { return s.addr }

// Reload takes a renewed certificate into use. A broken one is an error, and
// the one in force stays.
func (s *Server) Reload() error { return s.rooms.certs.reload() }

// certificateNames are all names under which clients may reach the server.
func certificateNames(cfg *config.Config) []string {
	names := []string{Hostname(cfg)}
	for _, d := range cfg.Domains {
		if len(cfg.Domains) <= 20 || d == cfg.Domains[0] { // set-up finds the main domain; the rest would swell every handshake
			names = append(names, "autoconfig."+string(d), "autodiscover."+string(d))
		}
	}
	for _, n := range cfg.HTTP.PublicNames {
		names = append(names, string(n))
	}
	names = append(names, "localhost", "127.0.0.1", "::1")
	slices.Sort(names[1:])
	return slices.Compact(names)
}

func (s *Server) tls() *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.rooms.certs.get}
	if s.rooms.Config.TLS.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	return conf
}

func (s *Server) makeServices() (err error) {
	r, cfg := s.rooms, s.rooms.Config
	clientCAs, err := authorities(cfg.TLS.ClientCAFile)
	if err != nil {
		return err
	}
	imapTLS := s.tls()
	if clientCAs != nil {
		imapTLS.ClientCAs, imapTLS.ClientAuth = clientCAs, tls.VerifyClientCertIfGiven
	}
	mech, err := mechanisms(cfg, r.Directory, r.opt.Now)
	if err != nil {
		return err
	}
	people := wire.NewGate(wire.GateOptions{
		Total: cfg.Limits.Connections, PerAddr: cfg.Limits.ConnectionsPerAddress, Reserved: cfg.Limits.ConnectionsReserved,
	})
	s.smtp, err = smtpd.New(submission{r.Directory, r.Delivery, r.Peers}, smtpd.Options{
		Hostname: Hostname(cfg), Domain: string(cfg.Domains[0]), TLS: s.tls(), ClientCAs: clientCAs, Auth: mech,
		AskCertificate:              func() bool { return len(r.Peers.List()) > 0 },
		AllowInsecureAuthOnLoopback: cfg.SMTP.AllowPlaintextAuthOnLoopback,
		Gate:                        people,
		RelayGate:                   wire.NewGate(wire.GateOptions{Total: cfg.Limits.Connections, PerAddr: cfg.SMTP.RelayConnectionsPerAddress}),
		MaxMessage:                  int64(cfg.SMTP.MaxMessageMiB) << 20, MaxRecipients: cfg.SMTP.MaxRecipients,
		SessionTime: cfg.SMTP.SessionTimeout.Std(), MaxHold: cfg.SMTP.MaxHold.Std(), Now: r.opt.Now, Log: r.opt.Log,
	})
	if err != nil {
		return err
	}
	s.imap, err = imapd.New(imapd.Backend{Directory: r.Directory, Auth: mech, Store: r.Mail, Workflow: r.Workflow, Guard: r.Delivery}, imapd.Options{
		TLS: imapTLS, AllowInsecureAuthOnLoopback: cfg.SMTP.AllowPlaintextAuthOnLoopback,
		AppendLimit: int64(cfg.SMTP.MaxMessageMiB) << 20, SessionsPerUser: cfg.IMAP.SessionsPerAccount,
		Gate: people, Log: r.opt.Log, Now: r.opt.Now,
	})
	return err
}

// listen opens the sockets of all services that are on.
func (s *Server) listen(ctx context.Context) error {
	cfg := s.rooms.Config
	smtp := func(svc smtpd.Service) func(context.Context, net.Listener) error {
		return func(ctx context.Context, l net.Listener) error { return s.smtp.Serve(ctx, l, svc) }
	}
	imap := func(implicit bool) func(context.Context, net.Listener) error {
		return func(ctx context.Context, l net.Listener) error { return s.imap.Serve(ctx, l, implicit) }
	}
	web := wire.NewGate(wire.GateOptions{Total: cfg.Limits.Connections, PerAddr: cfg.Limits.WebConnectionsPerAddress})
	behind := func(serve func(context.Context, net.Listener) error) func(context.Context, net.Listener) error {
		return func(ctx context.Context, l net.Listener) error {
			return serve(ctx, wire.BehindProxies(l, wire.ProxyOptions{From: cfg.Server.Proxies}))
		}
	}
	for _, x := range []struct {
		at    config.Listen
		real  *string
		serve func(context.Context, net.Listener) error
	}{
		{cfg.SMTP.Relay, &s.addr.Relay, behind(smtp(smtpd.Relay))},
		{cfg.SMTP.Submission, &s.addr.Submission, behind(smtp(smtpd.Submission))},
		{cfg.SMTP.Submissions, &s.addr.Submissions, behind(smtp(smtpd.Submissions))},
		{cfg.SMTP.LMTP, &s.addr.LMTP, behind(smtp(smtpd.LMTP))},
		{cfg.IMAP.IMAP, &s.addr.IMAP, behind(imap(false))},
		{cfg.IMAP.IMAPS, &s.addr.IMAPS, behind(imap(true))},
		{cfg.HTTP.HTTP, &s.addr.HTTP, func(ctx context.Context, l net.Listener) error { return s.portal.Serve(ctx, wire.Limit(l, web), false) }},
		{cfg.HTTP.HTTPS, &s.addr.HTTPS, func(ctx context.Context, l net.Listener) error {
			return s.portal.Serve(ctx, tls.NewListener(wire.Limit(l, web), s.webTLS()), true)
		}},
	} {
		if !x.at.On() {
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", string(x.at))
		if err != nil {
			return fault.Wrap(fault.Conflict, err, fault.Text{EN: fmt.Sprintf("cannot listen on %s: is the port in use?", x.at)})
		}
		s.socks = append(s.socks, l)
		*x.real = l.Addr().String()
		s.serving = append(s.serving, func(ctx context.Context) error { return x.serve(ctx, l) })
	}
	return s.makePortal()
}

func (s *Server) webTLS() *tls.Config {
	conf := s.tls()
	conf.NextProtos = []string{"h2", "http/1.1"}
	return conf
}

// Run serves until ctx ends, then lets sessions end for up to 30 s: SMTP
// finishes the messages under way, IMAP says BYE. It returns nil after a clean
// stop. The rooms stay open.
func (s *Server) Run(ctx context.Context) error {
	r := s.rooms
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	background, _ := errgroup.WithContext(work)
	runs := []func(context.Context) error{r.Journal.Run, r.Directory.Run, r.Directory.RunTurns, r.Mail.RunRights, r.Workflow.Run, r.Workflow.RunErase, r.Workflow.RunTasks, r.Workflow.RunBooks, r.Workflow.RunNumbers, r.Workflow.RunConsultations, r.Transport.Run, r.Delivery.RunDeferred, r.Mail.RunIndexer, s.collect, func(ctx context.Context) error { return releaseMemory(ctx, r.opt.Log) }}
	runs = append(runs, func(ctx context.Context) error { return r.Workflow.RunFolders(ctx, r.peopleChanged) })
	runs = append(runs, r.Workflow.RunClock, r.Workflow.RunReceipts)
	if r.Files != nil {
		runs = append(runs, func(ctx context.Context) error { return r.Workflow.RunFiles(ctx, r.Files) })
	}
	if r.EdXML.On() {
		runs = append(runs, func(ctx context.Context) error { return r.EdXML.Run(ctx, r.inlet()) })
	}
	for _, run := range runs {
		background.Go(func() error { return run(work) })
	}
	// One service that fails ends all: half a mail server is worse than none.
	services, failing := errgroup.WithContext(ctx)
	for _, serve := range append(s.serving, s.control.Run) {
		services.Go(func() error { return serve(failing) })
	}
	services.Go(func() error {
		<-failing.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		return errors.Join(s.smtp.Shutdown(limit), s.imap.Shutdown(limit), s.portal.Shutdown(limit))
	})
	err := services.Wait()
	err = errors.Join(err, r.Directory.RecordLogins(work))
	stopWork()
	return errors.Join(err, background.Wait())
}

// collect removes what nothing holds any more: soon what mailboxes let go, and
// once a day what a crash may have left behind.
func (s *Server) collect(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	var lastThorough time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := s.rooms.Delivery.ExpireHeld(ctx); err != nil && ctx.Err() == nil {
			s.rooms.opt.Log.Error("cannot expire held messages", "err", err)
		}
		now := s.rooms.opt.Now()
		thorough := now.Sub(lastThorough) > 24*time.Hour
		if thorough {
			s.rooms.forgetEnded(ctx, now)
			if err := s.rooms.Delivery.ForgetDropped(ctx); err != nil && ctx.Err() == nil {
				s.rooms.opt.Log.Error("cannot forget mail for later that was dropped", "err", err)
			}
		}
		_, err := s.rooms.Collect(ctx, thorough)
		if err == nil && thorough {
			err = s.rooms.trim(ctx)
		}
		switch {
		case err == nil && thorough:
			lastThorough = now
		case err != nil && ctx.Err() == nil:
			s.rooms.opt.Log.Error("cannot collect unused messages", "err", err)
		}
	}
}

// caPEM is the certificate of the own authority, nil when another signed.
func (s *Server) caPEM() ([]byte, error) {
	if s.rooms.Config.TLS.CertFile != "" {
		return nil, nil
	}
	return os.ReadFile(AuthorityFile(s.rooms.Config))
}
