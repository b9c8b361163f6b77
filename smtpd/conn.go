package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"vanthu/internal/wire"
)

// A conn is the connection as go-smtp sees it; see the package comment. All fields but closing belong to the session's goroutine.
type conn struct {
	*wire.Conn
	server  *Server
	service Service
	log     *slog.Logger

	session session
	began   time.Time

	helo         string              // what the client calls itself; "" before EHLO
	esmtp        bool                // it said EHLO or LHLO, not HELO
	tlsText      string              // version and cipher suite for the trace field, "" without TLS
	certificates []*x509.Certificate // that a client of the relay port showed

	started bool   // greeted
	over    bool   // nothing is read any more
	linger  bool   // the client may still be sending when we close
	line    []byte // room for the command the library is fed
	feed    []byte // what of it the library has not read yet
	fed     fed    // the command it is working on
	lib     []byte // its answer so far

	bad, idle, long, refused, authFailed int // counters against the limits
	closing                              atomic.Bool
}

// fed is a command given to the library: what to do with its answer.
type fed uint8

const (
	fedNone   fed = iota
	fedHello      // replaced by our own list of extensions
	fedMail       // success is replaced
	fedRcpt       //
	fedReset      //
	fedSilent     // dropped: the command was ours, not the client's
	fedAuth       // passed on; a challenge is followed by the client's answer
)

func newConn(ctx context.Context, s *Server, svc Service, wc *wire.Conn) *conn {
	c := &conn{Conn: wc, server: s, service: svc, began: time.Now()}
	id := newSessionID()
	c.log = s.opt.Log.With(slog.String("session", id), slog.String("remote", wc.Remote().String()))
	c.session = session{conn: c, id: id}
	c.session.ctx, c.session.cancel = context.WithCancel(ctx)
	wc.OnShutdown(func() {
		c.closing.Store(true)
		wc.Interrupt()
	})
	return c
}

// Write takes a piece of the library's answer to the command it was fed.
func (c *conn) Write(p []byte) (int, error) {
	c.lib = append(c.lib, p...)
	return len(p), nil
}

// Read gives the library the next command it is to see. All the work of a session happens in here.
func (c *conn) Read(p []byte) (n int, err error) {
	defer func() {
		if e := recover(); e != nil {
			c.server.stats.Panics.Add(1)
			c.log.Error("panic in session", slog.Any("err", e), slog.String("stack", string(debug.Stack())))
			c.session.drop()
			c.bye(replyInternal)
			n, err = 0, io.EOF
		}
	}()
	if len(c.feed) == 0 {
		c.answered()
		for len(c.feed) == 0 && !c.over {
			c.step()
		}
	}
	if len(c.feed) == 0 {
		return 0, io.EOF
	}
	n = copy(p, c.feed)
	c.feed = c.feed[n:]
	return n, nil
}

// Close ends the connection; what the library said last (it closes after a panic) goes out first.
func (c *conn) Close() error {
	if !c.over {
		c.say(c.lib)
	}
	c.over = true
	if c.linger {
		return c.Linger(lingerTime, lingerOctets)
	}
	return c.Conn.Close()
}

// say sends reply lines, CRLF included.
func (c *conn) say(reply []byte) { _, _ = c.Conn.Write(reply) } // a failed write fails the next read too

func (c *conn) sayString(reply string) { _, _ = c.Conn.WriteString(reply) }

// bye sends the last reply and ends the session.
func (c *conn) bye(reply string) {
	c.sayString(reply)
	c.over, c.linger = true, true
}

// byeNow is bye to a client that is not in the middle of saying something.
func (c *conn) byeNow(reply string) {
	c.sayString(reply)
	c.over = true
}

// hangUp ends the session without a word.
func (c *conn) hangUp() { c.over = true }

// pass feeds the library one command, without its CRLF.
func (c *conn) pass(what fed, verb, arg string) {
	c.line = append(append(append(c.line[:0], verb...), arg...), "\r\n"...)
	c.feed, c.fed = c.line, what
}

