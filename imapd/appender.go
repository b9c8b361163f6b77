package imapd

import (
	"errors"
	"io"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/wire"
)

// Limits of one APPEND or REPLACE besides those of a message.
const (
	maxAppended     = 1000     // messages and parts of messages
	maxAppendMemory = 32 << 20 // octets of what is held of them until the end
	maxAppendInline = 8 << 20  // the same, beyond which whole messages wait in files
)

// appender takes the messages of APPEND and REPLACE. The command is parsed piece by piece, a piece being what stands between two
// literals. Its methods return a *replyError, or a fault of the stores, for what is refused, and errLost for a broken connection.
type appender struct {
	s    *session
	l    lexer    // of the piece
	lit  *literal // announced at the end of the piece and not taken
	name string
	box  mailstore.Mailbox

	paced  bool
	count  int   // messages and parts
	octets int64 // of the message being taken
	memory int64 // held of the messages so far
	items  []mailstore.Item
}

// errLost marks errors of the connection.
type errLost struct{ error }

func (e errLost) Unwrap() error { return e.error }

// errTooMuch ends the connection: what is to be skipped is too much.
var errTooMuch = errors.New("imapd: refused literal too large to skip")

// errEmpty refuses a message without octets: with several messages, it is how a client takes them all back (RFC 3502, section 6.3.11).
var errEmpty = refuse("CANNOT", "Empty message")

func errSyntax(text string) error { return &replyError{bad(text)} }

func newAppender(s *session, cmd *command) *appender {
	return &appender{s: s, l: cmd.args, lit: cmd.lit}
}

// close gives back what was held.
func (a *appender) close() {
	if a.paced {
		a.s.c.Phase(wire.Pace{Idle: idleTime})
	}
	for _, it := range a.items {
		if err := it.Body.Release(); err != nil {
			a.s.log.Warn("release an appended message", "err", err)
		}
	}
}

// refuse answers a command that is not carried out. What the client sends unasked is skipped; what it would ask for is refused.
func (a *appender) refuse(err error, tag string) result {
	var lost errLost
	if errors.As(err, &lost) {
		return a.s.lost(lost.error)
	}
	st := a.s.failure(err, doingTarget)
	for a.lit != nil {
		if a.lit.sync {
			return answer(st)
		}
		if a.lit.size < 0 || a.lit.size > maxNonSync {
			a.s.c.reply(tag, st)
			return hangUp("Literal not allowed")
		}
		if err := a.take(io.Discard); err != nil {
			if errors.As(err, &lost) {
				return a.s.lost(lost.error)
			}
			st = a.s.failure(err, doingTarget) // the piece behind it is wrong by itself
		}
	}
	return answer(st)
}

// uidCode gives the APPENDUID code of RFC 4315.
func (a *appender) uidCode(uids []mailstore.UID) string {
	a.s.srv.stats.Appended.Add(int64(len(uids)))
	code := appendUint([]byte("APPENDUID "), a.box.UIDValidity)
	return string(appendUIDList(append(code, ' '), uids))
}

// mailbox reads the name and the blank behind it.
func (a *appender) mailbox() error {
	if !a.l.sp() {
		return a.wrong()
	}
	var refused *status
	if a.name, refused = a.s.nameArg(&a.l); refused != nil {
		return &replyError{*refused}
	}
	if !a.l.special(' ') {
		return a.wrong()
	}
	return nil
}

func (a *appender) wrong() error {
	if len(a.items) > 0 || a.count > 0 {
		return errSyntax("Unexpected octets behind the message")
	}
	return errSyntax("Expected: " + a.s.req.verb + " mailbox [(flags)] [date] literal")
}

// message reads one message with its options and keeps it. The first one decides about the mailbox.
func (a *appender) message() error {
	it := mailstore.Item{By: a.s.user.ID}
	if err := a.options(&it); err != nil {
		return err
	}
	data, err := a.dataKind()
	if err != nil {
		return err
	}
	if a.box.ID == 0 {
		if err := a.checkTarget(); err != nil {
			return err
		}
	}
	it.Flags = a.s.allowedFlags(&a.box, it.Flags)
	body := a.s.srv.be.Store.NewBody
	if a.memory > maxAppendInline {
		body = a.s.srv.be.Store.NewFileBody
	}
	b := body()
	defer b.Abort()
	a.octets = 0
	eight, err := data(b)
	if err != nil {
		return err
	}
	if a.octets == 0 {
		return errEmpty
	}
	if it.Body, err = b.Finish(); err != nil {
		return err
	}
	a.items = append(a.items, it)
	m := it.Body.Scan
	if m.Defects&mail.DefectNUL != 0 && !eight {
		return refuse("CANNOT", "Message holds NUL octets")
	}
	if err := a.s.checkUpload(it.Body); err != nil {
		return err
	}
	if a.memory += m.HeaderLen + it.Body.Held(); a.memory > maxAppendMemory {
		return refuse("LIMIT", "Too many messages at once")
	}
	return nil
}

