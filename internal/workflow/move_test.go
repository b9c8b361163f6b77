package workflow_test

import (
	"context"
	"fmt"
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

// move is MoveMessages or CopyMessages.
type move func(context.Context, directory.AccountID, mailstore.MailboxID, []mailstore.UID, mailstore.MailboxID,
) (map[mailstore.UID]mailstore.UID, bool, error)

// Oracle 20: MOVE and COPY into a workflow folder are one act, and exactly one
// copy is left, in the target.
func TestOracle20MoveAndCopyAreTheAct(t *testing.T) {
	for _, name := range []string{"MOVE", "COPY"} {
		t.Run(name, func(t *testing.T) {
			p := newProvince(t, 1, morning, workflow.Options{})
			do := map[string]move{"MOVE": p.flow.MoveMessages, "COPY": p.flow.CopyMessages}[name]
			d := p.send("xa01").Dispatches[0]
			steps := []struct {
				role  mailstore.FolderRole
				state docstore.State
			}{
				{mailstore.RoleRegistered, docstore.StateRegistered},
				{mailstore.RoleProcessing, docstore.StateProcessing},
				{mailstore.RoleCompleted, docstore.StateCompleted},
			}
			for _, s := range steps {
				from, uid := mailstore.MailboxID(d.Place.Mailbox), mailstore.UID(d.Place.UID)
				to := p.folder("xa01", s.role)
				moved, handled, err := do(t.Context(), p.clerk("xa01"), from, []mailstore.UID{uid}, to)
				if err != nil || !handled {
					t.Fatalf("to %s: handled %v, error %v", s.role, handled, err)
				}
				d = p.dispatch(d.ID)
				if d.State != s.state || moved[uid] == 0 || int64(moved[uid]) != d.Place.UID || int64(to) != d.Place.Mailbox {
					t.Errorf("to %s: dispatch %+v, moved %v", s.role, d, moved)
				}
				if got := len(p.mails(from)); got != 0 {
					t.Errorf("to %s: %d messages left in the source", s.role, got)
				}
				if got := len(p.mails(to)); got != 1 {
					t.Errorf("to %s: %d messages in the target, want 1", s.role, got)
				}
			}
			p.verify()
		})
	}
}

func TestMoveRefuses(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	uids := []mailstore.UID{mailstore.UID(d.Place.UID)}
	to := p.folder("xa01", mailstore.RoleRefusedFor(edoc.ReasonMissingFile))
	if _, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), mailstore.MailboxID(d.Place.Mailbox), uids, to); err != nil {
		t.Fatal(err)
	}
	p.view(func(ctx context.Context, r sqldb.Reader) error {
		evs, err := docstore.Events(ctx, r, d.ID)
		if err != nil {
			return err
		}
		if e := evs[len(evs)-1]; e.Status != edoc.StatusRefused || e.Reason != edoc.ReasonMissingFile || e.Source != docstore.SourceIMAP {
			t.Errorf("event = %+v, want 02 THIEU_TEP by imap", e)
		}
		return nil
	})
	p.verify()
}

// What is not allowed is refused and changes nothing.
func TestMoveNotAllowed(t *testing.T) {
	tests := []struct {
		name string
		who  directory.Role
		to   func(p *province) mailstore.MailboxID
		want fault.Kind
		says string // in Vietnamese
	}{
		{"not a clerk", directory.RoleStaff, to("xa01", mailstore.RoleRegistered), fault.Denied, "văn thư"},
		{"illegal state", directory.RoleClerk, to("xa01", mailstore.RoleCompleted), fault.Conflict, "chờ tiếp nhận"},
		{"where it is", directory.RoleClerk, to("xa01", mailstore.RoleIncoming), fault.Conflict, "chờ tiếp nhận"},
		{"other unit's folder", directory.RoleClerk, to("xa02", mailstore.RoleRegistered), fault.Conflict, "đơn vị khác"},
		{"free reason without a text", directory.RoleClerk, to("xa01", mailstore.RoleRefusedFor(edoc.ReasonOther)), fault.Invalid, "lý do khác"},
		{"tracking folder", directory.RoleClerk, to("xa01", mailstore.RoleTracking), fault.Denied, "hệ thống"},
		{"receipts folder", directory.RoleClerk, to("xa01", mailstore.RoleReceipts), fault.Denied, "hệ thống"},
		{
			"out of the workflow", directory.RoleClerk,
			func(p *province) mailstore.MailboxID { return p.inbox(p.clerk("xa01")) }, fault.Denied, "văn bản",
		},
		{"into the unit's ordinary mail", directory.RoleClerk, to("xa01", mailstore.RoleUnitInbox), fault.Denied, "văn bản"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvince(t, 2, morning, workflow.Options{})
			d := p.send("xa01").Dispatches[0]
			before := p.state()
			moved, handled, err := p.flow.MoveMessages(t.Context(), p.account(tt.who, "xa01"),
				mailstore.MailboxID(d.Place.Mailbox), []mailstore.UID{mailstore.UID(d.Place.UID)}, tt.to(p))
			wantKind(t, err, tt.want)
			if s := fault.Sentence(err).VI; !strings.Contains(s, tt.says) {
				t.Errorf("sentence = %q, want %q in it", s, tt.says)
			}
			if !handled || len(moved) != 0 {
				t.Errorf("handled %v, moved %v; want handled and nothing moved", handled, moved)
			}
			if after := p.state(); after != before {
				t.Errorf("state changed:\n%s\n%s", before, after)
			}
		})
	}
}

