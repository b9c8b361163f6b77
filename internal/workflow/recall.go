package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Withdrawer takes what waits to leave out of the queue.
type Withdrawer interface {
	// Withdraw drops what waits for an address under a queue id, within tx, and
	// reports false when it is under way or has left.
	Withdraw(ctx context.Context, tx *sqldb.Tx, transfer, address string) (bool, error)
}

// answering is who the journal names when the server answers by itself.
func answering() journal.Actor { return journal.System("workflow") }

// A Recall is a sender's wish to have a document back. edoc.md §4.11.
type Recall struct {
	Reason string             // compulsory
	Units  []directory.UnitID // only from these; empty means from all, those outside too
}

// Recall asks the units that have a document to give it back, and withdraws it
// where it has not left yet. Where no clerk has acted on it, it is given back at
// once. It returns the dispatches concerned as they are then, and fails with
// fault.Denied when the actor is no clerk of the issuing unit, fault.Conflict
// when there is nothing to recall; then nothing was changed.
func (w *Workflow) Recall(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DocumentID, r Recall,
) (done []docstore.Dispatch, err error) {
	by, err := w.deed(actor, src)
	if err != nil {
		return nil, err
	}
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		done, err = by.recall(ctx, tx, id, r)
		return err
	})
	return done, err
}

