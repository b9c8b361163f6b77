package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// PostPolicy says who may post to a group.
type PostPolicy string

// The policies.
const (
	PostAnyone  PostPolicy = "anyone"  // whoever reaches this server, from outside too
	PostInside  PostPolicy = "inside"  // whoever has an account here
	PostMembers PostPolicy = "members" // accounts in it, and clerks and leaders of units in it
	PostListed  PostPolicy = "listed"  // Posters only
)

// PostPolicies returns all policies there are.
func PostPolicies() []PostPolicy {
	return []PostPolicy{PostAnyone, PostInside, PostMembers, PostListed}
}

// Poster is an account, or everybody who has a role in a unit, in any unit when
// Unit is 0.
type Poster struct {
	Account AccountID `json:"account,omitempty"`
	Unit    UnitID    `json:"unit,omitempty"`
	Role    Role      `json:"role,omitempty"`
}

const (
	maxPosters     = 500
	qSetPost       = `UPDATE mail_group SET post = $1 WHERE id = $2`
	qInsertPoster  = `INSERT INTO mail_group_poster (group_id, account_id, unit_id, role) VALUES ($1, $2, $3, $4)`
	qDeletePosters = `DELETE FROM mail_group_poster WHERE group_id = $1`
)

// MayPost tells whether the account, 0 for somebody unknown, may post to the group.
func (s *Snapshot) MayPost(group GroupID, account AccountID) bool {
	g, ok := s.Group(group)
	if !ok {
		return false
	}
	a, known := s.Account(account)
	known = known && a.State == Active
	switch g.Post {
	case PostAnyone:
		return true
	case PostMembers:
		return known && s.isMember(g, account)
	case PostListed:
		return known && slices.ContainsFunc(g.Posters, func(p Poster) bool { return s.isPoster(p, a) })
	default:
		return known
	}
}

func (s *Snapshot) isPoster(p Poster, a Account) bool {
	if p.Account != 0 {
		return p.Account == a.ID
	}
	return slices.ContainsFunc(a.Roles, func(r Assignment) bool {
		return r.Role == p.Role && (p.Unit == 0 || r.Unit == p.Unit || r.Unit == 0)
	})
}

// isMember tells whether the group's mail reaches the account, or a unit for
// which it speaks.
func (s *Snapshot) isMember(g Group, account AccountID) bool {
	all, err := s.Expand(g.Address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(r Recipient) bool {
		switch r.Kind {
		case ToAccount:
			return r.Account == account
		case ToUnit:
			return s.HasRole(account, r.Unit, RoleClerk) || s.HasRole(account, r.Unit, RoleLeader)
		}
		return false
	})
}

// SetGroupPosting says who may post to a group; posters count with PostListed
// only. Errors are of kind fault.NotFound and fault.Invalid.
func (d *Directory) SetGroupPosting(ctx context.Context, actor journal.Actor, id GroupID, post PostPolicy, posters []Poster) error {
	var g Group
	check := func(s *Snapshot) (err error) {
		var ok bool
		if g, ok = s.Group(id); !ok {
			return errNoGroup(id)
		}
		g.Post, g.Posters, err = s.checkPosting(post, posters)
		return err
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qSetPost, string(g.Post), id); err != nil {
			return fmt.Errorf("set who may post: %w", err)
		}
		if _, err := tx.Exec(ctx, qDeletePosters, id); err != nil {
			return fmt.Errorf("delete posters: %w", err)
		}
		if err := insertPosters(ctx, tx, g); err != nil {
			return err
		}
		return d.recordGroup(ctx, tx, actor, "group.posting_set", g)
	})
}

func insertPosters(ctx context.Context, tx *sqldb.Tx, g Group) error {
	for _, p := range g.Posters {
		if _, err := tx.Exec(ctx, qInsertPoster, g.ID, p.Account, p.Unit, string(p.Role)); err != nil {
			return fmt.Errorf("insert poster: %w", err)
		}
	}
	return nil
}

// checkPosting returns policy and posters in canonical form.
func (s *Snapshot) checkPosting(post PostPolicy, posters []Poster) (PostPolicy, []Poster, error) {
	if post == "" {
		post = PostInside
	}
	if !slices.Contains(PostPolicies(), post) {
		return "", nil, invalid(fault.Text{
			EN: fmt.Sprintf("who may post must be anyone, inside, members or listed, not %q", post),
			VI: fmt.Sprintf("quyền gửi vào nhóm phải là anyone, inside, members hoặc listed, không phải %q", post),
		})
	}
	if post != PostListed {
		if len(posters) > 0 {
			return "", nil, invalid(fault.Text{
				EN: "posters are named only where listed ones may post", VI: "chỉ ghi người được gửi khi quyền gửi là listed",
			})
		}
		return post, nil, nil
	}
	if len(posters) == 0 || len(posters) > maxPosters {
		return "", nil, invalid(fault.Text{
			EN: "name between 1 and 500 posters: logins, or roles such as $vanthu@SYT",
			VI: "hãy ghi từ 1 đến 500 người được gửi: tên đăng nhập, hoặc vai trò như $vanthu@SYT",
		})
	}
	var out []Poster
	for _, p := range posters {
		_, account := s.accountAt[p.Account]
		_, unit := s.unitAt[p.Unit]
		one := account && p.Unit == 0 && p.Role == ""
		role := p.Account == 0 && (unit || p.Unit == 0) && p.Role.known()
		if !one && !role {
			return "", nil, invalid(fault.Text{
				EN: "a poster must be an account, or a role with or without a unit",
				VI: "người được gửi phải là tài khoản, hoặc vai trò (kèm đơn vị nếu cần)",
			})
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return post, out, nil
}

// ParsePoster reads a login, "$vanthu@SYT" for the clerks of a unit, or
// "$vanthu" for the clerks of all. Errors are of kind fault.NotFound.
func (s *Snapshot) ParsePoster(text string) (Poster, error) {
	fail := func() (Poster, error) {
		return Poster{}, fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("there is nobody called %q; name a login, or a role such as $vanthu@SYT", text),
			VI: fmt.Sprintf("không có %q; hãy ghi tên đăng nhập, hoặc vai trò như $vanthu@SYT", text),
		})
	}
	name, isRole := strings.CutPrefix(text, "$")
	if !isRole {
		login, err := mail.ParseAddress(text, false)
		if err != nil {
			return fail()
		}
		a, ok := s.AccountByLogin(login)
		if !ok {
			return fail()
		}
		return Poster{Account: a.ID}, nil
	}
	name, unit, inUnit := strings.Cut(name, "@")
	p := Poster{Role: Role(name)}
	if !p.Role.known() {
		return fail()
	}
	if !inUnit {
		return p, nil
	}
	for i := range s.units {
		u := &s.units[i]
		if u.To.IsZero() && (strings.EqualFold(u.ShortName, unit) || u.Code == foldCode(unit)) {
			p.Unit = u.ID
			return p, nil
		}
	}
	return fail()
}

// PosterName gives the text that ParsePoster reads.
func (s *Snapshot) PosterName(p Poster) string {
	if p.Account != 0 {
		a, _ := s.Account(p.Account)
		return a.Login.String()
	}
	name := "$" + string(p.Role)
	if u, ok := s.Unit(p.Unit); ok {
		name += "@" + u.ShortName
	}
	return name
}
