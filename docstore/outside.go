package docstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Internal words of dispatches to other servers; they never leave as codes.
const (
	StatusSent    edoc.Status = "sent"    // the other server took the message
	StatusFailed  edoc.Status = "failed"  // it was refused for good
	StatusExpired edoc.Status = "expired" // it could not be handed over in time
)

// axisPrefix begins the peer of a dispatch to or from an organisation that is
// reached by edXML; no host name has it.
const axisPrefix = "edxml:"

// AxisPeer gives the peer of dispatches to and from the organisation with that
// code, which is reached by edXML.
func AxisPeer(code string) string { return axisPrefix + code }

// AxisOrgan gives the code in a peer of AxisPeer, false for another server.
func AxisOrgan(peer string) (code string, ok bool) { return strings.CutPrefix(peer, axisPrefix) }

// DocumentsByEdXML returns the documents with that DocumentId, oldest first.
func DocumentsByEdXML(ctx context.Context, r sqldb.Reader, id string) ([]Document, error) {
	if id == "" {
		return nil, nil
	}
	return collect(ctx, r, scanDocument, qDocumentsByEdXML, id)
}

// notSentYet leaves out the addresses outside that have a dispatch already.
func notSentYet(sent []Dispatch, outside []Outside) (rest []Outside) {
	has := map[string]bool{}
	for _, d := range sent {
		if d.To == 0 {
			has[d.Address] = true
		}
	}
	for _, o := range outside {
		if a := o.Address.String(); !has[a] {
			has[a] = true
			rest = append(rest, o)
		}
	}
	return rest
}

