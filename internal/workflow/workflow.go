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
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
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
	// From is the author of the messages that the server writes itself; zero
	// means postmaster in the domain of the one it writes to.
	From mail.Address
	// Peers tells other servers what becomes of their documents; nil tells nobody.
	Peers Peers
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil discards
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
	if opt.TrackingInterval == 0 {
		opt.TrackingInterval = 5 * time.Minute
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Workflow{db: db, dir: dir, boxes: boxes, docs: docs, opt: opt}, nil
}

// An Act is one thing a person does to a dispatch.
type Act struct {
	Event  docstore.Event
	Reason edoc.RefuseReason // of a refusal
	Note   string            // free text
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
	role, err := b.may(unit, d.To, act.Event)
	if err != nil {
		return d, err
	}
	changed, ev, err := b.w.docs.Transition(ctx, tx, b.journalActor(d.To, role), d.ID, docstore.Act{
		Event: act.Event, Reason: act.Reason, Note: act.Note, Recipient: unit.Name, Source: b.src,
	})
	if err != nil {
		return d, err
	}
	changed.Place, err = b.move(ctx, tx, changed, act.Reason)
	if err != nil {
		return d, broken{err}
	}
	if err := b.w.tellPeer(ctx, tx, changed, ev); err != nil {
		return d, broken{err}
	}
	if act.Event == docstore.EventRefuse {
		if err := b.w.tellRefusal(ctx, tx, b.units, changed, ev); err != nil {
			return d, broken{err}
		}
	}
	return changed, nil
}

// move takes the message of d to the folder of its state. One that is no
// longer there, since somebody deleted it, does not hold the document up.
func (b *deed) move(
	ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, reason edoc.RefuseReason,
) (docstore.Place, error) {
	if d.Place == (docstore.Place{}) {
		return d.Place, nil
	}
	to, err := b.w.folder(ctx, tx, d, reason)
	if err != nil {
		return d.Place, err
	}
	from, uid := mailstore.MailboxID(d.Place.Mailbox), mailstore.UID(d.Place.UID)
	var place docstore.Place
	switch moved, err := b.w.boxes.MoveEntry(ctx, tx, from, uid, to); {
	case err == nil:
		place = docstore.Place{Mailbox: int64(to), UID: int64(moved)}
		if d.State == docstore.StateWithdrawn {
			return place, b.w.docs.SetPlace(ctx, tx, d.ID, docstore.Place{}) // ordinary mail from now on
		}
	case !errors.Is(err, mailstore.ErrNoMessage):
		return d.Place, err
	}
	return place, b.w.docs.SetPlace(ctx, tx, d.ID, place)
}

// folder gives the folder of the state of d. A reason without a folder of its
// own, which only other surfaces offer, goes where the free reasons go.
func (w *Workflow) folder(
	ctx context.Context, r sqldb.Reader, d docstore.Dispatch, reason edoc.RefuseReason,
) (mailstore.MailboxID, error) {
	role := mailstore.RoleNone
	switch d.State {
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
	id, err := w.boxes.Role(ctx, r, d.To, role)
	if err != nil {
		return 0, fmt.Errorf("folder of state %s of unit %d: %w", d.State, d.To, err)
	}
	return id, nil
}

// may checks the role and gives the one that counts: only clerks keep registers; work may be begun by those
// who do it too. edoc.md §4.4.
func (b *deed) may(unit directory.Unit, id directory.UnitID, e docstore.Event) (directory.Role, error) {
	roles := []directory.Role{directory.RoleClerk}
	who := fault.Text{EN: "only a clerk of", VI: "chỉ văn thư của"}
	if e == docstore.EventStart {
		roles = append(roles, directory.RoleStaff)
		who = fault.Text{EN: "only a clerk or staff member of", VI: "chỉ văn thư hoặc chuyên viên của"}
	}
	for _, r := range roles {
		if b.units.HasRole(b.actor.ID, id, r) {
			return r, nil
		}
	}
	name := unit.Name
	if name == "" {
		name = "đơn vị nhận"
	}
	what := eventName(e)
	return "", fault.New(fault.Denied, fault.Text{
		EN: fmt.Sprintf("%s %s may %s", who.EN, name, what.EN),
		VI: fmt.Sprintf("%s %s được %s", who.VI, name, what.VI),
	})
}

func eventName(e docstore.Event) fault.Text {
	switch e {
	case docstore.EventRegister:
		return fault.Text{EN: "register a document", VI: "vào sổ văn bản"}
	case docstore.EventRefuse:
		return fault.Text{EN: "refuse a document", VI: "từ chối tiếp nhận văn bản"}
	case docstore.EventStart:
		return fault.Text{EN: "begin to work on a document", VI: "chuyển văn bản sang xử lý"}
	case docstore.EventComplete:
		return fault.Text{EN: "complete a document", VI: "kết thúc xử lý văn bản"}
	case docstore.EventDismiss:
		return fault.Text{EN: "say that this is ordinary mail", VI: "xác nhận đây là thư thường"}
	case docstore.EventUndo:
		return fault.Text{EN: "take a registration back", VI: "hoàn tác việc vào sổ"}
	}
	return fault.Text{EN: "do this", VI: "thực hiện thao tác này"}
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
