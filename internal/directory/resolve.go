package directory

import (
	"strings"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/worktime"
)

// TargetKind says what stands behind an address.
type TargetKind uint8

const (
	TargetUnknown    TargetKind = iota // a local address that nobody has
	TargetExternal                     // not of our domains
	TargetAccount                      // one account
	TargetUnit                         // the shared mailbox of a unit
	TargetGroup                        // several
	TargetAlias                        // an alias of a foreign address; others are followed
	TargetPostmaster                   // postmaster or abuse of one of our domains: the administrators
)

// String gives the kind's name, as logs and JSON show it.
func (k TargetKind) String() string {
	switch k {
	case TargetUnknown:
		return "unknown"
	case TargetExternal:
		return "external"
	case TargetAccount:
		return "account"
	case TargetUnit:
		return "unit"
	case TargetGroup:
		return "group"
	case TargetAlias:
		return "alias"
	case TargetPostmaster:
		return "postmaster"
	}
	return "unknown"
}

// Target is what an address leads to, aliases followed.
type Target struct {
	Kind    TargetKind
	Account AccountID
	Unit    UnitID // a unit that has ceased to exist too, see Closed
	Group   GroupID
	Closed  bool         // the unit does not exist any more, or the account was vacated; Expand gives the successors
	Addr    mail.Address // the target's own address, without detail
	Detail  string       // what follows "+" in the local part, "vb"; RFC 5233
}

// RecipientKind says where a recipient's mail goes.
type RecipientKind uint8

const (
	ToAccount  RecipientKind = iota + 1 // mailbox of an account
	ToUnit                              // shared mailbox of a unit
	ToExternal                          // out, by the queue
)

// Recipient is one final recipient.
type Recipient struct {
	Kind    RecipientKind
	Account AccountID
	Unit    UnitID
	Addr    mail.Address // the recipient's own address; of an external one the whole
	Detail  string       // the detail that was used, "vb"
	Via     mail.Address // the innermost group it came by, if any
	Named   mail.Address // the address that was expanded
	Former  UnitID       // the closed unit whose mail this successor gets, if so
	// FormerAccount is the vacated account whose mail this successor gets, if so.
	FormerAccount AccountID
}

const (
	maxNesting = 8  // levels of groups in groups
	maxAliases = 16 // aliases of aliases; more is a loop
)

// Resolve tells what is behind a. It fails with fault.NotFound for a local
// address that nobody has, that of a disabled account among them unless it has a
// successor, and for a closed unit without successors. A unit may get the
// unknown addresses of a domain. An address of another domain is
// TargetExternal, and so is an alias of one, named TargetAlias.
func (s *Snapshot) Resolve(a mail.Address) (Target, error) {
	p, end, ok := s.follow(a)
	if !ok {
		i, caught := s.catchAll[Domain(end.base.Domain)] // never somebody to send as, so not in follow
		if !caught {
			return Target{Kind: TargetUnknown, Addr: a}, errUnknown(a)
		}
		p = place{kind: TargetUnit, index: i}
	}
	t := Target{Kind: p.kind, Addr: end.base, Detail: end.detail}
	switch p.kind {
	case TargetExternal:
		if end.aliased {
			t.Kind = TargetAlias
		}
	case TargetAccount:
		acct := &s.accounts[p.index]
		if t.Closed = acct.State == Disabled && !acct.Successor.IsZero(); acct.State == Disabled && !t.Closed {
			return Target{Kind: TargetUnknown, Addr: a}, errUnknown(a)
		}
		t.Account, t.Addr = acct.ID, acct.Login
	case TargetUnit:
		u := &s.units[p.index]
		t.Unit, t.Addr = u.ID, u.Address
		switch now := s.now(); {
		case u.Exists(now):
		case now.Before(u.From):
			return Target{Kind: TargetUnknown, Addr: a}, errUnknown(a)
		default:
			t.Closed = true
			if len(s.successors(u.ID, now)) == 0 {
				return t, errClosed(u)
			}
		}
	case TargetGroup:
		t.Group, t.Addr = s.groups[p.index].ID, s.groups[p.index].Address
	case TargetPostmaster:
		if len(s.admins) == 0 {
			return t, fault.New(fault.Temporary, fault.Text{
				EN: "there is no administrator yet", VI: "chưa có quản trị viên",
			})
		}
	}
	return t, nil
}

