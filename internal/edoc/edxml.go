package edoc

import (
	"strings"
	"time"
)

// A Package is an edXML document package. QCVN 102:2016/BTTTT.
type Package struct {
	Header   MessageHeader
	Trace    []TraceHeader
	Business Business
	Files    []PackageFile
	// Signatures are the XML signatures in the package, as they call
	// themselves. They are read only: Encode writes none.
	Signatures []PackageSignature

	problems []Problem // found while reading; Validate reports them
}

// A PackageSignature is an XML signature of a package, which is not verified.
type PackageSignature struct {
	Method, Digest string // URIs of the algorithms
}

// Weak reports whether the signature proves nothing any more: it stands on
// SHA-1 or MD5. The national SDK still writes such.
func (s PackageSignature) Weak() bool {
	for _, uri := range [...]string{s.Method, s.Digest} {
		uri = strings.ToLower(uri)
		if strings.HasSuffix(uri, "sha1") || strings.HasSuffix(uri, "md5") {
			return true
		}
	}
	return false
}

// A MessageHeader is the metadata of a package.
type MessageHeader struct {
	From         Organization
	To           []Organization
	DocumentID   string    // opaque; by rule "OrganId,yyyy/MM/dd,số/ký hiệu"
	CodeNumber   string    // may hold letters
	CodeNotation string    // "SNV-VP"
	Place        string    // địa danh
	Issued       time.Time // day of promulgation in Vietnam
	Class        TypeClass
	TypeDetail   int // number inside the class's list, 0 if absent
	TypeName     string
	Subject      string
	Content      string
	Signer       Signer
	Due          time.Time // zero if absent
	ToPlaces     []string
	Other        OtherInfo
	ResponseFor  []DocumentRef
	Steering     int // 1 none, 2 directing, 3 report on a direction; 0 if absent
	TaskCodes    []string
	Application  string
}

// An Organization is a sender or receiver.
type Organization struct {
	OrganID  string // QĐ 20/2020 code or the older form
	InCharge string // superior agency
	Name     string
	Address  string
	Email    string
	Phone    string
	Fax      string
	Website  string
}

// A Signer is who signed the document.
type Signer struct {
	Competence string `json:"competence,omitempty"` // TM., KT., TL., TUQ.
	Position   string `json:"position,omitempty"`
	FullName   string `json:"full_name,omitempty"`
}

// OtherInfo is the rest of the metadata.
type OtherInfo struct {
	Urgency        Urgency
	Sphere         string // phạm vi lưu hành
	TyperNotation  string
	Copies, Pages  int // 0 if absent
	Direction      bool
	ReplyFors      []string
	ReferenceCodes []string
	Appendixes     []string
}

// A DocumentRef names a document of another package.
type DocumentRef struct {
	OrganID    string
	Code       string // "123/SNV-VP"
	Issued     time.Time
	DocumentID string
}

// A TraceHeader is one hop.
type TraceHeader struct {
	OrganID string
	At      time.Time
}

// A Business says what the package does: the element that the standard spells
// Bussiness.
type Business struct {
	Op               Op // OpNew, OpRecall, OpUpdate or OpReplace
	Reason           string
	Paper            bool   // a paper copy follows
	DocumentID       string // the document updated
	ContentChanged   bool
	ReceiversChanged bool
	Receivers        []ReceiverChange
	Replaces         []Replacement
	Staff            StaffInfo
}

// A ReceiverChange adds or removes a receiver of an updated document.
type ReceiverChange struct {
	OrganID string
	Added   bool
}

// A Replacement names a replaced document and who had received it.
type Replacement struct {
	DocumentID string
	OrganIDs   []string
}

// StaffInfo is the clerk to call.
type StaffInfo struct {
	Department   string
	DepartmentID string
	Staff        string
	StaffID      string
	Email        string
	Mobile       string
}

// A PackageFile is an attachment, unwrapped.
type PackageFile struct {
	ContentID   string // "cid:1"
	Name        string
	Description string
	Type        string // media type as declared, often wrong; Sniff tells better
	Data        []byte
}

// A StatusMessage reports a Status from one side of a dispatch to the other.
type StatusMessage struct {
	From        Organization // who reports
	ResponseFor DocumentRef  // the document; OrganID is the other side
	Staff       StaffInfo
	Code        Status
	Description string
	At          time.Time
}