func to(unit string, role mailstore.FolderRole) func(*province) mailstore.MailboxID {
	return func(p *province) mailstore.MailboxID { return p.folder(unit, role) }
}

// An ordinary message has no business in a workflow folder.
func TestMoveOrdinaryMessage(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	clerk := p.clerk("xa01")
	inbox := p.inbox(clerk)
	uid := p.ordinary(inbox)
	moved, handled, err := p.flow.MoveMessages(t.Context(), clerk, inbox, []mailstore.UID{uid}, p.folder("xa01", mailstore.RoleRegistered))
	wantKind(t, err, fault.Conflict)
	if !handled || len(moved) != 0 || !strings.Contains(fault.Sentence(err).VI, "không phải văn bản") {
		t.Errorf("handled %v, moved %v, sentence %q", handled, moved, fault.Sentence(err).VI)
	}
}

// What means nothing to documents is left to the caller.
func TestMoveNotHandled(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	clerk := p.clerk("xa01")
	d := p.send("xa01").Dispatches[0]
	incoming, thu := p.folder("xa01", mailstore.RoleIncoming), p.folder("xa01", mailstore.RoleUnitInbox)
	inbox := p.inbox(clerk)
	uid, stray := p.ordinary(inbox), p.ordinary(incoming)
	tests := []struct {
		name     string
		do       move
		from, to mailstore.MailboxID
		uid      mailstore.UID
	}{
		{"move between plain folders", p.flow.MoveMessages, inbox, thu, uid},
		{"copy between plain folders", p.flow.CopyMessages, inbox, thu, uid},
		{"copy of a document for oneself", p.flow.CopyMessages, incoming, inbox, mailstore.UID(d.Place.UID)},
		{"move of a stray message out", p.flow.MoveMessages, incoming, inbox, stray},
		{"move out of the tracking folder", p.flow.MoveMessages, p.folder("xa01", mailstore.RoleTracking), inbox, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := p.state()
			moved, handled, err := tt.do(t.Context(), clerk, tt.from, []mailstore.UID{tt.uid}, tt.to)
			if handled || err != nil || len(moved) != 0 {
				t.Errorf("handled %v, moved %v, error %v; want nothing", handled, moved, err)
			}
			if after := p.state(); after != before {
				t.Errorf("state changed:\n%s\n%s", before, after)
			}
		})
	}
}

// ordinary puts a message that is no document into a mailbox.
func (p *province) ordinary(box mailstore.MailboxID) mailstore.UID {
	p.t.Helper()
	body := p.boxes.NewBody()
	if _, err := fmt.Fprint(body, "Subject: hop giao ban\r\n\r\nChao.\r\n"); err != nil {
		p.t.Fatal(err)
	}
	fin, err := body.Finish()
	if err != nil {
		p.t.Fatal(err)
	}
	uids, err := p.boxes.Append(p.t.Context(), box, mailstore.Item{Body: fin})
	if err != nil {
		p.t.Fatal(err)
	}
	return uids[0]
}

