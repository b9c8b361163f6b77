package imapd

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// Identifiers of RFC 4314 are logins, "anyone", and roles as groups: "$vanthu@SYT" are the clerks of the unit SYT, "$quantri" the
// administrators of the whole province (docs/formats/acl.md). Negative rights are not offered.

// errNoIdentifier answers for an identifier that means nobody.
var errNoIdentifier = fault.New(fault.Invalid, fault.Text{
	EN: "there is no such account or group", VI: "không có tài khoản hoặc nhóm này",
})

// maxIdentifier is the longest identifier that is looked at, in octets.
const maxIdentifier = 512

// identifier reads an identifier: the octets, and whether they may be one at all.
func (l *lexer) identifier() (string, bool) {
	raw, isString := l.astring()
	if !isString || raw == "" || len(raw) > maxIdentifier {
		return "", false
	}
	for i := range len(raw) {
		if raw[i] < 0x20 || raw[i] == 0x7f { // what SASLprep forbids
			return "", false
		}
	}
	return raw, true
}

// grantee finds who an identifier means.
func (s *session) grantee(id string) (mailstore.Grantee, error) {
	g, known := mailstore.ParseGrantee(s.srv.be.Directory.Snapshot(), norm.NFKC.String(id))
	if !known {
		return g, errNoIdentifier
	}
	return g, nil
}

// aclArgs are the arguments of the commands about rights.
type aclArgs struct {
	name   string
	id     string
	change mailstore.RightsChange // only Op and Rights
}

// parseACL reads as many of the arguments as the command has.
func (s *session) parseACL(cmd *command, n int) (aclArgs, *status) {
	wrong := bad("Expected: " + cmd.verb + " " + strings.Join([]string{"mailbox", "identifier", "rights"}[:n], " "))
	l := &cmd.args
	var a aclArgs
	if !l.sp() {
		return a, &wrong
	}
	var refused *status
	if a.name, refused = s.nameArg(l); refused != nil {
		return a, refused
	}
	if n > 1 {
		var valid bool
		if valid = l.sp(); valid {
			a.id, valid = l.identifier()
		}
		if !valid {
			return a, &wrong
		}
	}
	if n > 2 {
		if !l.special(' ') {
			return a, &wrong
		}
		letters, isString := l.astring()
		if !isString {
			return a, &wrong
		}
		var known bool
		if a.change.Op, a.change.Rights, known = parseModRights(letters); !known {
			invalid := bad("Unknown right")
			return a, &invalid
		}
	}
	if !l.end() {
		return a, &wrong
	}
	return a, nil
}

// parseModRights reads the third argument of SETACL.
func parseModRights(s string) (op mailstore.RightsOp, r mailstore.Rights, known bool) {
	switch {
	case strings.HasPrefix(s, "+"):
		op, s = mailstore.AddRights, s[1:]
	case strings.HasPrefix(s, "-"):
		op, s = mailstore.RemoveRights, s[1:]
	}
	r, known = mailstore.ParseRights(s)
	return op, r, known
}

// runSetACL answers SETACL and DELETEACL (RFC 4314, sections 3.1 and 3.2).
func (s *session) runSetACL(cmd *command) result {
	n := 3
	if cmd.verb == "DELETEACL" {
		n = 2
	}
	a, refused := s.parseACL(cmd, n)
	if refused != nil {
		return answer(*refused)
	}
	m, _, err := s.need(a.name, mailstore.RightAdmin)
	if err == nil && strings.HasPrefix(a.id, "-") {
		err = refuse("CANNOT", "Negative rights are not supported")
	}
	if err == nil {
		a.change.Grantee, err = s.grantee(a.id)
	}
	if err == nil {
		_, _, err = s.srv.be.Store.ChangeRights(s.ctx, s.actor(), s.srv.be.Directory.Snapshot(), m.ID, a.change)
	}
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	return answer(ok(cmd.verb + " completed"))
}

// runGetACL answers GETACL (RFC 4314, section 3.3). The owner stands first.
func (s *session) runGetACL(cmd *command) result {
	a, refused := s.parseACL(cmd, 1)
	if refused != nil {
		return answer(*refused)
	}
	m, p, err := s.need(a.name, mailstore.RightAdmin)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	snap := s.srv.be.Directory.Snapshot()
	line := appendMailbox([]byte("* ACL "), p.full, s.wide)
	put := func(g mailstore.Grantee, r mailstore.Rights) {
		line = appendAString(append(line, ' '), g.Identifier(snap), s.wide)
		line = append(append(line, ' '), r.String()...)
	}
	if m.Owner.Account != 0 {
		put(mailstore.Grantee{Account: m.Owner.Account}, mailstore.AllRights)
	}
	for _, g := range s.srv.be.Store.ACL().Grants(&m) {
		put(g.Grantee, g.Rights)
	}
	if err := s.out(append(line, "\r\n"...)); err != nil {
		return s.lost(err)
	}
	return answer(ok("GETACL completed"))
}

// runListRights answers LISTRIGHTS (RFC 4314, section 3.4): any right may be given to anybody by itself; the owner has all.
func (s *session) runListRights(cmd *command) result {
	a, refused := s.parseACL(cmd, 2)
	if refused != nil {
		return answer(*refused)
	}
	m, p, err := s.need(a.name, mailstore.RightAdmin)
	if err == nil && strings.HasPrefix(a.id, "-") {
		err = refuse("CANNOT", "Negative rights are not supported")
	}
	var who mailstore.Grantee
	if err == nil {
		who, err = s.grantee(a.id)
	}
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	line := appendMailbox([]byte("* LISTRIGHTS "), p.full, s.wide)
	line = appendAString(append(line, ' '), a.id, s.wide)
	if who.Account != 0 && who.Account == m.Owner.Account {
		line = append(append(line, ' '), mailstore.AllRights.String()...)
	} else {
		line = append(line, ` ""`...)
		for _, letter := range mailstore.AllRights.String() {
			line = append(line, ' ', byte(letter))
		}
	}
	if err := s.out(append(line, "\r\n"...)); err != nil {
		return s.lost(err)
	}
	return answer(ok("LISTRIGHTS completed"))
}

// runMyRights answers MYRIGHTS (RFC 4314, section 3.5).
func (s *session) runMyRights(cmd *command) result {
	a, refused := s.parseACL(cmd, 1)
	if refused != nil {
		return answer(*refused)
	}
	_, p, err := s.lookup(a.name)
	if err != nil {
		return answer(s.failure(err, doingOther))
	}
	if err := s.out(appendMyRights(nil, p.full, p.rights, s.wide)); err != nil {
		return s.lost(err)
	}
	return answer(ok("MYRIGHTS completed"))
}

// appendMyRights writes a MYRIGHTS line.
func appendMyRights(dst []byte, name string, r mailstore.Rights, wide bool) []byte {
	dst = appendMailbox(append(dst, "* MYRIGHTS "...), name, wide)
	dst = append(append(dst, ' '), r.String()...)
	return append(dst, "\r\n"...)
}
