package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// ErrServerOnly: the folder is filled by the server alone.
var ErrServerOnly = fault.New(fault.Denied, fault.Text{
	EN: "only the server puts messages into this folder",
	VI: "chỉ hệ thống mới được đưa thư vào thư mục này",
})

// MoveMessages carries out what moving messages between two mailboxes means
// for the documents in them; IMAP MOVE asks it first.
//
// It returns handled false, having done nothing, when the move means nothing:
// the caller moves then. A move into a workflow folder is an act on each
// document, in the order of their arrival; a move of a document out of the
// workflow is fault.Denied.
//
// Each message is moved wholly or not at all. moved gives the new UIDs of
// those that were; err is why the first of the others was not, so both may be
// set. When moved is nil, nothing was moved.
func (w *Workflow) MoveMessages(
	ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID,
) (moved map[mailstore.UID]mailstore.UID, handled bool, err error) {
	source, target, err := w.pair(ctx, from, to)
	if err != nil {
		return nil, false, err
	}
	if target.Role == mailstore.RoleIssued && source.Role == mailstore.RoleNumbering {
		return w.issueDrafts(ctx, actor, source, uids, target)
	}
	if target.kind() == folderHandOver {
		return w.handOver(ctx, actor, from, uids, target, true)
	}
	if target.kind() == folderPlain {
		if source.kind() != folderWorkflow {
			return nil, false, nil
		}
		if target.Role == mailstore.RoleUnitInbox && source.Role == mailstore.RoleIncoming {
			return w.moveIn(ctx, actor, from, uids, target) // a clerk says that it is ordinary mail
		}
		return w.moveOut(ctx, from, uids)
	}
	return w.moveIn(ctx, actor, from, uids, target)
}

// CopyMessages is MoveMessages for IMAP COPY. Into a workflow folder a copy is
// a move, because clients without MOVE copy and mark the source deleted, and a
// document is in one folder only (edoc.md §4.8): the caller tells its client
// that the source has gone. Out of one it is a plain copy and not handled.
func (w *Workflow) CopyMessages(
	ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, to mailstore.MailboxID,
) (moved map[mailstore.UID]mailstore.UID, handled bool, err error) {
	source, target, err := w.pair(ctx, from, to)
	if err != nil || target.kind() == folderPlain {
		return nil, false, err
	}
	if target.Role == mailstore.RoleIssued && source.Role == mailstore.RoleNumbering {
		return w.issueDrafts(ctx, actor, source, uids, target)
	}
	if target.kind() == folderHandOver {
		return w.handOver(ctx, actor, from, uids, target, false)
	}
	return w.moveIn(ctx, actor, from, uids, target)
}

// MayAppend reports by a fault.Denied that a mailbox takes no messages from
// clients.
func (w *Workflow) MayAppend(ctx context.Context, mailbox mailstore.MailboxID) error {
	m, err := w.boxes.Mailbox(ctx, mailbox)
	if err != nil {
		return err
	}
	if (box{m}).kind() != folderPlain {
		return ErrServerOnly
	}
	return nil
}

// box is a mailbox as the workflow sees it.
type box struct{ mailstore.Mailbox }

// folderKind is what a mailbox means to the workflow.
type folderKind uint8

const (
	folderPlain    folderKind = iota
	folderWorkflow            // holds the dispatches of one state
	folderServer              // filled by the server alone
	folderHandOver            // an account's, on the way to its clerks
)

func (b box) kind() folderKind {
	switch b.Role {
	case mailstore.RoleNone, mailstore.RoleUnitInbox, mailstore.RoleNumbering:
		return folderPlain
	case mailstore.RoleHandOver:
		return folderHandOver
	case mailstore.RoleIncoming, mailstore.RoleRegistered, mailstore.RoleProcessing, mailstore.RoleCompleted,
		mailstore.RoleAccepted, mailstore.RoleDeclined:
		return folderWorkflow
	case mailstore.RoleGroup, mailstore.RoleRefused, mailstore.RoleIssued, mailstore.RoleTracking,
		mailstore.RoleReceipts, mailstore.RoleAssigned, mailstore.RoleAsked, mailstore.RoleReplaced, mailstore.RoleHeld:
		return folderServer
	}
	if _, ok := b.Role.Reason(); ok {
		return folderWorkflow
	}
	if _, ok := b.Role.Assignee(); ok {
		return folderWorkflow
	}
	return folderServer
}

