package docstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// lead puts an account in charge.
func lead(a directory.AccountID) []docstore.Assignee {
	return []docstore.Assignee{{Account: a, Role: docstore.RoleLead}}
}

// full gives an act all that its event needs.
func full(e docstore.Event) docstore.Act {
	a := docstore.Act{Event: e, Source: docstore.SourceCLI, Note: "lý do đủ mười ký tự"}
	switch e {
	case docstore.EventRefuse, docstore.EventDrop, docstore.EventQuarantine:
		a.Reason = edoc.ReasonNoSignature
	case docstore.EventAssign, docstore.EventReassign:
		a.Assign, a.Tier = lead(5), docstore.DueLeader
	case docstore.EventExtend:
		a.Due, a.Tier = monday().AddDate(1, 0, 0), docstore.DueLeader
	}
	return a
}

// arrows is the table of edoc.md §4.3, written down once more: what an event
// makes of a dispatch in a state. "=" stays, what is missing is not possible.
var arrows = map[docstore.State]map[docstore.Event]docstore.State{
	"arrived": {
		"register": "registered", "refuse": "refused", "quarantine": "quarantined", "recall": "=", "update": "=", "replace": "=",
	},
	"registered": {
		"undo": "arrived", "assign": "assigned", "start": "processing", "complete": "completed", "extend": "=",
		"recall": "=", "update": "=", "replace": "=",
	},
	"assigned": {
		"reassign": "assigned", "return": "registered", "start": "processing", "complete": "completed", "extend": "=",
		"recall": "=", "update": "=", "replace": "=",
	},
	"processing":  {"complete": "completed", "extend": "=", "recall": "=", "update": "=", "replace": "="},
	"completed":   {"reopen": "processing", "recall": "=", "update": "=", "replace": "="},
	"quarantined": {"release": "arrived", "drop": "refused", "recall": "="},
	"refused":     {}, "recalled": {}, "replaced": {},
}

// Random acts by random people at random times never reach a state that the
// table does not, never give a number twice, and leave a store that verifies.
func TestRandomActs(t *testing.T) {
	type model struct {
		state   docstore.State
		overlay docstore.Overlay
		number  int // bound for ever once given
		by      int64
		at      time.Time
	}
	events := []docstore.Event{
		"register", "refuse", "start", "complete", "undo", "assign", "reassign", "return", "reopen", "extend",
		"recall", "update", "replace", "accept", "decline", "quarantine", "release", "drop", "deliver", "withdraw", "expire",
	}
	pending := map[docstore.Event]docstore.Overlay{
		"recall": docstore.OverlayRecall, "update": docstore.OverlayUpdate, "replace": docstore.OverlayReplace,
	}
	reached := map[docstore.State]bool{}
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t)
		numbers := 0
		var ids []docstore.DispatchID
		var models []*model
		for n := range 30 { // one unit's book, so that numbers could clash
			in := document(t, fmt.Sprintf("%d/QĐ-UBND", n+1), 1)
			in.MailID = docstore.MailID(fmt.Sprintf("<%d@ubnd.dienbien.test>", n))
			ids = append(ids, w.intake(in).Dispatches[0].ID)
			models = append(models, &model{state: docstore.StateArrived})
		}
		for range 900 {
			w.now = w.now.Add(time.Duration(rnd.IntN(180)) * time.Second)
			i, e, by := rnd.IntN(len(ids)), events[rnd.IntN(len(events))], rnd.Int64N(2)+1
			m := models[i]
			to, allowed := arrows[m.state][e]
			overlay := m.overlay
			switch {
			case e == "accept" && m.overlay == docstore.OverlayRecall:
				to, allowed, overlay = "recalled", true, ""
			case e == "accept" && m.overlay != "" && m.state != "quarantined":
				to, allowed, overlay = "replaced", true, ""
			case e == "decline" && m.overlay != "" && m.state != "quarantined":
				to, allowed, overlay = "=", true, ""
			case pending[e] != "":
				allowed = allowed && (m.overlay == "" || e == "recall" && m.overlay != docstore.OverlayRecall)
				overlay = pending[e]
			case m.overlay == docstore.OverlayRecall:
				allowed = false
			case e == "undo" && allowed:
				allowed = m.by == by && w.now.Sub(m.at) <= docstore.UndoLimit
			case e == "refuse" || e == "drop":
				overlay = ""
			}
			a := full(e)
			a.Due = w.now.AddDate(0, 1, 0)
			d, err := w.do(clerk(by), ids[i], a)
			if (err == nil) != allowed {
				t.Fatalf("seed %d: %s in %s %s: error %v, want allowed %v", seed, e, m.state, m.overlay, err, allowed)
			}
			if err != nil {
				continue
			}
			if to != "=" {
				m.state = to
			}
			m.overlay = overlay
			if e == "register" || e == "return" { // only what was registered last can be taken back
				m.by, m.at = by, w.now
			}
			if e == "register" {
				if m.number == 0 {
					numbers++
					m.number = numbers
				}
				if d.ArrivalNumber != m.number {
					t.Fatalf("seed %d: number %d, want %d", seed, d.ArrivalNumber, m.number)
				}
			}
			if d.State != m.state || d.Overlay != m.overlay {
				t.Fatalf("seed %d: after %s %s %q, want %s %q", seed, e, d.State, d.Overlay, m.state, m.overlay)
			}
			reached[d.State] = true
		}
		w.verify()
	}
	for s := range arrows {
		if !reached[s] {
			t.Errorf("no random act ever led to %s", s)
		}
	}
}

