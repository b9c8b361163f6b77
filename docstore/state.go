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
	StateReplaced    State = "replaced"    // the unit took another document of the sender's in its place (15)
)

// States returns all states, in the order of a dispatch's life.
func States() []State {
	return []State{
		StateQueued, StateSent, StateArrived, StateRegistered, StateAssigned, StateProcessing, StateCompleted,
		StateRefused, StateRecalled, StateFailed, StateExpired, StateWithdrawn, StateQuarantined, StateReplaced,
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
	case StateReplaced:
		return "đã được thay thế"
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

// Open reports whether something can still happen to a dispatch in state s.
func (s State) Open() bool {
	switch s {
	case StateRefused, StateRecalled, StateFailed, StateExpired, StateWithdrawn, StateReplaced:
		return false
	}
	return true
}

// Overlay is a request of the sender's that lies over the state of a dispatch
// until the recipient's clerk answers it. edoc.md §4.3.
type Overlay string

// The overlays.
const (
	OverlayNone    Overlay = ""
	OverlayRecall  Overlay = "recall_requested" // to give it back (13)
	OverlayUpdate  Overlay = "update_pending"   // to take another version of it
	OverlayReplace Overlay = "replace_pending"  // to take another document in its place
)

// Name gives the Vietnamese name, as sentences use it; "" for none.
func (o Overlay) Name() string {
	switch o {
	case OverlayRecall:
		return "bên gửi đề nghị thu hồi"
	case OverlayUpdate:
		return "bên gửi đề nghị cập nhật"
	case OverlayReplace:
		return "bên gửi đề nghị thay thế"
	case OverlayNone:
	}
	return ""
}
