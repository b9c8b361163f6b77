package imapd

import (
	"bytes"
	"strings"
)

// lexer reads the arguments of one framed command. Literals have been turned into quoted strings by then, so there is one string
// syntax; a quoted string may therefore hold any octet. Methods report false, without moving, when something else comes.
type lexer struct {
	b []byte
	i int
}

// isAtomChar is ATOM-CHAR of RFC 9051, section 9.
func isAtomChar(ch byte) bool {
	switch ch {
	case '(', ')', '{', ' ', '%', '*', '"', '\\', ']':
		return false
	}
	return ch > 0x20 && ch < 0x7f
}

func (l *lexer) peek() byte {
	if l.i < len(l.b) {
		return l.b[l.i]
	}
	return 0
}

// end tells whether nothing is left; one stray blank at the end is forgiven (RFC 9051 has none, clients do).
func (l *lexer) end() bool {
	return l.i == len(l.b) || l.i == len(l.b)-1 && l.b[l.i] == ' '
}

func (l *lexer) special(ch byte) bool {
	if l.peek() != ch {
		return false
	}
	l.i++
	return true
}

func (l *lexer) sp() bool { return !l.end() && l.special(' ') }

// take reads octets as long as ok says so.
func (l *lexer) take(ok func(byte) bool) ([]byte, bool) {
	start := l.i
	for l.i < len(l.b) && ok(l.b[l.i]) {
		l.i++
	}
	return l.b[start:l.i], l.i > start
}

func (l *lexer) atom() (string, bool) {
	b, ok := l.take(isAtomChar)
	return string(b), ok
}

// word reads an atom and gives it in upper case.
func (l *lexer) word() (string, bool) {
	b, ok := l.take(isAtomChar)
	return strings.ToUpper(string(b)), ok
}

// keyword reads the atom want, without regard to case, or nothing.
func (l *lexer) keyword(want string) bool {
	at := l.i
	if got, ok := l.word(); ok && got == want {
		return true
	}
	l.i = at
	return false
}

// quoted reads a quoted string.
func (l *lexer) quoted() (string, bool) {
	if l.peek() != '"' {
		return "", false
	}
	rest := l.b[l.i+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return "", false
	}
	if bytes.IndexByte(rest[:end], '\\') < 0 {
		l.i += end + 2
		return string(rest[:end]), true
	}
	var out []byte
	for i := 0; i < len(rest); i++ {
		switch ch := rest[i]; ch {
		case '"':
			l.i += i + 2
			return string(out), true
		case '\\':
			i++
			if i == len(rest) || rest[i] != '"' && rest[i] != '\\' {
				return "", false
			}
			out = append(out, rest[i])
		default:
			out = append(out, ch)
		}
	}
	return "", false
}

// astring reads an atom (with "]" allowed) or a string.
func (l *lexer) astring() (string, bool) {
	if l.peek() == '"' {
		return l.quoted()
	}
	b, ok := l.take(func(ch byte) bool { return ch == ']' || isAtomChar(ch) })
	return string(b), ok
}

// listMailbox reads a LIST pattern: an astring in which wildcards may stand without quotes.
func (l *lexer) listMailbox() (string, bool) {
	if l.peek() == '"' {
		return l.quoted()
	}
	b, ok := l.take(func(ch byte) bool { return ch == ']' || ch == '*' || ch == '%' || isAtomChar(ch) })
	return string(b), ok
}

func (l *lexer) number(limit uint64) (uint64, bool) {
	at := l.i
	b, _ := l.take(func(ch byte) bool { return ch >= '0' && ch <= '9' })
	n, ok := parseNumber(b, limit)
	if !ok {
		l.i = at
	}
	return n, ok
}

func (l *lexer) numSet() (numSet, bool) {
	at := l.i
	if l.special('$') {
		return numSet{saved: true}, true
	}
	b, _ := l.take(func(ch byte) bool { return ch >= '0' && ch <= '9' || ch == '*' || ch == ':' || ch == ',' })
	s, ok := parseNumSet(b)
	if !ok {
		l.i = at
	}
	return s, ok
}

// flag reads a keyword, or a system flag with its backslash, as written.
func (l *lexer) flag() (string, bool) {
	at := l.i
	back := l.special('\\')
	b, ok := l.take(isAtomChar)
	if !ok {
		l.i = at
		return "", false
	}
	if back {
		return `\` + string(b), true
	}
	return string(b), true
}

// list reads a parenthesised list, calling item for each member; an empty one is let pass.
func (l *lexer) list(item func() bool) bool {
	if !l.special('(') {
		return false
	}
	if l.special(')') {
		return true
	}
	for {
		if !item() {
			return false
		}
		if l.special(')') {
			return true
		}
		if !l.special(' ') {
			return false
		}
	}
}
