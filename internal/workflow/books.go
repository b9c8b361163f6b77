package workflow

import (
	"context"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// ReserveNumber gives actor the next number of a unit that he belongs to, and
// keeps it for some time (xin số). It fails with fault.Denied for others, and
// as docstore's Reserve.
func (w *Workflow) ReserveNumber(
	ctx context.Context, actor directory.AccountID, req docstore.NumberRequest,
) (v docstore.Reservation, err error) {
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		by, err := w.deed(actor, req.Source)
		if err != nil {
			return err
		}
		role, err := by.mayAsk(req.Unit)
		if err != nil {
			return err
		}
		v, err = w.docs.Reserve(ctx, tx, by.journalActor(req.Unit, role), req)
		return err
	})
	return v, err
}

// mayAsk gives the role by which b may ask for a number of the unit: whoever
// works there. edoc.md §4.4.
func (b *deed) mayAsk(unit directory.UnitID) (directory.Role, error) {
	for _, r := range []directory.Role{directory.RoleClerk, directory.RoleStaff, directory.RoleLeader} {
		if b.units.HasRole(b.actor.ID, unit, r) {
			return r, nil
		}
	}
	name := b.unitName(unit)
	return "", fault.New(fault.Denied, fault.Text{
		EN: "only who works in " + name + " may ask for its numbers",
		VI: "chỉ người của " + name + " được xin số văn bản đi của đơn vị",
	})
}

// mustBeClerk refuses whoever does not keep the unit's registers.
func (b *deed) mustBeClerk(unit directory.UnitID, what fault.Text) error {
	if b.units.HasRole(b.actor.ID, unit, directory.RoleClerk) {
		return nil
	}
	name := b.unitName(unit)
	return fault.New(fault.Denied, fault.Text{
		EN: "only a clerk of " + name + " may " + what.EN, VI: "chỉ văn thư của " + name + " được " + what.VI,
	})
}

func (b *deed) unitName(id directory.UnitID) string {
	if u, ok := b.units.Unit(id); ok && u.Name != "" {
		return u.Name
	}
	return "đơn vị"
}

// VoidEntry strikes a line of a register through; its number stays its own. A
// line of incoming documents takes its document back to the folder of those
// that wait: only while it is registered and not handed on. It fails with
// fault.Denied to all but clerks of the unit, and as docstore's VoidEntry.
func (w *Workflow) VoidEntry(
	ctx context.Context, actor directory.AccountID, src docstore.Source, key docstore.EntryKey, reason string,
) error {
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		by, err := w.deed(actor, src)
		if err != nil {
			return err
		}
		if err := by.mustBeClerk(key.Unit, fault.Text{EN: "void a number", VI: "hủy số"}); err != nil {
			return err
		}
		if key.Direction == docstore.DirectionOut {
			_, err := w.docs.VoidEntry(ctx, tx, by.journalActor(key.Unit, directory.RoleClerk), key, reason)
			return err
		}
		_, e, err := docstore.FindEntry(ctx, tx, key)
		if err != nil {
			return err
		}
		d, err := docstore.DispatchByID(ctx, tx, e.Dispatch)
		if err != nil {
			return err
		}
		_, err = by.perform(ctx, tx, d, Act{Event: docstore.EventUndo, Note: reason, late: true})
		return err
	})
}

// CorrectEntry adds a line that says what the one key names should have said.
// It fails with fault.Denied to all but clerks of the unit, and as docstore's
// CorrectEntry.
func (w *Workflow) CorrectEntry(
	ctx context.Context, actor directory.AccountID, key docstore.EntryKey, cor docstore.Correction,
) (e docstore.Entry, err error) {
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		by, err := w.deed(actor, cor.Source)
		if err != nil {
			return err
		}
		if err := by.mustBeClerk(key.Unit, fault.Text{EN: "correct a register", VI: "đính chính sổ"}); err != nil {
			return err
		}
		e, err = w.docs.CorrectEntry(ctx, tx, by.journalActor(key.Unit, directory.RoleClerk), key, cor)
		return err
	})
	return e, err
}

const (
	numbersTick  = time.Minute
	numbersBatch = 100 // reserved numbers voided in one transaction
)

// RunNumbers voids the reserved numbers that nobody used in time, until ctx
// ends; then it returns nil.
func (w *Workflow) RunNumbers(ctx context.Context) error {
	return w.again(ctx, numbersTick, "reserved numbers", w.expireNumbers)
}

// expireNumbers voids what is due. It asks before it writes: mostly nothing is.
func (w *Workflow) expireNumbers(ctx context.Context) error {
	for {
		due := false
		err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
			due, err = docstore.HasExpired(ctx, r, w.opt.Now())
			return err
		})
		if err != nil || !due {
			return err
		}
		if err := w.db.Update(ctx, func(tx *sqldb.Tx) error {
			_, err := w.docs.ExpireNumbers(ctx, tx, numbersBatch)
			return err
		}); err != nil {
			return err
		}
	}
}
