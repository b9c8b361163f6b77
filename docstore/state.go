package docstore

import (
	"slices"

	"vanthu/internal/edoc"
)

// State is where a dispatch stands. edoc.md §4.3.
type State string

// The states of a dispatch.
const (
	StateQueued      State = "queued"      // waits to leave this server
	StateSent        State = "sent"        // taken over by another server
	StateArrived     State = "arrived"     // in the recipient's mailbox, no clerk acted yet (01)
	StateRegistered  State = "registered"  // has its số đến (03)
	StateAssigned    State = "assigned"    // has a person in charge (04)
	StateProcessing  State = "processing"  // being worked on (05)
	StateCompleted   State = "completed"   // done (06)
	StateRefused     State = "refused"     // by the recipient's clerk (02)
	StateRecalled    State = "recalled"    // taken back by the sender (15)
	StateFailed      State = "failed"      // could not be delivered
	StateExpired     State = "expired"     // was not delivered in time
	StateWithdrawn   State = "withdrawn"   // by the sender, before it was delivered
	StateQuarantined State = "quarantined" // held by the security officer
)

// States returns all states, in the order of a dispatch's life.
func States() []State {
	return []State{
		StateQueued, StateSent, StateArrived, StateRegistered, StateAssigned, StateProcessing, StateCompleted,
		StateRefused, StateRecalled, StateFailed, StateExpired, StateWithdrawn, StateQuarantined,
	}
}

// Valid reports whether s is one of the states.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// Name gives the Vietnamese name, as sentences use it.
func (s State) Name() string {
	switch s {
	case StateQueued:
		return "chờ gửi"
	case StateSent:
		return "đã gửi"
	case StateArrived:
		return "chờ tiếp nhận"
	case StateRegistered:
		return "đã vào sổ"
	case StateAssigned:
		return "đã phân công"
	case StateProcessing:
		return "đang xử lý"
	case StateCompleted:
		return "hoàn thành"
	case StateRefused:
		return "từ chối tiếp nhận"
	case StateRecalled:
		return "đã thu hồi"
	case StateFailed:
		return "không chuyển được"
	case StateExpired:
		return "hết hạn chuyển"
	case StateWithdrawn:
		return "đã rút lại"
	case StateQuarantined:
		return "tạm giữ"
	}
	return string(s)
}

// StateOf gives the state that a status code tells of: the recalled one for an
// accepted change, arrived for what tells of none. edoc.md §1.5.
func StateOf(s edoc.Status) State {
	switch s {
	case edoc.StatusRefused:
		return StateRefused
	case edoc.StatusRegistered:
		return StateRegistered
	case edoc.StatusAssigned:
		return StateAssigned
	case edoc.StatusProcessing:
		return StateProcessing
	case edoc.StatusCompleted:
		return StateCompleted
	case edoc.StatusChangeAccepted:
		return StateRecalled
	}
	return StateArrived
}

// Event is what moves a dispatch from one state to another.
type Event string

// The events that [Store.Transition] carries out.
const (
	EventRegister Event = "register" // enter in the register, 03
	EventRefuse   Event = "refuse"   // send back with a reason, 02
	EventStart    Event = "start"    // begin to work on it, 05
	EventComplete Event = "complete" // finish, 06
	EventUndo     Event = "undo"     // take a registration back, within UndoLimit
	EventDismiss  Event = "dismiss"  // say that mail which was taken for a document (level L2) is none
)

// The other events of the state machine.
const (
	eventDeliver    Event = "deliver" // done by Intake
	eventWithdraw   Event = "withdraw"
	eventRelay      Event = "relay"
	eventFail       Event = "fail"
	eventExpire     Event = "expire"
	eventQuarantine Event = "quarantine"
	eventRelease    Event = "release"
	eventDrop       Event = "drop"
	eventAssign     Event = "assign"
	eventReassign   Event = "reassign"
	eventReturn     Event = "return"
	eventReopen     Event = "reopen"
	eventRecall     Event = "recall"
)

// Performable reports whether Transition carries e out.
func (e Event) Performable() bool {
	switch e {
	case EventRegister, EventRefuse, EventStart, EventComplete, EventUndo, EventDismiss:
		return true
	}
	return false
}

// A rule is one arrow of the state machine. An empty status is not told to
// anybody.
type rule struct {
	event  Event
	from   []State
	to     State
	status edoc.Status
}

// rules is the whole state machine, edoc.md §4.3, rows 2–18. The overlay of a
// recall request (13, 16) lies over a state and is no state.
func rules() []rule {
	return []rule{
		{eventWithdraw, []State{StateQueued}, StateWithdrawn, ""},
		{eventDeliver, []State{StateQueued}, StateArrived, edoc.StatusArrived},
		{eventRelay, []State{StateQueued}, StateSent, ""},
		{eventFail, []State{StateQueued, StateSent}, StateFailed, ""},
		{eventExpire, []State{StateQueued, StateSent}, StateExpired, ""},
		{EventRegister, []State{StateArrived}, StateRegistered, edoc.StatusRegistered},
		{EventRefuse, []State{StateArrived}, StateRefused, edoc.StatusRefused},
		{EventUndo, []State{StateRegistered}, StateArrived, StatusUndone},
		{EventDismiss, []State{StateArrived}, StateWithdrawn, StatusDismissed},
		{eventQuarantine, []State{StateArrived}, StateQuarantined, ""},
		{eventRelease, []State{StateQuarantined}, StateArrived, edoc.StatusArrived},
		{eventDrop, []State{StateQuarantined}, StateRefused, edoc.StatusRefused},
		{eventAssign, []State{StateRegistered}, StateAssigned, edoc.StatusAssigned},
		{eventReassign, []State{StateAssigned}, StateAssigned, edoc.StatusAssigned},
		{eventReturn, []State{StateAssigned}, StateRegistered, ""},
		{EventStart, []State{StateRegistered, StateAssigned}, StateProcessing, edoc.StatusProcessing},
		{
			EventComplete, []State{StateRegistered, StateAssigned, StateProcessing}, StateCompleted,
			edoc.StatusCompleted,
		},
		{eventReopen, []State{StateCompleted}, StateProcessing, edoc.StatusProcessing},
		{
			eventRecall,
			[]State{StateArrived, StateRegistered, StateAssigned, StateProcessing, StateCompleted},
			StateRecalled, edoc.StatusChangeAccepted,
		},
	}
}

// ruleFor gives the rule of an event.
func ruleFor(e Event) (rule, bool) {
	for _, r := range rules() {
		if r.event == e {
			return r, true
		}
	}
	return rule{}, false
}

// May reports whether e is possible for a dispatch in state s, leaving aside
// who asks and the guards that need more than the state.
func May(s State, e Event) bool {
	r, ok := ruleFor(e)
	return ok && e.Performable() && slices.Contains(r.from, s)
}