// answered deals with the library's answer to the command it was fed last.
func (c *conn) answered() {
	reply, what := c.lib, c.fed
	c.lib, c.fed = c.lib[:0], fedNone
	ok := len(reply) > 0 && reply[0] == '2'
	switch what {
	case fedHello:
		if ok {
			c.sayHello()
			return
		}
	case fedMail:
		if ok {
			c.sayString(replyMailOK)
			return
		}
	case fedRcpt:
		if ok {
			c.sayString(replyRcptOK)
			return
		}
		c.say(reply)
		c.rcptRefused()
		return
	case fedReset:
		if ok {
			c.sayString(replyOK)
			return
		}
	case fedAuth:
		c.authAnswered(reply)
		return
	case fedNone, fedSilent: // the greeting, or nothing the client asked for
		return
	}
	c.say(reply)
}

// step takes one command from the client: it answers it, or feeds it to the library, or ends the session.
func (c *conn) step() {
	if !c.started {
		c.started = true
		if !c.start() {
			return
		}
	}
	if c.closing.Load() {
		c.byeNow(replyShutdown)
		return
	}
	c.Phase(c.commandPace())
	line, err := c.ReadLine(maxAuthLine)
	if err != nil {
		c.readFailed(err)
		return
	}
	isAuth := len(line) >= 4 && bytes.EqualFold(line[:4], []byte("AUTH"))
	if len(line) > c.server.opt.MaxLine && !isAuth {
		c.lineTooLong(true)
		return
	}
	cmd, why := parseCommand(line)
	if why != "" {
		c.badCommand(why)
		return
	}
	c.dispatch(cmd)
}

// start brings up TLS on its own port, listens for early talkers, and greets. It tells whether the session goes on.
func (c *conn) start() bool {
	if c.service == LMTP && !c.mayLMTP() {
		c.server.stats.Refused.Add(1)
		c.bye(replyNotAllowed)
		return false
	}
	if c.service == Submissions && !c.startTLS() {
		return false
	}
	if c.service == Relay && c.server.opt.GreetDelay > 0 {
		early, err := c.Await(c.server.opt.GreetDelay)
		switch {
		case errors.Is(err, wire.ErrInterrupted):
			c.byeNow(replyShutdown)
			return false
		case err != nil:
			c.hangUp()
			return false
		case early:
			c.server.stats.Refused.Add(1)
			c.bye(replyEarly)
			return false
		}
	}
	c.sayString("220 " + c.server.opt.Hostname + " " + c.protocolName() + " ready\r\n")
	c.Phase(c.commandPace())
	if err := c.Fill(); err != nil {
		c.readFailed(err)
		return false
	}
	// A TLS hello has no line end to wait for. RFC 8446, section 5.1: records of a handshake begin with 22, then 3.
	if in := c.Buffered(); in[0] == 22 && !c.IsTLS() {
		c.hangUp()
		return false
	}
	return true
}

func (c *conn) protocolName() string {
	if c.service == LMTP {
		return "LMTP"
	}
	return "ESMTP"
}

// mayLMTP tells whether the peer may speak LMTP, which has no login.
func (c *conn) mayLMTP() bool {
	if c.isLocal() {
		return true
	}
	for _, p := range c.server.opt.LMTPPeers {
		if p.Contains(c.Remote().Addr()) {
			return true
		}
	}
	return false
}

// isLocal tells whether the peer is on this machine. What is not TCP is a Unix socket.
func (c *conn) isLocal() bool {
	r := c.Remote()
	return !r.IsValid() || r.Addr().IsLoopback()
}

// commandPace is how fast the client must send its next command.
func (c *conn) commandPace() wire.Pace {
	opt := &c.server.opt
	p := wire.Pace{Idle: opt.CommandTime, Total: opt.CommandTime, Until: c.began.Add(opt.SessionTime)}
	if login := c.began.Add(opt.LoginTime); c.service.authenticates() && c.session.account == 0 && login.Before(p.Until) {
		p.Until = login
	}
	return p
}

