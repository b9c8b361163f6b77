package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

const (
	qDomains    = `SELECT name FROM domain ORDER BY name`
	qUnits      = `SELECT id, code, name, short_name, kind, coalesce(parent_id, 0), from_us, to_us, address, catch_all FROM unit ORDER BY code, from_us, id`
	qLegacy     = `SELECT unit_id, code FROM unit_code_legacy ORDER BY unit_id, code`
	qSuccessors = `SELECT unit_id, successor_id FROM unit_successor ORDER BY unit_id, ordinal`
	qAccounts   = `SELECT a.id, a.login, a.name, a.state, a.quota_mib, a.quota_messages, a.successor, a.vacated_us, coalesce(c.scheme, ''), coalesce(c.secret, ''), coalesce(c.scram, ''), coalesce(c.changed_us, 0)
		FROM account a LEFT JOIN credential c ON c.account_id = a.id ORDER BY a.login`
	qRoles   = `SELECT account_id, unit_id, role FROM account_role ORDER BY account_id, unit_id, role`
	qGroups  = `SELECT id, address, name, post FROM mail_group ORDER BY address`
	qPosters = `SELECT group_id, account_id, unit_id, role FROM mail_group_poster ORDER BY group_id, account_id, unit_id, role`
	qMembers = `SELECT group_id, address FROM mail_group_member ORDER BY group_id, ordinal`
	qAliases = `SELECT address, target FROM alias ORDER BY address`
)

