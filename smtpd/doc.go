// Package smtpd is the SMTP front: submission, relay and LMTP sessions on go-smtp.
//
// The library keeps the state of a session and of its transaction; everything on the wire is ours. A conn, which is the net.Conn the
// library sees, stands on a wire.Conn. It reads and checks each command, answers what the library cannot (or not safely), and feeds it
// one canonical command at a time; the library's answer passes back through it. Message bodies never go through the library: DATA and
// BDAT are read block by block straight into the Backend's Incoming, and the library is then fed a RSET.
//
// The library calls the session's methods and conn.Read on one goroutine, so when Read is called it holds no unsent output and no
// unread input: the connection is the conn's until Read returns.
//
// What the library does wrong, and where this package stands in front of it, is pinned by the tests named TestDefect_…
package smtpd
