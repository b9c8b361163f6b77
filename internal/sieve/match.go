package sieve

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/mail"
)

// comparator is how strings are compared. RFC 4790.
type comparator string

const (
	octet   comparator = "i;octet"
	casemap comparator = "i;ascii-casemap"
	numeric comparator = "i;ascii-numeric"
	folded  comparator = "vnd.vanthu.fold" // without case and diacritics, đ as d
)

// matcher is a match type with its comparator. RFC 5228, section 2.7; RFC 5231.
type matcher struct {
	kind     string // is, contains, matches, value, count
	relation string // of value and count
	by       comparator
	capture  bool // a match sets ${1} …
	line     int
}

// matchTags are the tags that a matcher is made of.
func matchTags() tagTable {
	return tagTable{"is": 0, "contains": 0, "matches": 0, "value": argString, "count": argString, "comparator": argString}
}

func (c *compiler) matcher(a *args, by comparator) (matcher, *Error) {
	m := matcher{kind: "is", by: by, capture: c.has["variables"], line: a.line}
	kind, e := a.one("is", "contains", "matches", "value", "count")
	if e != nil {
		return m, e
	}
	if kind != "" {
		m.kind = kind
	}
	if kind == "value" || kind == "count" {
		if e := c.need(a.line, ":"+kind, "relational"); e != nil {
			return m, e
		}
		m.relation = strings.ToLower(a.tags[kind].list[0])
		switch m.relation {
		case "gt", "ge", "lt", "le", "eq", "ne":
		default:
			return m, wrong(a.line, ":%s must be followed by gt, ge, lt, le, eq or ne", "sau :%s phải là gt, ge, lt, le, eq hoặc ne", kind)
		}
	}
	if v, ok := a.tags["comparator"]; ok {
		m.by = comparator(v.list[0])
		switch m.by {
		case octet, casemap:
		case numeric, folded:
			if e := c.need(a.line, ":comparator "+string(m.by), "comparator-"+string(m.by)); e != nil {
				return m, e
			}
		default:
			return m, wrong(a.line, "the comparator %q is not known here", "không có cách so sánh %q", string(m.by))
		}
	}
	if m.by == numeric && (m.kind == "contains" || m.kind == "matches") {
		return m, wrong(a.line, "i;ascii-numeric does not do :%s", "i;ascii-numeric không dùng với :%s", m.kind)
	}
	return m, nil
}

// matches tells whether a value fits a key. Its work is charged to the run.
func (m *machine) matches(mt matcher, value, key string) (bool, *Error) {
	cost := (len(value) + len(key)) / stepOctets
	if mt.kind == "matches" {
		cost *= 4 * (1 + strings.Count(key, "*"))
	}
	if e := m.step(mt.line, cost); e != nil {
		return false, e
	}
	switch mt.kind {
	case "contains":
		return strings.Contains(mt.by.fold(value), mt.by.fold(key)), nil
	case "matches":
		parts, ok := glob(mt.by, key, value)
		if ok && mt.capture {
			m.matched = append([]string{value}, parts[:min(len(parts), 9)]...)
			for i := range m.matched {
				m.matched[i] = clip(m.matched[i], maxValue)
			}
		}
		return ok, nil
	case "value":
		return related(mt.relation, mt.by.compare(value, key)), nil
	}
	return mt.by.compare(value, key) == 0, nil
}

// any tells whether one of the values fits one of the keys; with :count,
// whether their number does.
func (m *machine) any(mt matcher, values, keys []string) (bool, *Error) {
	if mt.kind == "count" {
		values = []string{itoa(len(values))}
		mt.kind = "value"
	}
	for _, v := range values {
		for _, k := range keys {
			if ok, e := m.matches(mt, v, k); ok || e != nil {
				return ok, e
			}
		}
	}
	return false, nil
}

func related(relation string, c int) bool {
	switch relation {
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	case "le":
		return c <= 0
	case "eq":
		return c == 0
	}
	return c != 0
}

