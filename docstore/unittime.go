package docstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/receipt"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// TimeRules are what a unit has of its own about time and receipts.
type TimeRules struct {
	Unit   directory.UnitID `json:"unit"`
	Days   int              `json:"days,omitempty"`    // working days for what has no due time of its own; 0: none
	ByType map[string]int   `json:"by_type,omitempty"` // the same by abbreviation of the type, "BC"; "CV" is Công văn; 0: none
	Hours  []string         `json:"hours,omitempty"`   // own working hours, as worktime.ParseWeek reads them; empty: the server's
	// Receipts are the kinds of receipts that its folder gets besides the usual
	// ones, by their names; with "-" before it, one that it does not get.
	Receipts []string `json:"receipts,omitempty"`
}

// maxDueDays bounds a default: longer ones belong into the document.
const maxDueDays = 250

// DaysFor gives the working days for a type of document, 0 for none.
func (t TimeRules) DaysFor(d edoc.DocType) int {
	if n, ok := t.ByType[typeAbbr(d)]; ok {
		return n
	}
	return t.Days
}

func (t TimeRules) check() error {
	bad := func(en, vi string) error { return fault.New(fault.Invalid, fault.Text{EN: en, VI: vi}) }
	for abbr, n := range t.ByType {
		dt, ok := edoc.TypeForName(abbr)
		if !ok || typeAbbr(dt) != abbr {
			return bad(fmt.Sprintf("%q is no abbreviation of a document type such as BC, TTr or CV", abbr),
				fmt.Sprintf("%q không phải viết tắt tên loại văn bản (ví dụ BC, TTr, CV)", abbr))
		}
		if n < 0 || n > maxDueDays {
			return bad(fmt.Sprintf("%d is not between 0 and %d working days", n, maxDueDays), fmt.Sprintf("hạn phải từ 0 đến %d ngày làm việc", maxDueDays))
		}
	}
	if t.Days < 0 || t.Days > maxDueDays {
		return bad(fmt.Sprintf("%d is not between 0 and %d working days", t.Days, maxDueDays), fmt.Sprintf("hạn phải từ 0 đến %d ngày làm việc", maxDueDays))
	}
	for _, k := range t.Receipts {
		if !receipt.Kind(strings.TrimPrefix(k, "-")).Valid() {
			return bad(fmt.Sprintf("%q is no kind of receipt such as DA_DEN", k), fmt.Sprintf("%q không phải loại biên nhận (ví dụ DA_DEN)", k))
		}
	}
	if len(t.Hours) > 0 {
		if _, err := worktime.ParseWeek(t.Hours); err != nil {
			return bad(err.Error(), "giờ làm việc ghi không đúng: "+err.Error())
		}
	}
	return nil
}

// TimeRulesOf gives what a unit has of its own.
func TimeRulesOf(ctx context.Context, r sqldb.Reader, unit directory.UnitID) (TimeRules, error) {
	t, err := scanTimeRules(r.QueryRow(ctx, qTimeRules, int64(unit)))
	if sqldb.NoRows(err) {
		return TimeRules{Unit: unit}, nil
	}
	return t, err
}

// AllTimeRules gives what units have of their own, by unit.
func AllTimeRules(ctx context.Context, r sqldb.Reader) (map[directory.UnitID]TimeRules, error) {
	list, err := collect(ctx, r, scanTimeRules, qAllTimeRules)
	all := make(map[directory.UnitID]TimeRules, len(list))
	for _, t := range list {
		all[t.Unit] = t
	}
	return all, err
}

func scanTimeRules(r row) (t TimeRules, err error) {
	var text string
	if err := r.Scan(&t.Unit, &text); err != nil {
		return t, err
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return t, fmt.Errorf("decode the time rules of unit %d: %w", t.Unit, err)
	}
	return t, nil
}

