package directory

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/mail"
)

// Snapshot is the directory at one moment. Neither it nor the slices it hands
// out may be changed. All methods may be called concurrently.
type Snapshot struct {
	now      func() time.Time
	units    []Unit // by code, then date
	accounts []Account
	creds    []credential // of accounts, by the same index
	apps     map[AccountID][]appPassword
	groups   []Group
	aliases  []Alias
	domains  []Domain

	delegations []Delegation
	delegatedTo map[AccountID][]int // places in delegations

	unitAt    map[UnitID]int
	accountAt map[AccountID]int
	groupAt   map[GroupID]int
	codes     map[string]UnitID
	catchAll  map[Domain]int // index of the unit that gets what nobody else has
	byAddress map[mail.Address]place
	isLocal   map[Domain]bool
	members   map[UnitID][]Member
	admins    []AccountID
}

// Member is an account with a role in a unit.
type Member struct {
	Account AccountID
	Role    Role
}

// place says what stands at an address: kind, and index in the slice of that
// kind.
type place struct {
	kind  TargetKind
	index int
}

// fold brings an address to the form in which addresses are compared.
func fold(a mail.Address) mail.Address {
	for i := 0; i < len(a.Local); i++ {
		if c := a.Local[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			a.Local = norm.NFC.String(strings.ToLower(a.Local))
			break
		}
	}
	return a
}

// foldCode brings an identifier of a unit to the form in which they are compared.
func foldCode(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }

// Units returns all units, those that have ceased to exist too, by code.
func (s *Snapshot) Units() []Unit { return s.units }

// Accounts returns all accounts by login.
func (s *Snapshot) Accounts() []Account { return s.accounts }

// Groups returns all groups by address.
func (s *Snapshot) Groups() []Group { return s.groups }

// Aliases returns all aliases by address.
func (s *Snapshot) Aliases() []Alias { return s.aliases }

// Domains returns the domains whose mail is ours, in order.
func (s *Snapshot) Domains() []string {
	out := make([]string, len(s.domains))
	for i, d := range s.domains {
		out[i] = string(d)
	}
	return out
}

// IsLocal tells whether mail to domain, in canonical form, is ours.
func (s *Snapshot) IsLocal(domain string) bool { return s.isLocal[Domain(domain)] }

// Unit returns the unit with this id.
func (s *Snapshot) Unit(id UnitID) (Unit, bool) {
	i, ok := s.unitAt[id]
	if !ok {
		return Unit{}, false
	}
	return s.units[i], true
}

// UnitByCode finds a unit by its identifier in either form, in any case. When
// several had it one after another, the one that exists counts.
func (s *Snapshot) UnitByCode(code string) (Unit, bool) { return s.Unit(s.codes[foldCode(code)]) }

// UnitByAddress finds the unit whose public address, or alias, a is; with or without
// detail. A unit that has ceased to exist is found as well.
func (s *Snapshot) UnitByAddress(a mail.Address) (Unit, bool) {
	p, _, ok := s.follow(a)
	if !ok || p.kind != TargetUnit {
		return Unit{}, false
	}
	return s.units[p.index], true
}

// Account returns the account with this id.
func (s *Snapshot) Account(id AccountID) (Account, bool) {
	i, ok := s.accountAt[id]
	if !ok {
		return Account{}, false
	}
	return s.accounts[i], true
}

// AccountByLogin finds an account by its login, in any case.
func (s *Snapshot) AccountByLogin(login mail.Address) (Account, bool) {
	p, ok := s.byAddress[fold(login)]
	if !ok || p.kind != TargetAccount {
		return Account{}, false
	}
	return s.accounts[p.index], true
}

// Group returns the group with this id.
func (s *Snapshot) Group(id GroupID) (Group, bool) {
	i, ok := s.groupAt[id]
	if !ok {
		return Group{}, false
	}
	return s.groups[i], true
}

// GroupByAddress finds a group by its address.
func (s *Snapshot) GroupByAddress(a mail.Address) (Group, bool) {
	p, ok := s.byAddress[fold(a)]
	if !ok || p.kind != TargetGroup {
		return Group{}, false
	}
	return s.groups[p.index], true
}

// MembersOf returns who has which role in the unit itself, by login; accounts
// that are locked or disabled too.
func (s *Snapshot) MembersOf(unit UnitID) []Member { return s.members[unit] }

// AccountsOf returns the accounts that have any role in the unit and are not
// disabled, by login, and behind them those that act for others.
func (s *Snapshot) AccountsOf(unit UnitID) []AccountID {
	return s.accountsWith(unit, func(Role) bool { return true })
}

// ClerksOf returns the clerks of the unit that are not disabled, by login, and
// behind them those that act for others.
func (s *Snapshot) ClerksOf(unit UnitID) []AccountID {
	return s.accountsWith(unit, func(r Role) bool { return r == RoleClerk })
}

func (s *Snapshot) accountsWith(unit UnitID, fits func(Role) bool) []AccountID {
	var out []AccountID
	for _, m := range s.members[unit] {
		if !fits(m.Role) || s.accounts[s.accountAt[m.Account]].State == Disabled {
			continue
		}
		if len(out) == 0 || out[len(out)-1] != m.Account { // one account's roles stand together
			out = append(out, m.Account)
		}
	}
	for i := range s.delegations {
		d := &s.delegations[i]
		if d.Unit == unit && fits(d.Role) && !slices.Contains(out, d.To) {
			if _, acting := s.Acting(d.To, unit, d.Role); acting {
				out = append(out, d.To)
			}
		}
	}
	return out
}

// HasRole tells whether the account is active and has the role in the unit, or in the
// whole province, by itself or at this moment for somebody else, see
// [Snapshot.Acting].
func (s *Snapshot) HasRole(account AccountID, unit UnitID, role Role) bool {
	a, ok := s.Account(account)
	if !ok || a.State != Active {
		return false
	}
	if a.own(unit, role) {
		return true
	}
	_, acting := s.delegated(account, unit, role)
	return acting
}

// StillValid tells whether a session that g opened may go on: the account is
// active, and what g was allowed by has been neither changed nor revoked since.
func (s *Snapshot) StillValid(g Grant) bool {
	i, ok := s.accountAt[g.ID]
	if !ok || s.accounts[i].State != Active {
		return false
	}
	switch g.By {
	case ByPassword:
		return !s.creds[i].changed.After(g.At)
	case ByAppPassword:
		return slices.ContainsFunc(s.apps[g.ID], func(p appPassword) bool { return p.id == g.App })
	case ByVerifier, ByCertificate, ByToken: // what they rest on is not ours
	}
	return true
}

// MaySendAs tells whether the account may name from as the sender: its own
// login, an alias of it, or the address of an existing unit in which it is clerk or
// leader, each with any detail.
func (s *Snapshot) MaySendAs(account AccountID, from mail.Address) bool {
	p, _, ok := s.follow(from)
	if !ok {
		return false
	}
	switch p.kind {
	case TargetAccount:
		a := &s.accounts[p.index]
		return a.ID == account && a.State == Active
	case TargetUnit:
		u := &s.units[p.index]
		return u.Exists(s.now()) && (s.HasRole(account, u.ID, RoleClerk) || s.HasRole(account, u.ID, RoleLeader))
	case TargetPostmaster:
		return slices.Contains(s.admins, account)
	}
	return false
}
