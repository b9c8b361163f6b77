package docstore_test

import (
	"context"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

func (w *world) setTime(t docstore.TimeRules) error {
	return w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.SetTimeRules(ctx, tx, clerk(1), t) })
}

func TestDefaultDue(t *testing.T) {
	w := newWorld(t)
	saturday := []string{"mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30"}
	if err := w.setTime(docstore.TimeRules{Unit: 1, Days: 7, ByType: map[string]int{"BC": 5, "TB": 0}}); err != nil {
		t.Fatal(err)
	}
	if err := w.setTime(docstore.TimeRules{Unit: 2, Days: 5, Hours: saturday}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []docstore.TimeRules{
		{Unit: 1, Days: -1}, {Unit: 1, ByType: map[string]int{"XX": 1}}, {Unit: 1, ByType: map[string]int{"BC": 900}}, {Unit: 1, Hours: []string{"t2"}},
	} {
		wantKind(t, w.setTime(bad), fault.Invalid)
	}
	day := func(d int, hour time.Duration) time.Time {
		return time.Date(2026, 11, d, 0, 0, 0, 0, time.FixedZone("", 7*3600)).Add(hour)
	}
	w.now = day(23, 9*time.Hour) // a Monday
	for i, tt := range []struct {
		name, code string
		to         int
		explicit   bool
		kind       docstore.Kind
		want       time.Time
		tier       docstore.DueTier
	}{
		{"usual days of the unit", "1/QĐ-UBND", 0, false, "", day(32, 17*time.Hour), docstore.DueDefault},
		{"by type", "2/BC-UBND", 0, false, "", day(30, 17*time.Hour), docstore.DueDefault},
		{"none for a type", "3/TB-UBND", 0, false, "", time.Time{}, ""},
		{"own week, with Saturday", "4/QĐ-UBND", 1, false, "", day(28, 11*time.Hour+30*time.Minute), docstore.DueDefault},
		{"a unit without rules", "5/QĐ-UBND", 2, false, "", time.Time{}, ""},
		{"what the document says", "6/QĐ-UBND", 0, true, "", time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC), docstore.DueIssuer},
		{"for information", "7/QĐ-UBND", 0, true, docstore.KindInfo, time.Time{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			in := document(t, tt.code, 3)
			in.MailID, in.QueueID = "", tt.code
			if !tt.explicit {
				in.Recognition.Due = time.Time{}
			}
			for j := range in.Recipients {
				in.Recipients[j].Kind = tt.kind
			}
			d := w.mustDo(w.intake(in).Dispatches[tt.to].ID, docstore.Act{Event: docstore.EventRegister, Source: docstore.SourceCLI})
			if !d.Due.Equal(tt.want) || d.DueTier != tt.tier {
				t.Errorf("%d: due %v by %q, want %v by %q", i, d.Due, d.DueTier, tt.want, tt.tier)
			}
			d = w.mustDo(d.ID, docstore.Act{Event: docstore.EventUndo, Source: docstore.SourceCLI})
			if tt.tier == docstore.DueDefault && !d.Due.IsZero() {
				t.Errorf("taken back, it is still due %v", d.Due)
			}
		})
	}
	w.t = t
	w.verify()
}

func TestDueState(t *testing.T) {
	cal := worktime.New(worktime.Week{}, nil)
	now := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC) // Friday 09:00
	hour := func(h int) time.Time { return now.Add(time.Duration(h) * time.Hour) }
	for _, tt := range []struct {
		name      string
		state     docstore.State
		due, done time.Time
		want      docstore.DueState
	}{
		{"no due time", docstore.StateRegistered, time.Time{}, time.Time{}, ""},
		{"time left", docstore.StateAssigned, hour(5 * 24), time.Time{}, docstore.DueOpen},
		{"over the weekend", docstore.StateProcessing, hour(3*24 + 8), time.Time{}, docstore.DueSoon},
		{"today", docstore.StateArrived, hour(8), time.Time{}, docstore.DueSoon},
		{"over", docstore.StateRegistered, hour(-1), time.Time{}, docstore.DueOver},
		{"in time", docstore.StateCompleted, hour(-1), hour(-1), docstore.DueKept},
		{"late", docstore.StateCompleted, hour(-2), hour(-1), docstore.DueMissed},
		{"refused", docstore.StateRefused, hour(-2), time.Time{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := docstore.Dispatch{State: tt.state, Due: tt.due, Completed: tt.done}
			if got := d.DueState(cal, now); got != tt.want || (got == "") != (got.Name() == "") {
				t.Errorf("%q (%s), want %q", got, got.Name(), tt.want)
			}
		})
	}
}

// Urgent documents set timers that ring at once, documents to other servers such
// that ring when nothing is heard.
func TestTimers(t *testing.T) {
	w := newWorld(t)
	ringing := func() (list []docstore.Timer) {
		w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
			list, err = docstore.Ringing(ctx, r, w.now, 10)
			return err
		})
		return list
	}
	in := document(t, "1/QĐ-UBND", 2)
	in.Outside = []docstore.Outside{{Address: mail.Address{Local: "so", Domain: "b.test"}, Peer: "b.test"}}
	w.intake(in)
	if got := ringing(); len(got) != 0 {
		t.Fatalf("%v ring for an ordinary document", got)
	}
	w.now = w.now.Add(12 * time.Hour)
	if got := ringing(); len(got) != 1 || got[0].Kind != docstore.TimerNews {
		t.Fatalf("%v ring after 12 h, want one for news", got)
	}
	urgent := document(t, "2/QĐ-UBND", 2)
	urgent.MailID, urgent.Recognition.Urgency = "", edoc.UrgencyUrgent
	res := w.intake(urgent)
	got := ringing()
	if len(got) != 3 || got[1].Kind != docstore.TimerUrgent || got[1].Dispatch != res.Dispatches[0].ID {
		t.Fatalf("%v ring, want one for news and two for the urgent document", got)
	}
	select {
	case <-w.doc.TimersChanged():
	default:
		t.Error("nobody was told")
	}
	if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
		if err := w.doc.EndTimer(ctx, tx, got[0]); err != nil {
			return err
		}
		got[1].Stage, got[1].Next = 1, w.now.Add(30*time.Minute)
		return w.doc.SetTimer(ctx, tx, got[1])
	}); err != nil {
		t.Fatal(err)
	}
	if got := ringing(); len(got) != 1 {
		t.Errorf("%v ring, want the second unit's only", got)
	}
}
