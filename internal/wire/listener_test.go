package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serve accepts from l until it closes and answers each line by "ok", ending with "bye" when interrupted.
func serve(l *Listener) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptConn()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.WriteString("hello\r\n")
				for {
					line, err := c.ReadLine(100)
					if errors.Is(err, ErrInterrupted) {
						c.WriteString("bye\r\n")
						return
					}
					if err != nil {
						return
					}
					if string(line) == "LOGIN\r\n" {
						c.Authenticated()
						c.Authenticated() // a second login must not count twice
					}
					c.WriteString("ok\r\n")
				}
			}()
		}
	}()
	return done
}

func listen(t *testing.T, opt ListenerOptions) (*Listener, func() (net.Conn, string)) {
	t.Helper()
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(under, opt)
	done := serve(l)
	t.Cleanup(func() { l.Close(); <-done })
	return l, func() (net.Conn, string) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		line, _ := bufio.NewReader(c).ReadString('\n')
		return c, line
	}
}

// ask sends a line and returns the answer.
func ask(t *testing.T, c net.Conn, line string) string {
	t.Helper()
	send(t, c, line)
	got, _ := bufio.NewReader(c).ReadString('\n')
	return got
}

func refusal(why Refusal) string {
	if why == RefusedTotal {
		return "full\r\n"
	}
	return "too many of you\r\n"
}

func TestGateByAddress(t *testing.T) {
	l, dial := listen(t, ListenerOptions{Gate: NewGate(GateOptions{PerAddr: 2}), Refusal: refusal})
	a, _ := dial()
	dial()
	if _, got := dial(); got != "too many of you\r\n" {
		t.Errorf("third connection got %q, want a refusal", got)
	}
	if got := ask(t, a, "LOGIN\r\n"); got != "ok\r\n" {
		t.Fatal(got)
	}
	if _, got := dial(); got != "hello\r\n" {
		t.Errorf("connection after a login got %q: a login must free the address's share", got)
	}
	if n := l.Counts(); n.Open != 3 || n.Accepted != 3 || n.RefusedByAddr != 1 || l.Refused() != 1 {
		t.Errorf("counts = %+v, refused %d", n, l.Refused())
	}
}

func TestGateTotalAndReserve(t *testing.T) {
	g := NewGate(GateOptions{Total: 3, Reserved: 1, PerAddr: 2})
	stranger, known := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	steps := []struct {
		name string
		addr netip.Addr
		want Refusal
	}{
		{"first", known, Admitted},
		{"second", stranger, Admitted},
		{"the rest is reserved", stranger, RefusedTotal},
		{"for those who have logged in", known, Admitted},
		{"full", known, RefusedTotal},
	}
	for i, s := range steps {
		if got := g.enter(s.addr); got != s.want {
			t.Errorf("%s: got %v, want %v", s.name, got, s.want)
		}
		if i == 0 {
			g.promote(known)
		}
	}
	g.leave(known, true)
	g.leave(known, false)
	g.leave(stranger, false)
	if n := g.Counts(); n.Open != 0 || n.AddressesOnFile != 1 {
		t.Errorf("counts = %+v, want nothing open and one known address", n)
	}
}

func TestGateCountsIPv6ByPrefix(t *testing.T) {
	g := NewGate(GateOptions{PerAddr: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	tests := []struct {
		addr string
		want Refusal
	}{
		{"2001:db8::1", Admitted},
		{"2001:db8::2", RefusedByAddr},
		{"2001:db8:0:1::1", Admitted},
		{"10.1.2.3", Admitted},
		{"10.1.2.3", Admitted},
	}
	for _, tt := range tests {
		if got := g.enter(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("enter(%s) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}

func TestShutdownSaysGoodbye(t *testing.T) {
	l, dial := listen(t, ListenerOptions{})
	c, _ := dial()
	if err := l.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if got, _ := io.ReadAll(c); string(got) != "bye\r\n" {
		t.Errorf("peer got %q, want bye", got)
	}
	if n := l.Counts(); n.Open != 0 {
		t.Errorf("open = %d", n.Open)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("dial after Shutdown succeeded")
	}
}

func TestShutdownKillsAtTheEnd(t *testing.T) {
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(under, ListenerOptions{})
	peer, err := net.Dial("tcp", under.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := l.AcceptConn()
	if err != nil {
		t.Fatal(err)
	}
	c.Phase(Pace{Busy: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v, want context.Canceled", err)
	}
	if _, err := c.ReadLine(100); err == nil {
		t.Error("read after the end of Shutdown succeeded")
	}
	if n := l.Counts(); n.Open != 0 {
		t.Errorf("open = %d, want 0", n.Open)
	}
}
