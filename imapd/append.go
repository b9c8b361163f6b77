package imapd

import (
	"errors"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/wire"
)

// appendPace is how fast a client must send a message.
func appendPace() wire.Pace {
	return wire.Pace{Idle: time.Minute, MinRate: 500, Grace: time.Minute, Busy: true}
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

// workflowOnly tells whether only the workflow may add or remove messages of such a mailbox. Drafts that wait for their number come and
// go as ordinary mail does.
func workflowOnly(role mailstore.FolderRole) bool {
	return role != mailstore.RoleNone && role != mailstore.RoleUnitInbox && role != mailstore.RoleNumbering
}

// runAppend answers APPEND (RFC 9051, section 6.3.12) with several messages (RFC 3502), made of parts (RFC 4469) or not. The messages
// stream into the store; nothing is stored before their last octet and the end of the command have come, and whatever is refused is
// skipped.
func (s *session) runAppend(cmd *command) result {
	a := newAppender(s, cmd)
	defer a.close()
	uids, err := a.append()
	if err != nil {
		return a.refuse(err, cmd.tag)
	}
	return answer(okCode(a.uidCode(uids), "APPEND completed"))
}

func (a *appender) append() ([]mailstore.UID, error) {
	if err := a.mailbox(); err != nil {
		return nil, err
	}
	for more := true; more; {
		if err := a.message(); err != nil {
			return nil, err
		}
		more = a.l.special(' ')
	}
	if err := a.end(); err != nil {
		return nil, err
	}
	defer a.s.working()()
	var uids []mailstore.UID
	err := a.s.change(func(tx *sqldb.Tx) (err error) {
		uids, err = a.put(tx)
		return err
	})
	return uids, err
}

// put stores the messages in the command's transaction.
func (a *appender) put(tx *sqldb.Tx) ([]mailstore.UID, error) {
	may, err := a.s.recheck(tx, &a.box, mailstore.RightInsert)
	if err != nil {
		return nil, err
	}
	for i := range a.items {
		a.items[i].Flags = onlyFlags(a.items[i].Flags, mayFlag(may))
	}
	return a.s.srv.be.Store.Put(a.s.ctx, tx, a.box.ID, a.items...)
}

// checkTarget checks all that can be checked before a message is sent.
func (a *appender) checkTarget() error {
	m, p, err := a.s.lookup(a.name)
	switch {
	case err != nil:
	case !m.Selectable:
		err = mailstore.ErrNoMailbox
	case !p.rights.Has(mailstore.RightInsert):
		if err = p.deny(mailstore.RightInsert); errors.Is(err, errNoRight) {
			err = errReadOnly
		}
	case workflowOnly(m.Role):
		err = a.s.mayAppend(m)
	}
	a.box = m
	return err
}

// mayAppend asks the workflow about a folder of its own; without one nothing may be put there.
func (s *session) mayAppend(m mailstore.Mailbox) error {
	if s.srv.be.Workflow == nil {
		return errWorkflowFolder
	}
	return s.srv.be.Workflow.MayAppend(s.ctx, m.ID)
}

// checkUpload asks the guard about a message that the client brings.
func (s *session) checkUpload(f *mailstore.Finished) error {
	if s.srv.be.Guard == nil {
		return nil
	}
	return s.srv.be.Guard.CheckUpload(s.ctx, s.user.ID, s.c.Remote(), f)
}

// allowedFlags gives those of flags that the account may set in a mailbox; APPEND does not fail for the others (RFC 4314, section 4).
func (s *session) allowedFlags(m *mailstore.Mailbox, f mailstore.Flags) mailstore.Flags {
	return onlyFlags(f, mayFlag(s.rightsOn(m)))
}

func onlyFlags(f mailstore.Flags, may mailstore.FlagSet) mailstore.Flags {
	f.System &= may
	if may&mailstore.Keyword(0) == 0 {
		f.Keywords = nil
	}
	return f
}
