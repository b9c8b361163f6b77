package smtpd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"vanthu/internal/auth"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/wire"
)

const (
	maxLogin    = 254  // octets, as an address
	maxPassword = 1024 // octets
)

// mayAuth tells whether a password may be sent as things are.
func (c *conn) mayAuth() bool {
	return c.IsTLS() || c.server.opt.AllowInsecureAuthOnLoopback && c.isLocal()
}

// mechanisms lists what may be offered as things are, the strongest first.
func (c *conn) mechanisms() []string {
	var list []string
	if a := c.server.opt.Auth; a != nil {
		list = a.Offered(c.channel())
	}
	return append(list, "PLAIN", "LOGIN")
}

// channel describes the connection to the mechanisms.
func (c *conn) channel() auth.Channel {
	ch := auth.Channel{Remote: c.Remote().Addr(), Protocol: directory.SMTP}
	if st, secured := c.TLS(); secured {
		ch.TLS = &st
	}
	return ch
}

// auth starts a login. RFC 4954, section 4.
func (c *conn) auth(cmd command) {
	s := &c.session
	switch {
	case !c.service.authenticates():
		c.badCommand(replyNoAuth)
		return
	case c.helo == "" || s.account != 0: // so never within a transaction, which only an account can open
		c.badCommand(replySequence)
		return
	case !c.mayAuth():
		c.badCommand(replyEncryption)
		return
	}
	f := bytes.Fields(cmd.arg)
	if len(f) == 0 || len(f) > 2 {
		c.badCommand(replyBadParam)
		return
	}
	mech := strings.ToUpper(string(f[0]))
	if !slices.Contains(c.mechanisms(), mech) {
		c.badCommand(replyNoMechanism)
		return
	}
	if len(f) == 2 {
		if !isBase64(f[1]) {
			c.badCommand(replyNotBase64)
			return
		}
		mech += " " + string(f[1])
	}
	c.pass(fedAuth, "AUTH ", mech)
}

// authAnswered passes on what the library says in the course of a login. After a challenge, which begins with a 3, it is given the
// client's answer.
func (c *conn) authAnswered(reply []byte) {
	if len(reply) == 0 {
		return
	}
	st := &c.server.stats
	switch {
	case reply[0] == '3':
		c.say(reply)
		c.authResponse()
	case reply[0] == '2':
		st.Logins.Add(1)
		c.Authenticated()
		c.log.Debug("logged in", slog.Int64("account", int64(c.session.account)))
		c.sayString(replyLoggedIn)
	case bytes.HasPrefix(reply, []byte("501")):
		c.badCommand(string(reply))
	default:
		st.LoginsFailed.Add(1)
		if c.authFailed++; c.authFailed >= c.server.opt.MaxAuthFailures {
			c.byeNow(replyTooManyLogins)
			return
		}
		c.say(reply)
	}
}

// authResponse takes the client's answer to a challenge. The library would take broken base64 for a temporary fault of ours.
func (c *conn) authResponse() {
	c.Phase(c.commandPace())
	raw, err := c.ReadLine(maxAuthLine)
	if errors.Is(err, wire.ErrLineTooLong) {
		c.bye(replyAuthTooLong)
		return
	}
	if err != nil {
		c.readFailed(err)
		return
	}
	text, ok := bytes.CutSuffix(raw, []byte("\r\n"))
	why := ""
	switch {
	case ok && string(text) == "*": // RFC 4954, section 4
		why = replyCancelled
	case !ok || !isBase64(text):
		why = replyNotBase64
	}
	if why != "" {
		c.badCommand(why)
		if !c.over {
			c.pass(fedSilent, "*", "") // tells the library that this login is over
		}
		return
	}
	c.pass(fedAuth, string(text), "")
}

// isBase64 tells whether text is an initial response or an answer; "=" stands for the empty one.
func isBase64(text []byte) bool {
	if len(text) == 1 && text[0] == '=' {
		return true
	}
	_, err := base64.StdEncoding.Strict().Decode(make([]byte, base64.StdEncoding.DecodedLen(len(text))), text)
	return err == nil
}

// mechanism gives the server's side of a SASL mechanism. Its errors are exactly *smtp.SMTPError: the library sends others in clear.
func (s *session) mechanism(name string) (sasl.Server, error) {
	switch name {
	case "PLAIN":
		return exactErrors{sasl.NewPlainServer(func(identity, login, password string) error {
			return s.login(identity, Login(login), Password(password))
		})}, nil
	case "LOGIN":
		return &loginServer{session: s}, nil
	}
	if a := s.conn.server.opt.Auth; a != nil {
		if x, offered := a.Begin(name, s.conn.channel()); offered {
			return &exchangeServer{session: s, exchange: x}, nil
		}
	}
	return nil, smtpError(replyNoMechanism)
}

// exactErrors gives errors of a mechanism's own, which are about the form of what was sent, their reply.
type exactErrors struct{ sasl.Server }

func (e exactErrors) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = e.Server.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	var exact *smtp.SMTPError
	if !errors.As(err, &exact) {
		exact = smtpError(replyBadCredentials)
	}
	return nil, false, exact
}

// loginServer is the mechanism LOGIN, obsolete but what Outlook speaks: two questions, or the name with the command.
// draft-murchison-sasl-login-00.
type loginServer struct {
	session *session
	login   []byte
	step    int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.step == 0 && response == nil:
		l.step = 1
		return []byte("Username:"), false, nil
	case l.step < 2:
		l.step, l.login = 2, bytes.Clone(response)
		return []byte("Password:"), false, nil
	}
	if err := l.session.login("", Login(l.login), Password(response)); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// exchangeServer lets the library carry an exchange, in which the client speaks first.
type exchangeServer struct {
	session  *session
	exchange auth.Exchange
	begun    bool
}

func (e *exchangeServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if !e.begun && response == nil { // no initial response
		e.begun = true
		return nil, false, nil
	}
	e.begun = true
	s := e.session
	challenge, done, err = e.exchange.Next(s.ctx, response)
	switch {
	case errors.Is(err, directory.ErrMalformed):
		return nil, false, smtpError(replyBadCredentials)
	case errors.Is(err, directory.ErrAuthorization):
		return nil, false, smtpError(replyNotAnother)
	case err != nil:
		return nil, false, s.refuse(phaseAuth, err, false)
	case done:
		g := e.exchange.Grant()
		holds := s.conn.server.opt.Auth.Holds
		s.account, s.holds = AccountID(g.ID), func() bool { return holds(g) }
	}
	return challenge, done, nil
}

// login checks a name and a password. identity is who the user wants to be: nobody but itself (RFC 4616, section 2).
func (s *session) login(identity string, login Login, password Password) error {
	if identity != "" && identity != string(login) || !plausible(login, password) {
		return smtpError(replyWrongLogin)
	}
	access, err := s.conn.server.backend.Authenticate(s.ctx, login, password, s.conn.Remote().Addr())
	if err != nil {
		if fault.KindOf(err) == fault.Denied {
			s.conn.log.Info("login refused", slog.Any("err", err))
			return smtpError(replyWrongLogin)
		}
		return s.refuse(phaseAuth, err, false)
	}
	s.account, s.holds = access.Account, access.Holds
	return nil
}

// plausible tells whether the backend need be asked at all.
func plausible(login Login, password Password) bool {
	if login == "" || len(login) > maxLogin || !utf8.ValidString(string(login)) || password == "" || len(password) > maxPassword {
		return false
	}
	for _, r := range login {
		if r <= ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return strings.IndexByte(string(password), 0) < 0
}
