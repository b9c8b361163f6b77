package directory

import (
	"context"
	"fmt"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

const (
	qInsertGroup     = `INSERT INTO mail_group (address, name, post) VALUES ($1, $2, $3) RETURNING id`
	qDeleteGroup     = `DELETE FROM mail_group WHERE id = $1`
	qInsertMember    = `INSERT INTO mail_group_member (group_id, address, ordinal) VALUES ($1, $2, $3)`
	qDeleteMembers   = `DELETE FROM mail_group_member WHERE group_id = $1`
	qInsertAlias     = `INSERT INTO alias (address, target) VALUES ($1, $2)`
	qDeleteAlias     = `DELETE FROM alias WHERE address = $1`
	qRetargetAliases = `UPDATE alias SET target = $1 WHERE target = $2`
	qInsertDomain    = `INSERT INTO domain (name) VALUES ($1)`
)

// CreateGroup adds a group with its members and returns it with its id.
// Errors are of kind fault.Invalid for wrong fields and members that nobody is,
// fault.Conflict when the address is taken.
func (d *Directory) CreateGroup(ctx context.Context, actor journal.Actor, g Group) (Group, error) {
	check := func(s *Snapshot) (err error) {
		g.ID, g.Name = 0, cleanText(g.Name)
		if err := checkName(g.Name); err != nil {
			return err
		}
		if g.Address, err = s.localAddress(g.Address); err != nil {
			return err
		}
		if err := s.free(g.Address); err != nil {
			return err
		}
		if g.Members, err = s.checkMembers(0, g.Members); err != nil {
			return err
		}
		g.Post, g.Posters, err = s.checkPosting(g.Post, g.Posters)
		return err
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		if err := tx.QueryRow(ctx, qInsertGroup, text(g.Address), g.Name, string(g.Post)).Scan(&g.ID); err != nil {
			return fmt.Errorf("insert group: %w", err)
		}
		if err := insertMembers(ctx, tx, g); err != nil {
			return err
		}
		if err := insertPosters(ctx, tx, g); err != nil {
			return err
		}
		return d.recordGroup(ctx, tx, actor, "group.created", g)
	})
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// SetGroupMembers replaces the members of a group; their order is kept. Errors
// are as in CreateGroup, and fault.NotFound.
func (d *Directory) SetGroupMembers(ctx context.Context, actor journal.Actor, id GroupID, members []mail.Address) error {
	var g Group
	check := func(s *Snapshot) (err error) {
		var ok bool
		if g, ok = s.Group(id); !ok {
			return errNoGroup(id)
		}
		g.Members, err = s.checkMembers(id, members)
		return err
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qDeleteMembers, id); err != nil {
			return fmt.Errorf("delete members: %w", err)
		}
		if err := insertMembers(ctx, tx, g); err != nil {
			return err
		}
		return d.recordGroup(ctx, tx, actor, "group.members_set", g)
	})
}

// DeleteGroup removes a group; its address is unknown from then on. Groups
// that hold it lose that member. It fails with fault.NotFound.
func (d *Directory) DeleteGroup(ctx context.Context, actor journal.Actor, id GroupID) error {
	var g Group
	check := func(s *Snapshot) error {
		var ok bool
		if g, ok = s.Group(id); !ok {
			return errNoGroup(id)
		}
		return nil
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qDeleteMembers, id); err != nil {
			return fmt.Errorf("delete members: %w", err)
		}
		if _, err := tx.Exec(ctx, qDeletePosters, id); err != nil {
			return fmt.Errorf("delete posters: %w", err)
		}
		if _, err := tx.Exec(ctx, qDeleteGroup, id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return d.recordGroup(ctx, tx, actor, "group.deleted", g)
	})
}

// checkMembers returns the members in canonical form. id is 0 for a new group.
func (s *Snapshot) checkMembers(id GroupID, members []mail.Address) ([]mail.Address, error) {
	if len(members) > maxMembers {
		return nil, invalid(fault.Text{EN: "a group has at most 5000 members", VI: "nhóm có tối đa 5000 thành viên"})
	}
	out := make([]mail.Address, 0, len(members))
	seen := make(map[mail.Address]bool, len(members))
	for _, m := range members {
		a, err := s.reachable(m)
		if err != nil {
			return nil, err
		}
		if !seen[fold(a)] {
			seen[fold(a)] = true
			out = append(out, a)
		}
	}
	return out, s.checkNesting(id, out)
}

