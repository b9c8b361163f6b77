package imapd

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// session is what one connection is about: who is logged in, what is selected, what the client has been told. It implements
// imapserver.Session; the methods that the table makes our own are only there for the interface. All of it belongs to the connection's
// goroutine, but for what mu guards.
type session struct {
	srv    *Server
	c      *conn
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // imapserver gives none; ends with the connection
	cancel context.CancelFunc

	user     *directory.Account // nil before login
	grant    directory.Grant    // what it rests on
	seen     *directory.Snapshot
	seenACL  *mailstore.ACL
	turn     time.Time // when rights change by themselves; zero: never
	key      sessionKey
	failures int
	wide     bool // UTF-8 in quoted strings enabled: UTF8=ACCEPT or IMAP4rev2
	rev2     bool // IMAP4rev2 enabled
	sync     syncLevel

	req request // of the command under way

	mu  sync.Mutex // guards box against the push of IDLE
	box *box       // nil when nothing is selected

	notify *notification // nil without NOTIFY SET; under mu
}

// request is a parsed command on its way through imapserver to the session's method; cleared before every command.
type request struct {
	tag   string
	verb  string
	cred  *credentials
	name  string // mailbox
	name2 string // new name of RENAME
	found struct {
		box   mailstore.Mailbox
		place place
		err   error
	} // of SELECT
	use     mailstore.Use
	uid     bool // numbers are UIDs
	set     numSet
	partial *window // of UID FETCH
	fetch   []fetchItem
	since   *mailstore.ModSeq // CHANGEDSINCE of FETCH
	gone    bool              // VANISHED of UID FETCH
	store   storeArgs

	atEnd     func()   // writes lines in front of imapserver's tagged answer
	enabled   string   // by ENABLE, beside what imapserver knows
	condstore bool     // SELECT (CONDSTORE)
	qresync   *qresync // SELECT (QRESYNC ...)
}

// newSession is called by imapserver on the connection's own goroutine, before the greeting.
func (s *Server) newSession(lc *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	c, isOurs := lc.NetConn().(*conn)
	if !isOurs {
		return nil, nil, errors.New("imapd: foreign connection")
	}
	sess := &session{srv: s, c: c, log: c.log}
	sess.ctx, sess.cancel = context.WithCancel(s.ctx)
	c.sess = sess
	if err := c.secure(); err != nil {
		sess.cancel()
		c.Kill()
		return nil, nil, err
	}
	return sess, nil, nil
}

// Close implements imapserver.Session: the connection is at its end.
func (s *session) Close() error {
	s.endNotify()
	s.cancel()
	s.closeBox()
	s.srv.leave(s)
	return nil
}

// authenticate checks a password, or takes the outcome of another mechanism.
func (s *session) authenticate(cred credentials) (directory.Grant, error) {
	if cred.exchanged {
		return cred.grant, cred.err
	}
	return s.srv.be.Directory.Authenticate(s.ctx, directory.Attempt{
		Login: directory.Login(cred.login), Password: directory.Password(cred.password), Remote: s.c.Remote().Addr(), Protocol: directory.IMAP,
	})
}

// stillAllowed tells whether the login and the right to read the selected mailbox hold after a change of the directory or of rights.
// When others of the rights on it have changed, the client is told (RFC 4314, section 5.1.1).
func (s *session) stillAllowed() bool {
	now, acl := s.srv.be.Directory.Snapshot(), s.srv.be.Store.ACL()
	if now == s.seen && acl == s.seenACL && (s.turn.IsZero() || s.srv.opt.Now().Before(s.turn)) {
		return true
	}
	turn := now.NextTurn() // before anything is looked at
	if at := acl.NextTurn(); turn.IsZero() || !at.IsZero() && at.Before(turn) {
		turn = at
	}
	if !now.StillValid(s.grant) {
		return false
	}
	if b := s.box; b != nil {
		may := acl.Rights(now, s.user.ID, b.mailbox())
		if !may.Has(mailstore.RightRead) {
			return false
		}
		if lines := b.allow(may); len(lines) > 0 {
			_ = s.out(lines) // a broken connection shows at the next read
		}
	}
	s.seen, s.seenACL, s.turn = now, acl, turn
	return true
}

// allow takes new rights on and gives the lines that tell what they change.
func (b *box) allow(may mailstore.Rights) (lines []byte) {
	before, wasReadOnly := b.changeable(), b.readOnly
	b.rights = may
	b.readOnly = b.examined || may&mailstore.ChangeRights == 0
	if b.readOnly != wasReadOnly {
		code := "READ-WRITE"
		if b.readOnly {
			code = "READ-ONLY"
		}
		lines = append(lines, okCode(code, "Your rights have changed").line("")...)
	}
	if after := b.changeable(); after != before {
		lines = appendFlagLines(lines, b.known.Keywords, after)
	}
	return lines
}

// guard turns a panic in a session method into a reply; imapserver would close the connection without a word.
func (s *session) guard(what string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	s.log.Error("panic in a session", "verb", what, "panic", v, "stack", string(debug.Stack()))
	*err = no("SERVERBUG", "Internal error").asError()
}

// fail gives the reply to an error of the stores, as imapserver wants it, and logs what nobody but us can mend.
func (s *session) fail(err error, at doing) error {
	if err == nil {
		return nil
	}
	return s.failure(err, at).asError()
}

