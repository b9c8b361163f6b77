package mail

import "time"

// BodyType is the BODY parameter of MAIL FROM. RFC 6152, RFC 3030.
type BodyType uint8

// The body types, weakest first.
const (
	Body7Bit BodyType = iota
	Body8BitMIME
	BodyBinaryMIME
)

// String gives the keyword of RFC 6152 and RFC 3030.
func (b BodyType) String() string {
	switch b {
	case Body8BitMIME:
		return "8BITMIME"
	case BodyBinaryMIME:
		return "BINARYMIME"
	default:
		return "7BIT"
	}
}

// Envelope is what SMTP says about a message besides its bytes. RFC 5321, section 2.3.1.
type Envelope struct {
	From Path
	To   []Recipient
	UTF8 bool // SMTPUTF8 was asked for, RFC 6531
	Body BodyType
	Size int64  // declared octets, 0 when not declared, RFC 1870
	ID   string // ENVID, already xtext-decoded, RFC 3461
	Ret  Return // RET, RFC 3461

	RequireTLS  bool      // REQUIRETLS: only over protected connections, or not at all. RFC 8689
	TLSOptional bool      // the field "TLS-Required: No": arriving counts more than policies of the recipient's side. RFC 8689, section 5
	By          DeliverBy // BY, RFC 2852
	Priority    Priority  // MT-PRIORITY, RFC 6710
	HoldUntil   time.Time // HOLDFOR or HOLDUNTIL: not before; zero for at once. RFC 4865
}

// DeliverBy says by when a message must have arrived, and what happens when it has not. RFC 2852.
type DeliverBy struct {
	Deadline time.Time // zero: none was asked for
	Mode     ByMode
	Trace    bool // tell the sender of every server that it is handed to
}

// ByMode is what happens at the deadline.
type ByMode uint8

// The modes of BY.
const (
	ByReturn ByMode = 1 + iota // R: give up, and tell the sender that it failed
	ByNotify                   // N: tell the sender that it is late, and go on
)

// String gives the letter of RFC 2852.
func (m ByMode) String() string {
	switch m {
	case ByReturn:
		return "R"
	case ByNotify:
		return "N"
	default:
		return ""
	}
}

// Priority is the MT-PRIORITY of a message: from -9 to 9, the higher the earlier; 0 is usual. RFC 6710.
type Priority int8

// Return is the RET parameter of RFC 3461: what a failure report carries back.
type Return uint8

// The values of RET; ReturnDefault when the sender did not say.
const (
	ReturnDefault Return = iota
	ReturnHeaders
	ReturnFull
)

// String gives the keyword of RFC 3461, "" for ReturnDefault.
func (r Return) String() string {
	switch r {
	case ReturnHeaders:
		return "HDRS"
	case ReturnFull:
		return "FULL"
	default:
		return ""
	}
}

// Notify is the NOTIFY parameter of RFC 3461, a set. The zero value means the
// sender did not say, which is to be treated as NotifyFailure|NotifyDelay.
type Notify uint8

// The members of Notify. NotifyNever excludes the others.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Wants tells whether the sender is to be told of an event, one of NotifySuccess, NotifyFailure, NotifyDelay.
func (n Notify) Wants(event Notify) bool {
	if n == 0 {
		n = NotifyFailure | NotifyDelay
	}
	return n&event != 0
}

// String gives the value of the parameter, "" for what was not said.
func (n Notify) String() string {
	if n&NotifyNever != 0 {
		return "NEVER"
	}
	s := ""
	for i, word := range [...]string{"SUCCESS", "FAILURE", "DELAY"} {
		if n&(NotifySuccess<<i) != 0 {
			if s != "" {
				s += ","
			}
			s += word
		}
	}
	return s
}

// AddressType is the type before the ";" of an ORCPT parameter. RFC 3461, section 4.2; RFC 6533, section 3.
type AddressType string

// The types we know; others are passed on as they came.
const (
	AddressRFC822 AddressType = "rfc822"
	AddressUTF8   AddressType = "utf-8"
)

// Recipient is one RCPT TO. RFC 5321, section 4.1.1.3.
type Recipient struct {
	Addr         Address
	Notify       Notify
	Original     string      // ORCPT address, already decoded, "" when absent, RFC 3461
	OriginalType AddressType // its type, "" when absent
}
