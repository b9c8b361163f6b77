package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// Calls about deadlines.
const (
	CallUnitTime    = "unit.time"     // UnitNamed → UnitTime
	CallUnitTimeSet = "unit.time.set" // UnitTimeSet → UnitTime
	CallDocumentDue = "doc.due"       // UnitNamed → []DueRow
)

// UnitNamed names a unit by code, short name or address.
type UnitNamed struct {
	Unit string `json:"unit"`
}

// UnitTime is what a unit has of its own about time and receipts.
type UnitTime struct {
	Unit     string         `json:"unit"`      // public address
	Days     int            `json:"days"`      // working days, 0: none
	ByType   map[string]int `json:"by_type"`   // by abbreviation
	Hours    []string       `json:"hours"`     // in force
	OwnHours bool           `json:"own_hours"` // not those of the server
	Receipts []string       `json:"receipts"`  // differences from the usual kinds
}

// UnitTimeSet changes it; what is nil stays.
type UnitTimeSet struct {
	UnitNamed
	Days     *int           `json:"days,omitempty"`
	ByType   map[string]int `json:"by_type,omitempty"`  // -1 takes a type out
	Hours    []string       `json:"hours,omitempty"`    // "usual" alone: those of the server
	Receipts []string       `json:"receipts,omitempty"` // "usual" alone: none of its own
}

// usual stands for what the server has.
const usual = "usual"

// What somebody has to do until a time.
const (
	ToProcess  = "process"
	ToRegister = "register"
	ToAnswer   = "answer" // a request of the sender's
)

// DueRow is something that a unit has to do until a time.
type DueRow struct {
	What     string            `json:"what"` // process register answer
	Document docstore.ULID     `json:"document"`
	Dispatch docstore.ULID     `json:"dispatch"`
	Code     string            `json:"code"`
	Issuer   string            `json:"issuer"`
	Subject  string            `json:"subject"`
	State    docstore.State    `json:"state"`
	Urgency  int               `json:"urgency"`
	Due      time.Time         `json:"due"`
	DueState docstore.DueState `json:"due_state"`
	Tier     docstore.DueTier  `json:"tier,omitempty"`      // who set it
	InCharge string            `json:"in_charge,omitempty"` // login
}

func (s *Service) unitTime(ctx context.Context, req UnitNamed, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	var t docstore.TimeRules
	var cal *worktime.Calendar
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		if t, err = docstore.TimeRulesOf(ctx, r, u.ID); err != nil {
			return err
		}
		cal, err = s.Documents.Calendar(ctx, r, u.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if t.ByType == nil {
		t.ByType = map[string]int{}
	}
	return UnitTime{
		Unit: u.Address.String(), Days: t.Days, ByType: t.ByType, Hours: cal.Week().Lines(), OwnHours: len(t.Hours) > 0, Receipts: listed(t.Receipts),
	}, nil
}

func (s *Service) unitTimeSet(ctx context.Context, req UnitTimeSet, p Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *sqldb.Tx) error {
		t, err := docstore.TimeRulesOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		req.apply(&t)
		return s.Documents.SetTimeRules(ctx, tx, actor(), t)
	})
	if err != nil {
		return nil, err
	}
	return s.unitTime(ctx, req.UnitNamed, p)
}

func (req UnitTimeSet) apply(t *docstore.TimeRules) {
	if req.Days != nil {
		t.Days = *req.Days
	}
	for abbr, n := range req.ByType {
		if t.ByType == nil {
			t.ByType = map[string]int{}
		}
		if t.ByType[abbr] = n; n == -1 {
			delete(t.ByType, abbr)
		}
	}
	take := func(to *[]string, from []string) {
		switch {
		case len(from) == 1 && from[0] == usual:
			*to = nil
		case len(from) > 0:
			*to = from
		}
	}
	take(&t.Hours, req.Hours)
	take(&t.Receipts, req.Receipts)
}

// addDue writes into views how each of the dispatches stands with its due time.
func (s *Service) addDue(ctx context.Context, r sqldb.Reader, list []docstore.Dispatch, views []docstore.DispatchView) error {
	cals, err := s.Documents.Calendars(ctx, r)
	if err != nil {
		return err
	}
	now := s.opt.Now()
	for i, d := range list {
		if d.To == 0 {
			continue
		}
		cal := cals.Of(d.To)
		views[i].DueState = d.DueState(cal, now)
		if d.State == docstore.StateArrived {
			views[i].RegisterBy = cal.RegisterBy(d.Arrived).UTC()
		}
	}
	return nil
}

