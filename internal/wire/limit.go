package wire

import (
	"net"
	"sync"
)

// Limit returns a listener whose connections are limited by g but otherwise as l gives them: for a protocol that keeps its own buffers
// and time-outs, such as HTTP. Who is turned away is disconnected in silence.
func Limit(l net.Listener, g *Gate) net.Listener { return &limited{l, g} }

type limited struct {
	net.Listener
	gate *Gate
}

// Accept returns the next connection that is within the limits.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addrPort(c.RemoteAddr()).Addr()
		if l.gate.enter(addr) != Admitted {
			_ = c.Close()
			continue
		}
		return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { l.gate.leave(addr, false) })}, nil
	}
}

// limitedConn tells the Gate when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection; it is safe to call twice.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
