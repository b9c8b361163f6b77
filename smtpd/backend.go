package smtpd

import (
	"context"
	"crypto/x509"
	"io"
	"net/netip"

	"vanthu/internal/mail"
)

// AccountID is the account a client has logged in to; 0 is none.
type AccountID int64

// Login is a user's name as typed: valid UTF-8 of at most 254 octets without control characters, not otherwise checked.
type Login string

// Password is a password as typed: at most 1,024 octets, no NUL.
type Password string

// QueueID names an accepted message to its sender and in the log.
type QueueID string

// Origin says where a message comes from.
type Origin struct {
	Session  string         // names the session in the log
	Remote   netip.AddrPort // the peer; not valid on a Unix socket
	Helo     string         // what the peer calls itself: printable ASCII, at most 255 octets
	Protocol string         // for the trace field: SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP, UTF8SMTPSA … RFC 3848, RFC 6531 section 4.3
	Account  AccountID      // 0 when not logged in
	TLS      string         // version and cipher suite, "" without TLS
	// Certificates is the chain that the client showed on the relay port, not
	// verified: whoever uses it must know whom to expect.
	Certificates []*x509.Certificate
}

// Access is what a login has given.
type Access struct {
	Account AccountID
	Holds   func() bool // whether it still does; nil means that it always does
}

// A Backend decides about logins and envelopes and takes the messages. Its errors are of internal/fault; their kind chooses the reply,
// their text is shown to the client. Methods are called from many sessions at the same time.
type Backend interface {
	// Authenticate checks a password. fault.Denied is a wrong name or password, fault.Exhausted too many guesses.
	Authenticate(ctx context.Context, login Login, password Password, remote netip.Addr) (Access, error)
	// CheckSender tells whether o may send as from.
	CheckSender(ctx context.Context, o Origin, from mail.Path) error
	// CheckRecipient tells whether a message from o may go to to.
	CheckRecipient(ctx context.Context, o Origin, from mail.Path, to mail.Address) error
	// Begin starts taking a message whose envelope is complete.
	Begin(ctx context.Context, o Origin, env mail.Envelope) (Incoming, error)
}

// Incoming takes one message. Exactly one of Commit and Abort is called, and nothing after it.
type Incoming interface {
	// Write takes the next octets of the message, lines ending in CRLF, dots unstuffed. It must not keep p.
	io.Writer
	// Commit accepts the message: when it returns nil the message is on disk for good.
	Commit(ctx context.Context) (QueueID, error)
	// Abort forgets the message.
	Abort()
}

// PerRecipient is an Incoming that can accept a message for some of its recipients only. It is asked where each has a reply of its own
// (LMTP, RFC 2033).
type PerRecipient interface {
	Incoming
	// Results gives, after a Commit that returned nil, an error for each recipient of the envelope that did not get the message; nil, as a
	// whole or for one, means that it did.
	Results() []error
}
