package mail

import (
	"strings"
)

// maxParams is how many parameters of one field are kept, pieces of RFC 2231
// counted singly.
const maxParams = 100

// maxLanguages is how many tags of Content-Language are kept.
const maxLanguages = 50

// maxToken is the longest token kept, in octets.
const maxToken = 128

// setFields fills in what the MIME fields among fields say. RFC 2045, section 3;
// RFC 2183; RFC 1864; RFC 3282; RFC 2557. The first of equal fields counts.
func (p *Part) setFields(fields []Field) Defects {
	var d Defects
	p.Encoding = "7bit"
	var seen [8]bool
	for _, f := range fields {
		if len(f.Name) < 8 || !strings.EqualFold(f.Name[:8], "content-") {
			continue
		}
		var i int
		switch strings.ToLower(f.Name[8:]) {
		case "type":
			i = 0
		case "transfer-encoding":
			i = 1
		case "id":
			i = 2
		case "description":
			i = 3
		case "disposition":
			i = 4
		case "md5":
			i = 5
		case "language":
			i = 6
		case "location":
			i = 7
		default:
			continue
		}
		if seen[i] {
			d |= DefectDuplicateField
			continue
		}
		seen[i] = true
		switch i {
		case 0:
			d |= p.setType(f.Value)
		case 1:
			if enc := firstToken(f.Value); enc != "" {
				p.Encoding = strings.ToLower(enc)
			}
		case 2:
			p.ID = f.Value
		case 3:
			p.Description = f.Value
		case 4:
			var rest string
			p.Disposition, rest = cutValue(f.Value)
			p.Disposition = strings.ToLower(firstToken(p.Disposition))
			p.DispParams = parseParams(rest)
		case 5:
			p.MD5 = firstToken(f.Value)
		case 6:
			for tag := range strings.SplitSeq(f.Value, ",") {
				if tag = firstToken(tag); tag != "" && len(p.Language) < maxLanguages {
					p.Language = append(p.Language, tag)
				}
			}
		case 7:
			p.Location = strings.ReplaceAll(f.Value, " ", "")
		}
	}
	return d
}

// setType reads Content-Type. What cannot be read is text/plain, RFC 2045,
// section 5.2; parameters are kept even then.
func (p *Part) setType(v string) Defects {
	media, rest := cutValue(v)
	typ, sub, ok := strings.Cut(media, "/")
	typ, sub = firstToken(typ), firstToken(sub)
	p.Params = parseParams(rest)
	if !ok || typ == "" || sub == "" {
		p.Type, p.Subtype = "text", "plain"
		return DefectBadContentType
	}
	p.Type, p.Subtype = strings.ToLower(typ), strings.ToLower(sub)
	return 0
}

// cutValue parts the leading value of a MIME field from its parameters.
func cutValue(v string) (value, params string) {
	v = skipComments(v)
	i := strings.IndexByte(v, ';')
	if i < 0 {
		return v, ""
	}
	return v[:i], v[i+1:]
}

// firstToken gives the token of RFC 2045, section 5.1 at the start of s, after blanks.
func firstToken(s string) string {
	s = strings.Trim(skipComments(s), " \t\"")
	s = s[:min(len(s), maxToken)]
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 && c != '/' && c != '=' && c != ':' {
			return s[:i]
		}
	}
	return s
}

// skipComments drops blanks and comments at the start of s.
func skipComments(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" || s[0] != '(' {
			return s
		}
		s = s[commentLen(s):]
	}
}

// commentLen gives the length of the comment at the start of s, nested ones
// with it; a comment without an end reaches to the end of s.
func commentLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// parseParams reads "name=value; name=value" with all that mailers make of it:
// missing quotes, blanks and octets above 127 in values, empty parameters.
func parseParams(s string) []Param {
	var out []Param
	for len(out) < maxParams {
		s = skipComments(s)
		if s == "" {
			break
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		i := strings.IndexAny(s, "=;")
		if i < 0 {
			break
		}
		name := strings.Trim(s[:i], " \t\"")
		if s[i] == ';' {
			s = s[i+1:]
			continue
		}
		s = strings.TrimLeft(s[i+1:], " \t")
		var value string
		if strings.HasPrefix(s, `"`) {
			value, s = unquote(s)
			if j := strings.IndexByte(s, ';'); j >= 0 {
				s = s[j+1:]
			} else {
				s = ""
			}
		} else {
			j := strings.IndexByte(s, ';')
			if j < 0 {
				j = len(s)
			}
			value = strings.TrimRight(s[:j], " \t\"")
			s = s[min(j+1, len(s)):]
			if !isNameParam(name) {
				if k := strings.IndexAny(value, " \t("); k >= 0 {
					value = value[:k]
				}
			}
		}
		if name = paramName(name); name != "" {
			out = append(out, Param{Name: name, Value: value})
		}
	}
	return out
}

// paramName gives s without what no attribute of RFC 2045 or RFC 2231 has.
func paramName(s string) string {
	if len(s) > 128 {
		s = s[:128]
	}
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r) }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return -1
		}
		return r
	}, s)
}

// isNameParam tells whether a parameter holds a file name, so that blanks in
// its unquoted value belong to it.
func isNameParam(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), "*")
	return base == "name" || base == "filename"
}

// unquote reads the quoted-string at the start of s, which may lack its end.
func unquote(s string) (value, rest string) {
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			return s[1:i], s[i+1:]
		}
		if s[i] == '\\' {
			return unquoteEscaped(s)
		}
	}
	return s[1:], ""
}

func unquoteEscaped(s string) (value, rest string) {
	b := make([]byte, 0, min(len(s), 256))
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return string(b), s[i+1:]
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b = append(b, s[i])
		default:
			b = append(b, c) // a lone backslash is a path separator of some mailer
		}
	}
	return string(b), ""
}

// param gives the value of the first parameter of that name as received.
func param(params []Param, name string) string {
	for i := range params {
		if strings.EqualFold(params[i].Name, name) {
			return params[i].Value
		}
	}
	return ""
}
