package imapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"vanthu/internal/auth"
	"vanthu/internal/directory"
	"vanthu/internal/wire"
)

// Times of a connection (design, reliability.md section 3).
const (
	loginTime     = 60 * time.Second // greeting to login
	idleTime      = 35 * time.Minute // between commands, and in IDLE
	handshakeTime = 10 * time.Second
	lingerTime    = 2 * time.Second
	lingerOctets  = 1 << 20
)

// Bad commands before the connection ends: in all before login, in a row after it.
const (
	maxEarlyBad = 3
	maxBad      = 20
)

// conn is the connection as imapserver sees it. Its Read gives imapserver one canonical command line at a time; everything else is
// answered in between, on the same goroutine. Its Write takes imapserver's answers.
type conn struct {
	*wire.Conn
	srv  *Server
	sess *session
	log  *slog.Logger

	frame    framer
	cmd      command // the one being carried out, and why it may not be
	ref      refusal
	res      result
	feed     []byte // the command imapserver may read
	bads     int
	ending   string // why the connection ends before the next command
	midLine  bool   // imapserver has written part of a line
	implicit bool   // TLS from the start

	compressed bool // COMPRESS is active
}

func newConn(srv *Server, w *wire.Conn, implicit bool) *conn {
	c := &conn{Conn: w, srv: srv, log: srv.log.With("remote", w.Remote().String()), implicit: implicit}
	c.frame = framer{in: w, early: true, admit: c.admit}
	w.Phase(wire.Pace{Until: time.Now().Add(loginTime)})
	return c
}

// mayStartTLS tells whether STARTTLS makes sense now.
func (c *conn) mayStartTLS() bool { return c.srv.opt.TLS != nil && !c.IsTLS() }

// mayLogin tells whether a password may be sent now.
func (c *conn) mayLogin() bool {
	return c.IsTLS() || c.srv.opt.AllowInsecureAuthOnLoopback && c.Remote().Addr().IsLoopback()
}

// channel describes the connection to the mechanisms of log-in.
func (c *conn) channel() auth.Channel {
	ch := auth.Channel{Remote: c.Remote().Addr(), Protocol: directory.IMAP}
	if st, secured := c.TLS(); secured {
		ch.TLS = &st
	}
	return ch
}

// secure does the handshake of implicit TLS, before anything is said.
func (c *conn) secure() error {
	if !c.implicit {
		return nil
	}
	if err := c.StartTLS(c.srv.opt.TLS, handshakeTime); err != nil {
		return err
	}
	c.Phase(wire.Pace{Until: time.Now().Add(loginTime)})
	return nil
}

// loggedIn lifts what holds before login only.
func (c *conn) loggedIn() {
	c.frame.early = false
	c.bads = 0
	c.Authenticated()
	c.Phase(wire.Pace{Idle: idleTime})
}

// loggedOut brings back what holds before login.
func (c *conn) loggedOut() {
	c.frame.early = true
	c.Phase(wire.Pace{Until: time.Now().Add(loginTime)})
}

// Read implements net.Conn for imapserver: it blocks until there is a command for it.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.feed) == 0 {
		c.sess.req = request{}
		if c.ending != "" {
			c.sayBye(c.ending)
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			c.broken(err)
			return 0, io.EOF
		}
		c.srv.stats.Commands.Add(1)
		if !c.handle() {
			return 0, io.EOF
		}
	}
	n := copy(p, c.feed)
	c.feed = c.feed[n:]
	return n, nil
}

