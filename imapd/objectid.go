package imapd

import (
	"strconv"

	"vanthu/internal/mailstore"
)

// Object identifiers (RFC 8474). A message has the same one in every mailbox, since it is stored once; ids are never given again.
// There are no thread ids: conversations are made on demand by THREAD.

// appendMailboxID writes a MAILBOXID response item.
func appendMailboxID(dst []byte, id mailstore.MailboxID) []byte {
	return append(appendUint(append(dst, "MAILBOXID (F"...), id), ')')
}

// appendEmailID writes an EMAILID response item.
func appendEmailID(dst []byte, id mailstore.MessageID) []byte {
	return append(appendUint(append(dst, "EMAILID (M"...), id), ')')
}

// parseObjectID reads an object identifier of ours; any other well-formed one gives 0.
func parseObjectID(l *lexer, kind byte) (id int64, valid bool) {
	s, isAtom := l.atom()
	if !isAtom || len(s) > 255 {
		return 0, false
	}
	for i := range len(s) {
		if ch := s[i]; !(ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch == '-' || ch == '_') {
			return 0, false
		}
	}
	if s[0] == kind {
		if n, err := strconv.ParseInt(s[1:], 10, 64); err == nil && n > 0 && strconv.FormatInt(n, 10) == s[1:] {
			return n, true
		}
	}
	return 0, true
}
