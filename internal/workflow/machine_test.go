package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// person is one of the people of the random test.
type person struct {
	role directory.Role
	unit string
}

// arrow is a row of the table of edoc.md §4.3: from, to, and who may. "=" stays.
type arrow struct {
	from, event, to string
	who             string // roles of the recipient unit, "lead" who is in charge, "sender" a clerk of the sender's
}

// table is edoc.md §4.3, written down once more.
func table() []arrow {
	return []arrow{
		{"arrived", "register", "registered", "vanthu"},
		{"arrived", "refuse", "refused", "vanthu"},
		{"registered", "undo", "arrived", "vanthu"},
		{"registered", "assign", "assigned", "lanhdao vanthu"},
		{"assigned", "reassign", "assigned", "lanhdao assigner"},
		{"assigned", "return", "registered", "lead"},
		{"registered", "start", "processing", "vanthu chuyenvien"},
		{"assigned", "start", "processing", "lead"},
		{"registered", "complete", "completed", "vanthu"},
		{"assigned", "complete", "completed", "vanthu lead"},
		{"processing", "complete", "completed", "vanthu lead"},
		{"completed", "reopen", "processing", "lanhdao"},
		{"registered", "extend", "=", "lanhdao vanthu"},
		{"assigned", "extend", "=", "lanhdao vanthu"},
		{"processing", "extend", "=", "lanhdao vanthu"},
		{"arrived", "recall", "recalled", "sender"}, // nobody has acted on it: given back at once
		{"registered", "recall", "=", "sender"},
		{"assigned", "recall", "=", "sender"},
		{"processing", "recall", "=", "sender"},
		{"completed", "recall", "=", "sender"},
		{"registered", "accept", "recalled", "vanthu"},
		{"assigned", "accept", "recalled", "vanthu"},
		{"processing", "accept", "recalled", "vanthu"},
		{"completed", "accept", "recalled", "vanthu"},
		{"registered", "decline", "=", "vanthu"},
		{"assigned", "decline", "=", "vanthu"},
		{"processing", "decline", "=", "vanthu"},
		{"completed", "decline", "=", "vanthu"},
	}
}

