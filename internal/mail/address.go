package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
)

// Limits of RFC 5321, section 4.5.3.1, in octets. maxAddress is the longest
// path of 256 octets without its angle brackets.
const (
	maxLocal   = 64
	maxDomain  = 255
	maxAddress = 254
	maxLabel   = 63
)

// Address is a mailbox of RFC 5321, section 4.1.2, in canonical form: Local
// without quotes and as given, Domain in lower case; both NFC. Only
// ParseAddress makes sure of that; two canonical addresses may be compared by ==,
// but local parts that differ in case only are equal to Key alone.
type Address struct{ Local, Domain string }

// ParseAddress reads exactly one mailbox: a dot-string or quoted-string local
// part, "@" and a domain name. Address literals, comments, source routes and
// angle brackets are refused; octets above 127 are taken only with utf8
// (RFC 6531) and are brought to NFC. Errors are of kind fault.Invalid.
func ParseAddress(s string, utf8 bool) (Address, error) {
	a, why := parseAddress(s, utf8)
	if why != "" {
		return Address{}, fault.New(fault.Invalid, fault.Text{EN: "bad address: " + why, VI: "Địa chỉ thư không hợp lệ."})
	}
	return a, nil
}

func parseAddress(s string, allowUTF8 bool) (Address, string) {
	if len(s) > maxAddress {
		return Address{}, "longer than 254 octets"
	}
	ascii := isASCII(s)
	if !ascii {
		if !allowUTF8 {
			return Address{}, "octets above 127 without SMTPUTF8"
		}
		if !utf8.ValidString(s) {
			return Address{}, "not valid UTF-8"
		}
		s = norm.NFC.String(s)
	}
	local, domain, why := cutLocal(s)
	if why != "" {
		return Address{}, why
	}
	domain = strings.ToLower(domain)
	if !ascii {
		domain = norm.NFC.String(domain)
	}
	if why := checkDomain(domain); why != "" {
		return Address{}, why
	}
	a := Address{Local: local, Domain: domain}
	written := a.String()
	if len(written) > maxAddress {
		return Address{}, "longer than 254 octets"
	}
	if len(written)-len(domain)-1 > maxLocal {
		return Address{}, "local part longer than 64 octets"
	}
	return a, ""
}

// cutLocal reads the local part of s up to and with the "@" and gives its
// content without quotes, and what follows.
func cutLocal(s string) (local, rest, why string) {
	if !strings.HasPrefix(s, `"`) {
		at := strings.IndexByte(s, '@')
		if at < 0 {
			return "", "", `no "@"`
		}
		if !isDotString(s[:at]) {
			return "", "", "local part is neither atoms nor quoted"
		}
		return s[:at], s[at+1:], ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i+1 >= len(s) || s[i+1] != '@' {
				return "", "", `no "@" after the quoted local part`
			}
			if b.Len() == 0 {
				return "", "", "empty local part"
			}
			if hasControl(b.String()) {
				return "", "", "control character"
			}
			return b.String(), s[i+2:], ""
		case c == '\\':
			i++
			if i >= len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", "bad escape in the local part"
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "quoted local part does not end"
}

// isDotString tells whether s is a Dot-string of RFC 5321, section 4.1.2, as
// widened by RFC 6531, section 3.3.
func isDotString(s string) bool {
	dot := true // a dot may not stand here
	for _, r := range s {
		switch {
		case r == '.':
			if dot {
				return false
			}
			dot = true
			continue
		case r < utf8.RuneSelf:
			if !isAtext(byte(r)) {
				return false
			}
		case isForbiddenRune(r):
			return false
		}
		dot = false
	}
	return !dot
}

func isAtext(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c != 0 && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// isForbiddenRune tells whether a rune above ASCII is one that hides or
// reorders text, or a blank; none belongs into an address.
func isForbiddenRune(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= utf8.RuneSelf && isForbiddenRune(r) {
			return true
		}
	}
	return false
}

// checkDomain gives why the lower-case s is no domain name, "" when it is one.
// RFC 5321, section 2.3.5 with U-labels of RFC 5890 by the shape of their letters.
func checkDomain(s string) string {
	switch {
	case s == "":
		return "no domain"
	case len(s) > maxDomain:
		return "domain longer than 255 octets"
	case s[0] == '[':
		return "address literals are not served"
	}
	for rest, more := s, true; more; {
		var label string
		label, rest, more = strings.Cut(rest, ".")
		switch {
		case label == "":
			return "empty label in the domain"
		case len(label) > maxLabel:
			return "domain label longer than 63 octets"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "domain label begins or ends with a hyphen"
		}
		for _, r := range label {
			switch {
			case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-':
			case r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)):
			default:
				return "character that no domain has"
			}
		}
	}
	return ""
}

// String gives the address as SMTP writes it, the local part quoted where it
// must be. It is "" for the zero Address.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	return quote(a.Local) + "@" + a.Domain
}

// quote gives s as a quoted-string.
func quote(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(append(b, '"'))
}

// Key gives a text that is equal for addresses that we take for the same
// mailbox: all in lower case.
func (a Address) Key() string {
	return norm.NFC.String(strings.ToLower(a.Local)) + "@" + a.Domain
}

// IsZero tells whether a is the zero Address.
func (a Address) IsZero() bool { return a == Address{} }

// Split parts a sub-address: "so.noivu+vb@x" gives "so.noivu@x" and "vb". An
// address without detail comes back as it is. RFC 5233, section 4.
func (a Address) Split() (base Address, detail string) {
	if i := strings.IndexByte(a.Local, '+'); i > 0 {
		return Address{Local: a.Local[:i], Domain: a.Domain}, a.Local[i+1:]
	}
	return a, ""
}

// Path is a reverse-path: an address, or the null path "<>" that forbids
// answers. RFC 5321, section 4.5.5.
type Path struct {
	Address
	Null bool
}

// ParsePath reads a reverse-path with its angle brackets. A source route is
// dropped, as RFC 5321, appendix C asks. Errors are of kind fault.Invalid.
func ParsePath(s string, utf8 bool) (Path, error) {
	if s == "<>" {
		return Path{Null: true}, nil
	}
	inner, open := strings.CutPrefix(s, "<")
	inner, closed := strings.CutSuffix(inner, ">")
	if !open || !closed {
		return Path{}, fault.New(fault.Invalid, fault.Text{EN: "bad path: no angle brackets", VI: "Địa chỉ thư không hợp lệ."})
	}
	if strings.HasPrefix(inner, "@") {
		route, rest, ok := strings.Cut(inner, ":")
		for hop := range strings.SplitSeq(route, ",") {
			d, at := strings.CutPrefix(hop, "@")
			ok = ok && at && isASCII(d) && checkDomain(strings.ToLower(d)) == ""
		}
		if !ok {
			return Path{}, fault.New(fault.Invalid, fault.Text{EN: "bad path: bad source route", VI: "Địa chỉ thư không hợp lệ."})
		}
		inner = rest
	}
	a, err := ParseAddress(inner, utf8)
	return Path{Address: a}, err
}

// String gives the path with its angle brackets.
func (p Path) String() string { return "<" + p.Address.String() + ">" }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
