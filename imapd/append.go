package imapd

import (
	"errors"
	"io"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/wire"
)

// appendPace is how fast a client must send a message.
func appendPace() wire.Pace {
	return wire.Pace{Idle: time.Minute, MinRate: 500, Grace: time.Minute, Busy: true}
}

// appendArgs are the arguments of APPEND in front of the message.
type appendArgs struct {
	name  string
	flags mailstore.Flags
	date  time.Time
	utf8  bool // UTF8 (~{n}...), RFC 6855, section 4
}

// errWorkflowFolder answers attempts to put something into a folder that only the workflow fills.
var errWorkflowFolder = fault.New(fault.Conflict, fault.Text{
	EN: "messages cannot be put here; move documents by the workflow's folders",
	VI: "không đưa thư trực tiếp vào thư mục này; hãy chuyển văn bản theo quy trình",
})

// errReadOnly answers attempts to change a mailbox that the account may only read.
var errReadOnly = fault.New(fault.Denied, fault.Text{
	EN: "you may only read this mailbox", VI: "thư mục này chỉ được đọc",
})

// workflowOnly tells whether only the workflow may add or remove messages of such a mailbox.
func workflowOnly(role mailstore.FolderRole) bool {
	return role != mailstore.RoleNone && role != mailstore.RoleUnitInbox
}

// runAppend answers APPEND (RFC 9051, section 6.3.12). The message streams into the store; nothing is stored before its last octet and
// the end of the command have come, and whatever is refused is skipped.
func (s *session) runAppend(cmd *command) result {
	a, st := s.parseAppend(cmd)
	if st == nil && cmd.lit == nil {
		wrong := bad("Expected a message literal")
		return answer(wrong)
	}
	if cmd.lit == nil {
		return answer(*st)
	}
	if !cmd.lit.sync && (cmd.lit.size < 0 || cmd.lit.size > maxNonSync) {
		s.c.reply(cmd.tag, status{typ: "BAD", code: "TOOBIG", text: "Non-synchronizing literals are limited to 4096 octets"})
		return hangUp("Literal not allowed")
	}
	var box mailstore.Mailbox
	if st == nil {
		box, st = s.appendTarget(a, cmd.lit)
	}
	if st != nil {
		return s.refuseAppend(cmd, *st)
	}
	body := s.srv.be.Store.NewBody()
	defer body.Abort()
	s.c.Phase(appendPace())
	defer s.c.Phase(wire.Pace{Idle: idleTime})
	bodyErr, err := s.readMessage(cmd.lit, body)
	if err != nil {
		return s.lost(err)
	}
	want := ""
	if a.utf8 {
		want = ")"
	}
	rest, junk, err := s.c.frame.rest()
	if err != nil {
		return s.lost(err)
	}
	if junk || rest != want {
		return syntax("Unexpected octets behind the message")
	}
	if bodyErr != nil {
		return answer(s.failure(bodyErr, doingTarget))
	}
	return s.storeAppended(box, a, body, cmd.lit.eight)
}

func (s *session) parseAppend(cmd *command) (appendArgs, *status) {
	var a appendArgs
	wrong := bad("Expected: APPEND mailbox [(flags)] [date] literal")
	l := &cmd.args
	if !l.sp() {
		return a, &wrong
	}
	var refused *status
	if a.name, refused = s.nameArg(l); refused != nil {
		return a, refused
	}
	if !l.special(' ') {
		return a, &wrong
	}
	if l.peek() == '(' {
		var valid bool
		if a.flags, valid = parseFlagList(l); !valid {
			invalid := bad("Invalid flag")
			return a, &invalid
		}
		if !l.special(' ') {
			return a, &wrong
		}
	}
	if l.peek() == '"' {
		text, valid := l.quoted()
		if valid {
			a.date, valid = parseDateTime(text)
		}
		if !valid {
			invalid := bad("Invalid date-time")
			return a, &invalid
		}
		if !l.special(' ') {
			return a, &wrong
		}
	}
	switch string(l.b[l.i:]) {
	case "", "~":
	case "UTF8 (~", "utf8 (~":
		a.utf8 = true
	default:
		return a, &wrong
	}
	return a, nil
}

