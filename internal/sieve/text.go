package sieve

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is a string of a script: literals and variables. RFC 5229, section 3.
type text []piece

type piece struct {
	literal  string
	variable string // lower case, or a number of a match; "" for a literal
}

// text compiles a string. Without variables required, "${" means nothing.
func (c *compiler) text(line int, s string) (text, *Error) {
	if !c.has["variables"] && !c.has["encoded-character"] {
		return text{{literal: s}}, nil
	}
	var out text
	literal := func(s string) {
		if n := len(out); n > 0 && out[n-1].variable == "" {
			out[n-1].literal += s
		} else if s != "" {
			out = append(out, piece{literal: s})
		}
	}
	for s != "" {
		before, rest, ok := strings.Cut(s, "${")
		literal(before)
		if !ok {
			break
		}
		inner, after, closed := strings.Cut(rest, "}")
		decoded, isCode, e := c.encoded(line, inner)
		switch {
		case e != nil:
			return nil, e
		case closed && isCode:
			literal(decoded)
		case closed && c.has["variables"] && isVariable(inner):
			out = append(out, piece{variable: strings.ToLower(inner)})
		case closed && c.has["variables"] && strings.Contains(inner, ".") && isVariable(strings.ReplaceAll(inner, ".", "_")):
			return nil, wrong(line, "there are no variables like ${%s} here", "không có biến dạng ${%s}", inner)
		default:
			literal("${")
			s = rest
			continue
		}
		s = after
	}
	return out, nil
}

func (c *compiler) texts(a argument) ([]text, *Error) {
	out := make([]text, len(a.list))
	for i, s := range a.list {
		var e *Error
		if out[i], e = c.text(a.line, s); e != nil {
			return nil, e
		}
	}
	return out, nil
}

// encoded reads "hex: 40 41" and "unicode: 111". RFC 5228, section 2.4.2.4.
func (c *compiler) encoded(line int, inner string) (s string, ok bool, e *Error) {
	if !c.has["encoded-character"] {
		return "", false, nil
	}
	kind, list, ok := strings.Cut(inner, ":")
	kind = strings.ToLower(kind)
	if !ok || kind != "hex" && kind != "unicode" {
		return "", false, nil
	}
	var b strings.Builder
	for _, f := range strings.Fields(list) {
		n, err := strconv.ParseUint(f, 16, 32)
		switch {
		case err != nil || kind == "hex" && len(f) > 2:
			return "", false, nil // then it is plain text
		case kind == "hex":
			b.WriteByte(byte(n))
		case n > unicode.MaxRune || 0xd800 <= n && n < 0xe000:
			return "", false, wrong(line, "there is no character %s", "không có ký tự mang mã %s", f)
		default:
			b.WriteRune(rune(n))
		}
	}
	if !utf8.ValidString(b.String()) || strings.IndexByte(b.String(), 0) >= 0 {
		return "", false, wrong(line, "${%s} is not UTF-8 text", "${%s} không phải văn bản UTF-8", inner)
	}
	return b.String(), b.Len() > 0, nil
}

// isVariable tells a name of a variable or of a match.
func isVariable(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	number := isDigit(s[0])
	if !number && !isWordStart(s[0]) || number && len(s) > 4 {
		return false
	}
	for i := range len(s) {
		if !isDigit(s[i]) && (number || !isWordStart(s[i])) {
			return false
		}
	}
	return true
}

// constant gives the string when it has no variables.
func (t text) constant() (string, bool) {
	switch len(t) {
	case 0:
		return "", true
	case 1:
		return t[0].literal, t[0].variable == ""
	}
	return "", false
}

// expand gives the string with its variables' values.
func (m *machine) expand(t text) string {
	if s, ok := t.constant(); ok {
		return s
	}
	var b strings.Builder
	for _, p := range t {
		if p.variable == "" {
			b.WriteString(p.literal)
			continue
		}
		b.WriteString(m.variable(p.variable))
		if b.Len() > MaxScript {
			break
		}
	}
	return b.String()
}

func (m *machine) expandAll(list []text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = m.expand(t)
	}
	return out
}

func (m *machine) variable(name string) string {
	if isDigit(name[0]) {
		n, _ := strconv.Atoi(name)
		if n < len(m.matched) {
			return m.matched[n]
		}
		return ""
	}
	return m.vars[name]
}

// clip cuts s to n octets at the border of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
