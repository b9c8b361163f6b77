package smtpd

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a net.Listener whose connections are pipes, which take part in synctest's time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// inBubble runs fn with a client of a Relay service in a synctest bubble, after greeting and EHLO.
func inBubble(t *testing.T, m *memory, opt Options, fn func(*client)) {
	inBubbleWith(t, m, opt, func(c net.Conn) net.Conn { return c }, fn)
}

func inBubbleWith(t *testing.T, m *memory, opt Options, wrap func(net.Conn) net.Conn, fn func(*client)) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t, m, Relay, opt, wrap, func(c *client) {
			c.want("", "220")
			c.want("EHLO out.example", "250")
			fn(c)
		})
	})
}

// bubble serves one client of svc inside a bubble.
func bubble(t *testing.T, m *memory, svc Service, opt Options, wrap func(net.Conn) net.Conn, fn func(*client)) {
	opt.Hostname, opt.Domain, opt.GreetDelay = "mx.tinh.example", ourDomain, -1
	s, err := New(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l, svc) }()
	a, b := net.Pipe()
	l.conns <- wrap(b)
	fn(&client{t: t, conn: a, in: &lineReader{r: a}})
	a.Close()
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	time.Sleep(time.Hour) // no timer of a session may be left to fire
}
