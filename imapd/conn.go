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
		c.sess.openPush()
		cmd, ref, err := c.frame.next()
		c.sess.closePush()
		if err != nil {
			c.broken(err)
			return 0, io.EOF
		}
		c.srv.stats.Commands.Add(1)
		if !c.handle(cmd, ref) {
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

// handle carries one command out or lays it aside for imapserver. It returns false when the connection ends.
func (c *conn) handle(cmd command, ref refusal) bool {
	if !ref.given() {
		ref = c.check(cmd.verb)
	}
	if ref.given() {
		c.reply(cmd.tag, status{typ: ref.typ, code: ref.code, text: ref.text})
		if ref.bye {
			c.sayBye(ref.text)
			return false
		}
		return ref.typ != "BAD" || c.countBad()
	}
	if s := c.sess; s.user != nil && !s.stillAllowed() {
		c.sayBye("Your access has changed, please log in again")
		return false
	}
	e, _ := lookup(cmd.verb)
	res := c.run(e, cmd)
	switch {
	case res.bye != "":
		c.sayBye(res.bye)
		return false
	case res.gone:
		return false
	case res.done:
		return true
	case res.stub != "":
		c.bads = 0
		c.feed = append(append(append(append(c.feed[:0], cmd.tag...), ' '), res.stub...), "\r\n"...)
		return true
	}
	if res.reply.typ == "OK" && c.sess.box != nil {
		c.sess.poll(!e.held)
	}
	c.reply(cmd.tag, res.reply)
	if res.reply.typ == "BAD" {
		return c.countBad()
	}
	c.bads = 0
	return true
}

// run calls the command's handler; a panic in it ends the command, not the connection.
func (c *conn) run(e entry, cmd command) (res result) {
	if e.run == nil {
		if !cmd.args.end() {
			return syntax(cmd.verb + " takes no arguments")
		}
		c.sess.req.tag, c.sess.req.verb = cmd.tag, cmd.verb
		return pass(cmd.verb)
	}
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("panic in a command", "verb", cmd.verb, "panic", v, "stack", string(debug.Stack()))
			res = answer(no("SERVERBUG", "Internal error"))
			if cmd.lit != nil {
				res = hangUp("Internal error") // nobody knows how much of the literal was read
			}
		}
	}()
	c.sess.req.tag, c.sess.req.verb = cmd.tag, cmd.verb
	return e.run(c.sess, &cmd)
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
