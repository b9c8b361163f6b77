package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// conn is one connection to a next server, used for several messages.
type conn struct {
	*smtp.Client
	link  *link
	raw   *paced
	host  Route // as it was reached
	tls   bool  // TLS is up and the certificate was checked
	clean bool  // no transaction is open
	sent  int
}

// errPermanent is what no later attempt can change.
type errPermanent struct {
	code int
	text string
}

func (e errPermanent) Error() string { return e.text }

// open connects to the first host of a way that answers.
func (r *Runner) open(ctx context.Context, w way) (*conn, error) {
	hosts := w.hosts
	if w.mx != "" {
		var err error
		if hosts, err = r.mxHosts(ctx, w); err != nil {
			return nil, err
		}
	}
	var failed error
	for _, h := range hosts {
		c, err := r.connect(ctx, h)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = errors.Join(failed, err)
	}
	if failed == nil {
		failed = errors.New("there is no host to connect to")
	}
	return nil, failed
}

// connect opens, greets and logs in.
func (r *Runner) connect(ctx context.Context, rt Route) (*conn, error) {
	c, err := r.dial(ctx, rt, rt.Mode)
	if err != nil && rt.Mode == TLSOpportunistic && ctx.Err() == nil {
		// RFC 7435: protected when it can be, in clear when it cannot.
		r.opt.Log.Info("no TLS with the next server, going on in clear", "remote", rt.addr(), "err", err)
		c, err = r.dial(ctx, rt, TLSNone)
	}
	if err != nil {
		return nil, err
	}
	if rt.Username != "" {
		if err := login(c.Client, rt); err != nil {
			return nil, errors.Join(fmt.Errorf("log in to the next server: %w", err), c.Close())
		}
	}
	return c, nil
}

func (r *Runner) dial(ctx context.Context, rt Route, mode TLSMode) (_ *conn, err error) {
	dialer := net.Dialer{Timeout: r.opt.ConnectTimeout}
	limit, cancel := context.WithTimeout(ctx, r.opt.ConnectTimeout)
	defer cancel()
	nc, err := dialer.DialContext(limit, "tcp", rt.addr())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	raw := &paced{Conn: nc}
	raw.pace(r.opt.Timeout, time.Now().Add(r.opt.MessageTime))
	// Stopping ends what waits for an answer; a body under way may finish.
	unwatch := context.AfterFunc(ctx, raw.interrupt)
	raw.unwatch = unwatch
	c := &conn{raw: raw, host: rt, clean: true}
	defer func() {
		if err != nil {
			unwatch()
			err = errors.Join(err, nc.Close())
		}
	}()
	c.link = newLink(raw, false)
	switch mode {
	case TLSImplicit:
		c.link, c.tls = newLink(tls.Client(raw, rt.tls()), false), true
	case TLSNone:
	default:
		secured, err := startTLS(raw, r.opt.Hostname, rt.tls())
		if err != nil {
			return nil, fmt.Errorf("start TLS: %w", err)
		}
		c.link, c.tls = newLink(secured, true), mode == TLSStart
	}
	c.Client = smtp.NewClient(c.link)
	if err := c.Hello(r.opt.Hostname); err != nil {
		return nil, fmt.Errorf("greet: %w", err)
	}
	return c, nil
}

// Close ends the connection at once.
func (c *conn) Close() error {
	c.raw.unwatch()
	return c.Client.Close()
}

// paced bounds each single step: the library sets no deadline while it sends a
// body, and far too long ones while it waits. A server that dribbles octets
// cannot go beyond the time of the whole message either.
type paced struct {
	net.Conn
	step    atomic.Int64 // longest wait for octets, ns
	until   atomic.Int64 // end of all, Unix ns
	body    atomic.Bool  // a body is under way: it may finish
	stopped atomic.Bool
	unwatch func() bool
}

func (p *paced) pace(step time.Duration, until time.Time) {
	p.step.Store(int64(step))
	p.until.Store(until.UnixNano())
}

// stopGrace is how long a body under way may take to finish when the server
// is asked to stop.
const stopGrace = 20 * time.Second

// interrupt ends every wait, but for that of a body under way, which gets
// stopGrace.
func (p *paced) interrupt() {
	p.stopped.Store(true)
	end := time.Unix(1, 0)
	if p.body.Load() {
		end = time.Now().Add(stopGrace)
		p.until.Store(end.UnixNano())
	}
	_ = p.Conn.SetDeadline(end) // the connection may be gone
}

func (p *paced) deadline() time.Time {
	if p.stopped.Load() && !p.body.Load() {
		return time.Unix(1, 0)
	}
	at := time.Now().Add(time.Duration(p.step.Load()))
	if end := time.Unix(0, p.until.Load()); end.Before(at) {
		return end
	}
	return at
}

func (p *paced) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(p.deadline()); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(p.deadline()); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// SetDeadline does nothing: the library's own deadlines are not ours.
func (p *paced) SetDeadline(time.Time) error { return nil }