// moved is the note of an act that a move stands for, where one is compulsory.
const moved = "thao tác bằng cách chuyển thư mục"

// act gives what moving the message of d into the workflow folder means.
func (b box) act(d docstore.Dispatch) (Act, bool) {
	if a, ok := b.Role.Assignee(); ok {
		act := Act{Event: docstore.EventAssign, Assign: []docstore.Assignee{{Account: a, Role: docstore.RoleLead}}}
		if d.State == docstore.StateAssigned {
			act.Event = docstore.EventReassign
		}
		return act, true
	}
	switch b.Role {
	case mailstore.RoleAccepted:
		return Act{Event: docstore.EventAccept}, true
	case mailstore.RoleDeclined:
		return Act{Event: docstore.EventDecline, Note: moved}, true
	case mailstore.RoleUnitInbox:
		return Act{Event: docstore.EventDismiss}, true
	case mailstore.RoleIncoming:
		return Act{Event: docstore.EventUndo}, true
	case mailstore.RoleRegistered:
		if d.State == docstore.StateAssigned { // asks for a reason, which a move cannot carry
			return Act{Event: docstore.EventReturn}, true
		}
		return Act{Event: docstore.EventRegister}, true
	case mailstore.RoleProcessing:
		if d.State == docstore.StateCompleted {
			return Act{Event: docstore.EventReopen, Note: moved}, true
		}
		return Act{Event: docstore.EventStart}, true
	case mailstore.RoleCompleted:
		return Act{Event: docstore.EventComplete}, true
	}
	reason, ok := b.Role.Reason()
	return Act{Event: docstore.EventRefuse, Reason: reason}, ok
}

func (w *Workflow) pair(ctx context.Context, from, to mailstore.MailboxID) (source, target box, err error) {
	err = w.db.View(ctx, func(r sqldb.Reader) (err error) {
		if source.Mailbox, err = w.boxes.MailboxIn(ctx, r, from); err != nil {
			return err
		}
		target.Mailbox, err = w.boxes.MailboxIn(ctx, r, to)
		return err
	})
	return source, target, err
}

// moveOut refuses to take documents out of the workflow.
func (w *Workflow) moveOut(
	ctx context.Context, from mailstore.MailboxID, uids []mailstore.UID,
) (map[mailstore.UID]mailstore.UID, bool, error) {
	handled := false
	err := w.db.View(ctx, func(r sqldb.Reader) error {
		for _, uid := range uids {
			d, err := docstore.DispatchByPlace(ctx, r, place(from, uid))
			if errors.Is(err, docstore.ErrNoDispatch) {
				continue
			}
			handled = true
			if err != nil {
				return err
			}
			return fault.New(fault.Denied, fault.Text{
				EN: fmt.Sprintf("this message is an official document in state %s and stays in its folder; copy it instead", d.State),
				VI: fmt.Sprintf("thư này là văn bản ở trạng thái %s, phải nằm trong thư mục của nó; có thể sao chép", d.State.Name()),
			})
		}
		return nil
	})
	return nil, handled, err
}

