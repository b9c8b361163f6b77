package wire

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// v2 gives a header of version 2 for a client at 203.0.113.7 port 4660.
func v2(command byte, tlv string) string {
	body := "\xcb\x00\x71\x07" + "\xc0\x00\x02\x01" + "\x12\x34" + "\x00\x19" + tlv
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, 0x11, byte(len(body) >> 8), byte(len(body))}) + body
}

func TestProxyHeader(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tests := []struct {
		name   string
		from   []netip.Prefix
		send   string
		client string // "" when the connection is cut off
		rest   string
	}{
		{"version 1", loopback, "PROXY TCP4 203.0.113.7 192.0.2.1 4660 25\r\nEHLO a\r\n", "203.0.113.7:4660", "EHLO a\r\n"},
		{"version 1, IPv6", loopback, "PROXY TCP6 2001:db8::7 2001:db8::1 4660 25\r\nEHLO a\r\n", "[2001:db8::7]:4660", "EHLO a\r\n"},
		{"version 1, unknown", loopback, "PROXY UNKNOWN\r\nEHLO a\r\n", "127.0.0.1", "EHLO a\r\n"},
		{"version 2", loopback, v2(1, "") + "EHLO a\r\n", "203.0.113.7:4660", "EHLO a\r\n"},
		{"version 2 with a TLV", loopback, v2(1, "\x04\x00\x02xx") + "EHLO a\r\n", "203.0.113.7:4660", "EHLO a\r\n"},
		{"version 2, local", loopback, v2(0, "") + "EHLO a\r\n", "127.0.0.1", "EHLO a\r\n"},
		{"no header", loopback, "EHLO a\r\n", "", ""},
		{"half a header", loopback, "PROXY TCP4 203.0.113.7", "", ""},
		{"no line end", loopback, "PROXY TCP4 203.0.113.7 192.0.2.1 4660 25 " + strings.Repeat("x", 200), "", ""},
		{"no address", loopback, "PROXY TCP4 203.0.113.777 192.0.2.1 4660 25\r\n", "", ""},
		{"version 2, too short", loopback, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x02ab", "", ""},
		{"endless TLVs", loopback, v2(1, "\x04\x3f\x00"+strings.Repeat("x", 0x3f00)), "", ""},
		{"not from a proxy", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "PROXY TCP4 203.0.113.7 192.0.2.1 4660 25\r\n", "127.0.0.1", "PROXY TCP4 203.0.113.7 192.0.2.1 4660 25\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			under, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := BehindProxies(under, ProxyOptions{From: tt.from, HeaderTime: 100 * time.Millisecond})
			defer l.Close()
			got := make(chan net.Conn, 1)
			go func() {
				if c, err := l.Accept(); err == nil {
					got <- c
				}
			}()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			go io.WriteString(c, tt.send) // fails when cut off early
			if tt.client == "" {
				if _, err := c.Read(make([]byte, 1)); err == nil {
					t.Error("the connection was not cut off")
				}
				return
			}
			in := <-got
			defer in.Close()
			wc := NewConn(in, ConnOptions{})
			if at := wc.Remote().String(); !strings.HasPrefix(at, tt.client) {
				t.Errorf("client at %s, want %s", at, tt.client)
			}
			line, err := bufio.NewReader(wc).ReadString('\n')
			if line != tt.rest {
				t.Errorf("read %q, %v, want %q", line, err, tt.rest)
			}
		})
	}
}

// A proxy that does not send its header holds up nobody, and no more than Pending may do so.
func TestSlowProxy(t *testing.T) {
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := BehindProxies(under, ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, HeaderTime: time.Minute, Pending: 2})
	got := make(chan net.Conn, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	slow := dial()
	defer slow.Close()
	quick := dial()
	defer quick.Close()
	send(t, quick, "PROXY UNKNOWN\r\n")
	(<-got).Close()
	second, third := dial(), dial()
	defer second.Close()
	defer third.Close()
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection without header is kept")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-done
	if _, err := slow.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without header outlives the listener")
	}
}

func TestLimit(t *testing.T) {
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := NewGate(GateOptions{PerAddr: 1})
	l := Limit(under, g)
	defer l.Close()
	got := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	dial()
	first := <-got
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a second connection of the address is let in")
	}
	first.Close()
	first.Close()
	dial()
	(<-got).Close()
	if n := g.Counts(); n.Open != 0 || n.RefusedByAddr != 1 {
		t.Errorf("counts %+v, want nothing open and one refused", n)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 192.0.2.1 4660 25\r\nEHLO a\r\n"))
	f.Add([]byte(v2(1, "\x04\x00\x02xx") + "rest"))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := net.Pipe()
		defer a.Close()
		p := &proxied{opt: ProxyOptions{HeaderTime: 2 * time.Second}, closed: make(chan struct{})}
		go func() {
			_, _ = a.Write(in) // fails when it is cut off
			_ = a.Close()
		}()
		c, ok := p.header(b)
		if !ok {
			return
		}
		rest, _ := io.ReadAll(c)
		if !strings.HasSuffix(string(in), string(rest)) {
			t.Errorf("rest %q is not the end of %q", rest, in)
		}
	})
}
