// Package workflow is what people do to official documents, whatever surface
// they do it from: a clerk who drags a message in a mail client, a button of
// the portal and a command of the CLI all end in [Workflow.Do] or
// [Workflow.MoveMessages], and have the same effect.
//
// One act is one transaction: the role is checked, the dispatch changes its
// state (docstore: number, event, journal), its message goes to the folder of
// that state (mailstore), and the sender's tracking message becomes due. Run
// makes the tracking messages.
//
// Roles and folders: edoc.md §4.4 and §4.8; receipts: §4.9.
package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Options tunes a Workflow; the zero value works.
type Options struct {
	// TrackingInterval is the least time between two versions of a tracking
	// message; 0 means 5 minutes. The first one is made at once.
	TrackingInterval time.Duration
	Receipts         Receipts
	// Digest is the time of day, local, of the mail of the morning; 0 means none.
	Digest time.Duration
	// UrgentLimit is how long an urgent document may wait until its clerks are
	// reminded and its leaders told; 0 means 30 minutes.
	UrgentLimit time.Duration
	// From is the author of the messages that the server writes itself; zero
	// means postmaster in the domain of the one it writes to.
	From mail.Address
	// Queue takes what has not left yet out of the queue; nil when nothing leaves.
	Queue Withdrawer
	// Keep reports whether somebody needs a message that no mailbox holds; nil means nobody.
	Keep func(ctx context.Context, r sqldb.Reader, id mailstore.MessageID) (bool, error)
	// Peers tells other servers what becomes of their documents; nil tells nobody.
	Peers Peers
	// Issuer sends the documents that clerks number and issue; nil sends none.
	Issuer Issuer
	// Reads tells which attached files of mail that is handed over are read. Nil means none.
	Reads func(extract.File) bool
	// DayBefore gives when a due time is near: a working day before it. Nil means 24 hours.
	DayBefore func(due time.Time) time.Time
	// Silence is what it means that a unit says nothing when it is asked for its
	// opinion; "" is [docstore.SilenceNone].
	Silence docstore.Silence
	// OpinionFiles makes the files of the summary of opinions; nil makes none.
	OpinionFiles OpinionFiles
	Now          func() time.Time // nil means time.Now
	Log          *slog.Logger     // nil discards
}

// Peers tells the server that a document came from what was done with it;
// delivery does, in the transaction of the act.
type Peers interface {
	SendStatus(ctx context.Context, tx *sqldb.Tx, doc docstore.Document, d docstore.Dispatch, ev docstore.StatusEvent) error
}

// Workflow carries acts out. All methods may be called concurrently; Run only
// once.
type Workflow struct {
	db    *sqldb.DB
	dir   *directory.Directory
	boxes *mailstore.Store
	docs  *docstore.Store
	opt   Options
	erase chan mailstore.MessageID

	digested atomic.Int64 // the last day on which everybody was looked at
}

// New returns a Workflow.
func New(
	db *sqldb.DB, dir *directory.Directory, boxes *mailstore.Store, docs *docstore.Store, opt Options,
) (*Workflow, error) {
	if db == nil || dir == nil || boxes == nil || docs == nil {
		return nil, errors.New("workflow: a store is missing")
	}
	if opt.TrackingInterval < 0 {
		return nil, fmt.Errorf("workflow: tracking interval %v is negative", opt.TrackingInterval)
	}
	if opt.UrgentLimit < 0 || opt.Digest < 0 {
		return nil, errors.New("workflow: a time is negative")
	}
	if opt.UrgentLimit == 0 {
		opt.UrgentLimit = 30 * time.Minute
	}
	if opt.TrackingInterval == 0 {
		opt.TrackingInterval = 5 * time.Minute
	}
	if opt.DayBefore == nil {
		opt.DayBefore = dayBefore
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Workflow{db: db, dir: dir, boxes: boxes, docs: docs, opt: opt, erase: make(chan mailstore.MessageID, 256)}, nil
}

// An Act is one thing a person does to a dispatch.
type Act struct {
	Event  docstore.Event
	Reason edoc.RefuseReason   // of a refusal, a quarantine and its end
	Note   string              // free text
	Assign []docstore.Assignee // of assign and reassign: Account, Role, Due, Note
	Due    time.Time           // of assign, reassign and extend; zero leaves it

	late bool // of an undo: a clerk voids the entry, at any time
}

// Do carries act out for actor and returns the dispatch as it is then. It
// fails with fault.Denied when actor has not the role for it in the recipient
// unit, fault.Conflict when the state does not allow it, fault.Invalid when a
// reason is missing, and docstore.ErrNoDispatch; then nothing was changed.
func (w *Workflow) Do(
	ctx context.Context, actor directory.AccountID, src docstore.Source, id docstore.DispatchID, act Act,
) (docstore.Dispatch, error) {
	by, err := w.deed(actor, src)
	if err != nil {
		return docstore.Dispatch{}, err
	}
	var d docstore.Dispatch
	err = w.db.Update(ctx, func(tx *sqldb.Tx) (err error) {
		if d, err = docstore.DispatchByID(ctx, tx, id); err != nil {
			return err
		}
		d, err = by.perform(ctx, tx, d, act)
		return err
	})
	if err != nil {
		return docstore.Dispatch{}, err
	}
	return d, nil
}

// again does something at once and then every so often, until ctx ends; then it
// returns nil. What fails is logged and done again next time: what is due lies
// in the database.
func (w *Workflow) again(ctx context.Context, every time.Duration, task string, do func(context.Context) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "a task in the background failed", "task", task, "err", err)
		}
		timer.Reset(every)
	}
}

