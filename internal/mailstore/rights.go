package mailstore

import (
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/mail"
)

// Rights is what somebody may do with a mailbox. RFC 4314, section 2.1.
type Rights uint16

// The rights, in the order of their letters lrswipkxtea.
const (
	RightLookup  Rights = 1 << iota // l: see that the mailbox is there
	RightRead                       // r: open it, know its counters
	RightSeen                       // s: set and clear \Seen
	RightWrite                      // w: set and clear the other flags
	RightInsert                     // i: put messages into it
	RightPost                       // p: send mail to it; not looked at
	RightCreate                     // k: make mailboxes below it
	RightDelete                     // x: delete or rename it
	RightMark                       // t: set and clear \Deleted
	RightExpunge                    // e: expunge
	RightAdmin                      // a: see and change the rights

	// NoRights is none of them, AllRights every one.
	NoRights  Rights = 0
	AllRights Rights = 1<<len(rightLetters) - 1

	// ChangeRights are those of which one at least makes a mailbox more than
	// readable (RFC 4314, section 5.2).
	ChangeRights Rights = RightSeen | RightWrite | RightInsert | RightMark | RightExpunge
)

const rightLetters = "lrswipkxtea"

// The rights that RFC 2086 had one letter for; section 2.1.1.
const (
	obsoleteCreate = RightCreate | RightDelete // c
	obsoleteDelete = RightMark | RightExpunge  // d
)

// Has tells whether all of want are there.
func (r Rights) Has(want Rights) bool { return r&want == want }

// Letters gives the letters, in order: how rights are stored.
func (r Rights) Letters() string {
	var b strings.Builder
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			b.WriteByte(rightLetters[i])
		}
	}
	return b.String()
}

// String gives the letters as clients are told them: with the obsolete c and d
// behind, when one of the rights that they stand for is there.
func (r Rights) String() string {
	s := r.Letters()
	if r&obsoleteCreate != 0 {
		s += "c"
	}
	if r&obsoleteDelete != 0 {
		s += "d"
	}
	return s
}

// ParseRights reads letters in any order; c and d stand for what they stood
// for. ok is false when there is a letter that is no right.
func ParseRights(s string) (r Rights, ok bool) {
	for i := range len(s) {
		switch at := strings.IndexByte(rightLetters, s[i]); {
		case at >= 0:
			r |= 1 << at
		case s[i] == 'c':
			r |= obsoleteCreate
		case s[i] == 'd':
			r |= obsoleteDelete
		default:
			return NoRights, false
		}
	}
	return r, true
}

// Grantee is who is given rights: an account, those with a role in a unit
// (unit 0 is the whole province), or, when it is empty, anyone who can log in.
type Grantee struct {
	Account directory.AccountID
	Unit    directory.UnitID
	Role    directory.Role
}

// Grant is rights given to somebody.
type Grant struct {
	Grantee
	Rights Rights
}

// anyone is the identifier of the empty Grantee.
const anyone = "anyone"

// Covers tells whether the account is meant.
func (g Grantee) Covers(snap *directory.Snapshot, a directory.AccountID) bool {
	switch {
	case g.Account != 0:
		return g.Account == a
	case g.Role != "":
		return snap.HasRole(a, g.Unit, g.Role)
	}
	return true
}

// Identifier names the grantee as people and clients do: a login, "anyone",
// "$vanthu@SYT" for a role in a unit (its short name), or "$quantri" for a role
// in the whole province.
func (g Grantee) Identifier(snap *directory.Snapshot) string {
	switch {
	case g.Account != 0:
		a, _ := snap.Account(g.Account)
		return a.Login.String()
	case g.Role != "" && g.Unit != 0:
		u, _ := snap.Unit(g.Unit)
		return "$" + string(g.Role) + "@" + u.ShortName
	case g.Role != "":
		return "$" + string(g.Role)
	}
	return anyone
}

// ParseGrantee reads an identifier. Units are named by short name, code, or
// the address or local part of it; of the account of a login it is only asked
// that it is there.
func ParseGrantee(snap *directory.Snapshot, s string) (g Grantee, ok bool) {
	if s == anyone {
		return Grantee{}, true
	}
	group, isGroup := strings.CutPrefix(s, "$")
	if !isGroup {
		login, err := mail.ParseAddress(s, false)
		if err != nil {
			return Grantee{}, false
		}
		a, known := snap.AccountByLogin(login)
		return Grantee{Account: a.ID}, known
	}
	name, unit, inUnit := strings.Cut(group, "@")
	for _, r := range directory.Roles() {
		if string(r) == name {
			g.Role = r
		}
	}
	if g.Role == "" || !inUnit {
		return g, g.Role != ""
	}
	u, known := unitNamed(snap, unit)
	g.Unit = u.ID
	return g, known
}

// unitNamed finds a unit that has not been closed, or else one by its code.
func unitNamed(snap *directory.Snapshot, name string) (directory.Unit, bool) {
	for _, u := range snap.Units() {
		if u.To.IsZero() && (strings.EqualFold(u.ShortName, name) || strings.EqualFold(u.Address.Local, name) || u.Address.String() == name) {
			return u, true
		}
	}
	return snap.UnitByCode(name)
}

// defaults are the rights on the mailboxes of a unit that nobody has changed
// (edoc.md, section 4.4): clerks work, leaders and staff do with documents what
// the workflow lets them, and administrators see to the rights without reading.
// The workflow, which looks at roles and assignments only, judges every move;
// that somebody may take a document out of its folder and put it into another
// one is what clients want to see before they offer to move it.
func defaults(m *Mailbox) []Grant {
	if m.Owner.Unit == 0 {
		return nil
	}
	look := RightLookup | RightRead
	if m.PerUser {
		look |= RightSeen // it is nobody else's
	}
	clerk, leader, staff := look|RightSeen|RightWrite|RightMark|RightExpunge, look, look
	const take = RightMark | RightExpunge
	give := func(role directory.Role, r Rights) Grant { return Grant{Grantee{Unit: m.Owner.Unit, Role: role}, r} }
	admin := give(directory.RoleAdmin, RightAdmin)
	_, person := m.Role.Assignee()
	switch {
	case m.Role == RoleHeld:
		return []Grant{admin}
	case m.Role.IsBook() || m.Role == RoleBooks: // what was entered is read, by those who answer for it
		return []Grant{give(directory.RoleClerk, look), give(directory.RoleLeader, look), give(directory.RoleAuditor, look), admin}
	case m.Role.isLevel():
		clerk = look
	case person:
		clerk, leader, staff = clerk|RightInsert, look|take|RightInsert, look|take
	case m.Role == RoleRegistered:
		clerk, leader, staff = clerk|RightInsert, look|take, look|take
	case m.Role == RoleProcessing || m.Role == RoleCompleted:
		clerk, leader, staff = clerk|RightInsert, look|take|RightInsert, look|take|RightInsert
	case m.Role == RoleNumbering: // whoever works in the unit hands drafts to the clerk
		clerk, leader, staff = clerk|RightInsert, look|RightInsert, look|RightInsert
	case m.Role == RoleTracking || m.Role == RoleReceipts || m.Role == RoleIssued || m.Role == RoleAsked || m.Role == RoleReplaced:
	default:
		clerk |= RightInsert
	}
	return []Grant{give(directory.RoleClerk, clerk), give(directory.RoleLeader, leader), give(directory.RoleStaff, staff), admin}
}