func TestAssign(t *testing.T) {
	w := newWorld(t)
	id := w.intake(decision(t, 1)).Dispatches[0].ID // due on 30 November, 17:00
	w.mustDo(id, act(docstore.EventRegister))
	due := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		assign []docstore.Assignee
		due    time.Time
		note   string
		ok     bool
	}{
		{"nobody", nil, time.Time{}, "", false},
		{"two in charge", append(lead(5), lead(6)...), time.Time{}, "", false},
		{"nobody in charge", []docstore.Assignee{{Account: 5, Role: docstore.RoleAssist}}, time.Time{}, "", false},
		{"twice the same", append(lead(5), docstore.Assignee{Account: 5, Role: docstore.RoleAssist}), time.Time{}, "", false},
		{"role of no list", []docstore.Assignee{{Account: 5, Role: "chef"}}, time.Time{}, "", false},
		{"due later than the document", lead(5), due.Add(time.Hour), "", false},
		{"somebody's own due later", []docstore.Assignee{{Account: 5, Role: docstore.RoleLead, Due: due.Add(time.Hour)}}, time.Time{}, "", false},
		{"in charge and others", append(lead(5), docstore.Assignee{Account: 6, Role: docstore.RoleAssist}, docstore.Assignee{Account: 7, Role: docstore.RoleNotice}), due.Add(-time.Hour), "Giải quyết sớm", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := docstore.Act{Event: docstore.EventAssign, Assign: tt.assign, Due: tt.due, Note: tt.note, Tier: docstore.DueLeader}
			d, err := w.do(clerk(9), id, a)
			if !tt.ok {
				wantKind(t, err, fault.Invalid)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.State != docstore.StateAssigned || !d.Due.Equal(tt.due) || d.DueTier != docstore.DueLeader {
				t.Errorf("dispatch %s due %v by %s, want assigned, due %v by a leader", d.State, d.Due, d.DueTier, tt.due)
			}
		})
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		list, err := docstore.Assignees(ctx, r, id)
		if len(list) != 3 || list[0].Account != 5 || list[0].Role != docstore.RoleLead || list[0].By != 9 || list[0].Note != "Giải quyết sớm" || list[2].Role != docstore.RoleNotice {
			t.Errorf("assignees %+v", list)
		}
		mine, err2 := docstore.AssignedTo(ctx, r, 6)
		if len(mine) != 1 || mine[0].ID != id {
			t.Errorf("assigned to 6: %+v", mine)
		}
		if err == nil {
			err = err2
		}
		return err
	})
	if _, err := w.do(clerk(5), id, docstore.Act{Event: docstore.EventReturn, Note: "ngắn"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("return without a reason: %v", err)
	}
	d := w.mustDo(id, docstore.Act{Event: docstore.EventReturn, Note: "không thuộc thẩm quyền của phòng"})
	if d.State != docstore.StateRegistered || d.Status != edoc.StatusRegistered {
		t.Errorf("returned: %s %s", d.State, d.Status)
	}
	if n := w.count(`SELECT count(*) FROM assignee`); n != 0 {
		t.Errorf("%d assignees after a return", n)
	}
	w.verify()
}

