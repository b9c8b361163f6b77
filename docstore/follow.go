package docstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// Followed is a dispatch with its document and all its steps, for reports.
type Followed struct {
	Document Document
	Dispatch Dispatch
	Events   []StatusEvent // first to last
}

// FollowFilter chooses dispatches; zero fields do not count.
type FollowFilter struct {
	To     directory.UnitID
	Issuer directory.UnitID
	Since  time.Time // documents accepted at this time or later
	Before time.Time // and before this one
}

// Follow returns dispatches in the order in which their documents were
// accepted. It reads all of them into memory: a year of a province is some
// 100,000.
func Follow(ctx context.Context, r sqldb.Reader, f FollowFilter) ([]Followed, error) {
	before := f.Before
	if before.IsZero() {
		before = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	args := []any{sqldb.Micros(f.Since), sqldb.Micros(before), int64(f.Issuer), int64(f.Issuer), int64(f.To), int64(f.To)}
	dispatches, err := collect(ctx, r, scanDispatch, qFollowDispatches, args...)
	if err != nil || len(dispatches) == 0 {
		return nil, err
	}
	docs, err := collect(ctx, r, scanDocument, qFollowDocuments, args...)
	if err != nil {
		return nil, err
	}
	events, err := collect(ctx, r, scanEvent, qFollowEvents, args...)
	if err != nil {
		return nil, err
	}
	document := make(map[DocumentID]Document, len(docs))
	for _, d := range docs {
		document[d.ID] = d
	}
	steps := make(map[DispatchID][]StatusEvent, len(dispatches))
	for _, e := range events {
		steps[e.Dispatch] = append(steps[e.Dispatch], e)
	}
	out := make([]Followed, len(dispatches))
	for i, d := range dispatches {
		out[i] = Followed{Document: document[d.Document], Dispatch: d, Events: steps[d.ID]}
	}
	return out, nil
}

// Standing is where a dispatch stood at some time.
type Standing struct {
	State      State
	Arrived    time.Time // each zero when it had not happened
	Registered time.Time
	Completed  time.Time
	Reason     edoc.RefuseReason // of a refusal
}

// At tells where the dispatch stood at a time, by its steps until then. ok is false when it did
// not exist yet.
func (f Followed) At(at time.Time) (s Standing, ok bool) {
	if f.Document.Created.After(at) {
		return Standing{}, false
	}
	s.State = StateQueued
	asked := StatusUpdateAsked // what an accepted change would be
	for _, e := range f.Events {
		if e.At.After(at) {
			break
		}
		if e.late(s.State) {
			continue
		}
		switch e.Status {
		case edoc.StatusArrived:
			s.State, s.Arrived = StateArrived, first(s.Arrived, e.At)
		case edoc.StatusRegistered:
			s.State, s.Registered = StateRegistered, first(s.Registered, e.At)
		case StatusUndone:
			s.State, s.Registered = StateArrived, time.Time{}
		case edoc.StatusRefused:
			s.State, s.Reason = StateRefused, e.Reason
		case edoc.StatusAssigned:
			s.State = StateAssigned
		case StatusReturned:
			s.State = StateRegistered
		case edoc.StatusProcessing:
			s.State, s.Completed = StateProcessing, time.Time{}
		case edoc.StatusCompleted:
			s.State, s.Completed = StateCompleted, e.At
		case edoc.StatusRecallRequested, StatusUpdateAsked, StatusReplaceAsked:
			asked = e.Status
		case edoc.StatusChangeAccepted:
			switch asked {
			case edoc.StatusRecallRequested:
				s.State = StateRecalled
			case StatusReplaceAsked:
				s.State = StateReplaced
			}
		case StatusDismissed, StatusWithdrawn:
			s.State = StateWithdrawn
		case StatusSent:
			s.State = StateSent
		case StatusFailed:
			s.State = StateFailed
		case StatusExpired:
			s.State = StateExpired
		case StatusHeld:
			s.State = StateQuarantined
		}
	}
	return s, true
}

// late reports whether another server tells of a step that comes before the
// state which it has told of already: what happens elsewhere may be told in
// any order.
func (e StatusEvent) late(now State) bool {
	if e.Source != SourcePeer && e.Source != SourceEdXML {
		return false
	}
	switch e.Status {
	case StatusSent:
		return now.rank() > StateSent.rank() || !now.Open()
	case edoc.StatusArrived, edoc.StatusRegistered, edoc.StatusAssigned, edoc.StatusProcessing:
		return now.rank() > StateOf(e.Status).rank() || !now.Open()
	}
	return false
}

func first(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// Replies returns the codes of documents that answer each document of the
// list, as long as they were accepted by a time, in the order of their acceptance.
func Replies(ctx context.Context, r sqldb.Reader, until time.Time) (map[DocumentID][]string, error) {
	type reply struct {
		to   DocumentID
		code string
	}
	list, err := collect(ctx, r, func(r row) (v reply, err error) {
		err = r.Scan(&v.to, &v.code)
		return v, err
	}, qReplies, sqldb.Micros(until))
	out := make(map[DocumentID][]string, len(list))
	for _, v := range list {
		if !slices.Contains(out[v.to], v.code) {
			out[v.to] = append(out[v.to], v.code)
		}
	}
	return out, err
}

const followed = `document_id IN (SELECT id FROM document WHERE created_us >= $1 AND created_us < $2 AND ($3 = 0 OR issuer_unit = $4))
  AND ($5 = 0 OR to_unit = $6)`

const (
	qFollowDispatches = `SELECT ` + dispatchColumns + ` FROM dispatch WHERE ` + followed + ` ORDER BY document_id, id`
	qFollowDocuments  = `SELECT ` + documentColumns + ` FROM document WHERE id IN (SELECT document_id FROM dispatch WHERE ` + followed + `)`
	qFollowEvents     = `SELECT ` + eventColumns + ` FROM status_event
WHERE dispatch_id IN (SELECT id FROM dispatch WHERE ` + followed + `) ORDER BY dispatch_id, id`
	qReplies = `
SELECT r.target_id, d.code FROM document_relation r JOIN document d ON d.id = r.document_id
WHERE r.kind = 'replies' AND r.target_id <> 0 AND d.code <> '' AND d.created_us <= $1 ORDER BY d.id`
)

const qValidEntries = `SELECT count(*) FROM register_entry WHERE dispatch_id = $1 AND dispatch_id <> 0 AND state = 'valid' AND corrects = 0`

// ValidEntries tells how many lines of registers a dispatch has that are not
// struck through: one once it is registered.
func ValidEntries(ctx context.Context, r sqldb.Reader, d DispatchID) (n int, err error) {
	if err = r.QueryRow(ctx, qValidEntries, int64(d)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the lines of a dispatch: %w", err)
	}
	return n, nil
}