// checkNesting refuses groups that would hold themselves or nest too deeply:
// expansion would cut there, and some would silently get nothing.
func (s *Snapshot) checkNesting(id GroupID, members []mail.Address) error {
	levels := make(map[GroupID]int, len(s.groups))
	var below func(GroupID, []mail.Address) (int, bool)
	below = func(g GroupID, members []mail.Address) (int, bool) {
		if n, ok := levels[g]; ok {
			return n, n > 0 // 0: still being counted, so it holds itself
		}
		levels[g] = 0
		most := 0
		for _, m := range members {
			t, err := s.Resolve(m)
			if err != nil || t.Kind != TargetGroup {
				continue
			}
			next := s.groups[s.groupAt[t.Group]].Members
			if t.Group == id {
				return 0, false
			}
			n, ok := below(t.Group, next)
			if !ok {
				return 0, false
			}
			most = max(most, n)
		}
		levels[g] = most + 1
		return most + 1, true
	}
	mine, ok := below(id, members)
	if !ok {
		return invalid(fault.Text{EN: "the group would contain itself", VI: "nhóm không được chứa chính nó"})
	}
	if mine+s.levelsAbove(id, 0) > maxNesting {
		return invalid(fault.Text{
			EN: "groups would be nested more than 8 levels deep", VI: "nhóm lồng nhau quá 8 cấp",
		})
	}
	return nil
}

// levelsAbove gives how many levels of groups hold the group id.
func (s *Snapshot) levelsAbove(id GroupID, depth int) int {
	most := 0
	if id == 0 || depth > maxNesting {
		return most
	}
	for i := range s.groups {
		for _, m := range s.groups[i].Members {
			if t, err := s.Resolve(m); err == nil && t.Kind == TargetGroup && t.Group == id {
				most = max(most, 1+s.levelsAbove(s.groups[i].ID, depth+1))
			}
		}
	}
	return most
}

func insertMembers(ctx context.Context, tx *sqldb.Tx, g Group) error {
	for i, m := range g.Members {
		if _, err := tx.Exec(ctx, qInsertMember, g.ID, text(m), i); err != nil {
			return fmt.Errorf("insert member: %w", err)
		}
	}
	return nil
}

func (d *Directory) recordGroup(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, g Group) error {
	return d.record(ctx, tx, journal.Event{
		Type: event, Actor: actor, Subject: g.Address.String(),
		Data: struct {
			ID      GroupID    `json:"id"`
			Members []string   `json:"members"`
			Post    PostPolicy `json:"post"`
			Posters []Poster   `json:"posters,omitempty"`
		}{g.ID, texts(g.Members), g.Post, g.Posters},
	})
}

func errNoGroup(id GroupID) error {
	return fault.New(fault.NotFound, fault.Text{EN: fmt.Sprintf("no group %d", id), VI: fmt.Sprintf("không có nhóm %d", id)})
}

// AddAlias makes another address lead to the target. Errors are of kind fault.Invalid when
// nobody has the target, fault.Conflict when the address is taken.
func (d *Directory) AddAlias(ctx context.Context, actor journal.Actor, al Alias) error {
	check := func(s *Snapshot) (err error) {
		if al.Address, err = s.localAddress(al.Address); err != nil {
			return err
		}
		if err := s.free(al.Address); err != nil {
			return err
		}
		al.Target, err = s.reachable(al.Target)
		return err
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error { return d.insertAlias(ctx, tx, actor, al) })
}

func (d *Directory) insertAlias(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, al Alias) error {
	if _, err := tx.Exec(ctx, qInsertAlias, text(al.Address), text(al.Target)); err != nil {
		return fmt.Errorf("insert alias: %w", err)
	}
	return d.recordAlias(ctx, tx, actor, "alias.added", al)
}

// RemoveAlias removes an alias. It fails with fault.NotFound.
func (d *Directory) RemoveAlias(ctx context.Context, actor journal.Actor, address mail.Address) error {
	var al Alias
	check := func(s *Snapshot) error {
		p, ok := s.byAddress[fold(address)]
		if !ok || p.kind != TargetAlias {
			return fault.New(fault.NotFound, fault.Text{EN: "no alias " + address.String(), VI: "không có bí danh " + address.String()})
		}
		al = s.aliases[p.index]
		return nil
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qDeleteAlias, text(al.Address)); err != nil {
			return fmt.Errorf("delete alias: %w", err)
		}
		return d.recordAlias(ctx, tx, actor, "alias.removed", al)
	})
}

func (d *Directory) recordAlias(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, al Alias) error {
	return d.record(ctx, tx, journal.Event{
		Type: event, Actor: actor, Subject: al.Address.String(),
		Data: struct {
			Target string `json:"target"`
		}{al.Target.String()},
	})
}

// AddDomain makes the mail of a domain ours. Adding it again does nothing. It
// fails with fault.Invalid when name is no domain.
func (d *Directory) AddDomain(ctx context.Context, actor journal.Actor, name Domain) error {
	a, err := mail.ParseAddress("postmaster@"+string(name), true)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, fault.Text{
			EN: fmt.Sprintf("%q is no domain name", string(name)), VI: fmt.Sprintf("%q không phải là tên miền", string(name)),
		})
	}
	name = Domain(a.Domain)
	if d.Snapshot().IsLocal(a.Domain) {
		return nil
	}
	return d.change(ctx, func(*Snapshot) error { return nil }, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qInsertDomain, string(name)); err != nil {
			return fmt.Errorf("insert domain: %w", err)
		}
		return d.record(ctx, tx, journal.Event{Type: "domain.added", Actor: actor, Subject: string(name)})
	})
}

func texts(list []mail.Address) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}
