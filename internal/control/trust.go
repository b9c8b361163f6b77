package control

import (
	"context"
	"strings"

	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/mailauth"
	"vanthu/internal/queue"
)

// Calls about keys and about held messages.
const (
	CallDomainKeys   = "domain.keys"     // DomainKeys → []mailauth.Key
	CallDomainKeyAct = "domain.key_act"  // DomainKeyAct → None
	CallHeldList     = "quarantine.list" // HeldList → []delivery.Held
	CallHeldShow     = "quarantine.show" // HeldShow → delivery.Held
	CallHeldAct      = "quarantine.act"  // HeldAct → HeldActed
)

// DomainKeys narrows a listing of DKIM keys.
type DomainKeys struct {
	Domain mailauth.Domain `json:"domain,omitempty"` // "" means all
}

// DomainKeyAct changes DKIM keys: "new", "activate", "remove" or "trust".
type DomainKeyAct struct {
	Act      string            `json:"act"`
	Domain   mailauth.Domain   `json:"domain"`
	Selector mailauth.Selector `json:"selector,omitempty"` // for remove and trust
	Record   mailauth.Record   `json:"record,omitempty"`   // for trust
	DryRun   bool              `json:"dry_run,omitempty"`  // for remove
}

func (s *Service) domainKeys(_ context.Context, req DomainKeys, _ Progress) (any, error) {
	out := []mailauth.Key{}
	for _, k := range s.Keys.List() {
		if req.Domain == "" || k.Domain == lower(req.Domain) {
			out = append(out, k)
		}
	}
	return out, nil
}

func lower(d mailauth.Domain) mailauth.Domain { return mailauth.Domain(strings.ToLower(string(d))) }

func (s *Service) domainKeyAct(ctx context.Context, req DomainKeyAct, _ Progress) (any, error) {
	d := lower(req.Domain)
	switch req.Act {
	case "new":
		if s.Keys.Own(d) {
			return None{}, s.Keys.Next(ctx, actor(), d)
		}
		if !s.Directory.Snapshot().IsLocal(string(d)) {
			return nil, fault.New(fault.NotFound, fault.Text{
				EN: string(d) + " is not a domain of this server", VI: string(d) + " không phải tên miền của máy chủ này",
			})
		}
		return None{}, s.Keys.Make(ctx, actor(), d)
	case "activate":
		return None{}, s.Keys.Activate(ctx, actor(), d)
	case "remove":
		if req.DryRun {
			return None{}, s.Keys.Removable(d, req.Selector)
		}
		return None{}, s.Keys.Remove(ctx, actor(), d, req.Selector)
	case "trust":
		return None{}, s.Keys.Trust(ctx, actor(), d, req.Selector, req.Record)
	}
	return nil, fault.Newf(fault.Invalid, "keys have no act %q: use new, activate, remove or trust", req.Act)
}

// HeldList narrows a listing of the quarantine.
type HeldList struct {
	All bool `json:"all,omitempty"` // also what was decided
}

// HeldShow names a held message.
type HeldShow struct {
	ID delivery.HeldID `json:"id"`
}

// HeldAct decides about a held message: "release" or "drop".
type HeldAct struct {
	ID     delivery.HeldID `json:"id"`
	Act    string          `json:"act"`
	DryRun bool            `json:"dry_run,omitempty"`
}

// HeldActed is what was, or with DryRun would be, decided about.
type HeldActed struct {
	Held    delivery.Held `json:"message"`
	QueueID queue.ID      `json:"queue_id"`
	DryRun  bool          `json:"dry_run"`
}

func (s *Service) heldList(ctx context.Context, req HeldList, _ Progress) (any, error) {
	list, err := s.Quarantine.Quarantine(ctx, delivery.HeldFilter{All: req.All})
	if list == nil {
		list = []delivery.Held{}
	}
	return list, err
}

func (s *Service) heldShow(ctx context.Context, req HeldShow, _ Progress) (any, error) {
	return s.Quarantine.ShowHeld(ctx, req.ID)
}

func (s *Service) heldAct(ctx context.Context, req HeldAct, _ Progress) (any, error) {
	if req.Act != "release" && req.Act != "drop" {
		return nil, fault.Newf(fault.Invalid, "the quarantine has no act %q: use release or drop", req.Act)
	}
	h, err := s.Quarantine.ShowHeld(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	out := HeldActed{Held: h, QueueID: h.Queue, DryRun: req.DryRun}
	switch {
	case req.DryRun:
		return out, s.Quarantine.Undecided(h)
	case req.Act == "release":
		_, err = s.Quarantine.ReleaseHeld(ctx, actor(), req.ID)
	default:
		err = s.Quarantine.DropHeld(ctx, actor(), req.ID)
	}
	return out, err
}
