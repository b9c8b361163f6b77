package edoc

import (
	"io"
	"time"
)

// A Level says how surely a message is an official document, the surest first.
type Level uint8

const (
	LevelNone Level = iota // not looked at
	L0                     // declared: edXML, a sub-address such as +vb, X-VB headers
	L1                     // tagged: a number and symbol in the subject
	L2                     // evident from the file's first page
	L3                     // possible
	L4                     // ordinary mail
)

// String gives "L0" to "L4", "" for LevelNone.
func (l Level) String() string {
	if l == LevelNone || l > L4 {
		return ""
	}
	return "L" + string(rune('0'+l-L0))
}

// An Input is what Recognize looks at. Only Subject is needed.
type Input struct {
	Subject string // decoded (RFC 2047)
	// Header gives the decoded value of an X-VB-* field, "" when absent. Nil
	// means that the message has none: the caller, who walks the header
	// anyway, finds out with IsDeclaredField.
	Header func(name string) string
	// Details are the sub-address details used in recipients of our domains:
	// "vb" of vanthu.snv+vb@….
	Details []string
	Files   []File
	Now     time.Time // time of reception; years and future dates are judged by it
}

// A File is an attachment. Recognize opens only files that are named *.edxml.
type File struct {
	Name   string // cleaned file name
	Type   string // declared media type
	Size   int64  // bytes after transfer decoding
	SHA256 [32]byte
	Open   func() (io.Reader, error) // the transfer-decoded content
}

// isEdXML reports whether the file is declared as an edXML package.
func (f *File) isEdXML() bool { return f.Open != nil && IsEdXMLName(f.Name) }

// IsEdXMLName tells whether a file is declared as edXML by its name.
func IsEdXMLName(name string) bool { return hasSuffixFold(name, ".edxml") }

// A Field names a piece of metadata that has evidence.
type Field string

const (
	FieldCode     Field = "code"
	FieldDocID    Field = "doc_id"
	FieldType     Field = "type"
	FieldAbstract Field = "abstract"
	FieldIssued   Field = "issued"
	FieldYear     Field = "year"
	FieldUrgency  Field = "urgency"
	FieldDue      Field = "due"
	FieldOp       Field = "op"
	FieldSigner   Field = "signer"
)

// label gives the Vietnamese name of the field.
func (f Field) label() string {
	switch f {
	case FieldCode:
		return "số và ký hiệu"
	case FieldDocID:
		return "mã định danh văn bản"
	case FieldType:
		return "loại văn bản"
	case FieldAbstract:
		return "trích yếu"
	case FieldIssued:
		return "ngày ban hành"
	case FieldYear:
		return "năm"
	case FieldUrgency:
		return "độ khẩn"
	case FieldDue:
		return "hạn xử lý"
	case FieldOp:
		return "nghiệp vụ"
	case FieldSigner:
		return "người ký"
	}
	return string(f)
}

// Evidence says where the value of a field comes from and how sure it is.
type Evidence struct {
	Source     Source  `json:"source"`
	Confidence float64 `json:"confidence"` // 0 to 1; below 0.7 the clerk is asked to look
	Raw        string  `json:"raw"`        // as the source wrote it
	// Conflict is set (xung_dot) when two strong sources disagree. The value
	// is then only a proposal, and Others holds the rest.
	Conflict bool    `json:"xung_dot,omitempty"`
	Others   []Claim `json:"others,omitempty"` // values that were not taken
}

// A Claim is one source's value of a field.
type Claim struct {
	Source Source `json:"source"`
	Raw    string `json:"raw"`
}

// A Recognition is what a message turned out to be. Of an ordinary message
// only Level is set, and what its tags say.
type Recognition struct {
	Level    Level
	Code     *Code     // number and symbol, nil when unknown
	DocID    string    // edXML DocumentId or X-VB-Ma-Van-Ban, an opaque key
	Type     DocType   // zero when unknown
	Abstract string    // trích yếu
	Issued   time.Time // day of issue in Vietnam, zero when unknown
	Year     int       // year of the number: of the code, else of issue, else of reception
	Urgency  Urgency
	Due      time.Time // zero when none
	Signer   Signer
	Op       Op       // what is to be done
	Ops      []OpRef  // every act with the document it is about
	FYI      []string // recipients marked "để biết" by X-VB-De-Biet, as written
	Evidence map[Field]Evidence
	Problems []Problem
	Secret   SecretLevel
	Layout   *Layout        // what the main file's own text shows, nil without a text
	EdXML    *Package       // the package, when one was attached
	Status   *StatusMessage // the status message, when one was attached instead
	// Err is set when an attached edXML file could not be read for a reason on
	// our side, so that the recognition is worth nothing and the sender should
	// try again. What is wrong with the file itself is in Problems.
	Err error
}

// IsDocument reports whether the message is a document to be dispatched. A
// recall, a request for a number, a search and a draft are declared too, but
// are no documents.
func (r *Recognition) IsDocument() bool {
	if r.Level != L0 && r.Level != L1 || r.Status != nil {
		return false
	}
	switch r.Op {
	case OpRecall, OpNumber, OpSearch, OpDraft:
		return false
	case OpNew, OpReplace, OpUpdate, OpCorrect, OpReply, OpConsult, OpFYI:
	}
	return true
}

// Invalid reports whether a declaration breaks a rule, so that the sender is
// to be answered with the problems.
func (r *Recognition) Invalid() bool {
	for _, p := range r.Problems {
		if !p.Warning() {
			return true
		}
	}
	return false
}
