package directory

import (
	"context"
	"fmt"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Vacate disables an account whose holder has left and names who gets its
// mail from now on: an account, a unit or another address here.
// [Directory.SetState] takes it back. Errors are of kind fault.NotFound, and
// fault.Invalid when nobody has the successor's address or it leads back to
// the account.
func (d *Directory) Vacate(ctx context.Context, actor journal.Actor, id AccountID, successor mail.Address) error {
	var a Account
	check := func(s *Snapshot) (err error) {
		var ok bool
		if a, ok = s.Account(id); !ok {
			return errNoAccount(id)
		}
		if successor, err = s.reachable(successor); err != nil {
			return err
		}
		all, err := s.Expand(successor)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Kind == ToExternal || r.Account == id || r.FormerAccount == id {
				return invalid(fault.Text{
					EN: fmt.Sprintf("%s cannot be the successor: it must be somebody else here", successor),
					VI: fmt.Sprintf("%s không thể nhận thay: phải là người hoặc đơn vị khác trong hệ thống", successor),
				})
			}
		}
		return nil
	}
	return d.change(ctx, check, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, qVacate, text(successor), sqldb.Micros(d.now()), id); err != nil {
			return fmt.Errorf("vacate account: %w", err)
		}
		return d.recordAccount(ctx, tx, actor, "account.vacated", a, struct {
			Successor string `json:"successor"`
			Was       State  `json:"was"`
		}{successor.String(), a.State})
	})
}