func (b *deed) recall(ctx context.Context, tx *sqldb.Tx, id docstore.DocumentID, r Recall) (done []docstore.Dispatch, err error) {
	list, err := docstore.Dispatches(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	var refused error
	for _, d := range list {
		if len(r.Units) > 0 && !slices.Contains(r.Units, d.To) || !d.State.Open() {
			continue
		}
		act := Act{Event: docstore.EventRecall, Note: r.Reason}
		if d.State == docstore.StateQueued {
			act.Event = docstore.EventWithdraw
		}
		d, err := b.perform(ctx, tx, d, act)
		switch {
		case err == nil:
			done = append(done, d)
		case isRefusal(err):
			refused = err
		default:
			return nil, err
		}
	}
	switch {
	case len(done) > 0:
		return done, nil
	case refused != nil:
		return nil, refused
	}
	return nil, fault.New(fault.Conflict, fault.Text{
		EN: "no unit has this document that could give it back", VI: "không còn đơn vị nào giữ văn bản này để thu hồi",
	})
}

// Replace asks the units that have one document to take another one of the same
// issuer in its place: e is [docstore.EventReplace], or [docstore.EventUpdate]
// for another version of the same. Units that did not get the new one keep the
// old one. It fails as Recall does.
func (w *Workflow) Replace(
	ctx context.Context, actor directory.AccountID, src docstore.Source, old, with docstore.DocumentID, e docstore.Event,
) error {
	by, err := w.deed(actor, src)
	if err != nil {
		return err
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error { return by.replace(ctx, tx, change{old, with, e}) })
}

// change is a document that another one is to take the place of.
type change struct {
	old, with docstore.DocumentID
	event     docstore.Event
}

func (b *deed) replace(ctx context.Context, tx *sqldb.Tx, c change) error {
	had, err := docstore.Dispatches(ctx, tx, c.old)
	if err != nil {
		return err
	}
	got, err := docstore.Dispatches(ctx, tx, c.with)
	if err != nil {
		return err
	}
	doc, err := docstore.DocumentByID(ctx, tx, c.with)
	if err != nil {
		return err
	}
	done := 0
	var refused error
	for _, old := range had {
		i := slices.IndexFunc(got, func(d docstore.Dispatch) bool { return d.To == old.To && (d.To != 0 || d.Address == old.Address) })
		if i < 0 || !old.State.Open() || old.State == docstore.StateQueued {
			continue
		}
		_, err := b.perform(ctx, tx, old, Act{Event: c.event, Note: "bằng văn bản " + label(doc)})
		switch {
		case err == nil:
			done++
		case isRefusal(err):
			refused = err
			continue
		default:
			return err
		}
		if err := b.w.docs.Replaces(ctx, tx, got[i].ID, old.ID); err != nil {
			return broken{err}
		}
	}
	if done > 0 || refused == nil {
		return nil
	}
	return refused
}

// ask tells the recipient what the sender wants. A document that no clerk has
// acted on is given back, or replaced, at once; else a message waits in the
// unit's folder of requests.
func (w *Workflow) ask(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d *docstore.Dispatch, ev docstore.StatusEvent,
) (err error) {
	if d.To == 0 {
		return nil // its own server asks there
	}
	if d.State == docstore.StateArrived || d.State == docstore.StateQuarantined {
		*d, err = w.carry(ctx, tx, units, *d, docstore.Act{
			Event: docstore.EventAccept, Source: docstore.SourceSystem, Note: "văn thư chưa tiếp nhận nên hệ thống tự đồng ý",
		}, answering())
		return err
	}
	folder, err := w.boxes.Role(ctx, tx, d.To, mailstore.RoleAsked)
	if err != nil {
		return err
	}
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	unit, _ := units.Unit(d.To)
	uid, err := w.write(ctx, tx, folder, request(w.author(unit.Address), boxOf(unit), doc, line{unit.Name, *d, ev}), ev.At)
	if err != nil {
		return err
	}
	d.Asked = place(folder, uid)
	return w.docs.SetAsked(ctx, tx, d.ID, d.Asked)
}

// answered does what the answer to a request brings: the message that asked is
// put away, the sender is told, and what takes the place of a document goes as
// far as that one was.
func (w *Workflow) answered(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, was before, d *docstore.Dispatch, ev docstore.StatusEvent, act docstore.Act,
) error {
	if was.Asked != (docstore.Place{}) {
		role := mailstore.RoleDeclined
		if act.Event == docstore.EventAccept {
			role = mailstore.RoleAccepted
		}
		to, err := w.boxes.Role(ctx, tx, d.To, role)
		if err != nil {
			return err
		}
		uid, err := w.boxes.MoveEntry(ctx, tx, mailstore.MailboxID(was.Asked.Mailbox), mailstore.UID(was.Asked.UID), to)
		switch {
		case err == nil:
			d.Asked = place(to, uid)
		case errors.Is(err, mailstore.ErrNoMessage): // its reader has deleted it
			d.Asked = docstore.Place{}
		default:
			return err
		}
		if err := w.docs.SetAsked(ctx, tx, d.ID, d.Asked); err != nil {
			return err
		}
	}
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	if err := w.tellSender(ctx, tx, units, doc, answer(was.Overlay, doc, line{unitName(units, *d), *d, ev}), ev.At); err != nil {
		return err
	}
	if d.State != docstore.StateReplaced {
		return nil
	}
	return w.promote(ctx, tx, units, was, act, ev.Actor)
}

// promote brings the dispatch that takes the place of another one to where that
// was: entered in the register, given to the same people, being worked on.
// edoc.md §4.11, 6.
func (w *Workflow) promote(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, was before, act docstore.Act, actor journal.Actor,
) error {
	next, err := docstore.Successor(ctx, tx, was.ID)
	if errors.Is(err, docstore.ErrNoDispatch) || err == nil && next.State != docstore.StateArrived || was.State == docstore.StateArrived {
		return nil
	}
	if err != nil {
		return err
	}
	people, err := docstore.Assignees(ctx, tx, was.ID)
	if err != nil {
		return err
	}
	unit, _ := units.Unit(was.To)
	steps := []docstore.Act{{
		Event: docstore.EventRegister, Recipient: unit.Name, Source: act.Source,
		Note: fmt.Sprintf("Thay thế văn bản đến số %d/%d", was.ArrivalNumber, was.ArrivalYear),
	}}
	if len(people) > 0 {
		steps = append(steps, docstore.Act{
			Event: docstore.EventAssign, Source: act.Source, Assign: people, Due: was.Due, Tier: was.DueTier, Note: "theo văn bản được thay thế",
		})
	}
	if was.State == docstore.StateProcessing || was.State == docstore.StateCompleted {
		steps = append(steps, docstore.Act{Event: docstore.EventStart, Source: act.Source})
	}
	for _, step := range steps {
		if next, err = w.carry(ctx, tx, units, next, step, actor); err != nil {
			return err
		}
	}
	return nil
}

// destroy removes the message of a recalled document from the unit's mailboxes
// and those of its people, and leaves a message in its place that says so. The
// entry of the register and all events stay. NĐ 30/2020, Phụ lục VI, part III.8.
func (w *Workflow) destroy(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d *docstore.Dispatch, ev docstore.StatusEvent,
) error {
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	files, err := docstore.Files(ctx, tx, doc.ID)
	if err != nil {
		return err
	}
	removed, err := w.boxes.RemoveFrom(ctx, tx, mailstore.MessageID(doc.Message), func(o mailstore.Owner) bool {
		if o.Unit != 0 {
			return o.Unit == d.To
		}
		return belongs(units, o.Account, d.To) && !belongs(units, o.Account, doc.Issuer)
	})
	if err != nil {
		return err
	}
	folder, err := w.boxes.Role(ctx, tx, d.To, mailstore.RoleAccepted)
	if err != nil {
		return err
	}
	unit, _ := units.Unit(d.To)
	b := tombstone(w.author(unit.Address), boxOf(unit), destroyed{doc, files, line{unit.Name, *d, ev}, removed})
	uid, err := w.write(ctx, tx, folder, b, ev.At)
	if err != nil {
		return err
	}
	d.Place = place(folder, uid)
	if err := w.docs.SetPlace(ctx, tx, d.ID, d.Place); err != nil {
		return err
	}
	msg := mailstore.MessageID(doc.Message)
	tx.OnCommit(func() {
		select {
		case w.erase <- msg:
		default: // the collector finds it
		}
	})
	return nil
}

// belongs reports whether an account has any role in a unit.
func belongs(units *directory.Snapshot, account directory.AccountID, unit directory.UnitID) bool {
	a, ok := units.Account(account)
	return ok && unit != 0 && slices.ContainsFunc(a.Roles, func(r directory.Assignment) bool { return r.Unit == unit })
}

// RunErase deletes the messages of recalled documents that nobody may keep, as
// soon as they are out of all mailboxes, until ctx ends; then it returns nil.
func (w *Workflow) RunErase(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case msg := <-w.erase:
			if err := w.boxes.Erase(ctx, msg, w.opt.Keep); err != nil && ctx.Err() == nil {
				w.opt.Log.ErrorContext(ctx, "the message of a recalled document was not erased yet", "msg_id", int64(msg), "err", err)
			}
		}
	}
}