// Expand gives everybody who gets mail for a: members of groups in their
// order, of groups in them, up to 8 levels deep, the successors of closed units
// and vacated accounts.
// Each comes once, by the first way that leads there. Loops end where they
// close. Members that nobody has any more are left out; an address that
// leads to nobody at all fails as in [Snapshot.Resolve].
func (s *Snapshot) Expand(a mail.Address) ([]Recipient, error) {
	t, err := s.Resolve(a)
	if err != nil {
		return nil, err
	}
	e := expansion{s: s, now: s.now(), named: a}
	if t.Kind == TargetGroup {
		n := len(s.groups[s.groupAt[t.Group]].Members)
		e.out = make([]Recipient, 0, n)
		e.seen = make(map[seenKey]struct{}, n)
	}
	e.add(t, origin{})
	if len(e.out) == 0 {
		return nil, fault.New(fault.NotFound, fault.Text{
			EN: "nobody receives mail for this address", VI: "không có ai nhận thư của địa chỉ này",
		})
	}
	return e.out, nil
}

// expansion is one Expand under way.
type expansion struct {
	s   *Snapshot
	now time.Time

	named mail.Address
	out   []Recipient
	seen  map[seenKey]struct{}
	away  map[mail.Address]struct{} // external recipients
	// Levels at which groups were expanded. A group is met again only when it
	// then lies less deep, so that the work is bounded whatever the nesting.
	levels map[GroupID]int
	level  int
	heirs  int // vacated accounts followed one after another
}

// origin is by what way an expansion has come to a target.
type origin struct {
	via     mail.Address // the innermost group
	unit    UnitID       // a closed unit
	account AccountID    // a vacated account
}

// seenKey names a recipient of ours without its detail.
type seenKey struct {
	kind RecipientKind
	id   int64
}

func (e *expansion) add(t Target, by origin) {
	r := Recipient{
		Addr: t.Addr, Detail: t.Detail, Via: by.via, Named: e.named, Former: by.unit, FormerAccount: by.account,
	}
	switch t.Kind {
	case TargetAccount:
		if t.Closed {
			e.heir(t, by)
			return
		}
		r.Kind, r.Account = ToAccount, t.Account
		e.put(r, seenKey{kind: ToAccount, id: int64(t.Account)})
	case TargetUnit:
		if t.Closed {
			for _, id := range e.s.successors(t.Unit, e.now) {
				next := Target{Kind: TargetUnit, Unit: id, Addr: e.s.units[e.s.unitAt[id]].Address, Detail: t.Detail}
				e.add(next, origin{via: by.via, unit: t.Unit})
			}
			return
		}
		r.Kind, r.Unit = ToUnit, t.Unit
		e.put(r, seenKey{kind: ToUnit, id: int64(t.Unit)})
	case TargetExternal, TargetAlias:
		r.Kind = ToExternal
		r.Detail = "" // an alias's detail means nothing elsewhere; a foreign one is in Addr
		e.putExternal(r)
	case TargetGroup:
		e.group(t)
	case TargetPostmaster:
		for _, id := range e.s.admins {
			r.Kind, r.Account, r.Addr = ToAccount, id, e.s.accounts[e.s.accountAt[id]].Login
			e.put(r, seenKey{kind: ToAccount, id: int64(id)})
		}
	}
}

// heir goes on to who gets the mail of a vacated account.
func (e *expansion) heir(t Target, by origin) {
	if e.heirs >= maxAliases {
		return
	}
	next, err := e.s.Resolve(e.s.accounts[e.s.accountAt[t.Account]].Successor)
	if err != nil {
		return
	}
	e.heirs++
	e.add(next, origin{via: by.via, account: t.Account})
	e.heirs--
}

