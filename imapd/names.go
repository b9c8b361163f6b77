package imapd

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
)

// The namespaces besides the account's own. Shared: sharedPrefix, a unit's short name, the unit's own folder name (edoc.md, section 4.8).
// Others': othersPrefix, the login of the account whose mailbox it is, its name there.
const (
	sharedRoot   = "Đơn vị"
	sharedPrefix = sharedRoot + "/"
	othersRoot   = "Người khác"
	othersPrefix = othersRoot + "/"
)

// place is a mailbox name resolved to whose it is.
type place struct {
	owner  mailstore.Owner
	name   string           // as the owner's store knows it; "" for the level of the owner itself
	full   string           // as clients see it
	rights mailstore.Rights // on the mailbox there, once it has been looked up
}

// decodeName turns a mailbox name as the client sent it into UTF-8. Raw UTF-8 is taken from clients that enabled it, modified UTF-7
// from the others (RFC 9051, section 5.1; RFC 6855). A name with octets beyond ASCII cannot be the latter: some clients send UTF-8 to
// every server that knows IMAP4rev2.
func (s *session) decodeName(raw string) (string, error) {
	if s.wide || strings.ContainsFunc(raw, func(r rune) bool { return r >= 0x80 }) {
		return norm.NFC.String(widePrefix(raw)), nil
	}
	name, err := decodeUTF7(raw)
	if err != nil {
		return "", mailstore.ErrBadName
	}
	return norm.NFC.String(name), nil
}

// widePrefix turns the prefix of a namespace into UTF-8: Thunderbird asks for NAMESPACE first and enables UTF8=ACCEPT then, but goes on
// using the prefixes as it was told them.
func widePrefix(raw string) string {
	for _, root := range []string{sharedRoot, othersRoot} {
		if rest, found := strings.CutPrefix(raw, string(encodeUTF7(root))); found && (rest == "" || rest[0] == '/') {
			return root + rest
		}
	}
	return raw
}

// locate finds whose mailbox a name means. An owner none of whose mailboxes the account may know of does not exist (P7).
func (s *session) locate(name string) (place, error) {
	if rest, shared := strings.CutPrefix(name, sharedPrefix); shared {
		return s.locateIn(sharedPrefix, rest, s.findUnit)
	}
	if rest, others := strings.CutPrefix(name, othersPrefix); others {
		return s.locateIn(othersPrefix, rest, s.findSharer)
	}
	if top := strings.TrimSuffix(name, "/"); top == sharedRoot || top == othersRoot {
		return place{}, mailstore.ErrNoMailbox
	}
	inner, err := mailstore.Name(name)
	if err != nil {
		return place{}, err
	}
	return place{owner: mailstore.Owner{Account: s.user.ID}, name: inner, full: inner}, nil
}

// locateIn resolves what follows the prefix of a namespace.
func (s *session) locateIn(prefix, rest string, find func(string) (mailstore.Owner, string, bool)) (place, error) {
	who, inner, _ := strings.Cut(rest, "/")
	owner, who, found := find(who)
	if !found {
		return place{}, mailstore.ErrNoMailbox
	}
	p := place{owner: owner, full: prefix + who}
	if inner == "" {
		return p, nil
	}
	var err error
	if p.name, err = mailstore.Name(inner); err != nil {
		return place{}, err
	}
	p.full += "/" + p.name
	return p, nil
}

// findUnit finds a unit that the account may know of by its short name.
func (s *session) findUnit(short string) (mailstore.Owner, string, bool) {
	for _, u := range s.units(s.srv.be.Directory.Snapshot()) {
		if u.ShortName == short {
			return mailstore.Owner{Unit: u.ID}, short, true
		}
	}
	return mailstore.Owner{}, "", false
}