// addOutside makes the dispatches to units of other servers, in state queued.
func (s *Store) addOutside(ctx context.Context, tx *sqldb.Tx, in In, doc Document, to []Outside, now time.Time) error {
	list := make([]Dispatch, len(to))
	for i, o := range to {
		d := Dispatch{
			Document: doc.ID, Address: o.Address.String(), Kind: o.Kind, State: StateQueued, Updated: now,
			Peer: o.Peer, Transfer: in.QueueID,
		}
		if d.Kind == "" {
			d.Kind = KindMain
		}
		if d.Kind == KindMain {
			d.Due = doc.Due
		}
		var err error
		if d.ULID, err = s.ulid(now); err != nil {
			return err
		}
		list[i] = d
	}
	for len(list) > 0 {
		n := min(len(list), rowsAtOnce)
		if err := insertDispatches(ctx, tx, list[:n]); err != nil {
			return err
		}
		if err := s.awaitNews(ctx, tx, doc, list[:n], now); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// Outgoing is how it ended at the queue for a message to one address outside.
type Outgoing struct {
	Transfer string // queue id
	Address  string
	Peer     string // that took it, "" when none did
	Taken    bool   // the next server took it
	Expired  bool   // not taken, because time was over
	Actor    journal.Actor
	Note     string // the next server's words
}

// Outgoing moves the dispatch that left in a transfer to an address: it was
// sent, or has failed. It does nothing when the message was no document.
func (s *Store) Outgoing(ctx context.Context, tx *sqldb.Tx, out Outgoing) error {
	d, err := oneDispatch(tx.QueryRow(ctx, qDispatchOutside, out.Transfer, out.Address))
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	ev := StatusEvent{Status: StatusFailed, Note: clipNote(out.Note)}
	switch {
	case out.Taken:
		ev = StatusEvent{Status: StatusSent}
	case out.Expired:
		ev.Status = StatusExpired
	}
	ev.Actor, ev.Source = out.Actor, SourceSystem
	_, _, err = s.outside(ctx, tx, d, ev, outsideData{})
	return err
}

// Reported is a status that another server reports about a dispatch to it.
type Reported struct {
	Peer      string
	Transfer  string // queue id under which the document went there
	Recipient string // the address it went to
	Unit      string // the unit that acts; another one than Recipient when that is a group
	Status    edoc.Status
	At        time.Time // by the other server's clock
	Number    int       // its số đến, 0 for none
	Year      int
	Reason    edoc.RefuseReason
	Note      string
	ID        string // of the report
	Source    Source // "" means SourcePeer
}

// Report takes a reported status: the event is always kept, and moves the
// dispatch unless that is further already or has ended (edoc.md §4.3: reports
// may come out of order). It fails with [ErrNoDispatch] when no document went
// to that address in that transfer, to that peer.
func (s *Store) Report(ctx context.Context, tx *sqldb.Tx, rep Reported) (d Dispatch, ev StatusEvent, moved bool, err error) {
	d, err = oneDispatch(tx.QueryRow(ctx, qDispatchOutside, rep.Transfer, rep.Recipient))
	if err != nil {
		return Dispatch{}, StatusEvent{}, false, err
	}
	if d.Peer != rep.Peer {
		return Dispatch{}, StatusEvent{}, false, ErrNoDispatch
	}
	ev = StatusEvent{
		Status: rep.Status, Reason: rep.Reason, Note: clipNote(rep.Note), Source: SourcePeer,
		Actor: journal.Actor{Kind: journal.ActorExternal, Name: rep.Peer},
	}
	if ev.Status != edoc.StatusRefused || !ev.Reason.Valid() {
		ev.Reason = ""
	}
	if rep.Unit != rep.Recipient {
		ev.Note = clipNote(strings.TrimSpace(rep.Unit + " " + ev.Note))
	}
	if rep.Source != "" {
		ev.Source = rep.Source
	}
	before := d.standing()
	if after := before.outsideAfter(ev.Status); after.state != before.state && rep.Number > 0 && d.ArrivalNumber == 0 {
		d.ArrivalNumber, d.ArrivalYear = rep.Number, rep.Year
	}
	if rep.Status == edoc.StatusRegistered && d.Registered.IsZero() {
		d.Registered = rep.At
	}
	if rep.Status == edoc.StatusArrived && d.Arrived.IsZero() {
		d.Arrived = rep.At
	}
	if rep.Status == edoc.StatusCompleted && d.Completed.IsZero() {
		d.Completed = rep.At
	}
	d, ev, err = s.outside(ctx, tx, d, ev, outsideData{
		Report: rep.ID, Peer: rep.Peer, At: rep.At.UTC().Format(time.RFC3339Nano), Number: rep.Number, Unit: rep.Unit,
	})
	return d, ev, d.standing() != before, err
}

// outsideData is what the journal keeps of an event outside.
type outsideData struct {
	Document ULID        `json:"document"`
	Dispatch ULID        `json:"dispatch"`
	State    State       `json:"state"`
	Status   edoc.Status `json:"status"`
	Source   Source      `json:"source"`
	Report   string      `json:"report,omitempty"`
	Peer     string      `json:"peer,omitempty"`
	Unit     string      `json:"unit,omitempty"`
	At       string      `json:"reported_at,omitempty"`
	Number   int         `json:"number,omitempty"`
}

// outside adds an event to a dispatch that went to another server.
func (s *Store) outside(
	ctx context.Context, tx *sqldb.Tx, d Dispatch, ev StatusEvent, data outsideData,
) (Dispatch, StatusEvent, error) {
	doc, err := DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return d, ev, err
	}
	now := s.time()
	next := d.standing().outsideAfter(ev.Status)
	d.State, d.Overlay, d.Status = next.state, next.overlay, next.status
	d.Updated = now
	if _, err := tx.Exec(ctx, qUpdateOutside, string(d.State), string(d.Status), d.ArrivalYear, d.ArrivalNumber,
		sqldb.Micros(d.Arrived), sqldb.Micros(d.Registered), sqldb.Micros(d.Completed), sqldb.Micros(d.Updated),
		string(d.Overlay), int64(d.ID)); err != nil {
		return d, ev, fmt.Errorf("update a dispatch: %w", err)
	}
	ev.Dispatch, ev.At = d.ID, now
	data.Document, data.Dispatch, data.State, data.Status, data.Source = doc.ULID, d.ULID, d.State, ev.Status, ev.Source
	ev, err = addEvent(ctx, tx, ev, journal.Event{
		At: now, Type: "doc.outside", Actor: ev.Actor, Subject: string(doc.ULID), Data: data,
	})
	if err != nil {
		return d, ev, err
	}
	if e, changes := outsideEvent(ev.Status); changes {
		if err := s.settleDocument(ctx, tx, ev.Actor, doc, e); err != nil {
			return d, ev, err
		}
	}
	return d, ev, s.touchTracking(ctx, tx, doc)
}

// outsideEvent gives the event of a status that changes what a recall got to.
func outsideEvent(s edoc.Status) (Event, bool) {
	switch s {
	case edoc.StatusRecallRequested:
		return EventRecall, true
	case edoc.StatusChangeAccepted:
		return EventAccept, true
	case edoc.StatusChangeRefused:
		return EventDecline, true
	case StatusWithdrawn:
		return EventWithdraw, true
	case StatusReplaceAsked:
		return EventReplace, true
	}
	return "", false
}

// asking is what a sender wants of a document that went to another server.
type asking struct {
	doc Document
	d   Dispatch
	act Act
}

// askOutside carries out what a sender does with a dispatch to another server.
func (s *Store) askOutside(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, a asking) (Dispatch, StatusEvent, error) {
	var status edoc.Status
	possible := a.d.State.Open()
	switch a.act.Event {
	case EventRecall:
		status, possible = edoc.StatusRecallRequested, possible && a.d.State != StateQueued && a.d.Overlay != OverlayRecall
	case EventUpdate:
		status, possible = StatusUpdateAsked, possible && a.d.State != StateQueued && a.d.Overlay == OverlayNone
	case EventReplace:
		status, possible = StatusReplaceAsked, possible && a.d.State != StateQueued && a.d.Overlay == OverlayNone
	case EventWithdraw:
		status, possible = StatusWithdrawn, a.d.State == StateQueued
	case EventExpire:
		status, possible = StatusExpired, a.d.State == StateQueued || a.d.State == StateSent
	default:
		possible = false
	}
	if !possible {
		return a.d, StatusEvent{}, errState(a.doc, a.d, a.act.Event)
	}
	return s.outside(ctx, tx, a.d, StatusEvent{Status: status, Actor: actor, Source: a.act.Source, Note: a.act.Note}, outsideData{})
}

// rank orders the states of a dispatch to another server. edoc.md §4.3.
func (s State) rank() int {
	switch s {
	case StateSent:
		return 5
	case StateArrived:
		return 10
	case StateRegistered:
		return 30
	case StateAssigned:
		return 40
	case StateProcessing:
		return 50
	case StateCompleted:
		return 60
	}
	return 0
}

// outsideAfter gives where a dispatch to another server stands after an event:
// the further state of both, since reports may come in any order.
func (s standing) outsideAfter(status edoc.Status) standing {
	if !s.state.Open() {
		return s
	}
	next := StateOf(status)
	switch status {
	case StatusFailed, StatusExpired:
		if s.state.rank() < StateArrived.rank() { // else it is there, whatever the queue believes
			s.state, s.overlay = State(status), OverlayNone
		}
		return s
	case StatusWithdrawn:
		if s.state == StateQueued {
			s.state, s.overlay = StateWithdrawn, OverlayNone
		}
		return s
	case edoc.StatusRefused:
		return standing{StateRefused, OverlayNone, status}
	case edoc.StatusRecallRequested:
		s.overlay = OverlayRecall
		return s
	case StatusUpdateAsked:
		s.overlay = OverlayUpdate
		return s
	case StatusReplaceAsked:
		s.overlay = OverlayReplace
		return s
	case edoc.StatusChangeAccepted:
		switch s.overlay {
		case OverlayRecall:
			return standing{StateRecalled, OverlayNone, status}
		case OverlayUpdate, OverlayReplace:
			return standing{StateReplaced, OverlayNone, status}
		case OverlayNone:
		}
		return s
	case edoc.StatusChangeRefused:
		s.overlay = OverlayNone
		return s
	case StatusSent:
		next = StateSent
	default:
		if !status.Valid() {
			return s
		}
	}
	if next.rank() > s.state.rank() {
		s.state = next
		if status.Valid() {
			s.status = status
		}
	}
	return s
}

// verifyOutside replays the events of a dispatch to another server.
func verifyOutside(d Dispatch, events []StatusEvent) error {
	s := standing{state: StateQueued}
	for _, e := range events {
		s = s.outsideAfter(e.Status)
	}
	if d.standing() != s {
		return wrongStanding(d, s)
	}
	return nil
}

// wrongStanding tells that a dispatch is not where its events lead.
func wrongStanding(d Dispatch, want standing) *Wrong {
	text := func(s standing) string {
		return fmt.Sprintf("state %s, status %s, request %q", s.state, s.status, string(s.overlay))
	}
	return &Wrong{"dispatch", fmt.Sprintf("%d (%s)", d.ID, d.ULID), text(want) + " by its events", text(d.standing())}
}

// clipNote keeps a text from another server within the bounds of a note.
func clipNote(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
	if r := []rune(s); len(r) > MaxNote {
		s = string(r[:MaxNote])
	}
	return s
}

const qDocumentsByEdXML = `SELECT ` + documentColumns + ` FROM document WHERE edxml_id = $1 ORDER BY id`

// DispatchesFrom gives the dispatches that came from the peer of a report in its
// transfer to its recipient: several when that is a group.
func DispatchesFrom(ctx context.Context, r sqldb.Reader, rep Reported) ([]Dispatch, error) {
	return collect(ctx, r, scanDispatch, qDispatchesFrom, rep.Transfer, rep.Peer, rep.Recipient)
}

const qDispatchesFrom = `
SELECT ` + dispatchColumns + ` FROM dispatch
WHERE transfer = $1 AND transfer <> '' AND peer = $2 AND to_unit <> 0 AND (named = $3 OR named = '' AND to_address = $3) ORDER BY id`

const qDispatchOutside = `
SELECT ` + dispatchColumns + ` FROM dispatch WHERE transfer = $1 AND transfer <> '' AND to_unit = 0 AND to_address = $2`

const qUpdateOutside = `
UPDATE dispatch SET state = $1, status = $2, arrival_year = $3, arrival_number = $4, arrived_us = $5, registered_us = $6,
  completed_us = $7, updated_us = $8, overlay = $9
WHERE id = $10`
