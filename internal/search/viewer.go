package search

import (
	"context"
	"strings"

	"vanthu/docstore"
	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// viewer gives what an account may find: the documents of the units in which
// it has work, and as auditor or administrator what is recorded of others.
// edoc.md §4.4.
func (e *Engine) viewer(id directory.AccountID) (docstore.Viewer, error) {
	if id == 0 {
		return docstore.Viewer{All: true}, nil
	}
	snap := e.dir.Snapshot()
	a, ok := snap.Account(id)
	if !ok || a.State != directory.Active {
		return docstore.Viewer{}, fault.New(fault.Denied, fault.Text{
			EN: "this account may not search for documents", VI: "tài khoản này không được tra cứu văn bản",
		})
	}
	var v docstore.Viewer
	for _, r := range a.Roles {
		v.AllFields = v.AllFields || r.Unit == 0 && recordsOnly(r.Role)
	}
	for _, u := range snap.Units() {
		switch {
		case hasOne(snap, id, u.ID, directory.RoleClerk, directory.RoleLeader, directory.RoleStaff):
			v.Units = append(v.Units, u.ID)
		case hasOne(snap, id, u.ID, directory.RoleAuditor, directory.RoleAdmin):
			v.FieldUnits = append(v.FieldUnits, u.ID)
		}
	}
	return v, nil
}

// recordsOnly tells whether a role sees what is recorded of documents, not
// their content.
func recordsOnly(r directory.Role) bool {
	return r == directory.RoleAuditor || r == directory.RoleAdmin
}

func hasOne(snap *directory.Snapshot, id directory.AccountID, unit directory.UnitID, roles ...directory.Role) bool {
	for _, r := range roles {
		if snap.HasRole(id, unit, r) {
			return true
		}
	}
	return false
}

// resolve fills in which units a query names. An issuer that is no unit here
// is looked for by its name.
func (e *Engine) resolve(root query.And) (query.And, error) {
	n, err := e.resolveNode(root)
	if err != nil {
		return nil, err
	}
	out, _ := n.(query.And)
	return out, nil
}

func (e *Engine) resolveNode(n query.Node) (query.Node, error) {
	switch n := n.(type) {
	case query.And:
		list, err := e.resolveAll(n)
		return query.And(list), err
	case query.Or:
		list, err := e.resolveAll(n)
		return query.Or(list), err
	case query.Not:
		c, err := e.resolveNode(n.Node)
		return query.Not{Node: c}, err
	case *query.Cond:
		return e.resolveUnit(n)
	}
	return n, nil
}

func (e *Engine) resolveAll(list []query.Node) ([]query.Node, error) {
	out := make([]query.Node, len(list))
	for i, c := range list {
		var err error
		if out[i], err = e.resolveNode(c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *Engine) resolveUnit(c *query.Cond) (query.Node, error) {
	if c.Field != query.FieldIssuer && c.Field != query.FieldTo {
		return c, nil
	}
	found := *c
	found.Units = e.units(c.Name)
	switch {
	case len(found.Units) > 0:
		return &found, nil
	case c.Field == query.FieldIssuer && len(query.Words(c.Name)) > 0:
		return &query.Text{Scope: query.ScopeIssuer, Words: query.Words(c.Name), Quoted: true}, nil
	case c.Field == query.FieldTo && strings.Contains(c.Name, "@"):
		return &found, nil // an address at another server
	}
	return nil, fault.New(fault.Invalid, fault.Text{
		EN: "there is no unit " + c.Name + "; name it by code, short name, name or address",
		VI: "không có đơn vị " + c.Name + "; hãy ghi mã, tên viết tắt, tên hoặc địa chỉ",
	})
}

// units finds the units that a name means: by code, address or the local part
// of it, short name, or the whole name.
func (e *Engine) units(name string) (ids []int64) {
	snap := e.dir.Snapshot()
	if u, ok := snap.UnitByCode(name); ok {
		return []int64{int64(u.ID)}
	}
	if a, err := mail.ParseAddress(name, true); err == nil {
		if u, ok := snap.UnitByAddress(a); ok {
			return []int64{int64(u.ID)}
		}
	}
	want := strings.Join(query.Words(name), " ")
	for _, u := range snap.Units() {
		for _, n := range []string{u.ShortName, u.Address.Local, u.Name} {
			if want != "" && strings.Join(query.Words(n), " ") == want {
				ids = append(ids, int64(u.ID))
				break
			}
		}
	}
	return ids
}

// searchedData is what the journal keeps of a search by somebody who looks at
// documents of others. NĐ 30/2020, Phụ lục VI, part III.6: use is logged.
type searchedData struct {
	Query  string `json:"query"`
	Found  int    `json:"found"`
	Offset int    `json:"offset,omitempty"`
}

// note records a search with the rights of an auditor or administrator.
func (e *Engine) note(ctx context.Context, req Request, v docstore.Viewer, found int) error {
	if !v.AllFields && len(v.FieldUnits) == 0 {
		return nil
	}
	a, _ := e.dir.Snapshot().Account(req.As)
	return e.db.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: e.opt.Now(), Type: "doc.searched", Subject: a.Login.String(),
			Actor: journal.Actor{Kind: journal.ActorAccount, ID: int64(req.As), Name: a.Login.String()},
			Data:  searchedData{Query: req.Query, Found: found, Offset: req.Offset},
		})
		return err
	})
}
