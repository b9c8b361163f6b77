package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// DelegationState says what the journal has told of a delegation. Whether it
// holds at a moment is for its times to say, see [Delegation.Holds].
type DelegationState string

// The states.
const (
	DelegationWaiting DelegationState = "waiting"
	DelegationActive  DelegationState = "active"
	DelegationEnded   DelegationState = "ended"
	DelegationRevoked DelegationState = "revoked"
)

// Delegation is a role in a unit that one account exercises for another one
// that is away. The one who is away keeps the role.
type Delegation struct {
	ID    int64           `json:"id"`
	From  AccountID       `json:"from_account"` // who is away
	To    AccountID       `json:"to_account"`   // who acts ("thay mặt")
	Unit  UnitID          `json:"unit"`
	Role  Role            `json:"role"`
	Start time.Time       `json:"start"`
	End   time.Time       `json:"end"` // the first moment without it
	State DelegationState `json:"state"`
}

// Holds tells whether the delegation is within its times and not revoked.
func (d *Delegation) Holds(at time.Time) bool {
	return d.State != DelegationRevoked && !at.Before(d.Start) && at.Before(d.End)
}

// open tells whether the journal has more to tell of it.
func (d *Delegation) open() bool { return d.State == DelegationWaiting || d.State == DelegationActive }

const (
	qDelegations      = `SELECT id, from_account, to_account, unit_id, role, from_us, until_us, state FROM delegation ORDER BY id`
	qInsertDelegation = `INSERT INTO delegation (from_account, to_account, unit_id, role, from_us, until_us, state, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`
	qSetDelegation = `UPDATE delegation SET state = $1 WHERE id = $2`
)

// maxDelegation is the longest time of one delegation.
const maxDelegation = 366 * 24 * time.Hour

func (s *Snapshot) loadDelegations(ctx context.Context, r sqldb.Reader) error {
	return each(ctx, r, qDelegations, func(scan func(...any) error) error {
		var d Delegation
		var start, end int64
		if err := scan(&d.ID, &d.From, &d.To, &d.Unit, &d.Role, &start, &end, &d.State); err != nil {
			return err
		}
		d.Start, d.End = sqldb.Time(start), sqldb.Time(end)
		s.delegations = append(s.delegations, d)
		return nil
	})
}

// Delegations returns all delegations, past ones too, by age.
func (s *Snapshot) Delegations() []Delegation { return s.delegations }

// own tells whether the account itself was given the role.
func (a *Account) own(unit UnitID, role Role) bool {
	return slices.ContainsFunc(a.Roles, func(r Assignment) bool { return r.Role == role && (r.Unit == unit || r.Unit == 0) })
}

// Acting gives the delegation by which an account has a role in a unit now. ok
// is false when it has the role itself, or not at all. A delegation lasts only
// as long as who gave it has the role and is not disabled.
func (s *Snapshot) Acting(account AccountID, unit UnitID, role Role) (d Delegation, ok bool) {
	a, known := s.Account(account)
	if !known || a.State != Active || a.own(unit, role) {
		return Delegation{}, false
	}
	return s.delegated(account, unit, role)
}

func (s *Snapshot) delegated(account AccountID, unit UnitID, role Role) (Delegation, bool) {
	for _, i := range s.delegatedTo[account] {
		d := &s.delegations[i]
		if d.Role != role || d.Unit != unit || !d.Holds(s.now()) {
			continue
		}
		if from, known := s.Account(d.From); known && from.State != Disabled && from.own(d.Unit, d.Role) {
			return *d, true
		}
	}
	return Delegation{}, false
}

