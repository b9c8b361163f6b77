package docstore

import (
	"slices"

	"vanthu/internal/edoc"
)

// Event is what moves a dispatch from one state to another, or what is asked
// about it.
type Event string

// The events that [Store.Transition] carries out.
const (
	EventRegister Event = "register" // enter in the register, 03
	EventRefuse   Event = "refuse"   // send back with a reason, 02
	EventDismiss  Event = "dismiss"  // say that mail which was taken for a document (level L2) is none
	EventUndo     Event = "undo"     // take a registration back, within UndoLimit
	EventAssign   Event = "assign"   // give it to people, one of them in charge, 04
	EventReassign Event = "reassign" // give it to others, 04
	EventReturn   Event = "return"   // the person in charge hands it back
	EventStart    Event = "start"    // begin to work on it, 05
	EventComplete Event = "complete" // finish, 06
	EventReopen   Event = "reopen"   // take it up again, 05
	EventExtend   Event = "extend"   // set another due time

	EventRecall  Event = "recall"  // the sender asks for it back, 13
	EventUpdate  Event = "update"  // the sender has sent another version
	EventReplace Event = "replace" // the sender has sent another document in its place
	EventAccept  Event = "accept"  // the recipient agrees to what was asked, 15
	EventDecline Event = "decline" // the recipient does not, 16

	EventQuarantine Event = "quarantine" // hold it: malware, a secrecy mark
	EventRelease    Event = "release"    // let it go to the unit after all, 01
	EventDrop       Event = "drop"       // do not, 02

	EventWithdraw Event = "withdraw" // take it out of the queue before it has left
	EventExpire   Event = "expire"   // no news in time
)

// eventDeliver is done by Intake, never by Transition.
const eventDeliver Event = "deliver"

// Words of events that are no codes of the axis: no other server is told of them.
const (
	// StatusUndone: a registration was taken back.
	StatusUndone edoc.Status = "undone"
	// StatusDismissed: mail that was taken for a document is none.
	StatusDismissed edoc.Status = "dismissed"
	// StatusReturned: the person in charge handed it back.
	StatusReturned edoc.Status = "returned"
	// StatusExtended: it has another due time.
	StatusExtended edoc.Status = "due_changed"
	// StatusHeld: it was put into quarantine.
	StatusHeld edoc.Status = "quarantined"
	// StatusUpdateAsked: its sender has sent another version.
	StatusUpdateAsked edoc.Status = "update_requested"
	// StatusReplaceAsked: its sender has sent another document in its place.
	StatusReplaceAsked edoc.Status = "replace_requested"
	// StatusWithdrawn: its sender took it out of the queue.
	StatusWithdrawn edoc.Status = "withdrawn"
	// StatusNoNews: its sender was warned that nothing is heard of it.
	StatusNoNews edoc.Status = "no_news"
	// StatusApproved: the first of two people agreed to let it go.
	StatusApproved edoc.Status = "release_approved"
)

// standing is where a dispatch stands: what its events lead to.
type standing struct {
	state   State
	overlay Overlay
	status  edoc.Status // last code that the sender was told
}

// A rule is one arrow of the state machine.
type rule struct {
	event  Event
	from   []State
	to     State       // "" stays
	status edoc.Status // of the event
	shows  edoc.Status // code of the dispatch afterwards, "" keeps it
	over   []Overlay   // what must lie over the state; nil: anything but a recall
	lays   Overlay     // what lies over it afterwards
	keeps  bool        // the overlay stays as it is
}

