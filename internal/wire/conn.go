package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a Conn besides those of the network.
var (
	ErrTimeout     = errors.New("wire: peer too slow")              // a limit of the Pace was passed
	ErrInterrupted = errors.New("wire: interrupted")                // Interrupt was called and the phase is not Busy
	ErrLineTooLong = errors.New("wire: line too long")              // the line's end is not among the first max octets
	ErrEarlyInput  = errors.New("wire: input before the TLS hello") // clear text that must not be taken into TLS
	ErrClosed      = net.ErrClosed
)

// ConnOptions tunes a Conn; the zero value works.
type ConnOptions struct {
	WriteTimeout time.Duration // longest time for one write to the peer; 0 means 60s
}

// A Conn is a net.Conn with its own idea of buffers, deadlines and transports; see the package comment.
//
// Reading methods belong to one goroutine. Write, WriteString and Flush may be called from any (an IDLE push while the reader waits),
// as may Close, Kill, Interrupt and the accessors.
type Conn struct {
	raw    net.Conn
	remote netip.AddrPort
	opt    ConnOptions

	// Input. buf[r:w] is what has come in and not been taken; buf is idle or comes from a pool.
	src  io.Reader // transport to read from: raw, TLS, or an inflater over it
	buf  []byte
	r, w int
	bulk bool // the last read filled the buffer: use a larger one for the next
	idle [idleSize]byte

	// Output.
	outMu  sync.Mutex
	dst    io.Writer // transport to write to
	out    []byte    // collected, from outPool; nil when empty
	outErr error     // first failed write: nothing is written after it

	// Time.
	dlMu        sync.Mutex
	pace        Pace
	start       time.Time // of the phase
	got         int64     // octets since start
	interrupted bool

	tls      atomic.Pointer[tls.Conn]
	in, sent atomic.Int64
	closed   atomic.Bool
	onBye    atomic.Pointer[func()]
	onClose  func() // set by the Listener before the Conn is handed out
	promote  func() // see Authenticated
}

// NewConn puts a Conn on raw, which belongs to the Conn from then on. Connections from a Listener are made already.
func NewConn(raw net.Conn, opt ConnOptions) *Conn {
	if opt.WriteTimeout == 0 {
		opt.WriteTimeout = time.Minute
	}
	c := &Conn{raw: raw, opt: opt, remote: addrPort(raw.RemoteAddr()), start: time.Now()}
	c.src = (*rawReader)(c)
	c.dst = (*rawWriter)(c)
	c.buf = c.idle[:]
	return c
}

// addrPort gives a's address with 4-in-6 forms unmapped; the zero AddrPort when a is not an IP address (a pipe in a test).
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Remote returns the peer's address; it is not valid when the connection below is not TCP.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// RemoteAddr returns the peer's address as the socket gives it.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// LocalAddr returns our own address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// SetDeadline does nothing: time limits are the Pace's. The libraries above set one absolute deadline for a whole body.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing; see SetDeadline.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing; see SetDeadline.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// BytesRead returns how many octets came from the socket so far (TLS records included).
func (c *Conn) BytesRead() int64 { return c.in.Load() }

// BytesWritten returns how many octets went to the socket so far.
func (c *Conn) BytesWritten() int64 { return c.sent.Load() }

// rawReader reads from the socket, with the deadline of the Pace; it is what a tls.Conn or an inflater reads through.
type rawReader Conn

func (rr *rawReader) Read(p []byte) (int, error) {
	c := (*Conn)(rr)
	if err := c.arm(); err != nil {
		return 0, err
	}
	n, err := c.raw.Read(p)
	if n > 0 {
		c.in.Add(int64(n))
		c.dlMu.Lock()
		c.got += int64(n)
		c.dlMu.Unlock()
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = c.timeoutError()
	}
	return n, err
}

// rawWriter writes to the socket within the write time-out.
type rawWriter Conn

func (rw *rawWriter) Write(p []byte) (int, error) {
	c := (*Conn)(rw)
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.opt.WriteTimeout)); err != nil {
		return 0, err
	}
	n, err := c.raw.Write(p)
	c.sent.Add(int64(n))
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTimeout
	}
	return n, err
}

// arm sets the socket's deadline for the next octet.
func (c *Conn) arm() error {
	c.dlMu.Lock()
	defer c.dlMu.Unlock()
	if c.interrupted && !c.pace.Busy {
		return ErrInterrupted
	}
	return c.raw.SetReadDeadline(c.pace.deadline(time.Now(), c.start, c.got))
}

// timeoutError says why the socket's deadline passed.
func (c *Conn) timeoutError() error {
	c.dlMu.Lock()
	defer c.dlMu.Unlock()
	if c.interrupted && !c.pace.Busy {
		return ErrInterrupted
	}
	return ErrTimeout
}

// Phase starts a phase of the session: p's limits count from now.
func (c *Conn) Phase(p Pace) {
	c.dlMu.Lock()
	c.pace, c.start, c.got = p, time.Now(), 0
	c.dlMu.Unlock()
}