// deed is who does something, and by what: the directory as it was when the
// request came.
type deed struct {
	w     *Workflow
	units *directory.Snapshot
	actor directory.Account
	src   docstore.Source
}

func (w *Workflow) deed(actor directory.AccountID, src docstore.Source) (*deed, error) {
	units := w.dir.Snapshot()
	a, ok := units.Account(actor)
	if !ok || a.State != directory.Active {
		return nil, fault.New(fault.Denied, fault.Text{
			EN: "this account may not work on documents", VI: "tài khoản này không được thao tác trên văn bản",
		})
	}
	return &deed{w: w, units: units, actor: a, src: src}, nil
}

// journalActor names who acts, and when he does so by delegation the other person too.
func (b *deed) journalActor(unit directory.UnitID, role directory.Role) journal.Actor {
	name := b.actor.Login.String()
	if d, acting := b.units.Acting(b.actor.ID, unit, role); acting {
		from, _ := b.units.Account(d.From)
		name += " thay mặt " + from.Login.String()
	}
	return journal.Actor{Kind: journal.ActorAccount, ID: int64(b.actor.ID), Name: name}
}

// perform carries act out on d. When it refuses ([isRefusal]) it has not
// changed anything.
func (b *deed) perform(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, act Act) (docstore.Dispatch, error) {
	unit, _ := b.units.Unit(d.To)
	side, role, err := b.may(ctx, tx, d, act.Event)
	if err != nil {
		return d, err
	}
	if err := b.checkPeople(unit, act.Assign); err != nil {
		return d, err
	}
	return b.w.carry(ctx, tx, b.units, d, docstore.Act{
		Event: act.Event, Reason: act.Reason, Note: act.Note, Recipient: unit.Name, Source: b.src,
		Assign: slices.Clone(act.Assign), Due: act.Due, Tier: tierOf(role), Late: act.late,
	}, b.journalActor(side, role))
}

// carry does act to d, whoever it is that wants it: state, folder, and who is told.
// When it refuses ([isRefusal]) it has not changed anything.
func (w *Workflow) carry(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch, act docstore.Act, actor journal.Actor,
) (docstore.Dispatch, error) {
	if act.Event == docstore.EventAccept && d.Overlay == docstore.OverlayRecall {
		doc, err := docstore.DocumentByID(ctx, tx, d.Document)
		if err != nil {
			return d, err
		}
		act.Destroyed = doc.BodySHA256
	}
	changed, ev, err := w.docs.Transition(ctx, tx, actor, d.ID, act)
	if err != nil {
		return d, err
	}
	if act.Event == docstore.EventWithdraw {
		return changed, w.unqueue(ctx, tx, changed)
	}
	if err := w.follow(ctx, tx, units, before{d}, &changed, ev, act); err != nil {
		return d, broken{err}
	}
	return changed, nil
}

// unqueue takes a withdrawn dispatch out of the queue.
func (w *Workflow) unqueue(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch) error {
	if w.opt.Queue == nil {
		return broken{errors.New("nothing is known of the queue")}
	}
	out, err := w.opt.Queue.Withdraw(ctx, tx, d.Transfer, d.Address)
	if err != nil {
		return broken{err}
	}
	if !out {
		return broken{fault.New(fault.Conflict, fault.Text{
			EN: "the document is on its way to " + d.Address + " just now; try again in a minute",
			VI: "văn bản đang được chuyển tới " + d.Address + ", hãy thử lại sau ít phút",
		})}
	}
	return nil
}

// before is a dispatch as it was.
type before struct{ docstore.Dispatch }