func TestExtend(t *testing.T) {
	tests := []struct {
		name string
		set  docstore.DueTier // who set the due time
		by   docstore.DueTier
		ok   bool
	}{
		{"a clerk overrules the issuer", docstore.DueIssuer, docstore.DueClerk, false},
		{"a leader overrules the issuer", docstore.DueIssuer, docstore.DueLeader, true},
		{"a clerk overrules a leader", docstore.DueLeader, docstore.DueClerk, false},
		{"a clerk changes a default", docstore.DueDefault, docstore.DueClerk, true},
		{"a clerk changes his own", docstore.DueClerk, docstore.DueClerk, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.intake(decision(t, 1)).Dispatches[0].ID
			w.mustDo(id, act(docstore.EventRegister))
			if err := w.update(func(ctx context.Context, tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE dispatch SET due_tier = $1`, string(tt.set))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			later := monday().AddDate(0, 0, 20)
			d, err := w.do(clerk(1), id, docstore.Act{Event: docstore.EventExtend, Due: later, Tier: tt.by, Note: "chờ ý kiến của sở"})
			if !tt.ok {
				wantKind(t, err, fault.Denied)
				return
			}
			if err != nil || !d.Due.Equal(later) || d.DueTier != tt.by || d.State != docstore.StateRegistered || d.Status != "03" {
				t.Errorf("%+v, %v", d, err)
			}
			_, err = w.do(clerk(1), id, docstore.Act{Event: docstore.EventExtend, Due: monday().AddDate(0, 0, -1), Tier: docstore.DueLeader, Note: "x"})
			wantKind(t, err, fault.Invalid)
			w.verify()
		})
	}
}

func TestRecallFreezesTheDocument(t *testing.T) {
	w := newWorld(t)
	in := decision(t, 3)
	res := w.intake(in)
	state := func(want docstore.DocumentState) {
		t.Helper()
		w.view(func(ctx context.Context, r sqldb.Reader) error {
			doc, err := docstore.DocumentByID(ctx, r, res.Document.ID)
			if doc.State != want {
				t.Errorf("document %s, want %s", doc.State, want)
			}
			return err
		})
	}
	state(docstore.DocumentIssued)
	if _, err := w.do(clerk(1), res.Dispatches[0].ID, docstore.Act{Event: docstore.EventRecall}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("recall without a reason: %v", err)
	}
	for _, d := range res.Dispatches {
		w.mustDo(d.ID, act(docstore.EventRegister))
		got := w.mustDo(d.ID, full(docstore.EventRecall))
		if got.State != docstore.StateRegistered || got.Status != "03" || got.Overlay != docstore.OverlayRecall {
			t.Errorf("asked: %s %s %s", got.State, got.Status, got.Overlay)
		}
	}
	state(docstore.DocumentFrozen)
	in.Recipients = append(in.Recipients, decision(t, 4).Recipients[3])
	_, err := w.tryIntake(in)
	wantKind(t, err, fault.Conflict)
	_, err = w.do(clerk(1), res.Dispatches[0].ID, full(docstore.EventStart))
	wantKind(t, err, fault.Conflict)
	if s := fault.Sentence(err).VI; !strings.Contains(s, "thu hồi") {
		t.Errorf("sentence %q", s)
	}

	w.mustDo(res.Dispatches[0].ID, full(docstore.EventDecline))
	state(docstore.DocumentFrozen)
	d := w.mustDo(res.Dispatches[1].ID, docstore.Act{Event: docstore.EventAccept, Destroyed: [32]byte{9}})
	if d.State != docstore.StateRecalled || d.Status != "15" || d.ArrivalNumber != 1 || d.Overlay != "" {
		t.Errorf("accepted: %+v", d)
	}
	w.mustDo(res.Dispatches[2].ID, full(docstore.EventDecline))
	state(docstore.DocumentFrozen) // one has given it back
	w.mustDo(res.Dispatches[0].ID, full(docstore.EventRecall))
	w.mustDo(res.Dispatches[2].ID, full(docstore.EventRecall))
	w.mustDo(res.Dispatches[0].ID, full(docstore.EventAccept))
	w.mustDo(res.Dispatches[2].ID, full(docstore.EventAccept))
	state(docstore.DocumentRecalled)
	w.verify()
}

func TestDeclinedRecallUnfreezes(t *testing.T) {
	w := newWorld(t)
	res := w.intake(decision(t, 1))
	w.mustDo(res.Dispatches[0].ID, act(docstore.EventRegister))
	w.mustDo(res.Dispatches[0].ID, full(docstore.EventRecall))
	w.mustDo(res.Dispatches[0].ID, full(docstore.EventDecline))
	if n := w.count(`SELECT count(*) FROM document WHERE state = 'issued'`); n != 1 {
		t.Error("the document is still frozen")
	}
	w.verify()
}

// What was held for the mark of a state secret is let go by two people only.
func TestTwoPeopleReleaseASecret(t *testing.T) {
	w := newWorld(t)
	id := w.intake(decision(t, 1)).Dispatches[0].ID
	w.mustDo(id, docstore.Act{Event: docstore.EventQuarantine, Reason: edoc.ReasonSecret})
	d, err := w.do(clerk(1), id, full(docstore.EventRelease))
	if err != nil || d.State != docstore.StateQuarantined {
		t.Fatalf("first word: %s, %v; want it still held", d.State, err)
	}
	_, err = w.do(clerk(1), id, full(docstore.EventRelease))
	wantKind(t, err, fault.Conflict)
	if d, err = w.do(clerk(2), id, full(docstore.EventRelease)); err != nil || d.State != docstore.StateArrived {
		t.Fatalf("second word: %s, %v", d.State, err)
	}
	w.mustDo(id, docstore.Act{Event: docstore.EventQuarantine, Reason: edoc.ReasonSecret})
	if d, err = w.do(clerk(2), id, full(docstore.EventRelease)); err != nil || d.State != docstore.StateQuarantined {
		t.Fatalf("held again: %s, %v; want two new words", d.State, err)
	}
	w.verify()
}

// Of a dispatch to another server its sender may ask what he may ask here.
func TestAskOutside(t *testing.T) {
	steps := []struct {
		event   docstore.Event // by the sender, or a report
		report  edoc.Status
		ok      bool
		state   docstore.State
		overlay docstore.Overlay
	}{
		{event: "recall", state: "queued"}, // it can be withdrawn instead
		{event: "register", state: "queued"},
		{report: docstore.StatusSent, ok: true, state: "sent"},
		{event: "withdraw", state: "sent"},
		{report: "03", ok: true, state: "registered"},
		{event: "recall", ok: true, state: "registered", overlay: docstore.OverlayRecall},
		{event: "recall", state: "registered", overlay: docstore.OverlayRecall},
		{report: "16", ok: true, state: "registered"},
		{event: "replace", ok: true, state: "registered", overlay: docstore.OverlayReplace},
		{event: "recall", ok: true, state: "registered", overlay: docstore.OverlayRecall},
		{report: "05", ok: true, state: "processing", overlay: docstore.OverlayRecall},
		{report: "15", ok: true, state: "recalled"},
		{report: "06", ok: true, state: "recalled"},
		{event: "recall", state: "recalled"},
	}
	w := newWorld(t)
	in := document(t, "7/QĐ-UBND", 0)
	to := mail.Address{Local: "xa01", Domain: "xa.test"}
	in.Outside = []docstore.Outside{{Address: to, Peer: "peer.test"}}
	doc := w.intake(in).Document
	dispatch := func() (d docstore.Dispatch) {
		w.view(func(ctx context.Context, r sqldb.Reader) error {
			list, err := docstore.Dispatches(ctx, r, doc.ID)
			d = list[0]
			return err
		})
		return d
	}
	for i, s := range steps {
		var err error
		switch {
		case s.event != "":
			_, err = w.do(clerk(1), dispatch().ID, full(s.event))
		case s.report == docstore.StatusSent:
			err = w.update(func(ctx context.Context, tx *sqldb.Tx) error {
				return w.doc.Outgoing(ctx, tx, docstore.Outgoing{Transfer: "q1", Address: to.String(), Taken: true, Actor: clerk(1)})
			})
		default:
			err = w.update(func(ctx context.Context, tx *sqldb.Tx) error {
				_, _, _, err := w.doc.Report(ctx, tx, docstore.Reported{
					Peer: "peer.test", Transfer: "q1", Recipient: to.String(), Unit: to.String(), Status: s.report, At: w.now, ID: fmt.Sprint(i),
				})
				return err
			})
		}
		d := dispatch()
		if (err == nil) != s.ok || d.State != s.state || d.Overlay != s.overlay {
			t.Errorf("step %d, %s%s: %v; dispatch %s %q, want ok %v, %s %q", i, s.event, s.report, err, d.State, d.Overlay, s.ok, s.state, s.overlay)
		}
		w.verify()
	}
	if n := w.count(`SELECT count(*) FROM document WHERE state = 'recalled'`); n != 1 {
		t.Error("the document is not recalled")
	}
}
