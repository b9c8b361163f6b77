package docstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// UndoLimit is how long a registration can be taken back by who made it.
// edoc.md §4.8.
const UndoLimit = 10 * time.Minute

// MaxNote is the longest note of an act, in characters: a remark of a register.
const MaxNote = 500

// An Act is one thing somebody does to a dispatch.
type Act struct {
	Event     Event
	Reason    edoc.RefuseReason // of a refusal: compulsory
	Note      string            // free text of at most MaxNote characters; at least 10 when Reason is [edoc.ReasonOther]
	Late      bool              // of an undo: a clerk strikes the entry through for good reason, at any time; Note says why
	Recipient string            // of a registration: column "Đơn vị hoặc người nhận", may be empty
	Source    Source
}

// Transition carries act out on a dispatch: it moves the state, allocates or
// voids the arrival number, adds the status event and its journal entry, and
// has the sender's tracking message renewed.
//
// It checks everything before it changes anything, so that after an error of
// kind fault.Conflict, fault.Invalid or fault.NotFound nothing of this
// dispatch was touched and the transaction may go on. fault.Conflict means
// that the state, the time or the actor does not allow the act; the sentence
// names the present state. Whether actor has the role for it is the caller's
// to check.
func (s *Store) Transition(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, id DispatchID, act Act,
) (Dispatch, StatusEvent, error) {
	r, ok := ruleFor(act.Event)
	if !ok || !act.Event.Performable() {
		return Dispatch{}, StatusEvent{}, fault.New(fault.Invalid, fault.Text{
			EN: "no such act on a document", VI: "không có thao tác này trên văn bản",
		})
	}
	if err := act.check(); err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	d, err := DispatchByID(ctx, tx, id)
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	doc, err := DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	if !slices.Contains(r.from, d.State) {
		return Dispatch{}, StatusEvent{}, errState(doc, d, act.Event)
	}

	now := s.time()
	c := change{store: s, tx: tx, actor: actor, act: act, doc: doc, now: now}
	switch act.Event {
	case EventRegister:
		err = c.register(ctx, &d)
	case EventUndo:
		err = c.undo(ctx, &d)
	case EventComplete:
		d.Completed = now
	case EventDismiss:
		err = dismissible(doc)
	}
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	d.State, d.Status, d.Updated = r.to, r.status, now
	if act.Event == EventUndo {
		d.Status = edoc.StatusArrived
	}
	if _, err := tx.Exec(ctx, qUpdateDispatch, string(d.State), string(d.Status), d.ArrivalYear, d.ArrivalNumber,
		sqldb.Micros(d.Registered), sqldb.Micros(d.Completed), sqldb.Micros(d.Updated), int64(d.ID)); err != nil {
		return Dispatch{}, StatusEvent{}, fmt.Errorf("update a dispatch: %w", err)
	}
	ev, err := c.record(ctx, d, r.status)
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	return d, ev, s.touchTracking(ctx, tx, doc)
}

// SetPlace records where the message of a dispatch lies now.
func (s *Store) SetPlace(ctx context.Context, tx *sqldb.Tx, id DispatchID, p Place) error {
	n, err := tx.Exec(ctx, qSetPlace, p.Mailbox, p.UID, int64(id))
	if err != nil {
		return fmt.Errorf("record the place of a dispatch: %w", err)
	}
	if n == 0 {
		return ErrNoDispatch
	}
	return nil
}

// check looks at what an act says of itself.
func (a Act) check() error {
	if !utf8.ValidString(a.Note) || utf8.RuneCountInString(a.Note) > MaxNote {
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("the note is longer than %d characters", MaxNote),
			VI: fmt.Sprintf("ghi chú dài quá %d ký tự", MaxNote),
		})
	}
	if a.Event == EventUndo && a.Late {
		return checkReason(a.Note)
	}
	if a.Event != EventRefuse {
		return nil
	}
	if !a.Reason.Valid() {
		return fault.New(fault.Invalid, fault.Text{
			EN: "a refusal needs one of the reasons of the list",
			VI: "từ chối tiếp nhận phải có lý do trong danh mục",
		})
	}
	if a.Reason.NeedsText() && utf8.RuneCountInString(a.Note) < edoc.MinReasonRunes {
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("the reason \"other\" needs a text of at least %d characters", edoc.MinReasonRunes),
			VI: fmt.Sprintf("lý do khác phải ghi rõ bằng ít nhất %d ký tự", edoc.MinReasonRunes),
		})
	}
	return nil
}

// change is one Transition under way, past its checks of state.
type change struct {
	store *Store
	tx    *sqldb.Tx
	actor journal.Actor
	act   Act
	doc   Document
	now   time.Time
}

// record adds the status event and its journal entry.
func (c *change) record(ctx context.Context, d Dispatch, status edoc.Status) (StatusEvent, error) {
	ev := StatusEvent{
		Dispatch: d.ID, Status: status, At: c.now, Actor: c.actor, Source: c.act.Source,
		Reason: c.act.Reason, Note: c.act.Note,
	}
	if c.act.Event != EventRefuse {
		ev.Reason = ""
	}
	return addEvent(ctx, c.tx, ev, journal.Event{
		At: c.now, Type: journalType(c.act.Event), Actor: c.actor, Subject: string(c.doc.ULID), Unit: int64(d.To),
		Data: changeData{
			Document: c.doc.ULID, Dispatch: d.ULID, Code: c.doc.Code, Issuer: c.doc.Issuer, State: d.State,
			Year: d.ArrivalYear, Number: d.ArrivalNumber, Reason: ev.Reason, Source: ev.Source,
		},
	})
}

