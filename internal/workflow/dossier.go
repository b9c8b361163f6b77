package workflow

import (
	"context"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// dossierHand finds in which role an account keeps a dossier of a unit: clerks and leaders
// all of them, staff those that they opened. edoc.md §4.4.
func (b *deed) dossierHand(unit directory.UnitID, own bool) (journal.Actor, error) {
	roles := []directory.Role{directory.RoleClerk, directory.RoleLeader}
	if own {
		roles = append(roles, directory.RoleStaff)
	}
	for _, r := range roles {
		if b.units.HasRole(b.actor.ID, unit, r) {
			return b.journalActor(unit, r), nil
		}
	}
	return journal.Actor{}, fault.New(fault.Denied, fault.Text{
		EN: "only clerks and leaders of the unit, and who opened the dossier, may change it",
		VI: "chỉ văn thư, lãnh đạo của đơn vị và người lập hồ sơ được thay đổi hồ sơ",
	})
}

// CreateDossier opens a dossier of a unit that actor works in.
func (w *Workflow) CreateDossier(ctx context.Context, actor directory.AccountID, d docstore.Dossier) (docstore.Dossier, error) {
	by, err := w.deed(actor, docstore.SourceCLI)
	if err != nil {
		return docstore.Dossier{}, err
	}
	who, err := by.dossierHand(d.Unit, true)
	if err != nil {
		return docstore.Dossier{}, err
	}
	err = w.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		d, err = w.docs.CreateDossier(ctx, tx, who, d)
		return err
	})
	return d, err
}

// DossierAct changes a dossier: fn is called in the transaction, when actor may. It returns the error of fn.
func (w *Workflow) DossierAct(
	ctx context.Context, actor directory.AccountID, key docstore.DossierKey,
	fn func(tx *sqldb.Tx, who journal.Actor, d docstore.Dossier) error,
) error {
	by, err := w.deed(actor, docstore.SourceCLI)
	if err != nil {
		return err
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		d, err := docstore.DossierByKey(ctx, tx, key)
		if err != nil {
			return err
		}
		who, err := by.dossierHand(d.Unit, d.Creator == actor)
		if err != nil {
			return err
		}
		return fn(tx, who, d)
	})
}