func (e *expansion) group(t Target) {
	if e.level >= maxNesting {
		return
	}
	if at, ok := e.levels[t.Group]; ok && at <= e.level {
		return
	}
	if e.levels == nil {
		e.levels = map[GroupID]int{}
	}
	e.levels[t.Group] = e.level
	e.level++
	for _, m := range e.s.groups[e.s.groupAt[t.Group]].Members {
		next, err := e.s.Resolve(m)
		if err != nil {
			continue // has left the service; the sender cannot mend that
		}
		if next.Detail == "" {
			next.Detail = t.Detail
		}
		e.add(next, origin{via: t.Addr})
	}
	e.level--
}

func (e *expansion) put(r Recipient, k seenKey) {
	if _, ok := e.seen[k]; ok {
		return
	}
	if e.seen == nil {
		e.seen = map[seenKey]struct{}{}
	}
	e.seen[k] = struct{}{}
	e.out = append(e.out, r)
}

func (e *expansion) putExternal(r Recipient) {
	k := fold(r.Addr)
	if _, ok := e.away[k]; ok {
		return
	}
	if e.away == nil {
		e.away = map[mail.Address]struct{}{}
	}
	e.away[k] = struct{}{}
	e.out = append(e.out, r)
}

// successors gives the units that exist now and have taken over what the closed unit
// did, directly or one after another.
func (s *Snapshot) successors(id UnitID, now time.Time) []UnitID {
	var out []UnitID
	seen := map[UnitID]bool{id: true}
	var walk func(UnitID)
	walk = func(id UnitID) {
		i, ok := s.unitAt[id]
		if !ok {
			return
		}
		for _, next := range s.units[i].Successors {
			if seen[next] {
				continue
			}
			seen[next] = true
			j, ok := s.unitAt[next]
			switch {
			case !ok:
			case s.units[j].Exists(now):
				out = append(out, next)
			default:
				walk(next)
			}
		}
	}
	walk(id)
	return out
}

// Successors returns the units that exist and have taken over from the closed
// unit id, in order; also through units that have closed since.
func (s *Snapshot) Successors(id UnitID) []UnitID { return s.successors(id, s.now()) }

// end is where follow has arrived.
type end struct {
	base    mail.Address
	detail  string
	aliased bool
}

// follow goes from an address to the account, unit or group behind it. The
// outermost detail counts.
func (s *Snapshot) follow(a mail.Address) (place, end, bool) {
	var e end
	for range maxAliases {
		if !s.isLocal[Domain(a.Domain)] {
			if a.Domain == "" && strings.EqualFold(a.Local, "postmaster") {
				return place{kind: TargetPostmaster}, e, true // RFC 5321, section 4.5.1
			}
			e.base = a
			return place{kind: TargetExternal}, e, a.Domain != ""
		}
		e.base = fold(a)
		p, ok := s.byAddress[e.base]
		if !ok {
			base, detail := a.Split()
			e.base = fold(base)
			if e.detail == "" {
				e.detail = detail
			}
			p, ok = s.byAddress[e.base]
		}
		switch {
		case !ok:
			return place{kind: TargetPostmaster}, e, isRoleMailbox(e.base.Local)
		case p.kind != TargetAlias:
			return p, e, true
		}
		a = s.aliases[p.index].Target
		e.aliased = true
	}
	return place{}, e, false
}

// isRoleMailbox tells whether local is one that every domain has: the
// administrators get its mail unless an address of that name leads elsewhere.
// RFC 5321, section 4.5.1; RFC 2142, section 2.
func isRoleMailbox(local string) bool { return local == "postmaster" || local == "abuse" }

func errUnknown(a mail.Address) error {
	return fault.New(fault.NotFound, fault.Text{
		EN: "no such address here: " + a.String(), VI: "không có địa chỉ này: " + a.String(),
	})
}

func errClosed(u *Unit) error {
	day := u.To.In(worktime.Zone).Format("02/01/2006")
	return fault.New(fault.NotFound, fault.Text{
		EN: "this unit ceased to exist on " + day + " and has no successor",
		VI: "đơn vị đã kết thúc hoạt động từ " + day + ", không có đơn vị kế thừa",
	})
}
