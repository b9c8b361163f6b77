package mail

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
}

// Return is the RET parameter of RFC 3461: what a failure report carries back.
type Return uint8

// The values of RET; ReturnDefault when the sender did not say.
const (
	ReturnDefault Return = iota
	ReturnHeaders
	ReturnFull
)

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

// Recipient is one RCPT TO. RFC 5321, section 4.1.1.3.
type Recipient struct {
	Addr     Address
	Notify   Notify
	Original string // ORCPT address, already decoded, "" when absent, RFC 3461
}