// Random acts of random people, by folder or by command, never make a state
// that the table does not allow, and mailboxes, register and journal stay in
// step.
func TestRandomActs(t *testing.T) {
	const units, steps = 3, 700
	events := []string{
		"register", "refuse", "undo", "assign", "reassign", "return", "start", "complete", "reopen", "extend", "recall", "accept", "decline",
	}
	type model struct {
		unit     string
		state    string
		asked    bool
		by       directory.AccountID // who registered it
		at       time.Time
		lead     directory.AccountID
		assigner directory.AccountID
		tier     string // who set the due time
	}
	reached := map[string]int{}
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		now := morning()
		p := newProvince(t, units, func() time.Time { return now }, workflow.Options{})
		var ids []docstore.DispatchID
		var models []*model
		for n := range 5 {
			for i, d := range p.sendCode(fmt.Sprintf("%d/QĐ-UBND", n+1), p.unit("ubnd").ID, communes(units)...).Dispatches {
				ids = append(ids, d.ID)
				models = append(models, &model{unit: communes(units)[i], state: "arrived"})
			}
		}
		for step := range steps {
			now = now.Add(time.Duration(rnd.IntN(240)) * time.Second)
			i := rnd.IntN(len(ids))
			m, e := models[i], events[rnd.IntN(len(events))]
			who := person{[]directory.Role{directory.RoleClerk, directory.RoleClerk, directory.RoleStaff, directory.RoleLeader}[rnd.IntN(4)], m.unit}
			if rnd.IntN(4) == 0 {
				who.unit = "ubnd"
			}
			actor := p.account(who.role, who.unit)
			to, allowed := "", false
			for _, a := range table() {
				if a.from != m.state || a.event != e {
					continue
				}
				to = a.to
				for _, w := range strings.Fields(a.who) {
					switch w {
					case "sender":
						allowed = allowed || who == person{directory.RoleClerk, "ubnd"}
					case "lead":
						allowed = allowed || actor == m.lead
					case "assigner":
						allowed = allowed || actor == m.assigner
					default:
						allowed = allowed || who == person{directory.Role(w), m.unit}
					}
				}
			}
			answers := e == "accept" || e == "decline"
			switch {
			case m.asked != answers: // a recall wants its answer first; an answer wants a recall
				allowed = false
			case e == "undo":
				allowed = allowed && m.by == actor && now.Sub(m.at) <= docstore.UndoLimit
			case e == "extend":
				allowed = allowed && (who.role == directory.RoleLeader || m.tier != "leader")
			}
			lead := p.account([]directory.Role{directory.RoleStaff, directory.RoleLeader}[rnd.IntN(2)], m.unit)
			d := p.dispatch(ids[i])
			byFolder := rnd.IntN(2) == 0
			err := p.randomAct(actor, d, docstore.Event(e), lead, byFolder, now)
			if errors.Is(err, errNoFolder) {
				byFolder = false
				err = p.randomAct(actor, d, docstore.Event(e), lead, false, now)
			}
			if (err == nil) != allowed {
				t.Fatalf("seed %d step %d: %s (folder %v) by %v of %s in %s, asked %v: error %v, want allowed %v",
					seed, step, e, byFolder, who, m.unit, m.state, m.asked, err, allowed)
			}
			if err != nil {
				continue
			}
			if to != "=" {
				m.state = to
			}
			switch e {
			case "register":
				m.by, m.at = actor, now
			case "return":
				m.by, m.lead, m.assigner = 0, 0, 0
			case "assign", "reassign":
				m.lead, m.assigner = lead, actor
			case "extend":
				m.tier = map[directory.Role]string{directory.RoleLeader: "leader", directory.RoleClerk: "clerk"}[who.role]
			case "recall":
				m.asked = m.state != "recalled"
			case "accept", "decline":
				m.asked = false
			}
			d = p.dispatch(ids[i])
			if string(d.State) != m.state || (d.Overlay != "") != m.asked {
				t.Fatalf("seed %d step %d: after %s %s %q, want %s, asked %v", seed, step, e, d.State, d.Overlay, m.state, m.asked)
			}
			reached[m.state]++
		}
		p.verify()
	}
	for _, s := range []string{"registered", "assigned", "processing", "completed", "refused", "recalled"} {
		if reached[s] == 0 {
			t.Errorf("never came to %s", s)
		}
	}
}

var errNoFolder = errors.New("no folder stands for this")

// randomAct does e to d by a command, or by moving its message.
func (p *province) randomAct(
	actor directory.AccountID, d docstore.Dispatch, e docstore.Event, lead directory.AccountID, byFolder bool, now time.Time,
) error {
	ctx := p.t.Context()
	if !byFolder {
		act := workflow.Act{Event: e, Note: "lý do đủ mười ký tự"}
		switch e {
		case docstore.EventRefuse:
			act.Reason = edoc.ReasonDuplicate
		case docstore.EventAssign, docstore.EventReassign:
			act.Assign = []docstore.Assignee{{Account: lead, Role: docstore.RoleLead}}
		case docstore.EventExtend:
			act.Due = now.AddDate(0, 1, 0)
		}
		_, err := p.flow.Do(ctx, actor, docstore.SourcePortal, d.ID, act)
		return err
	}
	role, from := mailstore.RoleNone, d.Place
	switch e {
	case docstore.EventRegister:
		role = mailstore.RoleRegistered
		if d.State == docstore.StateAssigned { // means to hand it back there
			return errNoFolder
		}
	case docstore.EventRefuse:
		role = mailstore.RoleRefusedFor(edoc.ReasonDuplicate)
	case docstore.EventStart, docstore.EventReopen:
		role = mailstore.RoleProcessing
		if (d.State == docstore.StateCompleted) != (e == docstore.EventReopen) {
			return errNoFolder
		}
	case docstore.EventComplete:
		role = mailstore.RoleCompleted
	case docstore.EventUndo:
		role = mailstore.RoleIncoming
	case docstore.EventAssign, docstore.EventReassign:
		if (d.State == docstore.StateAssigned) != (e == docstore.EventReassign) {
			return errNoFolder
		}
		role = mailstore.RoleAssignedTo(lead)
		a, _ := p.dir.Snapshot().Account(lead)
		p.update(func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := p.boxes.PersonFolder(ctx, tx, d.To, a)
			return err
		})
	case docstore.EventAccept:
		role = mailstore.RoleAccepted
	case docstore.EventDecline:
		role = mailstore.RoleDeclined
	default:
		return errNoFolder
	}
	if (e == docstore.EventAccept || e == docstore.EventDecline) && d.Asked.UID != 0 && d.Overlay != "" {
		from = d.Asked
	}
	box, err := func() (id mailstore.MailboxID, err error) {
		err = p.db.View(ctx, func(r sqldb.Reader) (err error) {
			id, err = p.boxes.Role(ctx, r, d.To, role)
			return err
		})
		return id, err
	}()
	if err != nil {
		return err
	}
	uid := mailstore.UID(from.UID)
	moved, _, err := p.flow.MoveMessages(ctx, actor, mailstore.MailboxID(from.Mailbox), []mailstore.UID{uid}, box)
	if err == nil && moved[uid] == 0 {
		return fmt.Errorf("%s moved nothing", e)
	}
	return err
}