// load reads everything in one snapshot of the database.
func load(ctx context.Context, db *sqldb.DB, now func() time.Time) (*Snapshot, error) {
	s := &Snapshot{now: now}
	err := db.View(ctx, func(r sqldb.Reader) error {
		for _, part := range []func(context.Context, sqldb.Reader) error{
			s.loadDomains, s.loadUnits, s.loadAccounts, s.loadAppPasswords, s.loadGroups, s.loadAliases, s.loadDelegations,
		} {
			if err := part(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.index()
	return s, nil
}

// each runs q and calls scan for every row.
func each(ctx context.Context, r sqldb.Reader, q string, scan func(scan func(...any) error) error) error {
	rows, err := r.Query(ctx, q)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Snapshot) loadDomains(ctx context.Context, r sqldb.Reader) error {
	return each(ctx, r, qDomains, func(scan func(...any) error) error {
		var d Domain
		if err := scan(&d); err != nil {
			return err
		}
		s.domains = append(s.domains, d)
		return nil
	})
}

func (s *Snapshot) loadUnits(ctx context.Context, r sqldb.Reader) error {
	err := each(ctx, r, qUnits, func(scan func(...any) error) error {
		var u Unit
		var address string
		var from, to int64
		if err := scan(&u.ID, &u.Code, &u.Name, &u.ShortName, &u.Kind, &u.Parent, &from, &to, &address, &u.CatchAll); err != nil {
			return err
		}
		u.From, u.To, u.Address = sqldb.Time(from), sqldb.Time(to), stored(address)
		s.units = append(s.units, u)
		return nil
	})
	if err != nil {
		return err
	}
	s.unitAt = make(map[UnitID]int, len(s.units))
	for i := range s.units {
		s.unitAt[s.units[i].ID] = i
	}
	err = each(ctx, r, qLegacy, func(scan func(...any) error) error {
		var id UnitID
		var code string
		if err := scan(&id, &code); err != nil {
			return err
		}
		u := &s.units[s.unitAt[id]]
		u.LegacyCodes = append(u.LegacyCodes, code)
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, r, qSuccessors, func(scan func(...any) error) error {
		var id, next UnitID
		if err := scan(&id, &next); err != nil {
			return err
		}
		u := &s.units[s.unitAt[id]]
		u.Successors = append(u.Successors, next)
		return nil
	})
}

func (s *Snapshot) loadAccounts(ctx context.Context, r sqldb.Reader) error {
	err := each(ctx, r, qAccounts, func(scan func(...any) error) error {
		var a Account
		var c credential
		var login, successor string
		var changed, vacated int64
		if err := scan(&a.ID, &login, &a.Name, &a.State, &a.QuotaMiB, &a.QuotaMessages, &successor, &vacated, &c.scheme, &c.secret, &c.scram, &changed); err != nil {
			return err
		}
		a.Login, c.changed = stored(login), sqldb.Time(changed)
		if successor != "" {
			a.Successor, a.Vacated = stored(successor), sqldb.Time(vacated)
		}
		s.accounts, s.creds = append(s.accounts, a), append(s.creds, c)
		return nil
	})
	if err != nil {
		return err
	}
	s.accountAt = make(map[AccountID]int, len(s.accounts))
	for i := range s.accounts {
		s.accountAt[s.accounts[i].ID] = i
	}
	return each(ctx, r, qRoles, func(scan func(...any) error) error {
		var id AccountID
		var as Assignment
		if err := scan(&id, &as.Unit, &as.Role); err != nil {
			return err
		}
		a := &s.accounts[s.accountAt[id]]
		a.Roles = append(a.Roles, as)
		return nil
	})
}

func (s *Snapshot) loadGroups(ctx context.Context, r sqldb.Reader) error {
	err := each(ctx, r, qGroups, func(scan func(...any) error) error {
		var g Group
		var address string
		if err := scan(&g.ID, &address, &g.Name, &g.Post); err != nil {
			return err
		}
		g.Address = stored(address)
		s.groups = append(s.groups, g)
		return nil
	})
	if err != nil {
		return err
	}
	s.groupAt = make(map[GroupID]int, len(s.groups))
	for i := range s.groups {
		s.groupAt[s.groups[i].ID] = i
	}
	err = each(ctx, r, qPosters, func(scan func(...any) error) error {
		var id GroupID
		var p Poster
		if err := scan(&id, &p.Account, &p.Unit, &p.Role); err != nil {
			return err
		}
		g := &s.groups[s.groupAt[id]]
		g.Posters = append(g.Posters, p)
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, r, qMembers, func(scan func(...any) error) error {
		var id GroupID
		var address string
		if err := scan(&id, &address); err != nil {
			return err
		}
		g := &s.groups[s.groupAt[id]]
		g.Members = append(g.Members, stored(address))
		return nil
	})
}

func (s *Snapshot) loadAliases(ctx context.Context, r sqldb.Reader) error {
	return each(ctx, r, qAliases, func(scan func(...any) error) error {
		var address, target string
		if err := scan(&address, &target); err != nil {
			return err
		}
		s.aliases = append(s.aliases, Alias{Address: stored(address), Target: stored(target)})
		return nil
	})
}

// stored reads an address as we have written it: we only write what was
// parsed. Its local part is not quoted but bare (see text).
func stored(text string) mail.Address {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return mail.Address{Local: text}
	}
	return mail.Address{Local: text[:at], Domain: text[at+1:]}
}

// text gives an address as the tables keep it: comparable by octets and
// without quotes, which the last "@" makes unambiguous.
func text(a mail.Address) string { return a.Local + "@" + a.Domain }

// index fills the maps from the slices.
func (s *Snapshot) index() {
	now := s.now()
	s.isLocal = make(map[Domain]bool, len(s.domains))
	for _, d := range s.domains {
		s.isLocal[d] = true
	}
	s.codes = make(map[string]UnitID, len(s.units))
	s.catchAll = map[Domain]int{}
	s.byAddress = make(map[mail.Address]place, len(s.units)+len(s.accounts)+len(s.groups)+len(s.aliases))
	// Later ones win: what exists hides what is still to come, and that what is
	// closed, where they have the same address or code.
	for _, fits := range []func(u *Unit) bool{
		func(u *Unit) bool { return !u.To.IsZero() && !now.Before(u.To) },
		func(u *Unit) bool { return now.Before(u.From) },
		func(u *Unit) bool { return u.Exists(now) },
	} {
		for i := range s.units {
			u := &s.units[i]
			if !fits(u) {
				continue
			}
			for _, c := range u.LegacyCodes {
				s.codes[foldCode(c)] = u.ID
			}
			s.codes[foldCode(u.Code)] = u.ID
			s.byAddress[fold(u.Address)] = place{TargetUnit, i}
			if u.CatchAll != "" {
				s.catchAll[u.CatchAll] = i
			}
		}
	}
	for i := range s.aliases {
		s.byAddress[fold(s.aliases[i].Address)] = place{TargetAlias, i}
	}
	for i := range s.groups {
		s.byAddress[fold(s.groups[i].Address)] = place{TargetGroup, i}
	}
	s.members = make(map[UnitID][]Member, len(s.units))
	for i := range s.accounts {
		a := &s.accounts[i]
		s.byAddress[fold(a.Login)] = place{TargetAccount, i}
		for _, as := range a.Roles {
			s.members[as.Unit] = append(s.members[as.Unit], Member{Account: a.ID, Role: as.Role})
		}
	}
	s.delegatedTo = make(map[AccountID][]int, len(s.delegations))
	for i := range s.delegations {
		if d := &s.delegations[i]; d.State != DelegationRevoked {
			s.delegatedTo[d.To] = append(s.delegatedTo[d.To], i)
		}
	}
	s.admins = s.findAdmins()
	for _, al := range s.aliases {
		if p, e, ok := s.follow(al.Address); ok && p.kind == TargetUnit && e.detail == "" {
			u := &s.units[p.index]
			u.Aliases = append(u.Aliases, al.Address)
		}
	}
}

// findAdmins gives the administrators that get the postmaster's mail: those
// of the whole province, or else those of the highest unit that has any.
func (s *Snapshot) findAdmins() []AccountID {
	type admin struct {
		depth int
		id    AccountID
	}
	var all []admin
	for i := range s.accounts {
		a := &s.accounts[i]
		best := -1
		for _, as := range a.Roles {
			if d := s.depth(as.Unit); as.Role == RoleAdmin && (best < 0 || d < best) {
				best = d
			}
		}
		if best >= 0 && a.State == Active {
			all = append(all, admin{best, a.ID})
		}
	}
	slices.SortStableFunc(all, func(a, b admin) int { return cmp.Compare(a.depth, b.depth) })
	var out []AccountID
	for _, a := range all {
		if a.depth != all[0].depth {
			break
		}
		out = append(out, a.id)
	}
	return out
}

// depth gives how far below the whole province a unit is: 0 for unit 0.
func (s *Snapshot) depth(id UnitID) int {
	d := 0
	for id != 0 && d <= len(s.units) {
		i, ok := s.unitAt[id]
		if !ok {
			break
		}
		id = s.units[i].Parent
		d++
	}
	return d
}
