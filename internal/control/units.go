package control

import (
	"context"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Calls about units.
const (
	CallUnitList  = "unit.list"  // None → []directory.Unit
	CallUnitAdd   = "unit.add"   // UnitAdd → directory.Unit
	CallUnitSet   = "unit.set"   // UnitSet → directory.Unit
	CallUnitClose = "unit.close" // UnitClose → directory.Unit
)

// UnitAdd describes a new unit.
type UnitAdd struct {
	Code      string   `json:"code"`
	Legacy    []string `json:"legacy_codes,omitempty"`
	Name      string   `json:"name"`
	ShortName string   `json:"short_name"`
	Kind      string   `json:"kind"`
	Parent    string   `json:"parent,omitempty"` // code, short name or address; "" at the top
	Address   string   `json:"address"`
	Aliases   []string `json:"aliases,omitempty"`
	CatchAll  string   `json:"catch_all,omitempty"` // a domain; of UnitSet "-" for none
}

// UnitSet changes a unit; empty fields stay.
type UnitSet struct {
	Unit string `json:"unit"` // code, short name or address
	UnitAdd
}

// UnitClose ends a unit.
type UnitClose struct {
	Unit       string    `json:"unit"`
	At         time.Time `json:"at,omitzero"` // zero: now
	Successors []string  `json:"successors"`
}

func (s *Service) unitList(context.Context, None, Progress) (any, error) {
	return listed(s.Directory.Snapshot().Units()), nil
}

// listed makes an empty list an empty list in JSON too, not null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *Service) unitAdd(ctx context.Context, req UnitAdd, _ Progress) (any, error) {
	u := directory.Unit{
		Code: req.Code, LegacyCodes: req.Legacy, Name: req.Name, ShortName: req.ShortName, Kind: req.Kind, From: s.opt.Now(),
	}
	if err := s.fill(&u, req); err != nil {
		return nil, err
	}
	u, err := s.Directory.CreateUnit(ctx, actor(), u)
	if err != nil {
		return nil, err
	}
	return u, s.DB.Update(ctx, func(tx *sqldb.Tx) error { return s.Mail.EnsureUnit(ctx, tx, u.ID) })
}

// fill reads the addresses and the parent of a request into u.
func (s *Service) fill(u *directory.Unit, req UnitAdd) (err error) {
	if req.Parent != "" {
		p, err := s.unit(req.Parent)
		if err != nil {
			return err
		}
		u.Parent = p.ID
	}
	if req.Address != "" {
		if u.Address, err = mail.ParseAddress(req.Address, true); err != nil {
			return err
		}
	}
	if req.CatchAll != "" {
		u.CatchAll = directory.Domain(strings.TrimPrefix(req.CatchAll, "-"))
	}
	if len(req.Aliases) > 0 {
		u.Aliases, err = addresses(req.Aliases)
	}
	return err
}

func addresses(list []string) ([]mail.Address, error) {
	out := make([]mail.Address, len(list))
	for i, a := range list {
		var err error
		if out[i], err = mail.ParseAddress(a, true); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fault.Text{
				EN: a + " is not a mail address", VI: a + " không phải địa chỉ thư",
			})
		}
	}
	return out, nil
}

func (s *Service) unitSet(ctx context.Context, req UnitSet, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&u.Code, req.Code}, {&u.Name, req.Name}, {&u.ShortName, req.ShortName}, {&u.Kind, req.Kind}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if len(req.Legacy) > 0 {
		u.LegacyCodes = req.Legacy
	}
	if err := s.fill(&u, req.UnitAdd); err != nil {
		return nil, err
	}
	return s.Directory.UpdateUnit(ctx, actor(), u)
}

func (s *Service) unitClose(ctx context.Context, req UnitClose, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	if req.At.IsZero() {
		req.At = s.opt.Now()
	}
	next := make([]directory.UnitID, len(req.Successors))
	for i, name := range req.Successors {
		n, err := s.unit(name)
		if err != nil {
			return nil, err
		}
		next[i] = n.ID
	}
	if err := s.Directory.CloseUnit(ctx, actor(), u.ID, req.At, next); err != nil {
		return nil, err
	}
	u, _ = s.Directory.Snapshot().Unit(u.ID)
	return u, nil
}
