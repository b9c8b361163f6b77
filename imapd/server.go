package imapd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/auth"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/wire"
)

// Workflow is asked about every change of what a workflow folder holds, before the mail store is. When handled is false it has done
// nothing, and the change means nothing to it. moved gives the new UIDs of what was moved; err is why the first of the rest was not.
type Workflow interface {
	MoveMessages(ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID) (moved map[mailstore.UID]mailstore.UID, handled bool, err error)
	// CopyMessages is MoveMessages for COPY; what it handles leaves the source all the same.
	CopyMessages(ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID) (moved map[mailstore.UID]mailstore.UID, handled bool, err error)
	// MayAppend says why clients may not put messages into a mailbox, or nil.
	MayAppend(ctx context.Context, mailbox mailstore.MailboxID) error
}

// Guard refuses messages that must not lie in this system, whoever brings them.
type Guard interface {
	// CheckUpload looks at a message that a client puts into a mailbox; when it refuses, it has discarded the message.
	CheckUpload(ctx context.Context, account directory.AccountID, client netip.AddrPort, f *mailstore.Finished) error
}

// Backend is what an IMAP server works on. Guard may be nil: then every message may be put into a mailbox. Workflow may be nil: then workflow folders cannot be changed at all.
type Backend struct {
	Directory *directory.Directory
	Auth      *auth.Mechanisms // nil for those that need no configuration
	Store     *mailstore.Store
	Workflow  Workflow
	Guard     Guard
}

// Options tunes a Server; the zero value works, without TLS and therefore without log-ins.
type Options struct {
	TLS *tls.Config // for STARTTLS and implicit TLS; nil means none

	// AllowInsecureAuthOnLoopback lets peers on 127.0.0.0/8 and ::1 log in without TLS.
	AllowInsecureAuthOnLoopback bool

	NoCompress bool // do not offer COMPRESS=DEFLATE

	AppendLimit     int64      // octets of a message in APPEND; 0 means 50 MiB
	SessionsPerUser int        // sessions of one account from one address; 0 means 10
	Gate            *wire.Gate // limits of connections, may be shared; nil means one with the default limits
	Log             *slog.Logger
	Zone            *time.Location   // of INTERNALDATE and of the dates in SEARCH; nil means time.Local
	Now             func() time.Time // nil means time.Now

	progressEvery time.Duration // 0 means that of the standard
	maxWatched    int           // mailboxes that one NOTIFY may watch; 0 means maxWatched
	beforeChange  func()        // called before the transaction of a command; nil means nothing
}

// Stats counts what a Server did since it was made.
type Stats struct {
	Logins        atomic.Int64 // log-ins
	LoginFailures atomic.Int64 // log-ins refused, for whatever reason
	Commands      atomic.Int64 // commands, bad ones too
	Timeouts      atomic.Int64 // connections that ended because the client was silent or too slow
	Appended      atomic.Int64 // messages stored by APPEND
	FetchedOctets atomic.Int64 // octets of literals in FETCH answers
	Pushes        atomic.Int64 // times an idle client was told something
}

// Server serves IMAP on any number of listeners. All methods may be called concurrently.
type Server struct {
	be    Backend
	opt   Options
	log   *slog.Logger
	auth  *auth.Mechanisms
	lib   *imapserver.Server
	stats Stats

	ctx  context.Context //nolint:containedctx // imapserver gives its sessions none; ends with Shutdown
	stop context.CancelFunc

	digests digestCache

	mu        sync.Mutex
	listeners map[*wire.Listener]struct{}
	closing   bool
	sessions  map[sessionKey]int
}

// sessionKey is what the limit of sessions counts by.
type sessionKey struct {
	account directory.AccountID
	addr    netip.Addr
}

var errTooManySessions = fault.New(fault.Exhausted, fault.Text{
	EN: "too many connections of this account from this address", VI: "tài khoản mở quá nhiều kết nối từ địa chỉ này",
})

