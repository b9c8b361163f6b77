package wire

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// ProxyOptions tunes BehindProxies.
type ProxyOptions struct {
	From       []netip.Prefix // the proxies; a connection from elsewhere is a client's own
	HeaderTime time.Duration  // longest time for a proxy to send its header; 0 means 5s
	Pending    int            // connections of proxies that may be without their header at the same time; 0 means 1,000
}

// maxProxyHeader is the largest header taken, in octets: 16 and the addresses, and room for the TLVs that balancers add. The protocol
// itself would allow 64 KiB.
const maxProxyHeader = 4096

// BehindProxies returns a listener whose connections have the address of the client where a proxy on the list stands between: it must
// begin each connection with a header of the PROXY protocol, version 1 or 2, or is cut off. Anybody else's header is not looked at, and so
// is rubbish to the protocol above. Without proxies l is returned as it is.
func BehindProxies(l net.Listener, opt ProxyOptions) net.Listener {
	if len(opt.From) == 0 {
		return l
	}
	if opt.HeaderTime == 0 {
		opt.HeaderTime = 5 * time.Second
	}
	if opt.Pending == 0 {
		opt.Pending = 1000
	}
	return &proxied{
		Listener: l, opt: opt, ready: make(chan accepted), pending: make(chan struct{}, opt.Pending), closed: make(chan struct{}),
	}
}

// proxied takes headers in a goroutine for each connection, so that a slow proxy holds up nobody else.
type proxied struct {
	net.Listener
	opt     ProxyOptions
	ready   chan accepted
	pending chan struct{}
	start   sync.Once
	stop    sync.Once
	closed  chan struct{}
}

type accepted struct {
	conn net.Conn
	err  error
}

// Accept returns the next connection that is a client's own, or whose header has come.
func (p *proxied) Accept() (net.Conn, error) {
	p.start.Do(func() { go p.run() })
	select {
	case a := <-p.ready:
		return a.conn, a.err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening and cuts off whoever has not sent its header.
func (p *proxied) Close() error {
	p.stop.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

func (p *proxied) run() {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			p.give(accepted{err: err})
			select {
			case <-p.closed:
				return
			default:
				continue // whoever accepts decides whether to go on
			}
		}
		if !p.listed(c) {
			p.give(accepted{conn: c})
			continue
		}
		select {
		case p.pending <- struct{}{}:
			go func() {
				defer func() { <-p.pending }()
				if pc, ok := p.header(c); ok {
					p.give(accepted{conn: pc})
				}
			}()
		default:
			_ = c.Close()
		}
	}
}

// give hands over a connection, unless nobody takes any more.
func (p *proxied) give(a accepted) {
	select {
	case p.ready <- a:
	case <-p.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
	}
}

func (p *proxied) listed(c net.Conn) bool {
	at := addrPort(c.RemoteAddr()).Addr()
	for _, from := range p.opt.From {
		if from.Contains(at) {
			return true
		}
	}
	return false
}

// header takes the header. When none comes in time, or a broken one, the connection is closed.
func (p *proxied) header(c net.Conn) (net.Conn, bool) {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-p.closed:
			_ = c.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	if err := c.SetReadDeadline(time.Now().Add(p.opt.HeaderTime)); err != nil {
		_ = c.Close()
		return nil, false
	}
	limit := &io.LimitedReader{R: c, N: maxProxyHeader}
	in := bufio.NewReaderSize(limit, 256)
	h, err := proxyproto.Read(in)
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		_ = c.Close()
		return nil, false
	}
	pc := &proxyConn{Conn: c, client: c.RemoteAddr()}
	if n := in.Buffered(); n > 0 {
		pc.early, _ = in.Peek(n) // the buffer is the connection's from here on
	}
	// LOCAL and UNKNOWN are the proxy speaking for itself, such as a health check.
	if src, ok := h.SourceAddr.(*net.TCPAddr); ok && h.Command.IsProxy() {
		pc.client = src
	}
	return pc, true
}

// proxyConn is a connection through a proxy: its peer's address is the client's.
type proxyConn struct {
	net.Conn
	client net.Addr
	early  []byte // came in behind the header
}

// RemoteAddr returns the client's address.
func (c *proxyConn) RemoteAddr() net.Addr { return c.client }

// Read returns what came with the header first.
func (c *proxyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite ends the sending half, so that the last answer is read before the end.
func (c *proxyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