// Interrupt makes a waiting read, and every later one, return ErrInterrupted as soon as the phase is not Busy. Octets already
// received may still be taken.
func (c *Conn) Interrupt() {
	c.dlMu.Lock()
	defer c.dlMu.Unlock()
	c.interrupted = true
	if !c.pace.Busy {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0)) // only fails on a closed socket, which ends the read as well
	}
}

// OnShutdown sets what the Listener's Shutdown calls for this connection instead of Interrupt. fn must not block.
func (c *Conn) OnShutdown(fn func()) { c.onBye.Store(&fn) }

// goodbye asks the owner of the connection to end it.
func (c *Conn) goodbye() {
	if fn := c.onBye.Load(); fn != nil {
		(*fn)()
		return
	}
	c.Interrupt()
}

// Authenticated tells the connection's Gate that its peer has proved who it is: from then on it counts against the total only, not
// against the limit of its address, which many people may share.
func (c *Conn) Authenticated() {
	if c.promote != nil {
		c.promote()
	}
}

// StartTLS does the server's side of a handshake within timeout and puts TLS between the Conn and the socket. Output collected before
// is flushed first, in the clear. When input is waiting already it returns ErrEarlyInput without a handshake: whatever was sent in the
// clear must not be taken for protected input (RFC 3207, section 6; RFC 9051, section 11.1). After any error the connection is only
// good for Close.
func (c *Conn) StartTLS(config *tls.Config, timeout time.Duration) error {
	if err := c.Flush(); err != nil {
		return err
	}
	if c.r != c.w {
		return ErrEarlyInput
	}
	c.Phase(Pace{Total: timeout})
	t := tls.Server(&transport{Conn: c.raw, r: (*rawReader)(c), w: (*rawWriter)(c)}, config)
	// A handshake needs four times the stack of all that follows. On a goroutine of its own it gives that back at once, instead of
	// leaving it with a connection that will mostly be idle until the garbage collector has halved it twice.
	done := make(chan error)
	go func() { done <- t.Handshake() }()
	if err := <-done; err != nil {
		c.outMu.Lock()
		c.outErr = ErrClosed // never answer in the clear what may have been meant for TLS
		c.outMu.Unlock()
		return fmt.Errorf("tls handshake: %w", err)
	}
	c.outMu.Lock()
	c.src, c.dst = t, t
	c.outMu.Unlock()
	c.tls.Store(t)
	return nil
}

// transport is the socket as tls.Conn sees it: reads and writes by our deadlines, none of its own.
type transport struct {
	net.Conn
	r io.Reader
	w io.Writer
}

func (t *transport) Read(p []byte) (int, error)  { return t.r.Read(p) }
func (t *transport) Write(p []byte) (int, error) { return t.w.Write(p) }

// Switch puts a coding between the Conn and its transport, such as COMPRESS=DEFLATE: in gets a reader that yields the input not yet
// taken and then the transport's; out gets the transport's writer and sees one Write per flush. A nil function leaves that side alone.
// Output collected before is flushed in the old coding.
func (c *Conn) Switch(in func(io.Reader) io.Reader, out func(io.Writer) io.Writer) error {
	if err := c.Flush(); err != nil {
		return err
	}
	if in != nil {
		src := c.src
		if c.r != c.w {
			src = io.MultiReader(bytes.NewReader(bytes.Clone(c.buf[c.r:c.w])), src)
			c.r, c.w = 0, 0
		}
		c.src = in(src)
	}
	if out != nil {
		c.outMu.Lock()
		c.dst = out(c.dst)
		c.outMu.Unlock()
	}
	return nil
}

// IsTLS tells whether TLS is up.
func (c *Conn) IsTLS() bool { return c.tls.Load() != nil }

// TLS returns the state of TLS; false when there is none.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	t := c.tls.Load()
	if t == nil {
		return tls.ConnectionState{}, false
	}
	return t.ConnectionState(), true
}

// Close flushes, says goodbye to TLS, and closes the socket. It is safe to call twice.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	ferr := c.Flush()
	if t := c.tls.Load(); t != nil && ferr == nil {
		_ = t.CloseWrite() // the peer may be gone; the socket is closed in any case
	}
	return c.end(ferr)
}

// Linger closes like Close, but first takes and drops what the peer is still sending, for at most d and n octets. Without it the
// socket would be reset under the last answer whenever the peer had more to say, and the peer would never read why.
// It belongs to the reading goroutine.
func (c *Conn) Linger(d time.Duration, n int64) error {
	if c.closed.Swap(true) {
		return nil
	}
	ferr := c.Flush()
	if t := c.tls.Load(); t != nil && ferr == nil {
		_ = t.CloseWrite()
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && ferr == nil && half.CloseWrite() == nil {
		_ = c.raw.SetReadDeadline(time.Now().Add(d))
		_, _ = io.CopyN(io.Discard, c.raw, n) // how it ends makes no difference
	}
	return c.end(ferr)
}

// Kill closes the socket at once, without a flush or a goodbye; whoever reads or writes gets an error.
func (c *Conn) Kill() {
	c.closed.Store(true)
	_ = c.end(nil)
}

func (c *Conn) end(ferr error) error {
	err := c.raw.Close()
	if c.onClose != nil {
		c.onClose()
	}
	if ferr != nil {
		return ferr
	}
	return err
}