// A batch is numbered in the order of arrival, not of the drag (NĐ 30/2020,
// article 22.2), and one that cannot be moved does not hold up the others.
func TestMoveBatch(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	incoming, registered := p.folder("xa01", mailstore.RoleIncoming), p.folder("xa01", mailstore.RoleRegistered)
	var ids []docstore.DispatchID
	var uids []mailstore.UID
	for i := range 45 {
		d := p.sendCode(fmt.Sprintf("%d/TB-UBND", i+1), p.unit("ubnd").ID, "xa01").Dispatches[0]
		ids = append(ids, d.ID)
		uids = append([]mailstore.UID{mailstore.UID(d.Place.UID)}, uids...) // the newest first
	}
	stray := p.ordinary(incoming)
	uids = append(uids, stray, uids[0]) // one that is none, and one twice
	moved, handled, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), incoming, uids, registered)
	wantKind(t, err, fault.Conflict)
	if !handled || len(moved) != 45 {
		t.Fatalf("handled %v, %d moved, want 45", handled, len(moved))
	}
	if s := fault.Sentence(err).VI; !strings.Contains(s, "1 trên 47 thư") {
		t.Errorf("sentence = %q, want how many were not moved", s)
	}
	for i, id := range ids {
		if d := p.dispatch(id); d.ArrivalNumber != i+1 {
			t.Errorf("document %d has number %d, want %d", i+1, d.ArrivalNumber, i+1)
		}
	}
	if left := p.mails(incoming); len(left) != 1 || left[0].uid != stray {
		t.Errorf("left behind: %+v, want only the stray message", left)
	}
	p.verify()
}

// Two clerks drag the same message: the second one learns why nothing moves.
func TestMoveSecondClerkIsLate(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	from, uids := mailstore.MailboxID(d.Place.Mailbox), []mailstore.UID{mailstore.UID(d.Place.UID)}
	to := p.folder("xa01", mailstore.RoleRegistered)
	if _, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), from, uids, to); err != nil {
		t.Fatal(err)
	}
	before := p.state()
	moved, handled, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), from, uids, to)
	wantKind(t, err, fault.NotFound)
	if !handled || len(moved) != 0 || !strings.Contains(fault.Sentence(err).VI, "không còn") {
		t.Errorf("handled %v, moved %v, sentence %q", handled, moved, fault.Sentence(err).VI)
	}
	if after := p.state(); after != before {
		t.Errorf("state changed:\n%s\n%s", before, after)
	}
}

// Undo is moving back; the number comes back with the document.
func TestMoveBackIsUndo(t *testing.T) {
	now := morning()
	p := newProvince(t, 1, func() time.Time { return now }, workflow.Options{})
	d := p.send("xa01").Dispatches[0]
	for i, role := range []mailstore.FolderRole{
		mailstore.RoleRegistered, mailstore.RoleIncoming, mailstore.RoleRegistered,
	} {
		now = now.Add(time.Minute)
		if _, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), mailstore.MailboxID(d.Place.Mailbox),
			[]mailstore.UID{mailstore.UID(d.Place.UID)}, p.folder("xa01", role)); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		d = p.dispatch(d.ID)
		p.verify()
	}
	if d.State != docstore.StateRegistered || d.ArrivalNumber != 1 {
		t.Errorf("dispatch = %+v, want registered with its number 1 again", d)
	}
	now = now.Add(docstore.UndoLimit + time.Second)
	_, _, err := p.flow.MoveMessages(t.Context(), p.clerk("xa01"), mailstore.MailboxID(d.Place.Mailbox),
		[]mailstore.UID{mailstore.UID(d.Place.UID)}, p.folder("xa01", mailstore.RoleIncoming))
	wantKind(t, err, fault.Conflict)
}

func TestMayAppend(t *testing.T) {
	p := newProvince(t, 1, morning, workflow.Options{})
	for _, role := range []mailstore.FolderRole{
		mailstore.RoleIncoming, mailstore.RoleRegistered, mailstore.RoleProcessing, mailstore.RoleCompleted,
		mailstore.RoleRefusedFor(edoc.ReasonDuplicate), mailstore.RoleTracking, mailstore.RoleReceipts, mailstore.RoleIssued,
	} {
		if err := p.flow.MayAppend(t.Context(), p.folder("xa01", role)); fault.KindOf(err) != fault.Denied || err == nil {
			t.Errorf("%s: %v, want denied", role, err)
		}
	}
	if err := p.flow.MayAppend(t.Context(), p.folder("xa01", mailstore.RoleUnitInbox)); err != nil {
		t.Errorf("unit's ordinary mail: %v", err)
	}
	if err := p.flow.MayAppend(t.Context(), p.inbox(p.clerk("xa01"))); err != nil {
		t.Errorf("INBOX: %v", err)
	}
	if err := p.flow.MayAppend(t.Context(), 99999); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no mailbox: %v, want not found", err)
	}
}
