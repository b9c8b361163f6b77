package docstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
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
	Reason    edoc.RefuseReason // of a refusal, a quarantine and what ends one: compulsory
	Note      string            // free text of at most MaxNote characters
	Late      bool              // of an undo: a clerk strikes the entry through for good reason, at any time; Note says why
	Recipient string            // of a registration: column "Đơn vị hoặc người nhận", may be empty
	Source    Source
	Assign    []Assignee // of assign and reassign: all who work on it from now on
	Due       time.Time  // of extend, assign and reassign: until when; zero leaves it
	Tier      DueTier    // of an act that sets Due: who sets it
	Destroyed [32]byte   // of an accepted recall: hash of the message that is destroyed
}

// Transition carries act out on a dispatch: it moves the state, allocates or
// voids the arrival number, keeps who works on it, adds the status event and
// its journal entry, and has the sender's tracking message renewed.
//
// It checks everything before it changes anything, so that after an error of
// kind fault.Conflict, fault.Invalid, fault.Denied or fault.NotFound nothing of
// this dispatch was touched and the transaction may go on. fault.Conflict means
// that the state, the time or the actor does not allow the act; the sentence
// names the present state. Whether actor has the role for it is the caller's
// to check. A dispatch to another server knows only what its sender does:
// recall, update, replace, withdraw and expire.
func (s *Store) Transition(
	ctx context.Context, tx *sqldb.Tx, actor journal.Actor, id DispatchID, act Act,
) (Dispatch, StatusEvent, error) {
	if !act.Event.Performable() {
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
	if d.To == 0 {
		return s.askOutside(ctx, tx, actor, asking{doc, d, act})
	}
	r, ok := ruleFor(act.Event, d.standing())
	if !ok {
		return Dispatch{}, StatusEvent{}, errState(doc, d, act.Event)
	}

	c := change{store: s, tx: tx, actor: actor, act: act, doc: doc, now: s.time()}
	if r, err = c.carry(ctx, &d, r); err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	next := r.apply(d.standing())
	d.State, d.Overlay, d.Status, d.Updated = next.state, next.overlay, next.status, c.now
	if _, err := tx.Exec(ctx, qUpdateDispatch, string(d.State), string(d.Status), d.ArrivalYear, d.ArrivalNumber,
		sqldb.Micros(d.Registered), sqldb.Micros(d.Completed), sqldb.Micros(d.Updated), string(d.Overlay),
		sqldb.Micros(d.Due), string(d.DueTier), int64(d.ID)); err != nil {
		return Dispatch{}, StatusEvent{}, fmt.Errorf("update a dispatch: %w", err)
	}
	ev, err := c.record(ctx, d, r.status)
	if err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	if err := s.settleDocument(ctx, tx, actor, doc, act.Event); err != nil {
		return Dispatch{}, StatusEvent{}, err
	}
	return d, ev, s.touchTracking(ctx, tx, doc)
}

// carry does what an event means besides the new state, and gives the rule that
// holds: the first of two approvals moves nothing.
func (c *change) carry(ctx context.Context, d *Dispatch, r rule) (rule, error) {
	switch c.act.Event {
	case EventRegister:
		return r, c.register(ctx, d)
	case EventUndo:
		return r, c.undo(ctx, d)
	case EventComplete:
		d.Completed = c.now
	case EventReopen:
		d.Completed = time.Time{}
	case EventDismiss:
		return r, dismissible(c.doc)
	case EventAssign, EventReassign:
		return r, c.assign(ctx, d)
	case EventReturn:
		return r, c.store.setAssignees(ctx, c.tx, d.ID, nil)
	case EventExtend:
		return r, c.extend(d)
	case EventRelease:
		return c.release(ctx, *d, r)
	}
	return r, nil
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

// SetAsked records where the message lies that tells of the sender's request;
// the zero Place says that there is none any more.
func (s *Store) SetAsked(ctx context.Context, tx *sqldb.Tx, id DispatchID, p Place) error {
	if _, err := tx.Exec(ctx, qSetAsked, p.Mailbox, p.UID, int64(id)); err != nil {
		return fmt.Errorf("record the place of a request: %w", err)
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
	switch a.Event {
	case EventRefuse, EventDrop, EventQuarantine:
		return a.checkRefusal()
	case EventUndo:
		if a.Late {
			return needNote(a.Note, 1)
		}
	case EventReturn:
		return needNote(a.Note, edoc.MinReasonRunes)
	case EventReopen, EventRecall, EventDecline, EventExtend:
		return needNote(a.Note, 1)
	}
	return nil
}

func (a Act) checkRefusal() error {
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

func needNote(note string, least int) error {
	if utf8.RuneCountInString(strings.TrimSpace(note)) >= least {
		return nil
	}
	return fault.New(fault.Invalid, fault.Text{
		EN: fmt.Sprintf("this needs a reason of at least %d characters", least),
		VI: fmt.Sprintf("phải ghi rõ lý do, ít nhất %d ký tự", least),
	})
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
	switch c.act.Event {
	case EventRefuse, EventDrop, EventQuarantine:
	default:
		ev.Reason = ""
	}
	data := changeData{
		Document: c.doc.ULID, Dispatch: d.ULID, Code: c.doc.Code, Issuer: c.doc.Issuer, State: d.State,
		Overlay: d.Overlay, Year: d.ArrivalYear, Number: d.ArrivalNumber, Reason: ev.Reason, Source: ev.Source,
	}
	switch c.act.Event {
	case EventAssign, EventReassign:
		for _, a := range c.act.Assign {
			data.Assigned = append(data.Assigned, assignedData{a.Account, a.Role})
		}
		data.Due = dueText(d.Due)
	case EventExtend:
		data.Due = dueText(d.Due)
	case EventAccept:
		if c.act.Destroyed != ([32]byte{}) {
			data.Destroyed = hex.EncodeToString(c.act.Destroyed[:])
		}
	}
	return addEvent(ctx, c.tx, ev, journal.Event{
		At: c.now, Type: journalType(c.act.Event), Actor: c.actor, Subject: string(c.doc.ULID), Unit: int64(d.To),
		Data: data,
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
	Document  ULID              `json:"document"`
	Dispatch  ULID              `json:"dispatch"`
	Code      string            `json:"code"`
	Issuer    directory.UnitID  `json:"issuer"`
	State     State             `json:"state"`
	Overlay   Overlay           `json:"overlay,omitempty"`
	Year      int               `json:"arrival_year,omitempty"`
	Number    int               `json:"arrival_number,omitempty"`
	Reason    edoc.RefuseReason `json:"reason,omitempty"`
	Assigned  []assignedData    `json:"assigned,omitempty"`
	Due       string            `json:"due,omitempty"`
	Destroyed string            `json:"destroyed_sha256,omitempty"` // of the message that is no longer here
	Source    Source            `json:"source"`
}

type assignedData struct {
	Account directory.AccountID `json:"account"`
	Role    AssigneeRole        `json:"role"`
}

func dueText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
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
	case EventAssign, EventReassign:
		return "doc.assigned"
	case EventReturn:
		return "doc.returned"
	case EventReopen:
		return "doc.reopened"
	case EventExtend:
		return "doc.due_changed"
	case EventRecall:
		return "doc.recall_requested"
	case EventUpdate:
		return "doc.update_requested"
	case EventReplace:
		return "doc.replace_requested"
	case EventAccept:
		return "doc.change_accepted"
	case EventDecline:
		return "doc.change_refused"
	case EventQuarantine:
		return "doc.quarantined"
	case EventRelease:
		return "doc.released"
	case EventDrop:
		return "doc.dropped"
	case EventWithdraw:
		return "doc.withdrawn"
	case EventExpire:
		return "doc.expired"
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
	if d.DueTier == DueDefault { // it counts from the registration
		d.Due, d.DueTier = time.Time{}, ""
	}
	return nil
}

// dismissible reports whether a document is one by our own judgement only.
func dismissible(doc Document) error {
	if doc.Level == edoc.L2 || doc.Level == edoc.L3 { // L3: somebody handed it to the clerks
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
	what := cannot(e)
	if d.Overlay == OverlayRecall {
		return fault.New(fault.Conflict, fault.Text{
			EN: fmt.Sprintf("the sender of document %s wants it back: accept or decline that first", name),
			VI: fmt.Sprintf("bên gửi đang đề nghị thu hồi văn bản %s: hãy trả lời đồng ý hoặc không đồng ý trước", name),
		})
	}
	number := ""
	if d.ArrivalNumber != 0 {
		number = fmt.Sprintf(", số đến %d", d.ArrivalNumber)
	}
	return fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("document %s is in state %s: %s", name, d.State, what.EN),
		VI: fmt.Sprintf("văn bản %s đang ở trạng thái %s%s: %s", name, d.State.Name(), number, what.VI),
	})
}

// cannot says what the state of a dispatch does not allow.
func cannot(e Event) fault.Text {
	switch e {
	case EventRegister:
		return fault.Text{EN: "it cannot be registered", VI: "không vào sổ được"}
	case EventRefuse:
		return fault.Text{EN: "it cannot be refused", VI: "không từ chối được"}
	case EventStart:
		return fault.Text{EN: "work on it cannot begin", VI: "không chuyển sang xử lý được"}
	case EventComplete:
		return fault.Text{EN: "it cannot be completed", VI: "không hoàn thành được"}
	case EventDismiss:
		return fault.Text{EN: "it cannot be taken for ordinary mail any more", VI: "không thể coi là thư thường nữa"}
	case EventUndo:
		return fault.Text{EN: "there is no registration to take back", VI: "không có lần vào sổ nào để hoàn tác"}
	case EventAssign:
		return fault.Text{EN: "it cannot be assigned", VI: "không phân công được"}
	case EventReassign:
		return fault.Text{EN: "nobody works on it yet who could be replaced", VI: "chưa phân công nên không phân công lại được"}
	case EventReturn:
		return fault.Text{EN: "there is nothing to hand back", VI: "không chuyển lại được"}
	case EventReopen:
		return fault.Text{EN: "it is not completed", VI: "chưa hoàn thành nên không mở lại được"}
	case EventExtend:
		return fault.Text{EN: "its due time cannot be changed", VI: "không đổi được hạn xử lý"}
	case EventRecall, EventUpdate, EventReplace:
		return fault.Text{EN: "its sender cannot change or recall it", VI: "không thu hồi, cập nhật, thay thế được"}
	case EventAccept, EventDecline:
		return fault.Text{EN: "its sender asks for nothing", VI: "không có đề nghị nào của bên gửi chờ trả lời"}
	case EventQuarantine:
		return fault.Text{EN: "it cannot be put into quarantine", VI: "không tạm giữ được"}
	case EventRelease, EventDrop:
		return fault.Text{EN: "it is not in quarantine", VI: "không ở trạng thái tạm giữ"}
	case EventWithdraw:
		return fault.Text{EN: "it has left already", VI: "đã chuyển đi nên không rút lại được"}
	case EventExpire:
		return fault.Text{EN: "it does not wait to be delivered", VI: "không chờ chuyển"}
	}
	return fault.Text{EN: "this cannot be done", VI: "không thực hiện được"}
}

const qUpdateDispatch = `
UPDATE dispatch SET state = $1, status = $2, arrival_year = $3, arrival_number = $4, registered_us = $5,
  completed_us = $6, updated_us = $7, overlay = $8, due_us = $9, due_tier = $10
WHERE id = $11`

const qInsertEvent = qInsertEvents + `($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`

const qSetAsked = `UPDATE dispatch SET asked_mailbox_id = $1, asked_uid = $2 WHERE id = $3`

const qSetPlace = `UPDATE dispatch SET mailbox_id = $1, uid = $2 WHERE id = $3`
