// Package mail knows what an Internet message looks like: addresses, the SMTP
// envelope, the header, the MIME tree, and how IMAP shows all of it.
//
// It is pure: it opens no file and no connection and starts no goroutine.
//
// The Scanner reads a message of any quality once, in chunks of any size, and
// gives a table of byte offsets; nothing is ever rewritten, so what is served
// later is always the received bytes. EncodeStructure turns the table, the
// finished IMAP ENVELOPE and BODYSTRUCTURE and the decoded fields into one
// compact value that is stored beside the message; a FETCH then copies bytes
// and parses nothing.
//
// Invariants: no input makes the package panic; memory is bounded by Limits,
// not by the message; text that leaves the package towards IMAP is pure ASCII
// without CR, LF and NUL; decoded text is valid UTF-8 in NFC.
package mail