// failure is fail for our own commands.
func (s *session) failure(err error, at doing) status {
	var own *replyError
	if !errors.As(err, &own) && fault.KindOf(err) == fault.Temporary && !errors.Is(err, context.Canceled) {
		s.log.Error("command failed", "verb", s.req.verb, "err", err)
	}
	return replyFor(err, at, s.wide)
}

// out writes a line, or lines, to the client.
func (s *session) out(b []byte) error {
	_, err := s.c.Conn.Write(b)
	return err
}

// Namespace implements imapserver.SessionNamespace.
func (s *session) Namespace() (*imap.NamespaceData, error) {
	line := []byte(`* NAMESPACE (("" "/"))`)
	for _, prefix := range []string{othersPrefix, sharedPrefix} {
		line = append(line, " (("...)
		if s.wide {
			line = appendQuoted(line, prefix)
		} else {
			line = appendQuoted(line, encodeUTF7(prefix))
		}
		line = append(line, ` "/"))`...)
	}
	line = append(line, "\r\n"...)
	return nil, errors.Join(s.out(line), ok("NAMESPACE completed").asError())
}

// Unauthenticate implements imapserver.SessionUnauthenticate (RFC 8437): all that came with the login is gone; TLS and compression stay.
func (s *session) Unauthenticate() error {
	s.endNotify()
	s.closeBox()
	s.srv.leave(s)
	s.user, s.seen, s.grant, s.key = nil, nil, directory.Grant{}, sessionKey{}
	s.wide, s.rev2, s.sync = false, false, syncLevel(0)
	s.log = s.c.log
	s.c.loggedOut()
	return nil
}

// Poll implements imapserver.Session: it tells the client what changed, before the tagged answer of a passed command.
func (s *session) Poll(_ *imapserver.UpdateWriter, allowExpunge bool) (err error) {
	defer s.guard("poll", &err)
	if s.box == nil {
		return nil
	}
	s.poll(allowExpunge)
	return nil
}

// runID answers ID (RFC 2971) without a version: it would only tell what to attack.
func (s *session) runID(cmd *command) result {
	l := &cmd.args
	valid := l.sp()
	if valid && !l.keyword("NIL") {
		pairs := 0 // strings, that is
		valid = l.list(func() bool {
			pairs++
			if l.keyword("NIL") {
				return pairs%2 == 0
			}
			_, isString := l.quoted()
			return isString && pairs <= 60
		}) && pairs%2 == 0
	}
	if !valid || !l.end() {
		return syntax("Expected: ID (\"field\" \"value\" ...) or ID NIL")
	}
	if err := s.out([]byte(`* ID ("name" "vanthu")` + "\r\n")); err != nil {
		s.log.Debug("write", "err", err)
	}
	return answer(ok("ID completed"))
}

// runEnable parses ENABLE (RFC 5161); imapserver keeps what is enabled as well, for its own lines.
func (s *session) runEnable(cmd *command) result {
	l := &cmd.args
	stub := "ENABLE"
	level, rev2, wide, enabled := s.sync, s.rev2, s.wide, "" // taken over only when the whole command is right
	n := 0
	for l.sp() {
		word, isAtom := l.word()
		if !isAtom {
			return syntax("Invalid capability name")
		}
		n++
		switch word {
		case "IMAP4REV2":
			rev2, wide = true, true
			stub += " IMAP4rev2"
		case "UTF8=ACCEPT":
			wide = true
			stub += " UTF8=ACCEPT"
		case "CONDSTORE":
			level = max(level, syncCondStore)
			enabled += " CONDSTORE"
		case "QRESYNC":
			level = syncQResync
			enabled += " QRESYNC"
		}
	}
	if n == 0 || !l.end() {
		return syntax("Expected: ENABLE capability ...")
	}
	s.rev2, s.wide, s.req.enabled = rev2, wide, enabled
	s.raise(level)
	return pass(stub)
}

// Idle implements imapserver.Session; IDLE never reaches it.
func (s *session) Idle(*imapserver.UpdateWriter, <-chan struct{}) error { return errNotPassed }

// Append implements imapserver.Session; APPEND never reaches it.
func (s *session) Append(string, imap.LiteralReader, *imap.AppendOptions) (*imap.AppendData, error) {
	return nil, errNotPassed
}

// Search implements imapserver.Session; SEARCH never reaches it.
func (s *session) Search(imapserver.NumKind, *imap.SearchCriteria, *imap.SearchOptions) (*imap.SearchData, error) {
	return nil, errNotPassed
}

// List implements imapserver.Session; LIST and LSUB never reach it.
func (s *session) List(*imapserver.ListWriter, string, []string, *imap.ListOptions) error {
	return errNotPassed
}

// Status implements imapserver.Session; STATUS never reaches it.
func (s *session) Status(string, *imap.StatusOptions) (*imap.StatusData, error) {
	return nil, errNotPassed
}

// errNotPassed answers a command that the table must never pass on.
var errNotPassed = no("SERVERBUG", "Internal error").asError()

var (
	_ imapserver.SessionIMAP4rev2      = (*session)(nil)
	_ imapserver.SessionUnauthenticate = (*session)(nil)
)
