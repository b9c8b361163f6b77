package workflow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/directory"
)

// RunFolders keeps the folders of units and accounts as the directory wants
// them, until ctx ends, and returns nil then: of each unit one under "3 Phân
// công" for every active leader and staff member, by the name that they have.
// changed receives when the directory may have changed.
func (w *Workflow) RunFolders(ctx context.Context, changed <-chan struct{}) error {
	if err := w.boxes.FitAccounts(ctx); err != nil && ctx.Err() == nil {
		w.opt.Log.ErrorContext(ctx, "not all accounts have their folder for the clerks", "err", err)
	}
	done := map[directory.UnitID]string{}
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-retry.C:
		}
		if err := w.fitUnits(ctx, done); err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "the folders of a unit do not fit its people yet", "err", err)
			retry.Reset(time.Minute)
		}
	}
}

// fitUnits brings the folders of all units in line with their people. done
// remembers whom they fit already.
func (w *Workflow) fitUnits(ctx context.Context, done map[directory.UnitID]string) error {
	units := w.dir.Snapshot()
	now := w.opt.Now()
	for _, u := range units.Units() {
		if !u.Exists(now) {
			continue
		}
		people := workers(units, u.ID)
		var key strings.Builder
		for _, a := range people {
			fmt.Fprintf(&key, "%d %s\n", a.ID, a.Name)
		}
		key.WriteByte('.')
		if done[u.ID] == key.String() {
			continue
		}
		if _, err := w.boxes.FitUnit(ctx, u.ID, people); err != nil {
			return fmt.Errorf("unit %d: %w", u.ID, err)
		}
		done[u.ID] = key.String()
	}
	return nil
}

// workers gives the active leaders and staff members of a unit, by login.
func workers(units *directory.Snapshot, unit directory.UnitID) (list []directory.Account) {
	for _, m := range units.MembersOf(unit) {
		if m.Role != directory.RoleLeader && m.Role != directory.RoleStaff {
			continue
		}
		a, ok := units.Account(m.Account)
		if !ok || a.State != directory.Active || slices.ContainsFunc(list, func(b directory.Account) bool { return a.ID == b.ID }) {
			continue
		}
		list = append(list, a)
	}
	return list
}