// addEvent appends the journal entry and the status event that refers to it.
func addEvent(ctx context.Context, tx *sqldb.Tx, ev StatusEvent, entry journal.Event) (StatusEvent, error) {
	seq, err := journal.Append(ctx, tx, entry)
	if err != nil {
		return StatusEvent{}, errJournal(err)
	}
	actor, err := json.Marshal(ev.Actor)
	if err != nil {
		return StatusEvent{}, fmt.Errorf("encode actor: %w", err)
	}
	ev.Journal = seq
	err = tx.QueryRow(ctx, qInsertEvent, int64(ev.Dispatch), string(ev.Status), sqldb.Micros(ev.At), string(actor),
		string(ev.Source), string(ev.Reason), ev.Note, seq).Scan(&ev.ID)
	if err != nil {
		return StatusEvent{}, fmt.Errorf("record a status event: %w", err)
	}
	return ev, nil
}

// errJournal is never a fault of the caller's, whose kind would say that
// nothing was changed.
func errJournal(err error) error {
	return fault.Wrap(fault.Temporary, err, fault.Text{
		EN: "the journal cannot be written", VI: "không ghi được nhật ký",
	})
}

// changeData is the evidence of an act: ids and states, no free text.
type changeData struct {
	Document ULID              `json:"document"`
	Dispatch ULID              `json:"dispatch"`
	Code     string            `json:"code"`
	Issuer   directory.UnitID  `json:"issuer"`
	State    State             `json:"state"`
	Year     int               `json:"arrival_year,omitempty"`
	Number   int               `json:"arrival_number,omitempty"`
	Reason   edoc.RefuseReason `json:"reason,omitempty"`
	Source   Source            `json:"source"`
}

// journalType names the journal entry of an event.
func journalType(e Event) string {
	switch e {
	case EventRegister:
		return "doc.registered"
	case EventRefuse:
		return "doc.refused"
	case EventStart:
		return "doc.started"
	case EventComplete:
		return "doc.completed"
	case EventUndo:
		return "doc.registration_undone"
	case EventDismiss:
		return "doc.dismissed"
	}
	return "doc." + string(e)
}

// undo takes a registration back: by the same actor, within UndoLimit. The
// number stays bound to the dispatch; its entry is voided.
func (c *change) undo(ctx context.Context, d *Dispatch) error {
	events, err := Events(ctx, c.tx, d.ID)
	if err != nil {
		return err
	}
	last := events[len(events)-1] // state registered: there is at least the event that made it so
	if c.act.Late {
		return c.unregister(ctx, d)
	}
	if last.Actor.Kind != c.actor.Kind || last.Actor.ID != c.actor.ID {
		return fault.New(fault.Conflict, fault.Text{
			EN: "only the person who registered the document may take that back",
			VI: "chỉ người đã vào sổ văn bản mới được hoàn tác",
		})
	}
	if c.now.Sub(last.At) > UndoLimit {
		return fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("the document was registered more than %d minutes ago; that can no longer be taken back",
				int(UndoLimit.Minutes())),
			VI: fmt.Sprintf("văn bản đã vào sổ quá %d phút, không hoàn tác được nữa", int(UndoLimit.Minutes())),
		})
	}
	return c.unregister(ctx, d)
}

func (c *change) unregister(ctx context.Context, d *Dispatch) error {
	if err := c.void(ctx, *d); err != nil {
		return err
	}
	d.ArrivalYear, d.ArrivalNumber, d.Registered = 0, 0, time.Time{}
	return nil
}

// dismissible reports whether a document is one by our own judgement only.
func dismissible(doc Document) error {
	if doc.Level == edoc.L2 {
		return nil
	}
	return fault.New(fault.Denied, fault.Text{
		EN: "its sender declared this to be an official document; refuse it instead",
		VI: "người gửi đã khai báo đây là văn bản; nếu không nhận thì hãy từ chối tiếp nhận",
	})
}

// errState tells that the state does not allow an event.
func errState(doc Document, d Dispatch, e Event) error {
	name := doc.Code
	if name == "" {
		name = string(d.ULID)
	}
	en, vi := "", ""
	switch e {
	case EventRegister:
		en, vi = "it cannot be registered", "không vào sổ được"
	case EventRefuse:
		en, vi = "it cannot be refused", "không từ chối được"
	case EventStart:
		en, vi = "work on it cannot begin", "không chuyển sang xử lý được"
	case EventComplete:
		en, vi = "it cannot be completed", "không hoàn thành được"
	case EventDismiss:
		en, vi = "it cannot be taken for ordinary mail any more", "không thể coi là thư thường nữa"
	case EventUndo:
		en, vi = "there is no registration to take back", "không có lần vào sổ nào để hoàn tác"
	}
	number := ""
	if d.ArrivalNumber != 0 {
		number = fmt.Sprintf(", số đến %d", d.ArrivalNumber)
	}
	return fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("document %s is in state %s: %s", name, d.State, en),
		VI: fmt.Sprintf("văn bản %s đang ở trạng thái %s%s: %s", name, d.State.Name(), number, vi),
	})
}

const qUpdateDispatch = `
UPDATE dispatch SET state = $1, status = $2, arrival_year = $3, arrival_number = $4, registered_us = $5,
  completed_us = $6, updated_us = $7
WHERE id = $8`

const qInsertEvent = qInsertEvents + `($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`

const qSetPlace = `UPDATE dispatch SET mailbox_id = $1, uid = $2 WHERE id = $3`