// SetTimeRules changes what a unit has of its own from now on; due times that
// are set already stay. It fails with fault.Invalid.
func (s *Store) SetTimeRules(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, t TimeRules) error {
	if err := t.check(); err != nil {
		return err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode time rules: %w", err)
	}
	now := s.time()
	if _, err := tx.Exec(ctx, qSetTimeRules, int64(t.Unit), string(text), sqldb.Micros(now)); err != nil {
		return fmt.Errorf("record the time rules of a unit: %w", err)
	}
	if _, err := journal.Append(ctx, tx, journal.Event{At: now, Type: "unit.time_set", Actor: actor, Unit: int64(t.Unit), Data: t}); err != nil {
		return errJournal(err)
	}
	return nil
}

// Calendars gives the working time of every unit as it was when they were read;
// the zero value, that of an office without holidays.
type Calendars struct {
	usual *worktime.Calendar
	own   map[directory.UnitID]*worktime.Calendar
}

// Of gives the calendar of a unit.
func (c Calendars) Of(unit directory.UnitID) *worktime.Calendar {
	if own, ok := c.own[unit]; ok {
		return own
	}
	if c.usual == nil {
		return worktime.New(worktime.Week{}, nil)
	}
	return c.usual
}

// UsualCalendar gives the working time of units that have none of their own.
func (s *Store) UsualCalendar() *worktime.Calendar { return s.calendar }

// Calendars reads the working time of all units.
func (s *Store) Calendars(ctx context.Context, r sqldb.Reader) (Calendars, error) {
	rules, err := AllTimeRules(ctx, r)
	c := Calendars{usual: s.calendar, own: map[directory.UnitID]*worktime.Calendar{}}
	for unit, t := range rules {
		if cal := s.calendarBy(t); cal != s.calendar {
			c.own[unit] = cal
		}
	}
	return c, err
}

// Calendar gives the working time of a unit.
func (s *Store) Calendar(ctx context.Context, r sqldb.Reader, unit directory.UnitID) (*worktime.Calendar, error) {
	t, err := TimeRulesOf(ctx, r, unit)
	return s.calendarBy(t), err
}

func (s *Store) calendarBy(t TimeRules) *worktime.Calendar {
	week, err := worktime.ParseWeek(t.Hours)
	if len(t.Hours) == 0 || err != nil { // SetTimeRules has checked them
		return s.calendar
	}
	return s.calendar.WithWeek(week)
}

// DueState says how a dispatch stands with its due time. edoc.md §4.12.
type DueState string

// The states; "" is of what has no due time, or needs none any more.
const (
	DueOpen   DueState = "con_han"  // there is time
	DueSoon   DueState = "sap_han"  // at most one working day
	DueOver   DueState = "qua_han"  // over, and not completed
	DueKept   DueState = "dung_han" // completed in time
	DueMissed DueState = "tre_han"  // completed late
)

// Name gives the Vietnamese name, as sentences use it; "" for none.
func (s DueState) Name() string {
	switch s {
	case DueOpen:
		return "còn hạn"
	case DueSoon:
		return "sắp đến hạn"
	case DueOver:
		return "quá hạn"
	case DueKept:
		return "hoàn thành đúng hạn"
	case DueMissed:
		return "hoàn thành trễ hạn"
	}
	return ""
}

// DueState gives how d stands at now with its due time, by the working time of
// its unit.
func (d Dispatch) DueState(cal *worktime.Calendar, now time.Time) DueState {
	return dueState(cal, d, d.Due, now)
}

// DueState gives how a person's part of d stands.
func (a Assignee) DueState(cal *worktime.Calendar, d Dispatch, now time.Time) DueState {
	due := a.Due
	if due.IsZero() {
		due = d.Due
	}
	return dueState(cal, d, due, now)
}

func dueState(cal *worktime.Calendar, d Dispatch, due, now time.Time) DueState {
	working := slices.Contains([]State{StateArrived, StateRegistered, StateAssigned, StateProcessing}, d.State)
	switch {
	case due.IsZero():
		return ""
	case d.State == StateCompleted && d.Completed.After(due):
		return DueMissed
	case d.State == StateCompleted:
		return DueKept
	case !working:
		return ""
	case now.After(due):
		return DueOver
	case cal.Soon(now, due):
		return DueSoon
	}
	return DueOpen
}

