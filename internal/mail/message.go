package mail

import "time"

// Limits bounds what a Scanner keeps. A zero field takes the default named
// beside it; whatever lies beyond a limit stays part of the message and is only
// not looked into.
type Limits struct {
	Depth     int // nesting of multipart and message/rfc822; 0 means 100
	Parts     int // parts in all; 0 means 10,000
	Boundary  int // octets of a boundary; 0 means 2,048
	Header    int // octets of one header kept; 0 means 1 MiB
	Field     int // octets of one field kept; 0 means 256 KiB
	Fields    int // fields of one header kept; 0 means 5,000
	AllHeader int // octets kept of all headers of one message; 0 means 4 MiB
}

// Defects is a set of faults a Scanner has seen.
type Defects uint32

// The faults. The first three make a message refusable at DATA, because such
// line ends are what SMTP smuggling is made of.
const (
	DefectBareCR           Defects = 1 << iota // CR not followed by LF
	DefectBareLF                               // LF not preceded by CR
	DefectNUL                                  // a zero octet
	DefectNoBlankLine                          // header and body not parted by an empty line
	DefectNoFinalBoundary                      // multipart without its closing delimiter
	DefectTooDeep                              // nesting beyond Limits.Depth
	DefectTooManyParts                         // parts beyond Limits.Parts
	DefectHeaderTooLarge                       // header, field or field count beyond the limits
	DefectLongLine                             // a line of more than 998 octets without its end, RFC 5322, section 2.1.1
	DefectNoParts                              // multipart without a boundary or without a child
	DefectMalformedHeader                      // a header line that is no field and no continuation
	DefectNoHeader                             // the message has not a single field
	DefectMboxFrom                             // first line is an mbox "From " line
	DefectDuplicateField                       // a field that may occur once occurs again, RFC 5322, section 3.6
	DefectBadContentType                       // Content-Type that cannot be read, text/plain assumed
	DefectHeader8Bit                           // octets above 127 in a header (not a fault with SMTPUTF8)
	DefectBody8Bit                             // octets above 127 outside the first header (not a fault with 8BITMIME)
	DefectUnterminatedLine                     // the last line has no line end
)

// Message is a scanned message. It holds no body bytes, only where they are.
type Message struct {
	Size      int64 // octets
	Lines     int64 // LF octets
	HeaderLen int64 // octets of the header with its empty line
	Header    Header
	Root      *Part
	Envelope  EnvelopeData
	Defects   Defects
}

// EnvelopeData is what the header says about a message as a whole, both ready
// for IMAP and decoded. For an embedded message only IMAP is filled.
type EnvelopeData struct {
	IMAP      []byte    // the ENVELOPE of RFC 9051, section 7.5.2, with its parentheses
	Subject   string    // decoded, NFC
	Date      time.Time // zero when absent or unreadable
	From      []HeaderAddress
	Sender    []HeaderAddress
	ReplyTo   []HeaderAddress
	To        []HeaderAddress
	Cc        []HeaderAddress
	Bcc       []HeaderAddress
	MessageID string   // with angle brackets, "" when absent
	InReplyTo string   // first id, with angle brackets
	Reference []string // ids of References with angle brackets: the first and the last, at most 100
}

// HeaderAddress is an address as some header gave it: tolerant, perhaps not
// deliverable.
type HeaderAddress struct {
	Name  string // display name, decoded, NFC, may be ""
	Addr  string // addr-spec as written, without comments; "" in a Group mark
	Group Group
}

// Group tells an address from the two marks around the members of a group.
type Group uint8

// GroupNone is a plain address; GroupStart carries the group's name in Name.
const (
	GroupNone Group = iota
	GroupStart
	GroupEnd
)

// Param is a parameter of a MIME field, as received (RFC 2231 pieces apart).
type Param struct{ Name, Value string }

// Part is a node of the MIME tree. Offsets count from the first octet of the
// received message, lengths are octets.
type Part struct {
	Offset     int64 // of the part's header
	HeaderLen  int64 // with the empty line
	BodyOffset int64 // always Offset+HeaderLen
	BodyLen    int64 // without the line end that belongs to the next delimiter
	Lines      int64 // LF octets in the body

	Type, Subtype string  // lower case
	Params        []Param // of Content-Type
	ID            string
	Description   string
	Encoding      string // lower case, "7bit" when absent
	MD5           string
	Disposition   string // lower case, "" when absent
	DispParams    []Param
	Language      []string
	Location      string

	Children []*Part   // of a multipart; never empty for one
	Message  *Embedded // of a message/rfc822 or message/global
}

// Embedded is the message inside a message/rfc822 part.
type Embedded struct {
	Envelope EnvelopeData
	Root     *Part
}

// IsMultipart tells whether p has children.
func (p *Part) IsMultipart() bool { return len(p.Children) > 0 }
