package mailauth

import (
	"strings"
)

// AppendResults adds v as an Authentication-Results field with its line end,
// under the name by which readers know that we wrote it. RFC 8601, section 2.2.
func (v *Verdict) AppendResults(b []byte, authority string) []byte {
	b = append(b, "Authentication-Results: "+authority...)
	empty := true
	result := func(method string, r Result, reason string, props ...[2]string) {
		empty = false
		b = append(b, ";\r\n\t"+method+"="+string(r)...)
		if reason != "" {
			b = append(append(b, " reason="...), quoted(reason)...)
		}
		for _, p := range props {
			if p[1] != "" {
				b = append(append(b, " "+p[0]+"="...), value(p[1])...)
			}
		}
	}
	for _, s := range v.DKIM {
		result("dkim", s.Result, s.Reason, [2]string{"header.d", string(s.Domain)}, [2]string{"header.s", string(s.Selector)},
			[2]string{"header.a", s.Algorithm}, [2]string{"header.b", s.Tag})
	}
	if v.SPF != "" {
		if v.client.From.Null {
			result("spf", v.SPF, "", [2]string{"smtp.helo", v.client.Helo})
		} else {
			result("spf", v.SPF, "", [2]string{"smtp.mailfrom", v.client.From.Address.Domain})
		}
	}
	if v.DMARC != "" {
		reason := ""
		if v.Policy != "" {
			reason = "policy " + string(v.Policy)
		}
		result("dmarc", v.DMARC, reason, [2]string{"header.from", string(v.Author)})
	}
	if empty {
		b = append(b, "; none"...)
	}
	return append(b, "\r\n"...)
}

// maxValue bounds one foreign value in the field, in octets.
const maxValue = 253

// value writes a foreign text as a token, or quoted when it is none.
func value(s string) string {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._+", c) >= 0:
		default:
			return quoted(s)
		}
	}
	if s == "" || len(s) > maxValue {
		return quoted(s)
	}
	return s
}

// quoted writes a quoted string without anything that could end the field or
// stand out of it.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "?") {
		switch {
		case b.Len() >= maxValue:
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Authority gives who claims to have written the value of an
// Authentication-Results field, in lower case, without comments and quotes. ok
// is false when that cannot be told: some reader might still take it for us.
func Authority(value string) (name string, ok bool) {
	rest, ok := skipComments(value)
	if !ok || rest == "" {
		return "", false
	}
	var b strings.Builder
	if rest[0] == '"' {
		closed := false
		for i := 1; i < len(rest) && !closed; i++ {
			switch c := rest[i]; {
			case c == '"':
				closed, rest = true, rest[i+1:]
			case c == '\\' && i+1 < len(rest):
				i++
				b.WriteByte(rest[i])
			default:
				b.WriteByte(c)
			}
		}
		if !closed {
			return "", false
		}
	} else {
		end := strings.IndexAny(rest, " \t\r\n;(\"")
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(rest[:end])
		rest = rest[end:]
	}
	rest, ok = skipComments(rest)
	if !ok || b.Len() == 0 {
		return "", false
	}
	// A version may follow, then the results or nothing.
	if version := strings.TrimLeft(rest, "0123456789"); version != rest {
		if rest, ok = skipComments(version); !ok {
			return "", false
		}
	}
	if rest != "" && rest[0] != ';' {
		return "", false
	}
	return strings.ToLower(b.String()), true
}

// skipComments cuts blanks and comments, which nest, off the beginning of s.
func skipComments(s string) (rest string, ok bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			i++
		case depth > 0, c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			return s[i:], true
		}
	}
	return "", depth == 0
}