// documentDue lists what a unit has to do, the earliest due first.
func (s *Service) documentDue(ctx context.Context, req UnitNamed, _ Progress) (any, error) {
	u, err := s.unit(req.Unit)
	if err != nil {
		return nil, err
	}
	rows := []DueRow{}
	err = s.DB.View(ctx, func(r sqldb.Reader) error {
		cal, err := s.Documents.Calendar(ctx, r, u.ID)
		if err != nil {
			return err
		}
		l := dueLister{s: s, r: r, cal: cal, units: s.Directory.Snapshot()}
		rows, err = l.list(ctx, u)
		return err
	})
	return rows, err
}

type dueLister struct {
	s     *Service
	r     sqldb.Reader
	cal   *worktime.Calendar
	units *directory.Snapshot
	rows  []DueRow
}

func (l *dueLister) list(ctx context.Context, u directory.Unit) ([]DueRow, error) {
	due, err := docstore.DueDispatches(ctx, l.r, docstore.DueList{Unit: u.ID})
	if err != nil {
		return nil, err
	}
	for _, d := range due {
		if err := l.add(ctx, ToProcess, d, time.Time{}); err != nil {
			return nil, err
		}
	}
	waiting, err := docstore.Waiting(ctx, l.r, u.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range waiting {
		if err := l.add(ctx, ToRegister, d, l.cal.RegisterBy(d.Arrived)); err != nil {
			return nil, err
		}
	}
	asked, err := docstore.Requests(ctx, l.r)
	if err != nil {
		return nil, err
	}
	for _, q := range asked {
		if q.Dispatch.To == u.ID {
			if err := l.add(ctx, ToAnswer, q.Dispatch, q.Asked); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(l.rows, func(a, b DueRow) int { return a.Due.Compare(b.Due) })
	return listed(l.rows), nil
}

// add makes a row; at is when the matter is due, for an answer when it was asked.
func (l *dueLister) add(ctx context.Context, what string, d docstore.Dispatch, at time.Time) error {
	doc, err := docstore.DocumentByID(ctx, l.r, d.Document)
	if err != nil {
		return err
	}
	now := l.s.opt.Now()
	row := DueRow{
		What: what, Document: doc.ULID, Dispatch: d.ULID, Code: doc.Code, Issuer: doc.IssuerName, Subject: doc.Abstract,
		State: d.State, Urgency: int(doc.Urgency), Due: at.UTC(),
	}
	switch what {
	case ToProcess:
		row.Due, row.DueState, row.Tier = d.Due, d.DueState(l.cal, now), d.DueTier
		people, err := docstore.Assignees(ctx, l.r, d.ID)
		if err != nil {
			return err
		}
		if len(people) > 0 {
			a, _ := l.units.Account(people[0].Account)
			row.InCharge = a.Login.String()
		}
	case ToAnswer:
		row.Due = docstore.AnswerBy(l.cal, doc, at).UTC()
	}
	if row.DueState == "" {
		switch {
		case now.After(row.Due):
			row.DueState = docstore.DueOver
		case l.cal.Soon(now, row.Due):
			row.DueState = docstore.DueSoon
		default:
			row.DueState = docstore.DueOpen
		}
	}
	l.rows = append(l.rows, row)
	return nil
}

// What `vanthu doc list --due` takes.
const (
	DueOverdue = "overdue"
	DueSoon    = "soon"
)

// documentsDue gives the documents with a dispatch that is overdue, or soon due,
// the earliest due first.
func (s *Service) documentsDue(ctx context.Context, r sqldb.Reader, req DocumentList, unit directory.UnitID) ([]docstore.Document, error) {
	want, now := docstore.DueOver, s.opt.Now()
	q := docstore.DueList{Unit: unit, Before: now}
	switch req.Due {
	case DueOverdue:
	case DueSoon:
		want, q.Before = docstore.DueSoon, now.AddDate(0, 1, 0)
	default:
		return nil, fault.Newf(fault.Invalid, "%q is not %q or %q", req.Due, DueOverdue, DueSoon)
	}
	cals, err := s.Documents.Calendars(ctx, r)
	if err != nil {
		return nil, err
	}
	list, err := docstore.DueDispatches(ctx, r, q)
	if err != nil {
		return nil, err
	}
	limit := req.Limit
	if limit <= 0 {
		limit = 100
	}
	seen := map[docstore.DocumentID]bool{}
	var docs []docstore.Document
	for _, d := range list {
		if seen[d.Document] || d.DueState(cals.Of(d.To), now) != want {
			continue
		}
		seen[d.Document] = true
		doc, err := docstore.DocumentByID(ctx, r, d.Document)
		if err != nil {
			return nil, fmt.Errorf("list documents that are due: %w", err)
		}
		if docs = append(docs, doc); len(docs) == limit {
			break
		}
	}
	return docs, nil
}