// A recalled document is gone from the mailboxes of the unit and of its people;
// its entry in the register stays, and a message tells of it. Oracles 7 and 8.
func TestRecallDestroys(t *testing.T) {
	for _, registered := range []bool{false, true} {
		t.Run(fmt.Sprintf("registered %v", registered), func(t *testing.T) {
			p := newProvince(t, 2, morning, workflow.Options{})
			res := p.send("xa01", "xa02")
			d := res.Dispatches[0]
			staff, inbox := p.account(directory.RoleStaff, "xa01"), mailstore.MailboxID(0)
			inbox = p.inbox(staff)
			p.update(func(ctx context.Context, tx *sqldb.Tx) error { // somebody keeps a copy of his own
				_, err := p.boxes.Copy(ctx, tx, mailstore.MailboxID(d.Place.Mailbox), mailstore.UIDs(mailstore.UID(d.Place.UID)), inbox)
				return err
			})
			if registered {
				p.act(p.clerk("xa01"), d.ID, workflow.Act{Event: docstore.EventRegister})
			}
			_, err := p.flow.Recall(t.Context(), p.clerk("xa01"), docstore.SourceCLI, res.Document.ID, workflow.Recall{Reason: "Sai phụ lục"})
			if fault.KindOf(err) != fault.Denied {
				t.Fatalf("recall by somebody else's clerk: %v, want it denied", err)
			}
			list, err := p.flow.Recall(t.Context(), p.clerk("ubnd"), docstore.SourceCLI, res.Document.ID, workflow.Recall{Reason: "Sai phụ lục"})
			if err != nil || len(list) != 2 {
				t.Fatalf("recall: %d dispatches, %v", len(list), err)
			}
			if registered {
				asked := p.mails(p.folder("xa01", mailstore.RoleAsked))
				if len(asked) != 1 || !strings.Contains(asked[0].text, "Sai phụ lục") || !strings.Contains(asked[0].subject, "Yêu cầu thu hồi 123/QĐ-UBND") {
					t.Fatalf("requests: %+v", asked)
				}
				now := p.dispatch(d.ID)
				box := p.folder("xa01", mailstore.RoleAccepted)
				moved, handled, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), mailstore.MailboxID(now.Asked.Mailbox), []mailstore.UID{mailstore.UID(now.Asked.UID)}, box)
				if err != nil || !handled || len(moved) != 1 {
					t.Fatalf("answer: %v %v %v", moved, handled, err)
				}
			}
			d = p.dispatch(d.ID)
			if d.State != docstore.StateRecalled || d.Status != edoc.StatusChangeAccepted {
				t.Errorf("dispatch %s %s", d.State, d.Status)
			}
			if got := p.mails(inbox); len(got) != 0 {
				t.Errorf("the copy of a staff member is still there: %v", got)
			}
			left := p.mails(p.folder("xa01", mailstore.RoleAccepted))
			last := left[len(left)-1]
			for _, m := range left {
				if strings.Contains(m.subject, "Đã thu hồi") {
					last = m
				}
			}
			if !strings.Contains(last.text, "VĂN BẢN ĐÃ THU HỒI") || !strings.Contains(last.text, fmt.Sprintf("%x", res.Document.BodySHA256)) || strings.Contains(last.text, "Kinh gui") {
				t.Errorf("what is left: %s", last.text)
			}
			if n := len(p.mails(p.folder("xa01", mailstore.RoleIncoming))) + len(p.mails(p.folder("xa01", mailstore.RoleRegistered))); n != 0 {
				t.Errorf("%d messages still in the unit's folders", n)
			}
			told := p.mails(p.inbox(p.clerk("ubnd")))
			if len(told) != 2 || !strings.Contains(told[0].subject, "Đồng ý thu hồi 123/QĐ-UBND") || !strings.Contains(told[0].text, "không thu hồi được bằng cách này") {
				t.Errorf("the sender was told: %+v", told)
			}
			p.view(func(ctx context.Context, r sqldb.Reader) error {
				_, entries, err := docstore.ReadBook(ctx, r, p.unit("xa01").ID, docstore.DirectionIn, 2026)
				if registered != (err == nil && len(entries) == 1 && entries[0].State == docstore.EntryValid) {
					t.Errorf("register: %v, %v", entries, err)
				}
				return nil
			})
			p.verify()
		})
	}
}

