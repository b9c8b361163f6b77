package sieve

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is the kind of a lexical element. RFC 5228, section 8.1.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenTag // with ":", which text has not
	tokenNumber
	tokenString
	tokenMark // one of [ ] ( ) { } , ;
)

type token struct {
	kind   tokenKind
	line   int
	text   string // words and tags in lower case
	number int64
}

// shown names a token in an error.
func (t token) shown() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenTag:
		return ":" + t.text
	case tokenString:
		return "a string"
	}
	return t.text
}

type lexer struct {
	s    string
	i    int
	line int
}

// next gives the next token.
func (l *lexer) next() (token, *Error) {
	if e := l.blanks(); e != nil {
		return token{}, e
	}
	t := token{line: l.line}
	if l.i >= len(l.s) {
		return t, nil
	}
	c := l.s[l.i]
	switch {
	case strings.IndexByte("[](){},;", c) >= 0:
		l.i++
		t.kind, t.text = tokenMark, string(c)
		return t, nil
	case c == '"':
		return l.quoted(t)
	case isDigit(c):
		return l.number(t)
	case c == ':' && l.i+1 < len(l.s) && isWordStart(l.s[l.i+1]):
		l.i++
		t.kind, t.text = tokenTag, l.word()
		return t, nil
	case isWordStart(c):
		t.kind, t.text = tokenWord, l.word()
		if t.text == "text" && l.i < len(l.s) && l.s[l.i] == ':' {
			return l.multiLine(t)
		}
		return t, nil
	}
	r, _ := utf8.DecodeRuneInString(l.s[l.i:])
	return t, wrong(l.line, "%q does not belong here", "không hiểu ký tự %q ở đây", r)
}

// blanks skips white space and comments.
func (l *lexer) blanks() *Error {
	for l.i < len(l.s) {
		switch c := l.s[l.i]; {
		case c == '\n':
			l.line++
			l.i++
		case c == ' ' || c == '\t' || c == '\r':
			l.i++
		case c == '#':
			n := strings.IndexByte(l.s[l.i:], '\n')
			if n < 0 {
				n = len(l.s) - l.i
			}
			l.i += n
		case strings.HasPrefix(l.s[l.i:], "/*"):
			n := strings.Index(l.s[l.i+2:], "*/")
			if n < 0 {
				return wrong(l.line, "the comment does not end: */ is missing", "chú thích thiếu dấu kết thúc */")
			}
			l.line += strings.Count(l.s[l.i:l.i+2+n], "\n")
			l.i += n + 4
		default:
			return nil
		}
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func (l *lexer) word() string {
	begin := l.i
	for l.i < len(l.s) && (isWordStart(l.s[l.i]) || isDigit(l.s[l.i])) {
		l.i++
	}
	return strings.ToLower(l.s[begin:l.i])
}

// number reads digits with K, M or G behind them. RFC 5228, section 2.4.1.
func (l *lexer) number(t token) (token, *Error) {
	const most = 1 << 50
	t.kind = tokenNumber
	begin := l.i
	for ; l.i < len(l.s) && isDigit(l.s[l.i]); l.i++ {
		if t.number < most {
			t.number = t.number*10 + int64(l.s[l.i]-'0')
		}
	}
	if l.i < len(l.s) {
		switch l.s[l.i] {
		case 'k', 'K':
			t.number <<= 10
			l.i++
		case 'm', 'M':
			t.number <<= 20
			l.i++
		case 'g', 'G':
			t.number <<= 30
			l.i++
		}
	}
	t.text = l.s[begin:l.i]
	if t.number < 0 || t.number >= most || len(t.text) > 16 {
		return t, wrong(t.line, "the number %.16s… is too large", "số %.16s… quá lớn", t.text)
	}
	if l.i < len(l.s) && isWordStart(l.s[l.i]) {
		return t, wrong(t.line, "%q after the number: only K, M and G are known", "sau số có %q: chỉ dùng K, M, G", l.s[l.i])
	}
	return t, nil
}

func (l *lexer) quoted(t token) (token, *Error) {
	t.kind = tokenString
	var b strings.Builder
	for l.i++; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; c {
		case '"':
			l.i++
			t.text = b.String()
			return t, checkText(t)
		case '\\':
			l.i++
			if l.i < len(l.s) {
				if l.s[l.i] == '\n' {
					l.line++
				}
				b.WriteByte(l.s[l.i])
			}
		default:
			if c == '\n' {
				l.line++
			}
			b.WriteByte(c)
		}
	}
	return t, wrong(t.line, `the string does not end: " is missing`, `chuỗi thiếu dấu kết thúc "`)
}

// multiLine reads "text:" up to a line with a single dot. RFC 5228, section
// 2.4.2.
func (l *lexer) multiLine(t token) (token, *Error) {
	t.kind = tokenString
	l.i++
	for l.i < len(l.s) && (l.s[l.i] == ' ' || l.s[l.i] == '\t' || l.s[l.i] == '\r') {
		l.i++
	}
	if l.i < len(l.s) && l.s[l.i] == '#' {
		for l.i < len(l.s) && l.s[l.i] != '\n' {
			l.i++
		}
	}
	if l.i >= len(l.s) || l.s[l.i] != '\n' {
		return t, wrong(t.line, "text: must be followed by a new line", "sau text: phải xuống dòng")
	}
	l.i++
	l.line++
	var b strings.Builder
	for l.i < len(l.s) {
		end := strings.IndexByte(l.s[l.i:], '\n')
		if end < 0 {
			end = len(l.s) - l.i
		}
		line := strings.TrimSuffix(l.s[l.i:l.i+end], "\r")
		l.i = min(l.i+end+1, len(l.s))
		l.line++
		if line == "." {
			t.text = b.String()
			return t, checkText(t)
		}
		b.WriteString(strings.TrimPrefix(line, ".")) // a dot at the start is doubled
		b.WriteString("\r\n")
	}
	return t, wrong(t.line, `text: does not end: a line with "." is missing`, `text: thiếu dòng kết thúc "."`)
}

func checkText(t token) *Error {
	if !utf8.ValidString(t.text) || strings.IndexByte(t.text, 0) >= 0 {
		return wrong(t.line, "the string is not UTF-8 text", "chuỗi không phải văn bản UTF-8")
	}
	return nil
}
