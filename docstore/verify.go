package docstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vanthu/internal/sqldb"
)

// Report is what Verify found.
type Report struct {
	Dispatches int
	Events     int
	Books      int
	Entries    int
	First      *Wrong // nil when all is intact
}

// Wrong is the first thing that does not fit.
type Wrong struct {
	Kind     string // "register", "dispatch", "status event"
	Key      string // which one
	Expected string
	Found    string
}

// Error says what is wrong, in English, for the administrator.
func (w *Wrong) Error() string {
	return fmt.Sprintf("%s %s: expected %s, found %s", w.Kind, w.Key, w.Expected, w.Found)
}

// Verify checks all registers and dispatches against each other and against
// the journal: the chain of hashes and the numbers of each book, that every
// dispatch is in the state that its events lead to, that every event belongs
// to a dispatch and has its entry in the journal, and that each registered
// dispatch has its one valid entry. It stops at the first thing that is wrong;
// an error means that it could not look. The journal itself is verified by
// package journal.
func Verify(ctx context.Context, r sqldb.Reader) (Report, error) {
	var rep Report
	for _, check := range []func(context.Context, sqldb.Reader, *Report) error{
		verifyBooks, verifyOrphans, verifyDispatches,
	} {
		err := check(ctx, r, &rep)
		if w, ok := errors.AsType[*Wrong](err); ok {
			rep.First = w
			return rep, nil
		}
		if err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// verifyOrphans finds rows that refer to nothing.
func verifyOrphans(ctx context.Context, r sqldb.Reader, _ *Report) error {
	for _, c := range []struct{ kind, query, expected, found string }{
		{"status event", qEventWithoutDispatch, "a dispatch it belongs to", "none"},
		{"status event", qEventWithoutEntry, "its entry in the journal", "none"},
		{"register entry of dispatch", qEntryWithoutDispatch, "a dispatch of its document", "none"},
		{"register entry of document", qEntryWithoutDocument, "a document of that unit", "none"},
		{"opinion", qOpinionWithoutEntry, "a dispatch and an entry in the journal", "none"},
		{"dispatch", qWithoutLead, "exactly one person in charge", "another number"},
	} {
		var id int64
		err := r.QueryRow(ctx, c.query).Scan(&id)
		if sqldb.NoRows(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("verify documents: %w", err)
		}
		return &Wrong{c.kind, fmt.Sprint(id), c.expected, c.found}
	}
	return nil
}

// verifyDispatches replays the events of every dispatch, some at a time, so
// that memory does not grow with the store.
func verifyDispatches(ctx context.Context, r sqldb.Reader, rep *Report) error {
	const some = 1000
	var after DispatchID
	for {
		ds, err := collect(ctx, r, scanDispatch, qDispatchesAfter, int64(after), some)
		if err != nil || len(ds) == 0 {
			return err
		}
		last := ds[len(ds)-1].ID
		events, err := collect(ctx, r, scanEvent, qEventsBetween, int64(after), int64(last))
		if err != nil {
			return err
		}
		entries, err := collect(ctx, r, scanBound, qEntriesBetween, int64(after), int64(last))
		if err != nil {
			return err
		}
		for _, d := range ds {
			n := 0
			for n < len(events) && events[n].Dispatch == d.ID {
				n++
			}
			m := 0
			for m < len(entries) && entries[m].dispatch == d.ID {
				m++
			}
			if err := verifyDispatch(d, events[:n], entries[:m]); err != nil {
				return err
			}
			events, entries = events[n:], entries[m:]
			rep.Events += n
		}
		rep.Dispatches += len(ds)
		after = last
	}
}

// verifyDispatch replays the events of one dispatch.
func verifyDispatch(d Dispatch, events []StatusEvent, entries []bound) error {
	if d.To == 0 {
		return verifyOutside(d, events)
	}
	key := fmt.Sprintf("%d (%s)", d.ID, d.ULID)
	s := standing{state: StateQueued}
	for _, e := range events {
		next, ok := s.after(e.Status)
		if !ok {
			return &Wrong{
				"dispatch", key, fmt.Sprintf("a status possible in state %s", s.state),
				fmt.Sprintf("status %s in event %d", e.Status, e.ID),
			}
		}
		s = next
	}
	if d.standing() != s {
		return wrongStanding(d, s)
	}
	var valid []bound
	for _, e := range entries {
		if e.state == EntryValid {
			valid = append(valid, e)
		}
	}
	switch {
	case d.ArrivalNumber == 0 && len(valid) > 0:
		return &Wrong{
			"dispatch", key, "no valid register entry",
			fmt.Sprintf("number %d of %d", valid[0].number, valid[0].year),
		}
	case d.ArrivalNumber != 0 &&
		(len(valid) != 1 || valid[0].number != d.ArrivalNumber || valid[0].year != d.ArrivalYear):
		return &Wrong{
			"dispatch", key, fmt.Sprintf("one valid register entry, number %d of %d", d.ArrivalNumber, d.ArrivalYear),
			fmt.Sprintf("%d", len(valid)),
		}
	case numbered(d.State) != (d.ArrivalNumber != 0) && d.State != StateRecalled && d.State != StateReplaced:
		return &Wrong{
			"dispatch", key, fmt.Sprintf("a number that fits state %s", d.State),
			fmt.Sprintf("number %d", d.ArrivalNumber),
		}
	}
	return nil
}

// numbered reports whether a dispatch in state s has an arrival number. One that
// was recalled or replaced may have either.
func numbered(s State) bool {
	return slices.Contains([]State{StateRegistered, StateAssigned, StateProcessing, StateCompleted}, s)
}

// bound is a number of a book that belongs to a dispatch.
type bound struct {
	dispatch     DispatchID
	year, number int
	state        EntryState
}

func scanBound(r row) (b bound, err error) {
	err = r.Scan(&b.dispatch, &b.year, &b.number, &b.state)
	return b, err
}

const qEventWithoutDispatch = `
SELECT e.id FROM status_event e LEFT JOIN dispatch d ON d.id = e.dispatch_id WHERE d.id IS NULL ORDER BY e.id LIMIT 1`

// The entry of an event tells of the same document; its time is the event's.
const qEventWithoutEntry = `
SELECT e.id FROM status_event e
JOIN dispatch d ON d.id = e.dispatch_id
JOIN document c ON c.id = d.document_id
LEFT JOIN journal j ON j.seq = e.journal_seq AND j.ref = c.ulid AND j.unit = d.to_unit AND j.at_us = e.at_us
WHERE j.seq IS NULL ORDER BY e.id LIMIT 1`

const qEntryWithoutDispatch = `
SELECT r.dispatch_id FROM register_entry r
LEFT JOIN dispatch d ON d.id = r.dispatch_id AND d.document_id = r.document_id
WHERE r.dispatch_id <> 0 AND d.id IS NULL ORDER BY r.dispatch_id LIMIT 1`

const qEntryWithoutDocument = `
SELECT r.document_id FROM register_entry r
JOIN register_book b ON b.id = r.book_id
LEFT JOIN document d ON d.id = r.document_id AND d.issuer_unit = b.unit_id
WHERE r.dispatch_id = 0 AND r.document_id <> 0 AND d.id IS NULL ORDER BY r.document_id LIMIT 1`

const qWithoutLead = `
SELECT d.id FROM dispatch d
WHERE d.state = 'assigned' AND (SELECT count(*) FROM assignee a WHERE a.dispatch_id = d.id AND a.role = 'chu_tri') <> 1
ORDER BY d.id LIMIT 1`

const qDispatchesAfter = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE id > $1 ORDER BY id LIMIT $2`

const qEventsBetween = `SELECT ` + eventColumns + `
FROM status_event WHERE dispatch_id > $1 AND dispatch_id <= $2 ORDER BY dispatch_id, id`

const qEntriesBetween = `
SELECT e.dispatch_id, b.year, e.number, e.state FROM register_entry e JOIN register_book b ON b.id = e.book_id
WHERE e.dispatch_id > $1 AND e.dispatch_id <= $2 AND e.dispatch_id <> 0 AND e.corrects = 0 ORDER BY e.dispatch_id, e.number`