// NextTurn gives the next moment at which a delegation begins or ends; zero
// when there is none.
func (s *Snapshot) NextTurn() (next time.Time) {
	now := s.now()
	for i := range s.delegations {
		d := &s.delegations[i]
		if !d.open() {
			continue
		}
		for _, at := range []time.Time{d.Start, d.End} {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}

// Delegate lets one account exercise a role of another for a time and returns
// the delegation with its id; ID and State of del do not count. Errors are of
// kind fault.Invalid.
func (d *Directory) Delegate(ctx context.Context, actor journal.Actor, del Delegation) (Delegation, error) {
	del.State = DelegationWaiting
	var to, from Account
	check := func(s *Snapshot) (err error) {
		from, to, err = s.checkDelegation(del)
		return err
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		row := tx.QueryRow(ctx, qInsertDelegation, del.From, del.To, del.Unit, string(del.Role),
			sqldb.Micros(del.Start), sqldb.Micros(del.End), string(del.State), sqldb.Micros(d.now()))
		if err := row.Scan(&del.ID); err != nil {
			return fmt.Errorf("insert delegation: %w", err)
		}
		return d.recordDelegation(ctx, tx, actor, "delegation.granted", del, from, to)
	})
	if err != nil {
		return Delegation{}, err
	}
	return del, d.Turn(ctx)
}

func (s *Snapshot) checkDelegation(del Delegation) (from, to Account, err error) {
	from, okFrom := s.Account(del.From)
	to, okTo := s.Account(del.To)
	unit, okUnit := s.Unit(del.Unit)
	switch {
	case !okFrom:
		return from, to, errNoAccount(del.From)
	case !okTo:
		return from, to, errNoAccount(del.To)
	case !okUnit:
		return from, to, errNoUnit(del.Unit)
	case del.Role != RoleClerk && del.Role != RoleLeader && del.Role != RoleStaff:
		return from, to, invalid(fault.Text{
			EN: "only the roles vanthu, lanhdao and chuyenvien can be delegated", VI: "chỉ có thể ủy quyền vai trò vanthu, lanhdao, chuyenvien",
		})
	case del.From == del.To || to.State != Active:
		return from, to, invalid(fault.Text{
			EN: "a role is delegated to another account that is active", VI: "chỉ ủy quyền cho một tài khoản khác đang hoạt động",
		})
	case !slices.Contains(from.Roles, Assignment{del.Unit, del.Role}):
		return from, to, invalid(fault.Text{
			EN: fmt.Sprintf("%s does not have the role %s in %s", from.Login, del.Role, unit.ShortName),
			VI: fmt.Sprintf("%s không có vai trò %s tại %s", from.Login, del.Role, unit.ShortName),
		})
	case !del.Start.Before(del.End) || !s.now().Before(del.End):
		return from, to, invalid(fault.Text{
			EN: "a delegation must end after it begins, and not in the past", VI: "thời hạn ủy quyền phải kết thúc sau khi bắt đầu và chưa qua",
		})
	case del.End.Sub(del.Start) > maxDelegation:
		return from, to, invalid(fault.Text{EN: "a delegation lasts a year at most", VI: "thời hạn ủy quyền không quá một năm"})
	}
	return from, to, nil
}

// Undelegate revokes a delegation, whether it has begun or not. Errors are of
// kind fault.NotFound and fault.Conflict.
func (d *Directory) Undelegate(ctx context.Context, actor journal.Actor, id int64) (Delegation, error) {
	var del Delegation
	var from, to Account
	check := func(s *Snapshot) error {
		i := slices.IndexFunc(s.delegations, func(d Delegation) bool { return d.ID == id })
		if i < 0 {
			return fault.New(fault.NotFound, fault.Text{EN: fmt.Sprintf("no delegation %d", id), VI: fmt.Sprintf("không có ủy quyền số %d", id)})
		}
		del = s.delegations[i]
		if !del.open() || !s.now().Before(del.End) {
			return conflict(fault.Text{EN: fmt.Sprintf("delegation %d is over", id), VI: fmt.Sprintf("ủy quyền số %d đã kết thúc", id)})
		}
		from, _ = s.Account(del.From)
		to, _ = s.Account(del.To)
		return nil
	}
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		del.State = DelegationRevoked
		return d.turn(ctx, tx, actor, "delegation.revoked", del, from, to)
	})
	if err != nil {
		return Delegation{}, err
	}
	d.tell()
	return del, nil
}

func (d *Directory) turn(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, del Delegation, from, to Account) error {
	if _, err := tx.Exec(ctx, qSetDelegation, string(del.State), del.ID); err != nil {
		return fmt.Errorf("change delegation: %w", err)
	}
	return d.recordDelegation(ctx, tx, actor, event, del, from, to)
}

func (d *Directory) recordDelegation(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, event string, del Delegation, from, to Account) error {
	return d.record(ctx, tx, journal.Event{
		Type: event, Actor: actor, Subject: to.Login.String(), Unit: int64(del.Unit),
		Data: struct {
			ID     int64     `json:"id"`
			From   AccountID `json:"from"`
			Login  string    `json:"from_login"`
			To     AccountID `json:"to"`
			Role   Role      `json:"role"`
			Begins int64     `json:"begins"`
			Ends   int64     `json:"ends"`
		}{del.ID, del.From, from.Login.String(), del.To, del.Role, sqldb.Micros(del.Start), sqldb.Micros(del.End)},
	})
}

// Turn writes into the journal which delegations have begun and ended, and has
// those told that asked by [Directory.OnTurn]. That they count or not does not
// wait for it.
func (d *Directory) Turn(ctx context.Context) error {
	now := d.now()
	var due []Delegation
	for _, del := range d.Snapshot().Delegations() {
		if del.open() && (!now.Before(del.End) || del.State == DelegationWaiting && !now.Before(del.Start)) {
			due = append(due, del)
		}
	}
	if len(due) == 0 {
		return nil
	}
	check := func(s *Snapshot) error {
		due = slices.DeleteFunc(due, func(del Delegation) bool { // what was changed meanwhile waits for the next turn
			return !slices.Contains(s.delegations, del)
		})
		return nil
	}
	s := d.Snapshot()
	err := d.change(ctx, check, func(tx *sqldb.Tx) error {
		for _, del := range due {
			from, _ := s.Account(del.From)
			to, _ := s.Account(del.To)
			if del.State == DelegationWaiting {
				del.State = DelegationActive
				if err := d.turn(ctx, tx, journal.System("directory"), "delegation.started", del, from, to); err != nil {
					return err
				}
			}
			if now.Before(del.End) {
				continue
			}
			del.State = DelegationEnded
			if err := d.turn(ctx, tx, journal.System("directory"), "delegation.ended", del, from, to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("turn delegations: %w", err)
	}
	d.tell()
	return nil
}

// OnTurn has fn called after delegations have begun, ended or been revoked. It
// is for the composition of the program: call it before anything else runs.
func (d *Directory) OnTurn(fn func()) { d.told = append(d.told, fn) }

func (d *Directory) tell() {
	for _, fn := range d.told {
		fn()
	}
}

// longestWait bounds how long RunTurns sleeps: clocks are set.
const longestWait = time.Minute

// RunTurns turns delegations when it is time, until ctx ends.
func (d *Directory) RunTurns(ctx context.Context) error {
	for {
		if err := d.Turn(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("cannot turn delegations", "err", err)
		}
		wait := longestWait
		if next := d.Snapshot().NextTurn(); !next.IsZero() {
			wait = min(wait, max(next.Sub(d.now()), time.Millisecond))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}
