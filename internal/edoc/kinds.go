package edoc

// Urgency is the degree of urgency (độ khẩn), with the values of edXML's
// OtherInfo/Priority.
type Urgency uint8

const (
	UrgencyNormal Urgency = iota // thường
	UrgencyUrgent                // khẩn
	UrgencyHigh                  // thượng khẩn
	UrgencyFlash                 // hỏa tốc
	UrgencyTimed                 // hỏa tốc hẹn giờ
)

// Valid reports whether u is one of the five degrees.
func (u Urgency) Valid() bool { return u <= UrgencyTimed }

// Name gives the Vietnamese name.
func (u Urgency) Name() string {
	switch u {
	case UrgencyUrgent:
		return "Khẩn"
	case UrgencyHigh:
		return "Thượng khẩn"
	case UrgencyFlash:
		return "Hỏa tốc"
	case UrgencyTimed:
		return "Hỏa tốc hẹn giờ"
	case UrgencyNormal:
	}
	return "Thường"
}

// NameEN gives the English name.
func (u Urgency) NameEN() string {
	switch u {
	case UrgencyUrgent:
		return "Urgent"
	case UrgencyHigh:
		return "Very urgent"
	case UrgencyFlash:
		return "Flash"
	case UrgencyTimed:
		return "Flash at a fixed time"
	case UrgencyNormal:
	}
	return "Normal"
}

// An Op is what the sender wants done with a message.
type Op uint8

const (
	OpNew     Op = iota // a new document
	OpRecall            // thu hồi: take a document back
	OpReplace           // thay thế: a new document in place of an old one
	OpUpdate            // cập nhật: the same document with other files or recipients
	OpCorrect           // đính chính: corrects another document
	OpReply             // trả lời: answers another document
	OpNumber            // xin số: asks for a number
	OpConsult           // lấy ý kiến: asks for opinions
	OpFYI               // để biết: for information only
	OpDraft             // dự thảo: a draft for comment
	OpSearch            // tra cứu: search by mail
)

// String gives the Vietnamese name of the act.
func (o Op) String() string {
	switch o {
	case OpRecall:
		return "thu hồi"
	case OpReplace:
		return "thay thế"
	case OpUpdate:
		return "cập nhật"
	case OpCorrect:
		return "đính chính"
	case OpReply:
		return "trả lời"
	case OpNumber:
		return "xin số"
	case OpConsult:
		return "lấy ý kiến"
	case OpFYI:
		return "để biết"
	case OpDraft:
		return "dự thảo"
	case OpSearch:
		return "tra cứu"
	case OpNew:
	}
	return "mới"
}

// An OpRef is an act together with the document it is about.
type OpRef struct {
	Op    Op
	Code  *Code  // the other document, for recall, replace, update, correct and reply
	DocID string // its edXML DocumentId when an edXML package names it
	Arg   string // name of the type after "xin số", or ""
}
