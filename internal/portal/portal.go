// Package portal is the web side of the server: a start page that tells how
// to connect a mail client, the set-up files that clients fetch by
// themselves, the server's own certification authority, health and metrics.
//
// Nothing here changes anything, and nothing needs a log-in. Every answer
// carries security headers; a request for a name that is not ours, with a
// path that is not canonical or with a method nobody serves is refused before
// it reaches a handler.
package portal

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/text/unicode/norm"
)

// Ports are the ports clients reach the services at; 0 means the service is off.
type Ports struct {
	IMAP, IMAPS             int
	Submission, Submissions int
	HTTP, HTTPS             int
}

// Info is what the portal tells people and clients about this server.
type Info struct {
	Organisation string   // as shown to people; "" means the first domain
	Domains      []string // mail domains, the main one first; at least one
	Hostname     string   // name of the mail services
	Names        []string // further names the web part answers to
	Ports        Ports
	CA           []byte // certificate of the server's own authority, PEM; empty when a known authority signed
}

// Options tunes a Portal; the zero value works.
type Options struct {
	Checks       []Check              // what /readyz asks
	Registry     *prometheus.Registry // what /metrics shows, and where the portal counts; nil: no /metrics
	MetricsAllow []netip.Prefix       // who may read /metrics and details of /readyz besides loopback
	Log          *slog.Logger         // nil: no log
	Now          func() time.Time     // nil: time.Now
}

// Limits of a request. reliability: slow or endless requests are cut.
const (
	headerBytes   = 64 << 10
	bodyBytes     = 64 << 10
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 60 * time.Second
	stopTimeout   = 5 * time.Second
)

// Portal serves the web part. Its methods are safe for concurrent use.
type Portal struct {
	info    Info
	opt     Options
	ca      *x509.Certificate // nil: no authority of our own
	names   map[string]bool   // hosts we answer for
	pages   map[pageKey][]byte
	assets  map[string]asset // by name
	handler http.Handler
	ready   readiness

	mu      sync.Mutex
	servers []*http.Server
	stopped bool
}

// New prepares a Portal. It fails with a plain error when info lacks a domain
// or hostname or its CA is not one PEM certificate.
func New(info Info, opt Options) (*Portal, error) {
	if len(info.Domains) == 0 || info.Hostname == "" {
		return nil, errors.New("portal: domain and hostname are needed")
	}
	if info.Organisation == "" {
		info.Organisation = info.Domains[0]
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	p := &Portal{info: info, opt: opt, names: make(map[string]bool)}
	for _, name := range slices.Concat([]string{info.Hostname, "localhost"}, info.Names, info.Domains) {
		p.names[strings.ToLower(name)] = true
	}
	for _, domain := range info.Domains {
		p.names["autoconfig."+domain] = true
		p.names["autodiscover."+domain] = true
	}
	if len(info.CA) > 0 {
		block, _ := pem.Decode(info.CA)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("portal: the authority is not a PEM certificate")
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("portal: read the authority's certificate: %w", err)
		}
		p.ca = ca
	}
	if err := p.render(); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	routes, err := p.routes()
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	p.handler = p.guard(routes)
	return p, nil
}

// Handler returns the whole web part, guards included.
func (p *Portal) Handler() http.Handler { return p.handler }

// Serve answers requests that come in by l until ctx ends or Shutdown is
// called, and then lets requests under way finish for 5 seconds. l is the TLS
// listener already when secure is true; the flag only adds
// Strict-Transport-Security. It returns nil after a clean stop.
func (p *Portal) Serve(ctx context.Context, l net.Listener, secure bool) error {
	handler := p.handler
	if secure {
		handler = strictTransport(handler)
	}
	server := &http.Server{
		Handler:                      handler,
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               headerBytes,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		ErrorLog:                     slog.NewLogLogger(p.opt.Log.Handler(), slog.LevelDebug), // strangers' noise
	}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return l.Close()
	}
	p.servers = append(p.servers, server)
	p.mu.Unlock()

	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		drained <- shutdown(grace, server)
	})
	err := server.Serve(l)
	if !stop() { // ctx ended
		return <-drained
	}
	if errors.Is(err, http.ErrServerClosed) { // by Shutdown, which waits itself
		return nil
	}
	return fmt.Errorf("serve web: %w", err)
}

// Shutdown stops all Serve calls, present and future: no new requests, and
// those under way may finish until ctx ends.
func (p *Portal) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.stopped = true
	servers := slices.Clone(p.servers)
	p.mu.Unlock()
	var errs []error
	for _, server := range servers {
		errs = append(errs, shutdown(ctx, server))
	}
	return errors.Join(errs...)
}

// shutdown drains server, and cuts what is left when ctx ends.
func shutdown(ctx context.Context, server *http.Server) error {
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return server.Close()
	}
	return err
}

// routes ties paths to handlers.
func (p *Portal) routes() (http.Handler, error) {
	count, err := newCounter(p.opt.Registry)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) {
		mux.Handle(pattern, count.wrap(pattern, h))
	}
	handle("GET /{$}", p.startPage)
	handle("GET /assets/{name}", p.asset)
	handle("GET /mail/config-v1.1.xml", p.autoconfig)
	handle("GET /.well-known/autoconfig/mail/config-v1.1.xml", p.autoconfig)
	handle("POST "+autodiscoverPath, p.autodiscover)
	handle("GET "+profilePath, p.mobileconfig)
	handle("GET /ca.pem", p.caPEM)
	handle("GET /ca.crt", p.caDER)
	handle("GET /healthz", p.healthz)
	handle("GET /readyz", p.readyz)
	handle("GET /metrics", p.metrics())
	handle("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "text/plain; charset=utf-8", []byte("User-agent: *\nDisallow: /\n"))
	})
	handle("/", p.fallback)
	return mux, nil
}

// answer writes a body that may be cached for no longer than a visit.
func answer(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.Write(body) //nolint:errcheck // the client has gone; there is nobody to tell
}

// domain returns the mail domain of ours that an address or a host name such
// as "autoconfig.<domain>" belongs to.
func (p *Portal) domain(of string) (string, bool) {
	if _, domain, ok := strings.Cut(of, "@"); ok {
		of = domain
	}
	of = strings.ToLower(norm.NFC.String(of))
	for _, prefix := range []string{"", "autoconfig.", "autodiscover."} {
		if rest, ok := strings.CutPrefix(of, prefix); ok && slices.Contains(p.info.Domains, rest) {
			return rest, true
		}
	}
	return "", false
}

// fingerprint returns the SHA-256 of the authority in groups a person can compare.
func (p *Portal) fingerprint() string {
	sum := sha256.Sum256(p.ca.Raw)
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	var groups []string
	for group := range slices.Chunk([]byte(digits), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, " ")
}