// fold gives the form in which c compares octet by octet.
func (c comparator) fold(s string) string {
	switch c {
	case casemap:
		return lowerASCII(s)
	case folded:
		return mail.Fold(s)
	}
	return s
}

func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

func (c comparator) compare(a, b string) int {
	if c != numeric {
		return strings.Compare(c.fold(a), c.fold(b))
	}
	x, y := digitsOf(a), digitsOf(b)
	switch { // what is no number is larger than all numbers, and equal to its like
	case x == "" && y == "":
		return 0
	case x == "":
		return 1
	case y == "":
		return -1
	case len(x) != len(y):
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

// digitsOf gives the number that s begins with, without leading zeros; "" for
// none. RFC 4790, section 9.1.
func digitsOf(s string) string {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 {
		return ""
	}
	if t := strings.TrimLeft(s[:n], "0"); t != "" {
		return t
	}
	return "0"
}

// glyph is a character of a value with its folded form.
type glyph struct{ shown, form string }

// glyphs parts a value into what "?" stands for: octets for i;octet, else
// characters, each with the marks that combine with it.
func (c comparator) glyphs(s string) []glyph {
	if c == folded {
		s = norm.NFC.String(s)
	}
	out := make([]glyph, 0, len(s))
	for len(s) > 0 {
		n := 1
		if c != octet {
			_, n = utf8.DecodeRuneInString(s)
		}
		g := glyph{s[:n], c.fold(s[:n])}
		if last := len(out) - 1; g.form == "" && last >= 0 {
			out[last].shown += g.shown // a mark that folds away
		} else {
			out = append(out, g)
		}
		s = s[n:]
	}
	return out
}

// sign is an element of a pattern.
type sign struct {
	form string
	wild byte // '*', '?' or 0
}

func (c comparator) pattern(s string) []sign {
	var out []sign
	if c == folded {
		s = norm.NFC.String(s)
	}
	for len(s) > 0 {
		if s[0] == '*' || s[0] == '?' {
			out = append(out, sign{wild: s[0]})
			s = s[1:]
			continue
		}
		if s[0] == '\\' && len(s) > 1 {
			s = s[1:]
		}
		n := 1
		if c != octet {
			_, n = utf8.DecodeRuneInString(s)
		}
		if f := c.fold(s[:n]); f != "" {
			out = append(out, sign{form: f})
		}
		s = s[n:]
	}
	return out
}

// glob matches a whole value against a pattern with "*" and "?" and gives what
// each of them stood for: as little as possible, from left to right (RFC 5229,
// section 3.2). Taking the first place where the signs up to the next "*" fit
// is that, so there is nothing to try again.
func glob(c comparator, pattern, value string) (parts []string, ok bool) {
	p, v := c.pattern(pattern), c.glyphs(value)
	at := 0
	for first := true; len(p) > 0 || first; first = false {
		star := !first || len(p) > 0 && p[0].wild == '*'
		if star {
			p = p[1:]
		}
		n := 0
		for n < len(p) && p[n].wild != '*' {
			n++
		}
		begin, last := at, n == len(p)
		switch {
		case !star && last:
			if len(v) != n {
				return nil, false
			}
		case star && last:
			if at = len(v) - n; at < begin {
				return nil, false
			}
		case star:
			for at+n <= len(v) && !fitsAt(p[:n], v[at:]) {
				at++
			}
		}
		if at+n > len(v) || !fitsAt(p[:n], v[at:]) {
			return nil, false
		}
		if star {
			parts = append(parts, join(v[begin:at]))
		}
		for i := range n {
			if p[i].wild == '?' {
				parts = append(parts, v[at+i].shown)
			}
		}
		at += n
		p = p[n:]
		if last {
			return parts, true
		}
	}
	return parts, at == len(v)
}

func fitsAt(p []sign, v []glyph) bool {
	for i := range p {
		if p[i].wild == 0 && p[i].form != v[i].form {
			return false
		}
	}
	return true
}

func join(list []glyph) string {
	var b strings.Builder
	for _, g := range list {
		b.WriteString(g.shown)
	}
	return b.String()
}