// What replaces a document goes as far as that one was, when the clerk agrees.
func TestReplacement(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	old := p.send("xa01").Dispatches[0]
	staff := p.account(directory.RoleStaff, "xa01")
	p.act(p.clerk("xa01"), old.ID, workflow.Act{Event: docstore.EventRegister})
	p.act(p.account(directory.RoleLeader, "xa01"), old.ID, workflow.Act{
		Event: docstore.EventAssign, Assign: []docstore.Assignee{{Account: staff, Role: docstore.RoleLead}},
	})
	p.act(staff, old.ID, workflow.Act{Event: docstore.EventStart})
	res := p.sendCode("130/QĐ-UBND", p.unit("ubnd").ID, "xa01")
	if err := p.flow.Replace(t.Context(), p.clerk("ubnd"), docstore.SourceCLI, old.Document, res.Document.ID, docstore.EventReplace); err != nil {
		t.Fatal(err)
	}
	if got := p.dispatch(old.ID); got.Overlay != docstore.OverlayReplace || got.State != docstore.StateProcessing {
		t.Fatalf("asked: %+v", got)
	}
	p.act(p.clerk("xa01"), old.ID, workflow.Act{Event: docstore.EventAccept})
	was, now := p.dispatch(old.ID), p.dispatch(res.Dispatches[0].ID)
	if was.State != docstore.StateReplaced || now.State != docstore.StateProcessing || now.ArrivalNumber != 2 || now.ChangeOf != old.ID {
		t.Errorf("old %s, new %s with number %d", was.State, now.State, now.ArrivalNumber)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		people, err := docstore.Assignees(ctx, r, now.ID)
		if len(people) != 1 || people[0].Account != staff {
			t.Errorf("assignees %+v", people)
		}
		_, entries, err2 := docstore.ReadBook(ctx, r, p.unit("xa01").ID, docstore.DirectionIn, 2026)
		if len(entries) != 2 || entries[1].Columns.Remark != "Thay thế văn bản đến số 1/2026" {
			t.Errorf("register %+v", entries)
		}
		return errors.Join(err, err2)
	})
	if n := len(p.mails(p.folder("xa01", mailstore.RoleReplaced))); n != 1 {
		t.Errorf("%d replaced messages in their folder", n)
	}
	p.verify()
}

// act has somebody act by a command.
func (p *province) act(actor directory.AccountID, id docstore.DispatchID, act workflow.Act) {
	p.t.Helper()
	if _, err := p.flow.Do(p.t.Context(), actor, docstore.SourceCLI, id, act); err != nil {
		p.t.Fatalf("%s: %v", act.Event, err)
	}
}

