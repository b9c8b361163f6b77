package directory

import (
	"context"
	"net/netip"

	"vanthu/internal/fault"
)

// Voucher is a proof of who somebody is that is no password of ours: a
// certificate or a token, which the caller has verified.
type Voucher struct {
	By       Means
	Names    []Login // addresses that it says are its bearer's
	As       Login   // whom the bearer wants to be; "" leaves it to the names
	Remote   netip.Addr
	Protocol Protocol
}

var errAmbiguous = fault.New(fault.Denied, fault.Text{
	EN: "several accounts fit: name the one you want", VI: "có nhiều tài khoản phù hợp, hãy nêu rõ tài khoản",
})

// Vouch grants what a voucher proves: the one active account whose login is
// among its names, and is As, when that is given. It fails with fault.Denied
// otherwise, with ErrAuthorization when As is none of the names.
func (d *Directory) Vouch(ctx context.Context, v Voucher) (Grant, error) {
	as, asValid := v.As.parse()
	g := Grant{By: v.By, At: d.now(), Remote: v.Remote.Unmap().WithZone(""), Protocol: v.Protocol}
	s := d.Snapshot()
	found, named := 0, v.As == ""
	for _, name := range v.Names {
		id, ok := name.parse()
		if !ok || v.As != "" && (!asValid || id != as) {
			continue
		}
		named = true
		if a, _ := s.lookup(id); a.ID != 0 && a.State == Active && a.ID != g.ID {
			g.Account = a
			found++
		}
	}
	who := newPair(v.Remote, g.Login, found == 1)
	switch {
	case !named:
		return Grant{}, ErrAuthorization
	case found > 1:
		return Grant{}, errAmbiguous
	case found == 0:
		return Grant{}, d.refuse(newPair(v.Remote, as, asValid))
	}
	d.allow(ctx, who, g)
	return g, nil
}

// MayTry tells whether the brake lets somebody at remote who says he is login, or
// nobody, try once more: nil, or an error of kind fault.Exhausted.
func (d *Directory) MayTry(remote netip.Addr, login Login) error {
	id, ok := login.parse()
	if !d.login.brake.admits(newPair(remote, id, ok), d.now()) {
		return errBraked
	}
	return nil
}

// Refuse counts a voucher that does not hold, as [Directory.MayTry] was asked, and
// gives the error for it.
func (d *Directory) Refuse(remote netip.Addr, login Login) error {
	id, ok := login.parse()
	return d.refuse(newPair(remote, id, ok))
}
