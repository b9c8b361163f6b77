package wire

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ListenerOptions tunes a Listener; the zero value works.
type ListenerOptions struct {
	Gate *Gate // limits, may be shared with other listeners; nil means one of its own with the default limits
	Conn ConnOptions

	// Refusal gives the line, with CRLF, that a peer turned away is told before the connection is closed; nil or "" closes in silence,
	// as a listener for implicit TLS must.
	Refusal func(Refusal) string
}

// A Listener accepts Conns from a net.Listener: limited by a Gate, and kept in a registry until they are closed.
type Listener struct {
	under net.Listener
	opt   ListenerOptions

	accepted, refused atomic.Int64

	mu      sync.Mutex
	open    map[*Conn]struct{}
	closing bool
	idle    chan struct{} // closed when closing and nothing is open
}

// refusalTime is the longest time spent on telling a peer that it is turned away; the line fits into any socket's buffer.
const refusalTime = 50 * time.Millisecond

// NewListener puts a Listener on l, which belongs to it from then on.
func NewListener(l net.Listener, opt ListenerOptions) *Listener {
	if opt.Gate == nil {
		opt.Gate = NewGate(GateOptions{})
	}
	return &Listener{under: l, opt: opt, open: make(map[*Conn]struct{}), idle: make(chan struct{})}
}

// Accept returns the next connection as a *Conn; see AcceptConn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptConn waits for the next connection that is within the limits. After Shutdown or Close it returns net.ErrClosed.
func (l *Listener) AcceptConn() (*Conn, error) {
	for {
		raw, err := l.under.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(raw); c != nil {
			return c, nil
		}
	}
}

// admit makes a Conn of raw and registers it, or turns raw away.
func (l *Listener) admit(raw net.Conn) *Conn {
	c := NewConn(raw, l.opt.Conn)
	addr := c.remote.Addr()
	if why := l.opt.Gate.enter(addr); why != Admitted {
		l.refuse(raw, why)
		return nil
	}
	var once, leave sync.Once
	var member atomic.Bool
	c.promote = func() {
		once.Do(func() {
			member.Store(true)
			l.opt.Gate.promote(addr)
		})
	}
	c.onClose = func() {
		leave.Do(func() {
			once.Do(func() {}) // no promotion from here on
			l.opt.Gate.leave(addr, member.Load())
			l.forget(c)
		})
	}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		c.Kill()
		return nil
	}
	l.open[c] = struct{}{}
	l.mu.Unlock()
	l.accepted.Add(1)
	return c
}

func (l *Listener) refuse(raw net.Conn, why Refusal) {
	l.refused.Add(1)
	if l.opt.Refusal != nil {
		if line := l.opt.Refusal(why); line != "" {
			_ = raw.SetWriteDeadline(time.Now().Add(refusalTime))
			_, _ = raw.Write([]byte(line)) // a courtesy; the peer may be gone
		}
	}
	_ = raw.Close()
}

func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if l.closing && len(l.open) == 0 {
		l.drained()
	}
}

// drained tells Shutdown that nothing is open; the caller holds mu.
func (l *Listener) drained() {
	select {
	case <-l.idle:
	default:
		close(l.idle)
	}
}

// Addr returns the address listened on.
func (l *Listener) Addr() net.Addr { return l.under.Addr() }

// Counts returns the figures of this listener; AddressesOnFile and the reasons of refusals are those of its Gate.
func (l *Listener) Counts() Counts {
	n := l.opt.Gate.Counts()
	n.Accepted = l.accepted.Load()
	l.mu.Lock()
	n.Open = len(l.open)
	l.mu.Unlock()
	return n
}

// Refused returns how many connections this listener turned away.
func (l *Listener) Refused() int64 { return l.refused.Load() }

// Each calls fn for every open connection; fn must not block.
func (l *Listener) Each(fn func(*Conn)) {
	for _, c := range l.snapshot() {
		fn(c)
	}
}

func (l *Listener) snapshot() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	cs := make([]*Conn, 0, len(l.open))
	for c := range l.open {
		cs = append(cs, c)
	}
	return cs
}

// Close stops listening and kills every connection.
func (l *Listener) Close() error {
	err := l.stop()
	l.Each((*Conn).Kill)
	return err
}

// stop stops listening and lets nothing in any more.
func (l *Listener) stop() error {
	l.mu.Lock()
	l.closing = true
	if len(l.open) == 0 {
		l.drained()
	}
	l.mu.Unlock()
	return l.under.Close()
}

// Shutdown stops listening and asks every connection to end (OnShutdown, else Interrupt). It returns nil when all are closed; when ctx
// ends first, it kills the rest and returns ctx's error.
func (l *Listener) Shutdown(ctx context.Context) error {
	_ = l.stop() // the second call of two finds it closed
	l.Each((*Conn).goodbye)
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
		l.Each((*Conn).Kill)
		return ctx.Err()
	}
}