// setDefaultDue gives a dispatch that is being registered the unit's usual due
// time, when it has none of its own. Who only takes notice has none.
func (c *change) setDefaultDue(ctx context.Context, d *Dispatch) error {
	if !d.Due.IsZero() || d.Kind != KindMain {
		return nil
	}
	rules, err := TimeRulesOf(ctx, c.tx, d.To)
	if err != nil {
		return err
	}
	if n := rules.DaysFor(c.doc.Type); n > 0 {
		d.Due, d.DueTier = c.store.calendarBy(rules).AddDays(c.now, n).UTC(), DueDefault
	}
	return nil
}

// DueList narrows [DueDispatches].
type DueList struct {
	Unit   directory.UnitID // 0: of all units
	Before time.Time        // due at or before that; zero: any time
}

// DueDispatches returns the dispatches to units of this server that are not
// completed and have a due time, the earliest due first.
func DueDispatches(ctx context.Context, r sqldb.Reader, q DueList) ([]Dispatch, error) {
	before := int64(1<<63 - 1)
	if !q.Before.IsZero() {
		before = sqldb.Micros(q.Before)
	}
	if q.Unit == 0 {
		return collect(ctx, r, scanDispatch, qDue, before)
	}
	return collect(ctx, r, scanDispatch, qDueUnit, before, int64(q.Unit))
}

// Waiting returns the dispatches that wait to be registered, the oldest first:
// of one unit, or of all with 0.
func Waiting(ctx context.Context, r sqldb.Reader, unit directory.UnitID) ([]Dispatch, error) {
	if unit == 0 {
		return collect(ctx, r, scanDispatch, qWaiting)
	}
	return collect(ctx, r, scanDispatch, qWaitingUnit, int64(unit))
}

// A Request is what the sender of a dispatch asks and has no answer to yet.
type Request struct {
	Dispatch Dispatch
	Asked    time.Time
	Reason   string
}

// Requests returns what senders ask of units of this server, the oldest first.
func Requests(ctx context.Context, r sqldb.Reader) ([]Request, error) {
	list, err := collect(ctx, r, scanDispatch, qAsked)
	if err != nil {
		return nil, err
	}
	out := make([]Request, len(list))
	for i, d := range list {
		events, err := Events(ctx, r, d.ID)
		if err != nil {
			return nil, err
		}
		out[i] = Request{Dispatch: d, Asked: d.Updated}
		for _, e := range events {
			switch e.Status {
			case edoc.StatusRecallRequested, StatusUpdateAsked, StatusReplaceAsked:
				out[i].Asked, out[i].Reason = e.At, e.Note
			}
		}
	}
	return out, nil
}

// The time a unit has to answer a recall, edoc.md §1.9: working hours, and for
// an urgent document minutes of the clock.
const (
	recallHours  = 4 * time.Hour
	recallUrgent = 30 * time.Minute
)

// AnswerBy gives until when a request must be answered.
func AnswerBy(cal *worktime.Calendar, doc Document, asked time.Time) time.Time {
	if doc.Urgency > edoc.UrgencyNormal {
		return asked.Add(recallUrgent)
	}
	return cal.Add(asked, recallHours)
}

const (
	qTimeRules    = `SELECT unit_id, rules FROM unit_time WHERE unit_id = $1`
	qAllTimeRules = `SELECT unit_id, rules FROM unit_time`
	qSetTimeRules = `
INSERT INTO unit_time (unit_id, rules, changed_us) VALUES ($1, $2, $3)
ON CONFLICT (unit_id) DO UPDATE SET rules = excluded.rules, changed_us = excluded.changed_us`
	qDueColumns = `SELECT ` + dispatchColumns + ` FROM dispatch
WHERE due_us <> 0 AND state IN ('arrived', 'registered', 'assigned', 'processing') AND due_us <= $1 AND to_unit <> 0`
	qDue         = qDueColumns + ` ORDER BY due_us, id`
	qDueUnit     = qDueColumns + ` AND to_unit = $2 ORDER BY due_us, id`
	qWaiting     = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE to_unit <> 0 AND state = 'arrived' ORDER BY id`
	qWaitingUnit = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE to_unit = $1 AND state = 'arrived' ORDER BY id`
	qAsked       = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE overlay <> '' AND to_unit <> 0 ORDER BY id`
)