// rules is the whole state machine of a dispatch to a unit of this server,
// edoc.md §4.3. While the sender's wish to have a document back waits for its
// answer, nothing else is done with it.
func rules() []rule {
	held := []State{StateArrived, StateRegistered, StateAssigned, StateProcessing, StateCompleted}
	work := []State{StateRegistered, StateAssigned, StateProcessing}
	anything := []Overlay{OverlayNone, OverlayRecall, OverlayUpdate, OverlayReplace}
	asked := []Overlay{OverlayUpdate, OverlayReplace}
	return []rule{
		{event: eventDeliver, from: []State{StateQueued}, to: StateArrived, status: edoc.StatusArrived, shows: edoc.StatusArrived, keeps: true},
		{event: EventRegister, from: []State{StateArrived}, to: StateRegistered, status: edoc.StatusRegistered, shows: edoc.StatusRegistered, keeps: true},
		{event: EventRefuse, from: []State{StateArrived}, to: StateRefused, status: edoc.StatusRefused, shows: edoc.StatusRefused},
		{event: EventUndo, from: []State{StateRegistered}, to: StateArrived, status: StatusUndone, shows: edoc.StatusArrived, keeps: true},
		{event: EventDismiss, from: []State{StateArrived}, to: StateWithdrawn, status: StatusDismissed, shows: StatusDismissed},
		{event: EventAssign, from: []State{StateRegistered}, to: StateAssigned, status: edoc.StatusAssigned, shows: edoc.StatusAssigned, keeps: true},
		{event: EventReassign, from: []State{StateAssigned}, to: StateAssigned, status: edoc.StatusAssigned, shows: edoc.StatusAssigned, keeps: true},
		{event: EventReturn, from: []State{StateAssigned}, to: StateRegistered, status: StatusReturned, shows: edoc.StatusRegistered, keeps: true},
		{
			event: EventStart, from: []State{StateRegistered, StateAssigned}, to: StateProcessing,
			status: edoc.StatusProcessing, shows: edoc.StatusProcessing, keeps: true,
		},
		{event: EventComplete, from: work, to: StateCompleted, status: edoc.StatusCompleted, shows: edoc.StatusCompleted, keeps: true},
		{event: EventReopen, from: []State{StateCompleted}, to: StateProcessing, status: edoc.StatusProcessing, shows: edoc.StatusProcessing, keeps: true},
		{event: EventExtend, from: work, status: StatusExtended, keeps: true},
		{
			event: EventRecall, from: append(held, StateQuarantined), status: edoc.StatusRecallRequested,
			over: []Overlay{OverlayNone, OverlayUpdate, OverlayReplace}, lays: OverlayRecall,
		},
		{event: EventUpdate, from: held, status: StatusUpdateAsked, over: []Overlay{OverlayNone}, lays: OverlayUpdate},
		{event: EventReplace, from: held, status: StatusReplaceAsked, over: []Overlay{OverlayNone}, lays: OverlayReplace},
		{
			event: EventAccept, from: append(held, StateQuarantined), to: StateRecalled, status: edoc.StatusChangeAccepted,
			shows: edoc.StatusChangeAccepted, over: []Overlay{OverlayRecall},
		},
		{
			event: EventAccept, from: held, to: StateReplaced, status: edoc.StatusChangeAccepted,
			shows: edoc.StatusChangeAccepted, over: asked,
		},
		{event: EventDecline, from: held, status: edoc.StatusChangeRefused, over: anything[1:]},
		{event: EventQuarantine, from: []State{StateArrived}, to: StateQuarantined, status: StatusHeld, keeps: true},
		{event: EventRelease, from: []State{StateQuarantined}, to: StateArrived, status: edoc.StatusArrived, shows: edoc.StatusArrived, keeps: true},
		{event: EventRelease, from: []State{StateQuarantined}, status: StatusApproved, keeps: true},
		{event: EventDrop, from: []State{StateQuarantined}, to: StateRefused, status: edoc.StatusRefused, shows: edoc.StatusRefused},
	}
}

// suits reports whether the rule applies to a dispatch that stands at s.
func (r rule) suits(s standing) bool {
	if !slices.Contains(r.from, s.state) {
		return false
	}
	if r.over == nil {
		return s.overlay != OverlayRecall
	}
	return slices.Contains(r.over, s.overlay)
}

// apply gives where a dispatch stands after the rule.
func (r rule) apply(s standing) standing {
	if r.to != "" {
		s.state = r.to
	}
	if r.shows != "" {
		s.status = r.shows
	}
	if !r.keeps {
		s.overlay = r.lays
	}
	return s
}

// ruleFor gives the rule by which an event happens to a dispatch that stands
// at s.
func ruleFor(e Event, s standing) (rule, bool) {
	for _, r := range rules() {
		if r.event == e && r.suits(s) {
			return r, true
		}
	}
	return rule{}, false
}

// after gives where a dispatch stands after an event with that status.
func (s standing) after(status edoc.Status) (standing, bool) {
	for _, r := range rules() {
		if r.status == status && r.suits(s) {
			return r.apply(s), true
		}
	}
	return s, false
}

// Performable reports whether Transition knows e.
func (e Event) Performable() bool {
	return e == EventWithdraw || e == EventExpire || e != eventDeliver &&
		slices.ContainsFunc(rules(), func(r rule) bool { return r.event == e })
}

// May reports whether e is possible for a dispatch to a unit of this server in
// state s under overlay o, leaving aside who asks and the guards that need more
// than that.
func May(s State, o Overlay, e Event) bool {
	_, ok := ruleFor(e, standing{state: s, overlay: o})
	return ok && e != eventDeliver
}
