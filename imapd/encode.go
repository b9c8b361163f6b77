package imapd

import (
	"strconv"
	"unicode/utf8"
)

// maxQuotedLen is the longest string sent in quotes; longer ones go as literals.
const maxQuotedLen = 1000

// appendString writes s as a quoted string when every client can read that, else as a literal. With wide, the client has enabled
// UTF-8 in quoted strings (RFC 6855, RFC 9051).
func appendString(dst []byte, s string, wide bool) []byte {
	if !quotable(s, wide) {
		dst = append(dst, '{')
		dst = strconv.AppendInt(dst, int64(len(s)), 10)
		dst = append(dst, "}\r\n"...)
		return append(dst, s...)
	}
	return appendQuoted(dst, s)
}

func quotable(s string, wide bool) bool {
	if len(s) > maxQuotedLen {
		return false
	}
	ascii := true
	for i := range len(s) {
		if ch := s[i]; ch < 0x20 || ch == 0x7f {
			return false
		} else if ch >= 0x80 {
			ascii = false
		}
	}
	return ascii || wide && utf8.ValidString(s)
}

// appendQuoted writes s in quotes.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// appendAString writes s as an atom when it can be one.
func appendAString(dst []byte, s string, wide bool) []byte {
	if s != "" && s != "NIL" && allAtom(s) {
		return append(dst, s...)
	}
	return appendString(dst, s, wide)
}

func allAtom(s string) bool {
	for i := range len(s) {
		if !isAtomChar(s[i]) {
			return false
		}
	}
	return true
}

// appendMailbox writes a mailbox name: UTF-8 in quotes to clients that enabled it, else modified UTF-7.
func appendMailbox(dst []byte, name string, wide bool) []byte {
	if wide {
		return appendAString(dst, name, true)
	}
	return appendAString(dst, string(encodeUTF7(name)), false)
}

// appendUint writes a number.
func appendUint[T ~uint32 | ~uint64 | ~int | ~int64](dst []byte, n T) []byte {
	return strconv.AppendUint(dst, uint64(n), 10)
}