// moveIn carries out the act that the target means.
func (w *Workflow) moveIn(
	ctx context.Context, actor directory.AccountID, from mailstore.MailboxID, uids []mailstore.UID, target box,
) (moved map[mailstore.UID]mailstore.UID, handled bool, err error) {
	if _, ok := target.act(docstore.Dispatch{}); !ok {
		return nil, true, ErrServerOnly
	}
	by, err := w.deed(actor, docstore.SourceIMAP)
	if err != nil {
		return nil, true, err
	}
	var refused []error
	var strangers []mailstore.UID
	err = w.db.Update(ctx, func(tx *sqldb.Tx) error {
		if by, err = w.deed(actor, docstore.SourceIMAP); err != nil { // a role may have been taken away meanwhile
			return err
		}
		moved = make(map[mailstore.UID]mailstore.UID, len(uids))
		var list []filed
		var err error
		if list, strangers, err = dispatchesAt(ctx, tx, from, uids); err != nil {
			return err
		}
		for _, f := range list {
			if f.To != target.Owner.Unit {
				refused = append(refused, errOtherUnit)
				continue
			}
			act, _ := target.act(f.Dispatch)
			d, err := by.perform(ctx, tx, f.Dispatch, act)
			at := d.Place
			if f.asks {
				at = d.Asked
			}
			switch {
			case err == nil && at.UID == 0:
				// The message was expunged meanwhile: nothing is moved any more.
				return broken{mailstore.ErrNoMessage}
			case err == nil:
				moved[f.uid] = mailstore.UID(at.UID)
			case isRefusal(err):
				refused = append(refused, err)
			default:
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, true, err
	}
	for _, uid := range strangers {
		reason, err := w.whyNoDispatch(ctx, from, uid)
		if err != nil {
			return moved, true, err
		}
		refused = append(refused, reason)
	}
	return moved, true, summary(refused, len(uids))
}

// whyNoDispatch tells a message that is no document from one that is not
// there any more, since another clerk was quicker.
func (w *Workflow) whyNoDispatch(ctx context.Context, from mailstore.MailboxID, uid mailstore.UID) (reason, err error) {
	hot, err := w.boxes.Hot(ctx, from)
	if err != nil {
		return nil, err
	}
	defer hot.Release()
	if _, there := hot.Version().Seq(uid); there {
		return errNoDocument, nil
	}
	return errGone, nil
}

var (
	errNoDocument = fault.New(fault.Conflict, fault.Text{
		EN: "this message is not an official document that can be put into this folder",
		VI: "thư này không phải văn bản để đưa vào thư mục này",
	})
	errGone = fault.New(fault.NotFound, fault.Text{
		EN: "this message is no longer in the folder; somebody else may have dealt with it",
		VI: "thư không còn trong thư mục này, có thể người khác đã xử lý",
	})
	errOtherUnit = fault.New(fault.Conflict, fault.Text{
		EN: "this folder belongs to another unit than the document was sent to",
		VI: "thư mục này của đơn vị khác, không phải đơn vị nhận văn bản",
	})
)

// filed is a dispatch with one of its messages: the document's own, or the one
// by which its sender asks for something.
type filed struct {
	docstore.Dispatch
	uid  mailstore.UID
	asks bool
}

// dispatchesAt gives the dispatches whose messages these are, in the order of
// their arrival, because numbers follow it (NĐ 30/2020, article 22.2), and the
// messages that are none.
func dispatchesAt(
	ctx context.Context, r sqldb.Reader, from mailstore.MailboxID, uids []mailstore.UID,
) (list []filed, strangers []mailstore.UID, err error) {
	seen := make(map[mailstore.UID]bool, len(uids))
	for _, uid := range uids {
		if seen[uid] {
			continue
		}
		seen[uid] = true
		d, err := docstore.DispatchByPlace(ctx, r, place(from, uid))
		asks := errors.Is(err, docstore.ErrNoDispatch)
		if asks {
			d, err = docstore.DispatchByAsked(ctx, r, place(from, uid))
		}
		if errors.Is(err, docstore.ErrNoDispatch) {
			asks = false
			d, err = dispatchByTask(ctx, r, place(from, uid))
		}
		if errors.Is(err, docstore.ErrNoDispatch) {
			strangers = append(strangers, uid)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		list = append(list, filed{d, uid, asks})
	}
	slices.SortFunc(list, func(a, b filed) int { return cmp.Compare(a.ID, b.ID) })
	return list, strangers, nil
}

// summary is the first refusal; of a batch it also tells how many there were.
func summary(refused []error, of int) error {
	if len(refused) == 0 {
		return nil
	}
	first := refused[0]
	if of == 1 {
		return first
	}
	s := fault.Sentence(first)
	return fault.Wrap(fault.KindOf(first), first, fault.Text{
		EN: fmt.Sprintf("%d of %d messages were not moved: %s", len(refused), of, s.EN),
		VI: fmt.Sprintf("%d trên %d thư không chuyển được: %s", len(refused), of, s.VI),
	})
}

func place(m mailstore.MailboxID, uid mailstore.UID) docstore.Place {
	return docstore.Place{Mailbox: int64(m), UID: int64(uid)}
}
