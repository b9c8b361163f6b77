package docstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

func act(e docstore.Event) docstore.Act {
	a := docstore.Act{Event: e, Source: docstore.SourceCLI}
	if e == docstore.EventRefuse {
		a.Reason = edoc.ReasonNoSignature
	}
	return a
}

func TestTransition(t *testing.T) {
	type step = docstore.Event
	tests := []struct {
		name     string
		steps    []step
		state    docstore.State
		status   edoc.Status
		statuses string
	}{
		{"register", []step{"register"}, docstore.StateRegistered, "03", "01 03"},
		{"refuse", []step{"refuse"}, docstore.StateRefused, "02", "01 02"},
		{"work", []step{"register", "start"}, docstore.StateProcessing, "05", "01 03 05"},
		{"complete at once", []step{"register", "complete"}, docstore.StateCompleted, "06", "01 03 06"},
		{"whole way", []step{"register", "start", "complete"}, docstore.StateCompleted, "06", "01 03 05 06"},
		{"taken back", []step{"register", "undo"}, docstore.StateArrived, "01", "01 03 undone"},
		{"taken back and refused", []step{"register", "undo", "refuse"}, docstore.StateRefused, "02", "01 03 undone 02"},
		{"taken back and registered", []step{"register", "undo", "register"}, docstore.StateRegistered, "03", "01 03 undone 03"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.intake(decision(t, 1)).Dispatches[0].ID
			var d docstore.Dispatch
			for _, s := range tt.steps {
				w.now = w.now.Add(time.Minute)
				d = w.mustDo(id, act(s))
			}
			if d.State != tt.state || d.Status != tt.status || !d.Updated.Equal(w.now) {
				t.Errorf("dispatch = %s %s at %v, want %s %s at %v", d.State, d.Status, d.Updated, tt.state, tt.status, w.now)
			}
			var got []string
			for _, e := range w.events(id) {
				got = append(got, string(e.Status))
			}
			if s := strings.Join(got, " "); s != tt.statuses {
				t.Errorf("events = %s, want %s", s, tt.statuses)
			}
			w.view(func(ctx context.Context, r sqldb.Reader) error {
				kept, err := docstore.DispatchByID(ctx, r, id)
				if kept != d {
					t.Errorf("stored = %+v, want what Transition returned: %+v", kept, d)
				}
				return err
			})
			if got := w.count(`SELECT dirty FROM tracking`); got != 1 {
				t.Errorf("tracking dirty = %d, want 1", got)
			}
			w.verify()
		})
	}
}

// Every pair of state and event that the table does not hold is refused with a
// sentence that names the state, and changes nothing.
func TestIllegalTransition(t *testing.T) {
	ways := map[docstore.State][]docstore.Event{
		docstore.StateArrived:    {},
		docstore.StateRegistered: {"register"},
		docstore.StateProcessing: {"register", "start"},
		docstore.StateCompleted:  {"register", "complete"},
		docstore.StateRefused:    {"refuse"},
	}
	for state, way := range ways {
		for _, e := range []docstore.Event{"register", "refuse", "start", "complete", "undo"} {
			if docstore.May(state, docstore.OverlayNone, e) {
				continue
			}
			t.Run(fmt.Sprintf("%s in %s", e, state), func(t *testing.T) {
				w := newWorld(t)
				id := w.intake(decision(t, 1)).Dispatches[0].ID
				for _, s := range way {
					w.mustDo(id, act(s))
				}
				before := w.count(`SELECT count(*) FROM journal`)
				_, err := w.do(clerk(1), id, act(e))
				wantKind(t, err, fault.Conflict)
				s := fault.Sentence(err)
				if !strings.Contains(s.EN, string(state)) || !strings.Contains(s.VI, state.Name()) {
					t.Errorf("sentence %+v does not name state %s", s, state)
				}
				if got := w.count(`SELECT count(*) FROM journal`); got != before {
					t.Errorf("journal grew from %d to %d entries", before, got)
				}
				w.verify()
			})
		}
	}
}

func TestTransitionRefusesWhatItCannotDo(t *testing.T) {
	w := newWorld(t)
	id := w.intake(decision(t, 1)).Dispatches[0].ID
	for _, e := range []docstore.Event{"deliver", "", "fly"} {
		_, err := w.do(clerk(1), id, docstore.Act{Event: e})
		wantKind(t, err, fault.Invalid)
	}
	_, err := w.do(clerk(1), id+1, act(docstore.EventRegister))
	wantKind(t, err, fault.NotFound)
}

func TestRefuseNeedsReason(t *testing.T) {
	tests := []struct {
		name   string
		reason edoc.RefuseReason
		note   string
		ok     bool
	}{
		{"none", "", "", false},
		{"unknown", "VI_THICH", "không thích nhận", false},
		{"of the list", edoc.ReasonMissingFile, "", true},
		{"other, no text", edoc.ReasonOther, "", false},
		{"other, 9 characters", edoc.ReasonOther, "ừừừừừừừừừ", false},
		{"other, 10 characters", edoc.ReasonOther, "ừừừừừừừừừừ", true},
		{"longest text", edoc.ReasonOther, strings.Repeat("ừ", docstore.MaxNote), true},
		{"too long a text", edoc.ReasonOther, strings.Repeat("ừ", docstore.MaxNote+1), false},
		{"not text", edoc.ReasonOther, "không đọc được \xff\xfe", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.intake(decision(t, 1)).Dispatches[0].ID
			_, err := w.do(clerk(1), id, docstore.Act{Event: docstore.EventRefuse, Reason: tt.reason, Note: tt.note})
			if !tt.ok {
				wantKind(t, err, fault.Invalid)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			evs := w.events(id)
			if e := evs[len(evs)-1]; e.Reason != tt.reason || e.Note != tt.note || e.Actor != clerk(1) {
				t.Errorf("event = %+v, want reason %s, note %q of %v", e, tt.reason, tt.note, clerk(1))
			}
		})
	}
}

func TestUndo(t *testing.T) {
	tests := []struct {
		name  string
		actor int64
		after time.Duration
		ok    bool
	}{
		{"at the limit", 1, docstore.UndoLimit, true},
		{"too late", 1, docstore.UndoLimit + time.Microsecond, false},
		{"somebody else", 2, time.Minute, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.intake(decision(t, 1)).Dispatches[0].ID
			w.mustDo(id, act(docstore.EventRegister))
			w.now = w.now.Add(tt.after)
			d, err := w.do(clerk(tt.actor), id, act(docstore.EventUndo))
			if !tt.ok {
				wantKind(t, err, fault.Conflict)
				w.verify()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.ArrivalNumber != 0 || d.ArrivalYear != 0 || !d.Registered.IsZero() {
				t.Errorf("dispatch = %+v, want no number", d)
			}
			w.verify()
		})
	}
}