// findSharer finds an account that shares something with this one by its login.
func (s *session) findSharer(login string) (mailstore.Owner, string, bool) {
	addr, err := mail.ParseAddress(login, false)
	if err != nil {
		return mailstore.Owner{}, "", false
	}
	snap := s.srv.be.Directory.Snapshot()
	a, known := snap.AccountByLogin(addr)
	o := mailstore.Owner{Account: a.ID}
	return o, a.Login.String(), known && a.ID != s.user.ID && s.srv.be.Store.ACL().Shares(snap, o, s.user.ID)
}

// units gives the existing units some of whose folders the account may see, by code.
func (s *session) units(snap *directory.Snapshot) []directory.Unit {
	now := s.srv.opt.Now()
	acl := s.srv.be.Store.ACL()
	var out []directory.Unit
	for _, u := range snap.Units() {
		if !u.Exists(now) || strings.Contains(u.ShortName, "/") {
			continue
		}
		if snap.HasRole(s.user.ID, u.ID, directory.RoleClerk) || snap.HasRole(s.user.ID, u.ID, directory.RoleLeader) ||
			snap.HasRole(s.user.ID, u.ID, directory.RoleStaff) || snap.HasRole(s.user.ID, u.ID, directory.RoleAdmin) ||
			snap.HasRole(s.user.ID, u.ID, directory.RoleAuditor) ||
			acl.Shares(snap, mailstore.Owner{Unit: u.ID}, s.user.ID) {
			out = append(out, u)
		}
	}
	return out
}

// rightsOn gives what the account may do with a mailbox.
func (s *session) rightsOn(m *mailstore.Mailbox) mailstore.Rights {
	return s.srv.be.Store.ACL().Rights(s.srv.be.Directory.Snapshot(), s.user.ID, m)
}

// errNoRight answers what the account's rights on a mailbox that it may see do not allow.
var errNoRight = fault.New(fault.Denied, fault.Text{
	EN: "your rights on this mailbox do not allow that", VI: "quyền của tài khoản trên thư mục này không cho phép thao tác đó",
})

// lookup finds an existing mailbox that the account may know of, with its rights there (MYRIGHTS: RFC 4314, section 4). The level of an
// owner itself is no mailbox.
func (s *session) lookup(name string) (mailstore.Mailbox, place, error) {
	const known = mailstore.RightLookup | mailstore.RightRead | mailstore.RightInsert | mailstore.RightCreate |
		mailstore.RightDelete | mailstore.RightAdmin
	p, err := s.locate(name)
	if err != nil {
		return mailstore.Mailbox{}, p, err
	}
	if p.name == "" {
		return mailstore.Mailbox{}, p, mailstore.ErrNoMailbox
	}
	m, err := s.srv.be.Store.LookupFor(s.ctx, p.owner, p.name, s.user.ID)
	if err != nil {
		return m, p, err
	}
	if p.rights = s.rightsOn(&m); p.rights&known == 0 {
		return mailstore.Mailbox{}, p, mailstore.ErrNoMailbox
	}
	return m, p, nil
}

// need finds a mailbox on which the account has all of the rights want. Without them, one that it may see denies; one that it may not
// see does not exist.
func (s *session) need(name string, want mailstore.Rights) (mailstore.Mailbox, place, error) {
	m, p, err := s.lookup(name)
	if err == nil {
		err = p.deny(want)
	}
	return m, p, err
}

// deny tells why the account may not do what needs the rights want, or nil.
func (p *place) deny(want mailstore.Rights) error {
	switch {
	case p.rights.Has(want):
		return nil
	case p.rights.Has(mailstore.RightLookup):
		return errNoRight
	}
	return mailstore.ErrNoMailbox
}

// nameArg reads a mailbox name argument; the second result is the answer when it is none.
func (s *session) nameArg(l *lexer) (string, *status) {
	raw, isString := l.astring()
	if !isString {
		st := bad("Expected a mailbox name")
		return "", &st
	}
	name, err := s.decodeName(raw)
	if err != nil {
		st := s.failure(err, doingOther)
		return "", &st
	}
	return name, nil
}