// appendTarget checks all that can be checked before the message is sent.
func (s *session) appendTarget(a appendArgs, lit *literal) (mailstore.Mailbox, *status) {
	m, p, err := s.lookup(a.name)
	switch {
	case err != nil:
	case !m.Selectable:
		err = mailstore.ErrNoMailbox
	case !p.rights.write:
		err = errReadOnly
	case workflowOnly(m.Role):
		err = s.mayAppend(m)
	case lit.size < 0 || lit.size > s.srv.opt.AppendLimit:
		err = refuse("TOOBIG", "Message too large")
	case lit.size == 0:
		err = refuse("CANNOT", "Empty message")
	}
	if err != nil {
		st := s.failure(err, doingTarget)
		return m, &st
	}
	return m, nil
}

// mayAppend asks the workflow about a folder of its own; without one nothing may be put there.
func (s *session) mayAppend(m mailstore.Mailbox) error {
	if s.srv.be.Workflow == nil {
		return errWorkflowFolder
	}
	return s.srv.be.Workflow.MayAppend(s.ctx, m.ID)
}

// refuseAppend answers without a message; one that the client sends unasked is skipped together with the rest of the command.
func (s *session) refuseAppend(cmd *command, st status) result {
	if cmd.lit.sync {
		return answer(st)
	}
	_, err := s.readMessage(cmd.lit, io.Discard)
	if err == nil {
		_, _, err = s.c.frame.rest()
	}
	if err != nil {
		return s.lost(err)
	}
	return answer(st)
}

// readMessage takes the literal's octets, block by block. The first error is the body's, after which the rest is only skipped; the
// second is the connection's.
func (s *session) readMessage(lit *literal, w io.Writer) (bodyErr, err error) {
	if lit.sync {
		if _, err := s.c.WriteString(continueReply); err != nil {
			return nil, err
		}
	}
	for left := lit.size; left > 0; {
		if len(s.c.Buffered()) == 0 {
			if err := s.c.Fill(); err != nil {
				return bodyErr, err
			}
		}
		b := s.c.Buffered()
		b = b[:min(int64(len(b)), left)]
		if bodyErr == nil {
			_, bodyErr = w.Write(b)
		}
		left -= int64(len(b))
		s.c.Discard(len(b))
	}
	return bodyErr, nil
}

// storeAppended makes the message durable and visible.
func (s *session) storeAppended(box mailstore.Mailbox, a appendArgs, body *mailstore.Body, eight bool) result {
	done, err := body.Finish()
	if err != nil {
		return answer(s.failure(err, doingTarget))
	}
	defer func() {
		if err := done.Release(); err != nil {
			s.log.Warn("release an appended message", "err", err)
		}
	}()
	if done.Scan.Defects&mail.DefectNUL != 0 && !eight {
		return answer(no("CANNOT", "Message holds NUL octets"))
	}
	uids, err := s.srv.be.Store.Append(s.ctx, box.ID, mailstore.Item{Body: done, Flags: a.flags, Date: a.date})
	if err != nil {
		return answer(s.failure(err, doingTarget))
	}
	s.srv.stats.Appended.Add(1)
	code := appendUint([]byte("APPENDUID "), box.UIDValidity)
	code = appendUint(append(code, ' '), uids[0])
	return answer(okCode(string(code), "APPEND completed"))
}

var errTooMuch = errors.New("imapd: refused literal too large to skip")

// rest reads what is left of a command behind a streamed literal. junk tells that more literals came, which were skipped.
func (f *framer) rest() (text string, junk bool, err error) {
	for {
		line, err := f.in.ReadLine(maxLine)
		if err != nil {
			return "", junk, err
		}
		line = trimLineEnd(line)
		lit, _, announces := announced(line)
		if !announces {
			return string(line), junk, nil
		}
		junk = true
		if lit.sync {
			return "", true, nil // refused before the client sends it
		}
		if lit.size < 0 || lit.size > maxNonSync {
			return "", true, errTooMuch
		}
		if _, err := f.in.ReadBlock(make([]byte, lit.size)); err != nil {
			return "", true, err
		}
	}
}