// New makes a server; it does nothing until Serve.
func New(be Backend, opt Options) (*Server, error) {
	if be.Directory == nil || be.Store == nil {
		return nil, errors.New("imapd: directory and store are needed")
	}
	if opt.AppendLimit == 0 {
		opt.AppendLimit = 50 << 20
	}
	if opt.SessionsPerUser == 0 {
		opt.SessionsPerUser = 10
	}
	if opt.Gate == nil {
		opt.Gate = wire.NewGate(wire.GateOptions{})
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Zone == nil {
		opt.Zone = time.Local
	}
	if opt.progressEvery == 0 {
		opt.progressEvery = progressEvery
	}
	if opt.maxWatched == 0 {
		opt.maxWatched = maxWatched
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if be.Auth == nil {
		be.Auth = auth.New(be.Directory, auth.Options{})
	}
	s := &Server{
		be: be, auth: be.Auth, opt: opt, log: opt.Log,
		listeners: make(map[*wire.Listener]struct{}), sessions: make(map[sessionKey]int),
	}
	s.digests.init()
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.lib = imapserver.New(&imapserver.Options{
		NewSession:   s.newSession,
		Caps:         libraryCaps(),
		Logger:       libraryLog{s.log},
		InsecureAuth: true, // the conn decides; imapserver only knows *tls.Conn
	})
	return s, nil
}

// Stats returns the counters; they go on counting.
func (s *Server) Stats() *Stats { return &s.stats }

// Open returns how many connections are open now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for l := range s.listeners {
		n += l.Counts().Open
	}
	return n
}

// Serve accepts connections from l, which belongs to the server from then on, until ctx ends or Shutdown is called; it returns nil
// then. With implicitTLS every connection begins with a TLS handshake.
func (s *Server) Serve(ctx context.Context, l net.Listener, implicitTLS bool) error {
	if implicitTLS && s.opt.TLS == nil {
		return errors.New("imapd: implicit TLS needs a TLS configuration")
	}
	opt := wire.ListenerOptions{Gate: s.opt.Gate}
	if !implicitTLS {
		opt.Refusal = func(wire.Refusal) string { return "* BYE [UNAVAILABLE] Too many connections\r\n" }
	}
	wl := wire.NewListener(l, opt)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		if err := wl.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
	s.listeners[wl] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, wl)
		s.mu.Unlock()
	}()
	stop := context.AfterFunc(ctx, func() { _ = wl.Close() })
	defer stop()
	err := s.lib.Serve(&acceptor{Listener: wl, srv: s, implicit: implicitTLS})
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve imap: %w", err)
	}
	return nil
}

// Shutdown stops listening, lets commands under way finish, and says goodbye to all. When ctx ends first the rest is cut off and ctx's
// error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	open := make([]*wire.Listener, 0, len(s.listeners))
	for l := range s.listeners {
		open = append(open, l)
	}
	s.mu.Unlock()
	errs := make([]error, len(open))
	var wg sync.WaitGroup
	for i, l := range open {
		wg.Go(func() { errs[i] = l.Shutdown(ctx) })
	}
	wg.Wait()
	s.stop()
	return errors.Join(errs...)
}

// acceptor hands imapserver conns.
type acceptor struct {
	*wire.Listener
	srv      *Server
	implicit bool
}

func (a *acceptor) Accept() (net.Conn, error) {
	w, err := a.AcceptConn()
	if err != nil {
		return nil, err
	}
	return newConn(a.srv, w, a.implicit), nil
}

// enter counts a session of the account in, within the limit.
func (s *Server) enter(sess *session, account directory.AccountID) error {
	key := sessionKey{account, sess.c.Remote().Addr()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[key] >= s.opt.SessionsPerUser {
		return errTooManySessions
	}
	s.sessions[key]++
	sess.key = key
	return nil
}

// leave counts a session out.
func (s *Server) leave(sess *session) {
	if sess.key == (sessionKey{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[sess.key]--; s.sessions[sess.key] == 0 {
		delete(s.sessions, sess.key)
	}
}

// libraryLog takes imapserver's log lines: a panic is our fault, the rest is how connections end.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "panic") {
		l.log.Error("imapserver panic", "err", fmt.Sprintf(format, args...))
		return
	}
	l.log.Debug("imapserver", "err", fmt.Sprintf(format, args...))
}
