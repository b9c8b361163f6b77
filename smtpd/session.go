package smtpd

import (
	"context"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"vanthu/internal/mail"
)

// session is the library's view of a connection: it is called when the library agrees with a command the conn fed it.
type session struct {
	conn    *conn
	id      string
	account AccountID
	holds   func() bool // see Access; nil as there

	ctx    context.Context //nolint:containedctx // the library gives its sessions none
	cancel context.CancelFunc

	next struct { // what the conn read from the command being fed
		env mail.Envelope
		to  mail.Recipient
	}
	tx tx
}

// tx is a transaction: from MAIL until the reply to the data.
type tx struct {
	open     bool // MAIL was accepted
	origin   Origin
	env      mail.Envelope
	chunks   bool // BDAT has begun
	incoming Incoming
	body     body
	writeErr error // of the backend; the rest of the message is only counted
}

// origin says who is sending; utf8 is whether the transaction has SMTPUTF8.
func (s *session) origin(utf8 bool) Origin {
	c := s.conn
	return Origin{Session: s.id, Remote: c.Remote(), Helo: c.helo, Protocol: s.protocol(utf8), Account: s.account, TLS: c.tlsText, Certificates: c.certificates}
}

// protocol names the protocol as trace fields have it. RFC 3848; RFC 6531, section 4.3.
func (s *session) protocol(utf8 bool) string {
	c := s.conn
	name := "SMTP"
	if c.service == LMTP {
		name = "LMTP"
	}
	switch {
	case utf8:
		name = "UTF8" + name
	case c.esmtp && c.service != LMTP:
		name = "E" + name
	}
	if c.IsTLS() {
		name += "S"
	}
	if s.account != 0 {
		name += "A"
	}
	return name
}

// Mail is called with a sender the library took. The conn has read it more exactly than the library.
func (s *session) Mail(string, *smtp.MailOptions) error {
	o := s.origin(s.next.env.UTF8)
	if err := s.conn.server.backend.CheckSender(s.ctx, o, s.next.env.From); err != nil {
		return s.refuse(phaseMail, err, s.next.env.UTF8)
	}
	s.tx = tx{open: true, origin: o, env: s.next.env}
	return nil
}

// Rcpt is called with a recipient the library took.
func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	if err := s.conn.server.backend.CheckRecipient(s.ctx, s.tx.origin, s.tx.env.From, s.next.to.Addr); err != nil {
		return s.refuse(phaseRcpt, err, s.tx.env.UTF8)
	}
	s.tx.env.To = append(s.tx.env.To, s.next.to)
	return nil
}

// refuse gives the reply to err. What the client cannot be told goes to the log.
func (s *session) refuse(p phase, err error, utf8 bool) *smtp.SMTPError {
	r := reply(p, err, utf8)
	level := slog.LevelInfo
	if r.Code/100 == 4 {
		level = slog.LevelWarn
	}
	s.conn.log.Log(s.ctx, level, "refused", slog.String("verb", p.String()), slog.Int("code", r.Code), slog.Any("err", err))
	return r
}

// Data is never called: the conn takes messages itself.
func (s *session) Data(io.Reader) error { return &smtp.SMTPError{Code: 503, Message: "not here"} }

// Reset is called whenever the library's transaction ends, so that ours ends with it.
func (s *session) Reset() { s.drop() }

// drop ends the transaction; a message under way is forgotten.
func (s *session) drop() {
	in := s.tx.incoming
	s.tx = tx{}
	if in != nil {
		in.Abort()
	}
}

// Logout is called once, when the connection ends. The library would let a panic in here end the process.
func (s *session) Logout() error {
	defer func() {
		if e := recover(); e != nil {
			s.conn.server.stats.Panics.Add(1)
			s.conn.log.Error("panic in session", slog.Any("err", e), slog.String("stack", string(debug.Stack())))
		}
	}()
	defer s.cancel()
	s.drop()
	return nil
}

// AuthMechanisms is what the library would advertise; the conn writes the list.
func (s *session) AuthMechanisms() []string { return s.conn.mechanisms() }

// Auth starts a login.
func (s *session) Auth(mech string) (sasl.Server, error) { return s.mechanism(mech) }

var _ smtp.AuthSession = (*session)(nil)
