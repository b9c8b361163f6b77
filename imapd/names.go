package imapd

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/directory"
	"vanthu/internal/mailstore"
)

// The shared namespace: sharedPrefix, a unit's short name, the unit's own folder name (edoc.md, section 4.8).
const (
	sharedRoot   = "Đơn vị"
	sharedPrefix = sharedRoot + "/"
)

// rights of an account on the folders of a unit.
type rights struct{ read, write bool }

// rights gives what the session's account may do in a unit: its clerks work there, leaders and staff look on.
func (s *session) rights(snap *directory.Snapshot, unit directory.UnitID) rights {
	clerk := snap.HasRole(s.user.ID, unit, directory.RoleClerk)
	return rights{
		read:  clerk || snap.HasRole(s.user.ID, unit, directory.RoleLeader) || snap.HasRole(s.user.ID, unit, directory.RoleStaff),
		write: clerk,
	}
}

// place is a mailbox name resolved to whose it is.
type place struct {
	owner  mailstore.Owner
	name   string // as the owner's store knows it; "" for the level of the unit itself
	full   string // as clients see it
	rights rights
}

// decodeName turns a mailbox name as the client sent it into UTF-8. Raw UTF-8 is taken from clients that enabled it, modified UTF-7
// from the others (RFC 9051, section 5.1; RFC 6855). A name with octets beyond ASCII cannot be the latter: some clients send UTF-8 to
// every server that knows IMAP4rev2.
func (s *session) decodeName(raw string) (string, error) {
	if s.wide || strings.ContainsFunc(raw, func(r rune) bool { return r >= 0x80 }) {
		return norm.NFC.String(raw), nil
	}
	name, err := decodeUTF7(raw)
	if err != nil {
		return "", mailstore.ErrBadName
	}
	return norm.NFC.String(name), nil
}

// locate finds whose mailbox a name means. A unit that the account has no role in does not exist (P7).
func (s *session) locate(name string) (place, error) {
	rest, shared := strings.CutPrefix(name, sharedPrefix)
	if !shared {
		if strings.TrimSuffix(name, "/") == sharedRoot {
			return place{}, mailstore.ErrNoMailbox
		}
		inner, err := mailstore.Name(name)
		if err != nil {
			return place{}, err
		}
		return place{
			owner: mailstore.Owner{Account: s.user.ID}, name: inner, full: inner, rights: rights{read: true, write: true},
		}, nil
	}
	short, inner, _ := strings.Cut(rest, "/")
	snap := s.srv.be.Directory.Snapshot()
	for _, u := range s.units(snap) {
		if u.ShortName != short {
			continue
		}
		p := place{owner: mailstore.Owner{Unit: u.ID}, full: sharedPrefix + short, rights: s.rights(snap, u.ID)}
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
	return place{}, mailstore.ErrNoMailbox
}

// units gives the existing units whose folders the account may see, by short name.
func (s *session) units(snap *directory.Snapshot) []directory.Unit {
	now := s.srv.opt.Now()
	var out []directory.Unit
	for _, u := range snap.Units() {
		if !u.Exists(now) || strings.Contains(u.ShortName, "/") || !s.rights(snap, u.ID).read {
			continue
		}
		out = append(out, u)
	}
	return out
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
