package imapd

import (
	"errors"
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
	p, err := s.mayCreate(s.req.name)
	if err != nil {
		return s.fail(err, doingName)
	}
	m, err := s.srv.be.Store.CreateMailbox(s.ctx, p.owner, p.name, s.req.use)
	if err != nil {
		return s.fail(err, doingName)
	}
	s.poll(true) // imapserver does not when there is a code
	return okCode(string(appendMailboxID(nil, m.ID)), "CREATE completed").asError()
}

// mayCreate finds the place of a new mailbox. Outside the account's own tree the nearest mailbox above it must exist and grant the right
// (RFC 4314, section 4); what is not there, what may not be seen and what may not be changed are refused alike.
func (s *session) mayCreate(name string) (place, error) {
	refused := errNoRight
	if name == sharedRoot || strings.HasPrefix(name, sharedPrefix) {
		refused = errFixedTree
	}
	p, err := s.locate(name)
	if fault.KindOf(err) == fault.NotFound || err == nil && p.name == "" {
		return p, refused
	}
	if err != nil || p.owner.Account == s.user.ID {
		return p, err
	}
	boxes, err := s.srv.be.Store.List(s.ctx, p.owner)
	if err != nil {
		return p, err
	}
	rights, above := mailstore.NoRights, ""
	for i := range boxes {
		m := &boxes[i]
		if m.Name == p.name && !s.rightsOn(m).Has(mailstore.RightLookup) {
			return p, refused
		}
		if strings.HasPrefix(p.name, m.Name+"/") && len(m.Name) > len(above) {
			rights, above = s.rightsOn(m), m.Name
		}
	}
	if !rights.Has(mailstore.RightCreate) {
		return p, refused
	}
	return p, nil
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
	m, _, err := s.mayDelete(s.req.name)
	if err == nil {
		err = s.srv.be.Store.DeleteMailbox(s.ctx, m.ID)
	}
	return s.fail(err, doingOther)
}

// mayDelete finds a mailbox that the account may delete or rename.
func (s *session) mayDelete(name string) (mailstore.Mailbox, place, error) {
	m, p, err := s.need(name, mailstore.RightDelete)
	if errors.Is(err, errNoRight) && p.owner.Unit != 0 {
		err = errFixedTree
	}
	return m, p, err
}

// errOtherTree answers RENAME from one owner's tree to another's.
var errOtherTree = fault.New(fault.Invalid, fault.Text{
	EN: "a mailbox cannot be moved to another owner", VI: "không chuyển được thư mục sang chủ hộp thư khác",
})

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
	m, from, err := s.mayDelete(s.req.name)
	if err != nil {
		return s.fail(err, doingOther)
	}
	to, err := s.mayCreate(s.req.name2)
	if err == nil && to.owner != from.owner {
		err = errOtherTree
	}
	if err != nil {
		return s.fail(err, doingName)
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
	if strings.HasPrefix(s.req.name, sharedPrefix) { // subscribed to without asking
		return s.fail(s.srv.be.Store.Decline(s.ctx, s.user.ID, s.req.name), doingOther)
	}
	return s.fail(s.srv.be.Store.Subscribe(s.ctx, s.user.ID, s.req.name, false), doingOther)
}
