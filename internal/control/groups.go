package control

import (
	"context"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Calls about groups, aliases and domains.
const (
	CallGroupList   = "group.list"   // None → []directory.Group
	CallGroupAdd    = "group.add"    // GroupAdd → directory.Group
	CallGroupSet    = "group.set"    // GroupSet → directory.Group
	CallGroupShow   = "group.show"   // Named → GroupShown
	CallGroupRemove = "group.remove" // Named → None
	CallAliasList   = "alias.list"   // None → []directory.Alias
	CallAliasAdd    = "alias.add"    // AliasAdd → directory.Alias
	CallAliasRemove = "alias.remove" // Named → None
	CallDomainAdd   = "domain.add"   // Named → None
)

// Named names one thing: the address of a group or an alias, or a domain.
type Named struct {
	Name string `json:"name"`
}

// GroupAdd describes a new group.
type GroupAdd struct {
	Address string   `json:"address"`
	Name    string   `json:"name"`
	Members []string `json:"members"`
	Post    string   `json:"post,omitempty"`    // anyone, inside, members, listed; "" is inside
	Posters []string `json:"posters,omitempty"` // of listed: logins, or roles such as $vanthu@SYT
}

// GroupShown is a group with everybody its mail reaches.
type GroupShown struct {
	Group   directory.Group `json:"group"`
	Posters []string        `json:"posters"`
	Reaches []string        `json:"reaches"` // addresses, groups in groups followed, each once
}

// GroupSet replaces the members of a group, or adds and removes some.
type GroupSet struct {
	Address string   `json:"address"`
	Members []string `json:"members,omitempty"` // the whole new list, when not empty
	Add     []string `json:"add,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	Post    string   `json:"post,omitempty"` // who may post; "" stays
	Posters []string `json:"posters,omitempty"`
}

// AliasAdd describes a new alias.
type AliasAdd struct {
	Address string `json:"address"`
	Target  string `json:"target"`
}

func (s *Service) groupList(context.Context, None, Progress) (any, error) {
	return listed(s.Directory.Snapshot().Groups()), nil
}

func (s *Service) groupAdd(ctx context.Context, req GroupAdd, _ Progress) (any, error) {
	a, err := mail.ParseAddress(req.Address, true)
	if err != nil {
		return nil, err
	}
	members, err := addresses(req.Members)
	if err != nil {
		return nil, err
	}
	posters, err := s.posters(req.Posters)
	if err != nil {
		return nil, err
	}
	return s.Directory.CreateGroup(ctx, actor(), directory.Group{
		Address: a, Name: req.Name, Members: members, Post: directory.PostPolicy(req.Post), Posters: posters,
	})
}

// posters reads who may post to a group.
func (s *Service) posters(list []string) (out []directory.Poster, err error) {
	snap := s.Directory.Snapshot()
	for _, text := range list {
		p, err := snap.ParsePoster(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func (s *Service) groupShow(_ context.Context, req Named, _ Progress) (any, error) {
	g, err := s.group(req.Name)
	if err != nil {
		return nil, err
	}
	snap := s.Directory.Snapshot()
	out := GroupShown{Group: g, Posters: []string{}, Reaches: []string{}}
	for _, p := range g.Posters {
		out.Posters = append(out.Posters, snap.PosterName(p))
	}
	all, err := snap.Expand(g.Address)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	for _, r := range all {
		out.Reaches = append(out.Reaches, r.Addr.String())
	}
	return out, nil
}

func (s *Service) group(address string) (directory.Group, error) {
	a, err := mail.ParseAddress(address, true)
	if err != nil {
		return directory.Group{}, err
	}
	g, ok := s.Directory.Snapshot().GroupByAddress(a)
	if !ok {
		return directory.Group{}, fault.New(fault.NotFound, fault.Text{
			EN: "there is no group " + address, VI: "không có nhóm " + address,
		})
	}
	return g, nil
}

func (s *Service) groupSet(ctx context.Context, req GroupSet, _ Progress) (any, error) {
	g, err := s.group(req.Address)
	if err != nil {
		return nil, err
	}
	members := g.Members
	if len(req.Members) > 0 {
		if members, err = addresses(req.Members); err != nil {
			return nil, err
		}
	}
	gone, err := addresses(req.Remove)
	if err != nil {
		return nil, err
	}
	added, err := addresses(req.Add)
	if err != nil {
		return nil, err
	}
	drop := map[string]bool{}
	for _, a := range gone {
		drop[a.Key()] = true
	}
	next := make([]mail.Address, 0, len(members)+len(added))
	for _, m := range members {
		if !drop[m.Key()] {
			next = append(next, m)
		}
	}
	posters, err := s.posters(req.Posters)
	if err != nil {
		return nil, err
	}
	if len(req.Members)+len(added)+len(gone) > 0 {
		if err := s.Directory.SetGroupMembers(ctx, actor(), g.ID, append(next, added...)); err != nil {
			return nil, err
		}
	}
	if req.Post != "" || len(posters) > 0 {
		post := directory.PostPolicy(req.Post)
		if post == "" {
			post = directory.PostListed
		}
		if err := s.Directory.SetGroupPosting(ctx, actor(), g.ID, post, posters); err != nil {
			return nil, err
		}
	}
	g, _ = s.Directory.Snapshot().Group(g.ID)
	return g, nil
}

func (s *Service) groupRemove(ctx context.Context, req Named, _ Progress) (any, error) {
	g, err := s.group(req.Name)
	if err != nil {
		return nil, err
	}
	return None{}, s.Directory.DeleteGroup(ctx, actor(), g.ID)
}

func (s *Service) aliasList(context.Context, None, Progress) (any, error) {
	return listed(s.Directory.Snapshot().Aliases()), nil
}

func (s *Service) aliasAdd(ctx context.Context, req AliasAdd, _ Progress) (any, error) {
	pair, err := addresses([]string{req.Address, req.Target})
	if err != nil {
		return nil, err
	}
	al := directory.Alias{Address: pair[0], Target: pair[1]}
	return al, s.Directory.AddAlias(ctx, actor(), al)
}

func (s *Service) aliasRemove(ctx context.Context, req Named, _ Progress) (any, error) {
	a, err := mail.ParseAddress(req.Name, true)
	if err != nil {
		return nil, err
	}
	return None{}, s.Directory.RemoveAlias(ctx, actor(), a)
}

func (s *Service) domainAdd(ctx context.Context, req Named, _ Progress) (any, error) {
	return None{}, s.Directory.AddDomain(ctx, actor(), directory.Domain(req.Name))
}