// follow does what an event brings with it in mailboxes and at other servers.
func (w *Workflow) follow(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, was before, d *docstore.Dispatch, ev docstore.StatusEvent, act docstore.Act,
) (err error) {
	switch {
	case act.Event == docstore.EventAccept && d.State == docstore.StateRecalled:
		err = w.destroy(ctx, tx, units, d, ev)
	case d.State != was.State || d.State == docstore.StateAssigned:
		d.Place, err = w.move(ctx, tx, units, *d, act.Reason)
	}
	if err != nil {
		return err
	}
	if err := w.tellPeer(ctx, tx, *d, ev); err != nil {
		return err
	}
	if err := w.settle(ctx, tx, *d); err != nil {
		return err
	}
	switch act.Event {
	case docstore.EventRefuse, docstore.EventDrop:
		return w.tellRefusal(ctx, tx, units, *d, ev)
	case docstore.EventUndo:
		return w.correct(ctx, tx, units, was, *d, ev)
	case docstore.EventRecall, docstore.EventUpdate, docstore.EventReplace:
		return w.ask(ctx, tx, units, d, ev)
	case docstore.EventAccept, docstore.EventDecline:
		return w.answered(ctx, tx, units, was, d, ev, act)
	}
	return nil
}

// move takes the message of d to the folder of its state. One that is no
// longer there, since somebody deleted it, does not hold the document up.
func (w *Workflow) move(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch, reason edoc.RefuseReason,
) (docstore.Place, error) {
	if d.Place == (docstore.Place{}) {
		return d.Place, nil
	}
	to, err := w.folder(ctx, tx, units, d, reason)
	if err != nil {
		return d.Place, err
	}
	if int64(to) == d.Place.Mailbox {
		return d.Place, nil
	}
	from, uid := mailstore.MailboxID(d.Place.Mailbox), mailstore.UID(d.Place.UID)
	var place docstore.Place
	switch moved, err := w.boxes.MoveEntry(ctx, tx, from, uid, to); {
	case err == nil:
		place = docstore.Place{Mailbox: int64(to), UID: int64(moved)}
		if d.State == docstore.StateWithdrawn {
			return place, w.docs.SetPlace(ctx, tx, d.ID, docstore.Place{}) // ordinary mail from now on
		}
	case !errors.Is(err, mailstore.ErrNoMessage):
		return d.Place, err
	}
	return place, w.docs.SetPlace(ctx, tx, d.ID, place)
}

// folder gives the folder of the state of d. A reason without a folder of its
// own, which only other surfaces offer, goes where the free reasons go.
func (w *Workflow) folder(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch, reason edoc.RefuseReason,
) (mailstore.MailboxID, error) {
	role := mailstore.RoleNone
	switch d.State {
	case docstore.StateAssigned:
		return w.leadFolder(ctx, tx, units, d)
	case docstore.StateQuarantined:
		role = mailstore.RoleHeld
	case docstore.StateRecalled:
		role = mailstore.RoleAccepted
	case docstore.StateReplaced:
		role = mailstore.RoleReplaced
	case docstore.StateArrived:
		role = mailstore.RoleIncoming
	case docstore.StateRegistered:
		role = mailstore.RoleRegistered
	case docstore.StateProcessing:
		role = mailstore.RoleProcessing
	case docstore.StateCompleted:
		role = mailstore.RoleCompleted
	case docstore.StateWithdrawn: // it never was a document
		role = mailstore.RoleUnitInbox
	case docstore.StateRefused:
		if reason.Folder() == "" {
			reason = edoc.ReasonOther
		}
		role = mailstore.RoleRefusedFor(reason)
	}
	id, err := w.boxes.Role(ctx, tx, d.To, role)
	if err != nil {
		return 0, fmt.Errorf("folder of state %s of unit %d: %w", d.State, d.To, err)
	}
	return id, nil
}

// leadFolder gives the folder of the person who is in charge of d.
func (w *Workflow) leadFolder(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, d docstore.Dispatch,
) (mailstore.MailboxID, error) {
	list, err := docstore.Assignees(ctx, tx, d.ID)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, fmt.Errorf("dispatch %d is assigned to nobody", d.ID)
	}
	a, ok := units.Account(list[0].Account)
	if !ok {
		return 0, fmt.Errorf("dispatch %d is assigned to account %d, which is none", d.ID, list[0].Account)
	}
	return w.boxes.PersonFolder(ctx, tx, d.To, a)
}

// broken is an error after something was changed: the transaction must not be
// kept, whatever kind the cause has.
type broken struct{ cause error }

func (e broken) Error() string { return "carry out an act: " + e.cause.Error() }
func (e broken) Unwrap() error { return e.cause }

// isRefusal reports whether err says that an act is not allowed, and that
// nothing was changed.
func isRefusal(err error) bool {
	if _, is := errors.AsType[broken](err); is {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Denied, fault.Conflict, fault.Invalid, fault.NotFound:
		return true
	case fault.Temporary, fault.Exhausted:
	}
	return false
}
