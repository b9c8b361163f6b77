package docstore

import (
	"context"
	"fmt"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// AssigneeRole says what somebody has to do with a dispatch. NĐ 30/2020,
// article 23: exactly one is in charge.
type AssigneeRole string

// The roles of assignees.
const (
	RoleLead   AssigneeRole = "chu_tri"  // chủ trì: in charge
	RoleAssist AssigneeRole = "phoi_hop" // phối hợp: works with the one in charge
	RoleNotice AssigneeRole = "de_biet"  // để biết: takes notice
)

// Valid reports whether r is one of the roles.
func (r AssigneeRole) Valid() bool { return r == RoleLead || r == RoleAssist || r == RoleNotice }

// An Assignee is a person to whom a dispatch was given.
type Assignee struct {
	Account directory.AccountID
	Role    AssigneeRole
	Due     time.Time           // zero: the dispatch's
	Note    string              // what the leader wrote
	By      directory.AccountID // who gave it
	Since   time.Time
}

// MaxAssignees is how many people may be given one dispatch.
const MaxAssignees = 50

// Assignees returns who works on a dispatch, the one in charge first.
func Assignees(ctx context.Context, r sqldb.Reader, d DispatchID) ([]Assignee, error) {
	return collect(ctx, r, scanAssignee, qAssignees, int64(d))
}

// AssignedTo returns the dispatches in work that an account has anything to do
// with, oldest first.
func AssignedTo(ctx context.Context, r sqldb.Reader, account directory.AccountID) ([]Dispatch, error) {
	return collect(ctx, r, scanDispatch, qAssignedTo, int64(account))
}

// An Assignment is a dispatch in work with one of the people it was given to.
type Assignment struct {
	Assignee
	Dispatch Dispatch
}

// Assigned returns everything in work that people were given, oldest first.
func Assigned(ctx context.Context, r sqldb.Reader) ([]Assignment, error) {
	dispatches, err := collect(ctx, r, scanDispatch, qAssignedDispatches)
	if err != nil {
		return nil, err
	}
	type given struct {
		Assignee
		to DispatchID
	}
	people, err := collect(ctx, r, func(r row) (g given, err error) {
		var due, since int64
		err = r.Scan(&g.to, &g.Account, &g.Role, &due, &g.Note, &g.By, &since)
		g.Due, g.Since = sqldb.Time(due), sqldb.Time(since)
		return g, err
	}, qAssignedPeople)
	if err != nil {
		return nil, err
	}
	by := make(map[DispatchID]Dispatch, len(dispatches))
	for _, d := range dispatches {
		by[d.ID] = d
	}
	list := make([]Assignment, 0, len(people))
	for _, g := range people {
		if d, ok := by[g.to]; ok {
			list = append(list, Assignment{g.Assignee, d})
		}
	}
	return list, nil
}

func scanAssignee(r row) (a Assignee, err error) {
	var due, since int64
	err = r.Scan(&a.Account, &a.Role, &due, &a.Note, &a.By, &since)
	a.Due, a.Since = sqldb.Time(due), sqldb.Time(since)
	return a, err
}

// assign gives the dispatch to the people of the act. Nobody's due time is later
// than the dispatch's, unless a reason says why.
func (c *change) assign(ctx context.Context, d *Dispatch) error {
	list := c.act.Assign
	if err := checkAssignees(list); err != nil {
		return err
	}
	due := d.Due
	if !c.act.Due.IsZero() && (d.Due.IsZero() || c.act.Due.Before(d.Due) || c.act.Note != "") {
		due = c.act.Due
	} else if !c.act.Due.IsZero() && c.act.Due.After(d.Due) {
		return errLaterThan(d.Due)
	}
	for i := range list {
		a := &list[i]
		if !a.Due.IsZero() && !due.IsZero() && a.Due.After(due) && c.act.Note == "" {
			return errLaterThan(due)
		}
		a.By, a.Since = directory.AccountID(c.actor.ID), c.now
		if a.Note == "" {
			a.Note = c.act.Note
		}
	}
	if !due.Equal(d.Due) {
		d.Due, d.DueTier = due, c.act.Tier
	}
	return c.store.setAssignees(ctx, c.tx, d.ID, list)
}

func errLaterThan(due time.Time) error {
	day := due.In(vietnam).Format("15:04 02/01/2006")
	return fault.New(fault.Invalid, fault.Text{
		EN: "the document is due at " + day + ": a later time needs a reason",
		VI: "văn bản có hạn " + day + ": hạn muộn hơn phải ghi lý do",
	})
}

func checkAssignees(list []Assignee) error {
	leads := 0
	seen := map[directory.AccountID]bool{}
	for _, a := range list {
		if !a.Role.Valid() || a.Account == 0 || seen[a.Account] {
			return fault.New(fault.Invalid, fault.Text{
				EN: "name each person once, with a role", VI: "mỗi người chỉ ghi một lần, kèm vai trò",
			})
		}
		seen[a.Account] = true
		if a.Role == RoleLead {
			leads++
		}
	}
	if leads != 1 || len(list) > MaxAssignees {
		return fault.New(fault.Invalid, fault.Text{
			EN: "exactly one person must be in charge (chủ trì)", VI: "phải có đúng một người chủ trì",
		})
	}
	return nil
}

func (s *Store) setAssignees(ctx context.Context, tx *sqldb.Tx, id DispatchID, list []Assignee) error {
	if _, err := tx.Exec(ctx, qDeleteAssignees, int64(id)); err != nil {
		return fmt.Errorf("record who works on a dispatch: %w", err)
	}
	for _, a := range list {
		if _, err := tx.Exec(ctx, qInsertAssignee, int64(id), int64(a.Account), string(a.Role), sqldb.Micros(a.Due), a.Note,
			int64(a.By), sqldb.Micros(a.Since)); err != nil {
			return fmt.Errorf("record who works on a dispatch: %w", err)
		}
	}
	return nil
}

// tierRank orders who may change a due time.
func (t DueTier) rank() int {
	switch t {
	case DueIssuer, DueLeader:
		return 3 // what the issuer wants is overruled only by a leader
	case DueClerk:
		return 2
	case DueDefault:
		return 1
	}
	return 0
}

// extend sets another due time: by the tier that set it, or one above.
func (c *change) extend(d *Dispatch) error {
	if c.act.Due.IsZero() {
		return fault.New(fault.Invalid, fault.Text{EN: "name the new due time", VI: "phải ghi hạn mới"})
	}
	if !c.act.Due.After(c.now) {
		return fault.New(fault.Invalid, fault.Text{EN: "the new due time is in the past", VI: "hạn mới đã qua"})
	}
	if c.act.Tier.rank() < d.DueTier.rank() {
		return fault.New(fault.Denied, fault.Text{
			EN: "only a leader may change this due time", VI: "chỉ lãnh đạo được đổi hạn này",
		})
	}
	d.Due, d.DueTier = c.act.Due, c.act.Tier
	return nil
}

const (
	qAssignees = `
SELECT account_id, role, due_us, note, by_account, since_us FROM assignee WHERE dispatch_id = $1
ORDER BY CASE role WHEN 'chu_tri' THEN 0 WHEN 'phoi_hop' THEN 1 ELSE 2 END, account_id`
	qAssignedTo = `SELECT ` + dispatchColumns + ` FROM dispatch
WHERE id IN (SELECT dispatch_id FROM assignee WHERE account_id = $1) AND state IN ('assigned', 'processing') ORDER BY id`
	qAssignedDispatches = `SELECT ` + dispatchColumns + ` FROM dispatch
WHERE id IN (SELECT dispatch_id FROM assignee) AND state IN ('assigned', 'processing')`
	qAssignedPeople = `
SELECT a.dispatch_id, a.account_id, a.role, a.due_us, a.note, a.by_account, a.since_us
FROM assignee a JOIN dispatch d ON d.id = a.dispatch_id WHERE d.state IN ('assigned', 'processing') ORDER BY a.dispatch_id, a.account_id`
	qDeleteAssignees = `DELETE FROM assignee WHERE dispatch_id = $1`
	qInsertAssignee  = `
INSERT INTO assignee (dispatch_id, account_id, role, due_us, note, by_account, since_us) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)