// readFailed ends the session after a command could not be read.
func (c *conn) readFailed(err error) {
	switch {
	case errors.Is(err, wire.ErrLineTooLong):
		c.lineTooLong(false)
	case errors.Is(err, wire.ErrInterrupted):
		c.byeNow(replyShutdown)
	case errors.Is(err, wire.ErrTimeout):
		c.server.stats.Timeouts.Add(1)
		c.byeNow(replyTimeout)
	default: // the client is gone, cut off in a command or not
		c.hangUp()
	}
}

// lineTooLong answers a command above the limit, of which the rest is skipped when it has not been taken yet.
func (c *conn) lineTooLong(taken bool) {
	c.server.stats.BadCommands.Add(1)
	if !taken {
		if in := c.Buffered(); len(in) >= 4 && bytes.EqualFold(in[:4], []byte("AUTH")) {
			c.bye(replyAuthTooLong)
			return
		}
		if err := c.SkipLine(maxSkip); err != nil {
			c.bye(replyLineTooLong)
			return
		}
	}
	if c.long++; c.long >= maxLongLines {
		c.bye(replyTooManyErrors)
		return
	}
	c.sayString(replyLineTooLong)
}

// badCommand answers a command that is refused for its form or place, and ends the session when there were too many.
func (c *conn) badCommand(reply string) {
	c.server.stats.BadCommands.Add(1)
	if c.bad++; c.bad >= c.server.opt.MaxBadCommands {
		c.bye(replyTooManyErrors)
		return
	}
	c.sayString(reply)
}

// idleCommand counts a command that sends no mail; it tells whether the session goes on.
func (c *conn) idleCommand() bool {
	if c.idle++; c.idle > c.server.opt.MaxIdleCommands {
		c.bye(replyTooManyIdle)
		return false
	}
	return true
}

// rcptRefused counts a refused recipient: guessing addresses is made slow, then ended.
func (c *conn) rcptRefused() {
	c.server.stats.RecipientsRefused.Add(1)
	c.refused++
	if c.refused >= c.server.opt.MaxRefused {
		c.byeNow(replyTooManyRefused)
		return
	}
	if c.refused >= slowRefusals {
		c.wait(refusalDelay)
	}
}

// wait holds the session up for d; a shutdown is noticed at the next command.
func (c *conn) wait(d time.Duration) {
	_ = c.Flush()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.session.ctx.Done():
	}
}

// startTLS does the handshake. When it fails the session is over: nothing that follows in the clear is a command.
func (c *conn) startTLS() bool {
	config := c.server.tls
	if c.service == Relay {
		config = c.server.relayTLS
	}
	if err := c.StartTLS(config, c.server.opt.HandshakeTime); err != nil {
		c.server.stats.HandshakesFailed.Add(1)
		c.log.Debug("tls handshake failed", slog.Any("err", err))
		c.hangUp()
		return false
	}
	c.server.stats.Handshakes.Add(1)
	st, _ := c.TLS()
	c.tlsText = tls.VersionName(st.Version) + " " + tls.CipherSuiteName(st.CipherSuite)
	if c.service == Relay {
		c.certificates = st.PeerCertificates
	}
	return true
}

// safeHelo gives what the client calls itself as a trace field may show it; false when it is no name at all.
func safeHelo(arg []byte) (string, bool) {
	if len(arg) == 0 || len(arg) > 255 || !utf8.Valid(arg) {
		return "", false
	}
	out := make([]byte, 0, len(arg))
	for _, r := range string(arg) {
		switch {
		case r <= ' ' || r == 0x7f:
			return "", false
		case r > 0x7f:
			out = append(out, '?') // computers have names in the user's language; the field is ASCII
		default:
			out = append(out, byte(r))
		}
	}
	return string(out), true
}

var _ net.Conn = (*conn)(nil)