// Write implements net.Conn for imapserver. Capability lists and ENABLED are patched on the way; they are short and come in one piece.
// What the session has to say at the end of a command goes in front of its tagged answer.
func (c *conn) Write(p []byte) (int, error) {
	line := p
	if !c.midLine {
		req := &c.sess.req
		switch {
		case req.atEnd != nil && len(p) > len(req.tag) && string(p[:len(req.tag)]) == req.tag && p[len(req.tag)] == ' ':
			req.atEnd()
			req.atEnd = nil
		case req.enabled != "" && bytes.HasPrefix(p, enabledLine) && bytes.HasSuffix(p, lineBreak):
			line = append(append(append([]byte{}, p[:len(p)-len(lineBreak)]...), req.enabled...), lineBreak...)
			req.enabled = ""
		}
		line = c.patchCaps(line)
	}
	c.midLine = !bytes.HasSuffix(p, []byte{'\n'})
	if _, err := c.Conn.Write(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// admit checks a verb against the table before any of its literals is taken.
func (c *conn) admit(verb string, args []byte) (stream bool, ref refusal) {
	if ref := c.check(verb); ref.given() {
		return false, ref
	}
	// From the message on, APPEND and REPLACE take their literals themselves. The mailbox name before it is collected.
	switch before := bytes.TrimSpace(args); verb {
	case "APPEND":
		return len(before) > 0, refusal{}
	case "REPLACE", "UID REPLACE":
		return bytes.IndexByte(before, ' ') > 0, refusal{}
	}
	return false, refusal{}
}

// check tells whether the verb is known and allowed in the present state.
func (c *conn) check(verb string) refusal {
	e, found := lookup(verb)
	if !found {
		return badSyntax("Unknown command")
	}
	switch s := c.sess; {
	case e.need == notAuthenticated && s.user != nil:
		return badSyntax("Already logged in")
	case e.need >= authenticated && s.user == nil:
		return badSyntax("Log in first")
	case e.need == selected && s.box == nil:
		return badSyntax("Select a mailbox first")
	}
	return refusal{}
}

// next waits for the next command.
func (c *conn) next() (err error) {
	c.sess.openPush()
	c.cmd, c.ref, err = c.frame.next()
	c.sess.closePush()
	return err
}

// handle carries the command out or lays it aside for imapserver. It returns false when the connection ends.
//
// It, run and the handlers under it stand on the stack of every connection that idles. The runtime gives the half of a stack back
// only when less than a quarter of it is in use, so what they need for a moment is in functions of its own: 8 KiB each instead of 16.
func (c *conn) handle() bool {
	if refused, goOn := c.refuse(); refused {
		return goOn
	}
	e, _ := lookup(c.cmd.verb)
	return c.finish(e.held, c.run(e.run))
}

// refuse answers a command that may not be carried out.
//
//go:noinline
func (c *conn) refuse() (refused, goOn bool) {
	if !c.ref.given() {
		c.ref = c.check(c.cmd.verb)
	}
	if ref := c.ref; ref.given() {
		c.reply(c.cmd.tag, status{typ: ref.typ, code: ref.code, text: ref.text})
		if ref.bye {
			c.sayBye(ref.text)
			return true, false
		}
		return true, ref.typ != "BAD" || c.countBad()
	}
	if s := c.sess; s.user != nil && !s.stillAllowed() {
		c.sayBye("Your access has changed, please log in again")
		return true, false
	}
	return false, true
}

// finish answers a command that has been carried out.
//
//go:noinline
func (c *conn) finish(held bool, res *result) bool {
	switch {
	case res.bye != "":
		c.sayBye(res.bye)
		return false
	case res.gone:
		return false
	case res.done: // with OK
		c.bads = 0
		return true
	case res.stub != "":
		c.bads = 0
		c.feed = append(append(append(append(c.feed[:0], c.cmd.tag...), ' '), res.stub...), "\r\n"...)
		return true
	}
	if res.reply.typ == "OK" && c.sess.box != nil {
		c.sess.poll(!held)
	}
	c.reply(c.cmd.tag, res.reply)
	if res.reply.typ == "BAD" {
		return c.countBad()
	}
	c.bads = 0
	return true
}

// run calls the command's handler, nil for one that imapserver answers; a panic in it ends the command, not the connection.
func (c *conn) run(handler func(*session, *command) result) (res *result) {
	cmd := &c.cmd
	c.sess.req.tag, c.sess.req.verb = cmd.tag, cmd.verb
	if handler == nil {
		return c.passed()
	}
	defer func() {
		if v := recover(); v != nil {
			res = c.panicked(v)
		}
	}()
	c.res = handler(c.sess, cmd)
	return &c.res
}

// passed lets imapserver answer.
//
//go:noinline
func (c *conn) passed() *result {
	c.res = pass(c.cmd.verb)
	if !c.cmd.args.end() {
		c.res = syntax(c.cmd.verb + " takes no arguments")
	}
	return &c.res
}

//go:noinline
func (c *conn) panicked(v any) *result {
	c.log.Error("panic in a command", "verb", c.cmd.verb, "panic", v, "stack", string(debug.Stack()))
	c.res = answer(no("SERVERBUG", "Internal error"))
	if c.cmd.lit != nil {
		c.res = hangUp("Internal error") // nobody knows how much of the literal was read
	}
	return &c.res
}

// countBad counts a bad command and returns false when it was one too many.
func (c *conn) countBad() bool {
	c.bads++
	limit := maxBad
	if c.frame.early {
		limit = maxEarlyBad
	}
	if c.bads < limit {
		return true
	}
	c.sayBye("Too many bad commands")
	return false
}

// reply writes a status response; a failed write shows at the next read.
func (c *conn) reply(tag string, s status) {
	_, _ = c.Conn.Write(s.line(tag))
}

// sayBye ends the connection in a way that lets the client read why.
func (c *conn) sayBye(why string) {
	c.reply("", status{typ: "BYE", text: why})
	if err := c.Linger(lingerTime, lingerOctets); err != nil {
		c.log.Debug("close after goodbye", "err", err)
	}
}

// lost ends a command whose connection broke under it.
func (s *session) lost(err error) result {
	s.c.broken(err)
	return result{gone: true}
}

// broken ends the connection after a read failed.
func (c *conn) broken(err error) {
	switch {
	case errors.Is(err, wire.ErrTimeout):
		c.srv.stats.Timeouts.Add(1)
		c.reply("", status{typ: "BYE", text: "Idle for too long"})
	case errors.Is(err, wire.ErrInterrupted):
		c.reply("", status{typ: "BYE", code: "UNAVAILABLE", text: "Server is shutting down"})
	case errors.Is(err, errTooMuch):
		c.sayBye("Literal not allowed")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
	default:
		c.log.Debug("connection lost", "err", err)
	}
}
