package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// errFixedTree answers attempts to change which folders a unit has.
var errFixedTree = fault.New(fault.Denied, fault.Text{
	EN: "the folders of a unit cannot be changed here", VI: "không được thay đổi cây thư mục của đơn vị",
})

// runCreate parses CREATE with the USE parameter of RFC 6154.
func (s *session) runCreate(cmd *command) result {
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: CREATE mailbox")
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if l.sp() {
		if !l.special('(') || !l.keyword("USE") || !l.sp() || !s.parseUse(l) || !l.special(')') {
			return syntax(`Expected: CREATE mailbox (USE (\Attribute))`)
		}
	}
	if !l.end() {
		return syntax("Expected: CREATE mailbox")
	}
	switch s.req.use {
	case mailstore.UseNone, mailstore.UseArchive, mailstore.UseDrafts, mailstore.UseJunk, mailstore.UseSent, mailstore.UseTrash:
	default:
		return answer(no("USEATTR", "Special use not supported"))
	}
	s.req.name = name
	return pass("CREATE x")
}

func (s *session) parseUse(l *lexer) bool {
	n := 0
	known := []mailstore.Use{mailstore.UseArchive, mailstore.UseDrafts, mailstore.UseJunk, mailstore.UseSent, mailstore.UseTrash}
	return l.list(func() bool {
		attr, isFlag := l.flag()
		n++
		s.req.use = "unknown"
		for _, u := range known {
			if n == 1 && strings.EqualFold(attr, string(u)) {
				s.req.use = u
			}
		}
		return isFlag && strings.HasPrefix(attr, `\`)
	})
}

// Create implements imapserver.Session.
func (s *session) Create(string, *imap.CreateOptions) (err error) {
	defer s.guard("CREATE", &err)
	p, err := s.locate(s.req.name)
	if err == nil && p.owner.Unit != 0 {
		err = errFixedTree
	}
	if err != nil {
		return s.fail(hideUnit(err, s.req.name), doingName)
	}
	m, err := s.srv.be.Store.CreateMailbox(s.ctx, p.owner, p.name, s.req.use)
	if err != nil {
		return s.fail(err, doingName)
	}
	s.poll(true) // imapserver does not when there is a code
	return okCode(string(appendMailboxID(nil, m.ID)), "CREATE completed").asError()
}

// hideUnit makes a unit that is not there and one that may not be seen look like one that may not be changed.
func hideUnit(err error, name string) error {
	if fault.KindOf(err) == fault.NotFound && (name == sharedRoot || strings.HasPrefix(name, sharedPrefix)) {
		return errFixedTree
	}
	return err
}

// runNamed parses the commands whose one argument is a mailbox.
func (s *session) runNamed(cmd *command) result {
	l := &cmd.args
	if !l.sp() {
		return syntax("Expected: " + cmd.verb + " mailbox")
	}
	name, refused := s.nameArg(l)
	if refused != nil {
		return answer(*refused)
	}
	if !l.end() {
		return syntax("Expected: " + cmd.verb + " mailbox")
	}
	s.req.name = name
	return pass(cmd.verb + " x")
}

// Delete implements imapserver.Session.
func (s *session) Delete(string) (err error) {
	defer s.guard("DELETE", &err)
	m, p, err := s.lookup(s.req.name)
	if err == nil && p.owner.Unit != 0 {
		err = errFixedTree
	}
	if err == nil {
		err = s.srv.be.Store.DeleteMailbox(s.ctx, m.ID)
	}
	return s.fail(err, doingOther)
}

// lookup finds an existing mailbox that the account may see. The level of a unit itself is no mailbox.
func (s *session) lookup(name string) (mailstore.Mailbox, place, error) {
	p, err := s.locate(name)
	if err != nil {
		return mailstore.Mailbox{}, p, err
	}
	if p.name == "" {
		return mailstore.Mailbox{}, p, mailstore.ErrNoMailbox
	}
	m, err := s.srv.be.Store.Lookup(s.ctx, p.owner, p.name)
	return m, p, err
}

// runRename parses RENAME.
func (s *session) runRename(cmd *command) result {
	l := &cmd.args
	var refused *status
	if !l.sp() {
		return syntax("Expected: RENAME mailbox newname")
	}
	if s.req.name, refused = s.nameArg(l); refused != nil {
		return answer(*refused)
	}
	if !l.sp() {
		return syntax("Expected: RENAME mailbox newname")
	}
	if s.req.name2, refused = s.nameArg(l); refused != nil {
		return answer(*refused)
	}
	if !l.end() {
		return syntax("Expected: RENAME mailbox newname")
	}
	return pass("RENAME x y")
}

// Rename implements imapserver.Session.
func (s *session) Rename(string, string, *imap.RenameOptions) (err error) {
	defer s.guard("RENAME", &err)
	m, from, err := s.lookup(s.req.name)
	if err != nil {
		return s.fail(err, doingOther)
	}
	to, err := s.locate(s.req.name2)
	if err == nil && (from.owner.Unit != 0 || to.owner.Unit != 0) {
		err = errFixedTree
	}
	if err != nil {
		return s.fail(hideUnit(err, s.req.name2), doingName)
	}
	return s.fail(s.srv.be.Store.RenameMailbox(s.ctx, m.ID, to.name), doingName)
}

// Subscribe implements imapserver.Session. Any valid name may be subscribed to, so nothing is told about what exists.
func (s *session) Subscribe(string) (err error) {
	defer s.guard("SUBSCRIBE", &err)
	return s.fail(s.srv.be.Store.Subscribe(s.ctx, s.user.ID, s.req.name, true), doingOther)
}

// Unsubscribe implements imapserver.Session.
func (s *session) Unsubscribe(string) (err error) {
	defer s.guard("UNSUBSCRIBE", &err)
	return s.fail(s.srv.be.Store.Subscribe(s.ctx, s.user.ID, s.req.name, false), doingOther)
}