// options reads flags and date, both of which may be missing.
func (a *appender) options(it *mailstore.Item) error {
	if a.l.peek() == '(' {
		var valid bool
		if it.Flags, valid = parseFlagList(&a.l); !valid {
			return errSyntax("Invalid flag")
		}
		if !a.l.special(' ') {
			return a.wrong()
		}
	}
	if a.l.peek() == '"' {
		text, valid := a.l.quoted()
		if valid {
			it.Date, valid = parseDateTime(text)
		}
		if !valid {
			return errSyntax("Invalid date-time")
		}
		if !a.l.special(' ') {
			return a.wrong()
		}
	}
	return nil
}

// dataKind reads what the message is made of, up to its first literal, and gives what takes it: that tells whether NUL was allowed.
func (a *appender) dataKind() (func(*mailstore.Body) (eight bool, err error), error) {
	if a.l.keyword("CATENATE") {
		if !a.l.special(' ') || !a.l.special('(') {
			return nil, a.wrong()
		}
		return a.catenate, nil
	}
	if a.l.keyword("UTF8") {
		if !a.l.special(' ') || !a.l.special('(') || !a.announced() || !a.lit.eight {
			return nil, a.wrong()
		}
		return a.utf8, nil
	}
	if !a.announced() {
		if a.lit == nil && len(a.l.b) == a.l.i {
			return nil, errSyntax("Expected a message literal")
		}
		return nil, a.wrong()
	}
	return a.plain, nil
}

// announced tells whether the piece ends here with a literal.
func (a *appender) announced() bool {
	if a.lit == nil {
		return false
	}
	rest := string(a.l.b[a.l.i:])
	return rest == "" && !a.lit.eight || rest == "~" && a.lit.eight
}

func (a *appender) plain(b *mailstore.Body) (eight bool, err error) {
	eight = a.lit.eight
	if a.lit.size == 0 && a.lit.sync {
		return eight, errEmpty
	}
	return eight, a.part(b)
}

// utf8 is UTF8 (~{n}...), RFC 6855, section 4.
func (a *appender) utf8(b *mailstore.Body) (eight bool, err error) {
	if _, err := a.plain(b); err != nil {
		return true, err
	}
	if !a.l.special(')') {
		return true, a.wrong()
	}
	return true, nil
}

// part takes a literal as part of the message.
func (a *appender) part(b *mailstore.Body) error {
	if !a.lit.sync && (a.lit.size < 0 || a.lit.size > maxNonSync) {
		return errNonSync
	}
	if err := a.room(a.lit.size); err != nil {
		return err
	}
	return a.take(b)
}

// room counts n more octets of a message in; -1 is too many by itself.
func (a *appender) room(n int64) error {
	if a.count++; a.count > maxAppended {
		return refuse("LIMIT", "Too many messages at once")
	}
	limit := a.s.srv.opt.AppendLimit
	if n < 0 || n > limit || a.octets+n > limit {
		return refuse("TOOBIG", "Message too large")
	}
	a.octets += n
	return nil
}

// take reads the announced literal block by block and goes on to the piece behind it. When w fails, the literal is only skipped.
func (a *appender) take(w io.Writer) error {
	lit := *a.lit
	if !lit.sync && lit.size > maxNonSync {
		return errNonSync
	}
	c := a.s.c
	if !a.paced {
		c.Phase(appendPace())
		a.paced = true
	}
	if lit.sync {
		if _, err := c.WriteString(continueReply); err != nil {
			return errLost{err}
		}
	}
	var failed error
	for left := lit.size; left > 0; {
		if len(c.Buffered()) == 0 {
			if err := c.Fill(); err != nil {
				return errLost{err}
			}
		}
		b := c.Buffered()
		b = b[:min(int64(len(b)), left)]
		if failed == nil {
			_, failed = w.Write(b)
		}
		left -= int64(len(b))
		c.Discard(len(b))
	}
	return errors.Join(failed, a.next()) // as the first refusal counts, so does a broken connection
}

var errNonSync = &replyError{status{typ: "BAD", code: "TOOBIG", text: "Non-synchronizing literals are limited to 4096 octets"}}

// next reads the piece behind a literal.
func (a *appender) next() error {
	a.lit, a.l = nil, lexer{}
	line, err := a.s.c.ReadLine(maxLine)
	if errors.Is(err, wire.ErrLineTooLong) {
		err = errTooMuch
	}
	if err != nil {
		return errLost{err}
	}
	line = trimLineEnd(line)
	ref := checkPiece(line)
	if ref.bye {
		return errLost{errTooMuch}
	}
	if lit, at, is := announced(line); is {
		a.lit, line = &lit, line[:at]
	}
	if ref.given() {
		return errSyntax(ref.text)
	}
	a.l = lexer{b: line}
	return nil
}

// end makes sure that the command is at its end.
func (a *appender) end() error {
	if a.lit != nil || a.l.i != len(a.l.b) {
		return a.wrong()
	}
	return nil
}

// collect takes a literal that is an argument.
func (a *appender) collect() (string, error) {
	if a.lit.size < 0 || a.lit.size > maxURL {
		return "", refuse("TOOBIG", "Literal too large for this command")
	}
	raw := make(buffer, 0, a.lit.size)
	err := a.take(&raw)
	return string(raw), err
}

// buffer is a Writer into memory.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
