package control

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// Calls about roles that are exercised for others.
const (
	CallDelegationAdd  = "delegation.add"    // DelegationAdd → Delegation
	CallDelegationList = "delegation.list"   // DelegationList → []Delegation
	CallDelegationEnd  = "delegation.revoke" // DelegationRevoke → Delegation
)

// DelegationAdd lets To exercise a role of From for some days.
type DelegationAdd struct {
	From  string `json:"from"` // login of who is away
	To    string `json:"to"`   // login of who acts
	Unit  string `json:"unit"`
	Role  string `json:"role"`
	First string `json:"first,omitempty"` // date, 2026-12-31; "" is today
	Last  string `json:"last"`            // the last day, whole
}

// DelegationList narrows a listing.
type DelegationList struct {
	All bool `json:"all,omitempty"` // also those that are over
}

// DelegationRevoke names a delegation.
type DelegationRevoke struct {
	ID     int64 `json:"id"`
	DryRun bool  `json:"dry_run,omitempty"`
}

// Delegation is a delegation as listings show it; days are those of Vietnam.
type Delegation struct {
	ID    int64  `json:"id"`
	From  string `json:"from"`
	To    string `json:"to"`
	Unit  string `json:"unit"`
	Role  string `json:"role"`
	First string `json:"first"`
	Last  string `json:"last"`
	State string `json:"state"` // waiting, active, ended, revoked
}

// days reads the first and the last day of a time and gives its two ends: whole
// days at +07:00.
func (s *Service) days(first, last string) (from, until time.Time, err error) {
	if first == "" {
		first = s.opt.Now().In(vietnam).Format(time.DateOnly)
	}
	if from, err = time.ParseInLocation(time.DateOnly, first, vietnam); err == nil {
		until, err = time.ParseInLocation(time.DateOnly, last, vietnam)
	}
	if err != nil {
		return from, until, fault.Wrap(fault.Invalid, err, fault.Text{
			EN: fmt.Sprintf("dates are written as 2026-12-31, not %q and %q", first, last),
			VI: fmt.Sprintf("ngày ghi theo dạng 2026-12-31, không phải %q và %q", first, last),
		})
	}
	return from, until.AddDate(0, 0, 1), nil
}

func (s *Service) delegationAdd(ctx context.Context, req DelegationAdd, _ Progress) (any, error) {
	from, err := s.account(req.From)
	if err != nil {
		return nil, err
	}
	to, err := s.account(req.To)
	if err != nil {
		return nil, err
	}
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	start, end, err := s.days(req.First, req.Last)
	if err != nil {
		return nil, err
	}
	d, err := s.Directory.Delegate(ctx, actor(), directory.Delegation{
		From: from.ID, To: to.ID, Unit: u.ID, Role: directory.Role(req.Role), Start: start, End: end,
	})
	if err != nil {
		return nil, err
	}
	return s.showDelegation(d), nil
}

func (s *Service) showDelegation(d directory.Delegation) Delegation {
	snap, now := s.Directory.Snapshot(), s.opt.Now()
	from, _ := snap.Account(d.From)
	to, _ := snap.Account(d.To)
	u, _ := snap.Unit(d.Unit)
	state := d.State
	switch { // the journal may not have been told yet
	case state == directory.DelegationRevoked:
	case !now.Before(d.End):
		state = directory.DelegationEnded
	case !now.Before(d.Start):
		state = directory.DelegationActive
	}
	return Delegation{
		d.ID, from.Login.String(), to.Login.String(), u.ShortName, string(d.Role),
		d.Start.In(vietnam).Format(time.DateOnly), d.End.In(vietnam).AddDate(0, 0, -1).Format(time.DateOnly), string(state),
	}
}

func (s *Service) delegationList(_ context.Context, req DelegationList, _ Progress) (any, error) {
	out := []Delegation{}
	for _, d := range s.Directory.Snapshot().Delegations() {
		shown := s.showDelegation(d)
		if over := shown.State == string(directory.DelegationEnded) || shown.State == string(directory.DelegationRevoked); !over || req.All {
			out = append(out, shown)
		}
	}
	return out, nil
}

func (s *Service) delegationRevoke(ctx context.Context, req DelegationRevoke, _ Progress) (any, error) {
	if req.DryRun {
		for _, d := range s.Directory.Snapshot().Delegations() {
			if d.ID == req.ID {
				return s.showDelegation(d), nil
			}
		}
	}
	d, err := s.Directory.Undelegate(ctx, actor(), req.ID)
	if err != nil {
		return nil, err
	}
	return s.showDelegation(d), nil
}
