package imapd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"vanthu/internal/auth"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/wire"
)

const (
	maxSASLLine = 12288 // octets of a line in an AUTHENTICATE exchange, RFC 4954, section 4
	maxFailures = 3     // failed logins of a connection
)

// credentials are what a client logs in with; they live for one command.
type credentials struct {
	login, password string

	exchanged bool // by another mechanism than a password, whose outcome is:
	grant     directory.Grant
	err       error
}

func privacyRequired() result {
	return answer(no("PRIVACYREQUIRED", "Start TLS before you log in"))
}

// runLogin parses LOGIN (RFC 9051, section 6.2.3). The password never goes through imapserver's parser.
func (s *session) runLogin(cmd *command) result {
	if !s.c.mayLogin() {
		return privacyRequired()
	}
	l := &cmd.args
	var cred credentials
	var ok1, ok2 bool
	if l.sp() {
		cred.login, ok1 = l.astring()
	}
	if l.special(' ') {
		cred.password, ok2 = l.astring()
	}
	if !ok1 || !ok2 || !l.end() {
		return syntax("Expected: LOGIN user password")
	}
	s.req.cred = &cred
	return pass("LOGIN x x")
}

// runAuthenticate does the exchange of AUTHENTICATE (RFC 9051, section 6.2.2; SASL-IR) and goes on as LOGIN: imapserver's own would
// hold its output lock over our check, and ends long responses.
func (s *session) runAuthenticate(cmd *command) result {
	if !s.c.mayLogin() {
		return privacyRequired()
	}
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: AUTHENTICATE mechanism")
	}
	mech, ok := l.word()
	x := exchange{s: s}
	if ok && l.sp() {
		b, _ := l.take(func(ch byte) bool { return ch > 0x20 && ch < 0x7f })
		x.initial, x.has = string(b), true
	}
	if !ok || !l.end() {
		return syntax("Expected: AUTHENTICATE mechanism")
	}
	var cred credentials
	var err error
	switch mech {
	case "PLAIN":
		cred, err = x.plain()
	case "LOGIN":
		cred, err = x.login()
	default:
		ex, offered := s.srv.auth.Begin(mech, s.c.channel())
		if !offered {
			return answer(no("CANNOT", "Mechanism not supported"))
		}
		cred, err = x.hold(ex)
	}
	switch {
	case errors.Is(err, errCancelled):
		return syntax("AUTHENTICATE cancelled")
	case errors.Is(err, errMalformed):
		return syntax("Malformed SASL response")
	case errors.Is(err, errAuthzid):
		return answer(no("AUTHORIZATIONFAILED", "You cannot act for another account"))
	case errors.Is(err, wire.ErrLineTooLong):
		return hangUp("SASL response too long")
	case err != nil:
		return s.lost(err)
	}
	s.req.cred = &cred
	return pass("LOGIN x x")
}

var (
	errCancelled = errors.New("exchange cancelled")
	errMalformed = errors.New("malformed response")
	errAuthzid   = errors.New("authorization identity differs")
)

// exchange is the server's side of a SASL exchange.
type exchange struct {
	s       *session
	initial string // initial response, base64
	has     bool
}

// respond gives the next response of the client: the initial one, or the answer to challenge.
func (x *exchange) respond(challenge string) ([]byte, error) {
	text := x.initial
	if x.has {
		x.has = false
		if text == "=" {
			return nil, nil
		}
	} else {
		if _, err := x.s.c.WriteString("+ " + base64.StdEncoding.EncodeToString([]byte(challenge)) + "\r\n"); err != nil {
			return nil, err
		}
		line, err := x.s.c.ReadLine(maxSASLLine)
		if err != nil {
			return nil, err
		}
		text = string(trimLineEnd(line))
	}
	if text == "*" {
		return nil, errCancelled
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errMalformed
	}
	return raw, nil
}

// plain is PLAIN, RFC 4616. An authorization identity must be the login itself.
func (x *exchange) plain() (credentials, error) {
	raw, err := x.respond("")
	if err != nil {
		return credentials{}, err
	}
	parts := bytes.Split(raw, []byte{0})
	if len(parts) != 3 {
		return credentials{}, errMalformed
	}
	if len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return credentials{}, errAuthzid
	}
	return credentials{login: string(parts[1]), password: string(parts[2])}, nil
}

// login is the LOGIN mechanism, which old and new Outlook need; an initial response is the user name.
func (x *exchange) login() (credentials, error) {
	user, err := x.respond("Username:")
	if err != nil {
		return credentials{}, err
	}
	password, err := x.respond("Password:")
	if err != nil {
		return credentials{}, err
	}
	return credentials{login: string(user), password: string(password)}, nil
}

// hold is an exchange in which the client speaks first. What the mechanism decides is part of the credentials; an error is about its
// form, or the connection.
func (x *exchange) hold(ex auth.Exchange) (credentials, error) {
	var answer []byte
	for {
		message, err := x.respond(string(answer))
		if err != nil {
			return credentials{}, err
		}
		var done bool
		answer, done, err = ex.Next(x.s.ctx, message)
		switch {
		case errors.Is(err, directory.ErrMalformed):
			return credentials{}, errMalformed
		case errors.Is(err, directory.ErrAuthorization):
			return credentials{}, errAuthzid
		case err != nil || done:
			return credentials{login: ex.Login(), exchanged: true, grant: ex.Grant(), err: err}, nil
		}
	}
}

// ensureMailboxes gives an account that never had mail its folders: every client expects an INBOX.
func (s *session) ensureMailboxes(id directory.AccountID) error {
	store := s.srv.be.Store
	err := store.View(s.ctx, func(r sqldb.Reader) error {
		_, err := store.Inbox(s.ctx, r, mailstore.Owner{Account: id})
		return err
	})
	if !errors.Is(err, mailstore.ErrNoMailbox) {
		return err
	}
	return store.Update(s.ctx, func(tx *sqldb.Tx) error { return store.EnsureAccount(s.ctx, tx, id) })
}

// Login implements imapserver.Session; its arguments are those of our stub, the real ones lie in the request.
func (s *session) Login(_, _ string) (err error) {
	defer s.guard("LOGIN", &err)
	cred := s.req.cred
	if cred == nil {
		return no("SERVERBUG", "Internal error").asError()
	}
	grant, err := s.authenticate(*cred)
	if err == nil {
		err = s.ensureMailboxes(grant.ID)
	}
	if err == nil {
		err = s.srv.enter(s, grant.ID)
	}
	if err != nil {
		s.srv.stats.LoginFailures.Add(1)
		if fault.KindOf(err) == fault.Temporary {
			s.log.Error("login", "err", err)
		} else {
			s.log.Info("login refused", "login", cred.login[:min(len(cred.login), 254)], "err", err)
		}
		if s.failures++; s.failures >= maxFailures {
			s.c.ending = "Too many failed logins"
		}
		return replyFor(err, doingLogin, false).asError()
	}
	s.srv.stats.Logins.Add(1)
	s.grant, s.user = grant, &grant.Account
	s.log = s.log.With("account", int64(grant.ID))
	s.log.Info("logged in", "tls", s.c.IsTLS(), "by", string(grant.By))
	s.c.loggedIn()
	return nil
}
