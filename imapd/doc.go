// Package imapd serves mailboxes by IMAP4rev1 and IMAP4rev2 (RFC 3501, RFC 9051) with CONDSTORE and QRESYNC (RFC 7162).
//
// go-imap's imapserver is the host: it keeps each connection's life cycle, the state machine, the base commands' tagged answers. It
// never sees the socket. A conn of ours stands below it, reads whole commands within limits (frame.go), checks them against one table
// (table.go), and then either answers itself or hands imapserver one short canonical line, with the parsed arguments laid aside in the
// session's request. Data lines (FETCH, SEARCH, STATUS, LIST, EXPUNGE …) are written by the session straight into the conn's output.
//
// Invariants:
//
//   - imapserver gets exactly one line per command, built by us: no octet of a literal or of an unknown command ever reaches it;
//   - whatever refuses a command, the frame skips the announced literals and the rest of it, or the connection ends with BYE;
//   - sequence numbers come from the session's view only, which changes just when the client is told;
//   - a client that came back with HIGHESTMODSEQ has been told, or is told, all that happened: the code never names more than it was told;
//   - nothing is written to a client while a store's lock is held;
//   - a mailbox that the account may not see does not exist: same reply, same code.
package imapd
