package edoc

// A Status is a code of the national axis that tells the sender of a document
// what became of it. QCVN 102:2016 as used by the national document axis.
type Status string

const (
	// StatusArrived: the recipient's system has the document; no clerk acted yet.
	StatusArrived Status = "01"
	// StatusRefused: the recipient's clerk refused it, with a reason.
	StatusRefused Status = "02"
	// StatusRegistered: the recipient's clerk accepted and registered it.
	StatusRegistered Status = "03"
	// StatusAssigned: it has a person or unit in charge.
	StatusAssigned Status = "04"
	// StatusProcessing: somebody works on it.
	StatusProcessing Status = "05"
	// StatusCompleted: the work is done.
	StatusCompleted Status = "06"
	// StatusRecallRequested: the sender's clerk asks to take it back.
	StatusRecallRequested Status = "13"
	// StatusChangeAccepted: the recipient agrees to the recall or change.
	StatusChangeAccepted Status = "15"
	// StatusChangeRefused: the recipient refuses the recall or change.
	StatusChangeRefused Status = "16"
)

// Statuses returns all codes in ascending order.
func Statuses() []Status {
	return []Status{
		StatusArrived, StatusRefused, StatusRegistered, StatusAssigned, StatusProcessing,
		StatusCompleted, StatusRecallRequested, StatusChangeAccepted, StatusChangeRefused,
	}
}

// A Side is one of the two parties of a dispatch.
type Side uint8

const (
	// SideRecipient is the unit that received the document.
	SideRecipient Side = iota
	// SideSender is the unit that issued it.
	SideSender
)

// Valid reports whether s is one of the nine codes. Other codes exist inside
// vendors' systems and must not leave the house.
func (s Status) Valid() bool { return s.Name() != "" }

// Name gives the Vietnamese name, "" for an unknown code.
func (s Status) Name() string {
	switch s {
	case StatusArrived:
		return "Đã đến"
	case StatusRefused:
		return "Từ chối tiếp nhận"
	case StatusRegistered:
		return "Đã tiếp nhận"
	case StatusAssigned:
		return "Phân công"
	case StatusProcessing:
		return "Đang xử lý"
	case StatusCompleted:
		return "Hoàn thành"
	case StatusRecallRequested:
		return "Lấy lại"
	case StatusChangeAccepted:
		return "Đồng ý cập nhật / lấy lại"
	case StatusChangeRefused:
		return "Từ chối cập nhật / lấy lại"
	}
	return ""
}

// NameEN gives the English name, "" for an unknown code.
func (s Status) NameEN() string {
	switch s {
	case StatusArrived:
		return "Arrived"
	case StatusRefused:
		return "Refused"
	case StatusRegistered:
		return "Registered"
	case StatusAssigned:
		return "Assigned"
	case StatusProcessing:
		return "In progress"
	case StatusCompleted:
		return "Completed"
	case StatusRecallRequested:
		return "Recall requested"
	case StatusChangeAccepted:
		return "Update or recall accepted"
	case StatusChangeRefused:
		return "Update or recall refused"
	}
	return ""
}

// SentBy gives the side that reports s: the recipient, except for the recall
// request.
func (s Status) SentBy() Side {
	if s == StatusRecallRequested {
		return SideSender
	}
	return SideRecipient
}

// NeedsReason reports whether s must carry a reason in its description.
func (s Status) NeedsReason() bool {
	return s == StatusRefused || s == StatusRecallRequested || s == StatusChangeRefused
}

// Rank orders the states of processing, for reports that arrive out of order:
// a report of lower rank than the present state is kept but does not move the
// state. Codes outside that order (02, 13, 15, 16) have rank 0.
func (s Status) Rank() int {
	switch s {
	case StatusArrived:
		return 10
	case StatusRegistered:
		return 30
	case StatusAssigned:
		return 40
	case StatusProcessing:
		return 50
	case StatusCompleted:
		return 60
	case StatusRefused, StatusRecallRequested, StatusChangeAccepted, StatusChangeRefused:
	}
	return 0
}
