package smtpd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"vanthu/internal/wire"
)

// Server serves SMTP and LMTP for one Backend on any number of listeners.
type Server struct {
	backend Backend
	opt     Options
	stats   Stats

	tls, relayTLS *tls.Config // nil without TLS
	lmtpGate      *wire.Gate

	mu        sync.Mutex
	listeners map[*wire.Listener]struct{}
	closing   bool
}

// New returns a Server for b. It returns an error when opt makes no sense.
func New(b Backend, opt Options) (*Server, error) {
	opt, err := opt.defaulted()
	if err != nil {
		return nil, err
	}
	s := &Server{
		backend: b, opt: opt, listeners: make(map[*wire.Listener]struct{}),
		lmtpGate: wire.NewGate(wire.GateOptions{PerAddr: math.MaxInt}),
	}
	if opt.TLS != nil {
		s.tls = opt.TLS.Clone()
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
		s.relayTLS = s.tls.Clone()
		s.relayTLS.SessionTicketsDisabled = true
		if opt.ClientCAs != nil {
			s.tls.ClientCAs, s.tls.ClientAuth = opt.ClientCAs, tls.VerifyClientCertIfGiven
		}
		if opt.AskCertificate != nil {
			ask := s.relayTLS.Clone()
			ask.ClientAuth = tls.RequestClientCert
			s.relayTLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				if opt.AskCertificate() {
					return ask, nil
				}
				return nil, nil //nolint:nilnil // the configuration as it is
			}
		}
	}
	return s, nil
}

// Stats returns the Server's counters.
func (s *Server) Stats() *Stats { return &s.stats }

// Open returns how many sessions there are now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for wl := range s.listeners {
		n += wl.Counts().Open
	}
	return n
}

// Serve serves svc on l, which belongs to it from then on, until ctx ends or Shutdown is called; it returns nil then, after every
// session has ended. When ctx ends, messages under way have 30 s to finish.
func (s *Server) Serve(ctx context.Context, l net.Listener, svc Service) error {
	if svc == Submissions && s.tls == nil {
		_ = l.Close()
		return errors.New("smtpd: submissions needs TLS")
	}
	wl := wire.NewListener(l, s.listenerOptions(svc))
	if !s.register(wl) {
		_ = wl.Close()
		return nil
	}
	defer s.unregister(wl)

	// Sessions outlive ctx by the time Shutdown grants them.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(base, shutdownGrace)
		defer cancel()
		_ = wl.Shutdown(grace) // what is left after the grace is killed; there is nobody to tell
	})
	defer stop()

	lib := s.library(svc)
	err := lib.Serve(&acceptor{Listener: wl, server: s, service: svc, ctx: base})
	grace, cancelGrace := context.WithTimeout(base, shutdownGrace)
	defer cancelGrace()
	_ = wl.Shutdown(grace) // usually somebody else's doing; not when Accept failed by itself
	_ = lib.Shutdown(base) // waits for the sessions' goroutines, all of whose connections are closed
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) register(wl *wire.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[wl] = struct{}{}
	return true
}

func (s *Server) unregister(wl *wire.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, wl)
}

// Shutdown stops listening and ends all sessions: those waiting for a command are told 421 4.3.2, messages under way are finished. When
// ctx ends first, the rest is cut off and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	all := make([]*wire.Listener, 0, len(s.listeners))
	for wl := range s.listeners {
		all = append(all, wl)
	}
	s.mu.Unlock()

	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, wl := range all {
		wg.Go(func() { errs[i] = wl.Shutdown(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *Server) listenerOptions(svc Service) wire.ListenerOptions {
	opt := wire.ListenerOptions{Conn: wire.ConnOptions{WriteTimeout: s.opt.WriteTime}}
	switch svc {
	case Relay:
		opt.Gate = s.opt.RelayGate
	case LMTP:
		opt.Gate = s.lmtpGate
	case Submission, Submissions:
		opt.Gate = s.opt.Gate
	}
	opt.Refusal = func(why wire.Refusal) string {
		s.stats.Refused.Add(1)
		switch {
		case svc == Submissions:
			return "" // the client waits for TLS
		case why == wire.RefusedByAddr:
			return replyTooManyConns
		}
		return replyBusy
	}
	return opt
}

// library returns a go-smtp server set up so that it never stands in the conn's way.
func (s *Server) library(svc Service) *smtp.Server {
	lib := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &c.Conn().(*conn).session, nil
	}))
	lib.Domain = s.opt.Hostname
	lib.LMTP = svc == LMTP
	lib.EnableSMTPUTF8 = true
	lib.AllowInsecureAuth = true // the conn decides, which knows about TLS
	lib.MaxRecipients = s.opt.MaxRecipients
	lib.MaxLineLength = 1 << 20 // the conn has its own limits
	lib.ErrorLog = libraryLog{s}
	return lib
}

// acceptor gives the library our conns.
type acceptor struct {
	*wire.Listener
	server  *Server
	service Service
	ctx     context.Context //nolint:containedctx // the library's Accept has none to pass on
}

func (a *acceptor) Accept() (net.Conn, error) {
	wc, err := a.AcceptConn()
	if err != nil {
		return nil, err
	}
	a.server.stats.Connections.Add(1)
	return newConn(a.ctx, a.server, a.service, wc), nil
}

// libraryLog takes what the library has to say: panics of our session methods, which it recovers, and failing Accepts.
type libraryLog struct{ s *Server }

func (l libraryLog) Printf(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
	if strings.HasPrefix(msg, "panic") {
		l.s.stats.Panics.Add(1)
	}
	l.s.opt.Log.Error("smtp library", slog.String("err", msg))
}

func (l libraryLog) Println(v ...any) { l.Printf("%s", fmt.Sprintln(v...)) }

// newSessionID names a session in the log.
func newSessionID() string { return rand.Text()[:12] }