// An answer to a document completes it at the unit that answers, by its code or
// by the thread. edoc.md §5.1, 4.
func TestAnswerCompletes(t *testing.T) {
	reply, err := edoc.ParseCode("123/QĐ-UBND")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		issued func(asked, answer docstore.Result) docstore.Issued
		want   docstore.State
	}{
		{"by its code", func(_, answer docstore.Result) docstore.Issued {
			return docstore.Issued{Result: answer, Recognition: edoc.Recognition{Ops: []edoc.OpRef{{Op: edoc.OpReply, Code: &reply}}}}
		}, docstore.StateCompleted},
		{"by the thread", func(asked, answer docstore.Result) docstore.Issued {
			return docstore.Issued{Result: answer, Answers: []docstore.MailID{"<other@x>", asked.Document.MailID}}
		}, docstore.StateCompleted},
		{"of nothing", func(_, answer docstore.Result) docstore.Issued { return docstore.Issued{Result: answer} }, docstore.StateRegistered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvince(t, 2, morning, workflow.Options{})
			asked := p.send("xa01", "xa02")
			p.act(p.clerk("xa01"), asked.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
			answer := p.sendCode("5/UBND-VP", p.unit("xa01").ID, "ubnd")
			p.update(func(ctx context.Context, tx *sqldb.Tx) error { return p.flow.Issued(ctx, tx, tt.issued(asked, answer)) })
			if got := p.dispatch(asked.Dispatches[0].ID).State; got != tt.want {
				t.Errorf("at the unit that answered: %s, want %s", got, tt.want)
			}
			if got := p.dispatch(asked.Dispatches[1].ID).State; got != docstore.StateArrived {
				t.Errorf("at another unit: %s, want arrived", got)
			}
			p.verify()
		})
	}
}

// A document that replaces another one by its subject.
func TestIssuedReplaces(t *testing.T) {
	p := newProvince(t, 2, morning, workflow.Options{})
	old := p.send("xa01", "xa02")
	p.act(p.clerk("xa01"), old.Dispatches[0].ID, workflow.Act{Event: docstore.EventRegister})
	with := p.sendCode("130/QĐ-UBND", p.unit("ubnd").ID, "xa01", "xa02")
	code, err := edoc.ParseCode("123/QĐ-UBND")
	if err != nil {
		t.Fatal(err)
	}
	p.update(func(ctx context.Context, tx *sqldb.Tx) error {
		return p.flow.Issued(ctx, tx, docstore.Issued{
			Result: with, By: p.clerk("ubnd"), Recognition: edoc.Recognition{Ops: []edoc.OpRef{{Op: edoc.OpReplace, Code: &code}}},
		})
	})
	for i, want := range []struct {
		old     docstore.State
		overlay docstore.Overlay
		with    docstore.State
	}{
		{docstore.StateRegistered, docstore.OverlayReplace, docstore.StateArrived}, // waits for its clerk
		{docstore.StateReplaced, "", docstore.StateArrived},                        // nobody had acted on it
	} {
		o, n := p.dispatch(old.Dispatches[i].ID), p.dispatch(with.Dispatches[i].ID)
		if o.State != want.old || o.Overlay != want.overlay || n.State != want.with || n.ChangeOf != o.ID {
			t.Errorf("unit %d: old %s %q, new %s of %d; want %+v", i+1, o.State, o.Overlay, n.State, n.ChangeOf, want)
		}
	}
	p.verify()
}

// Who was told of a registration is told that it was taken back. edoc.md §4.8.
func TestUndoIsCorrected(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	id := p.send("xa01").Dispatches[0].ID
	p.act(p.clerk("xa01"), id, workflow.Act{Event: docstore.EventRegister})
	box := p.folder("ubnd", mailstore.RoleReceipts)
	before := len(p.mails(box))
	p.act(p.clerk("xa01"), id, workflow.Act{Event: docstore.EventUndo})
	got := p.mails(box)
	if len(got) != before+1 {
		t.Fatalf("%d messages among the receipts, want one more than %d", len(got), before)
	}
	last := got[len(got)-1]
	if !strings.Contains(last.subject, "Đính chính 123/QĐ-UBND") || !strings.Contains(last.text, "1/2026") {
		t.Errorf("%q\n%s", last.subject, last.text)
	}
	p.verify()
}
