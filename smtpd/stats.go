package smtpd

import "sync/atomic"

// Stats counts what a Server has done since it was made. The fields may be read at any time.
type Stats struct {
	Connections       atomic.Int64 // let in
	Refused           atomic.Int64 // turned away at the door: limits, early talkers, strangers on LMTP
	Messages          atomic.Int64 // accepted
	Octets            atomic.Int64 // of accepted messages
	Recipients        atomic.Int64 // of accepted messages
	MessagesRefused   atomic.Int64 // refused after their data
	RecipientsRefused atomic.Int64
	BadCommands       atomic.Int64 // refused for their form or their place
	Logins            atomic.Int64
	LoginsFailed      atomic.Int64
	Handshakes        atomic.Int64 // TLS, successful
	HandshakesFailed  atomic.Int64
	Timeouts          atomic.Int64 // sessions ended because the client was too slow
	Panics            atomic.Int64 // must be 0
}
