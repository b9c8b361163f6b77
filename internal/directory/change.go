package directory

import (
	"context"
	"fmt"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// change makes one change: check looks at the present state, write does it.
// No other change comes between the two, and the snapshot shows the outcome
// when change returns.
func (d *Directory) change(ctx context.Context, check func(s *Snapshot) error, write func(tx *sqldb.Tx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := check(d.Snapshot()); err != nil {
		return err
	}
	if err := d.update(ctx, write); err != nil {
		return err
	}
	return d.reload(context.WithoutCancel(ctx)) // it is done, so it must be seen
}

// update is db.Update that names what unique indexes refuse.
func (d *Directory) update(ctx context.Context, write func(tx *sqldb.Tx) error) error {
	err := d.db.Update(ctx, write)
	if sqldb.IsUnique(err) {
		return fault.Wrap(fault.Conflict, err, fault.Text{EN: "this exists already", VI: "đã có trong hệ thống"})
	}
	return err
}

// record appends the journal entry of a change.
func (d *Directory) record(ctx context.Context, tx *sqldb.Tx, ev journal.Event) error {
	ev.At = d.now()
	if _, err := journal.Append(ctx, tx, ev); err != nil {
		return fmt.Errorf("record %s: %w", ev.Type, err)
	}
	return nil
}
