package mail

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const upperHex = "0123456789ABCDEF"

// EncodeXtext writes s as xtext: printable ASCII, "+" and "=" and all else as "+" and two hex digits. RFC 3461, section 4.
func EncodeXtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'+', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return b.String()
}

// DecodeXtext reads xtext; ok is false when s is not.
func DecodeXtext(s string) (text string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", false
			}
			n := strings.IndexByte(upperHex, s[i+1])
			m := strings.IndexByte(upperHex, s[i+2])
			if n < 0 || m < 0 {
				return "", false
			}
			b.WriteByte(byte(n<<4 | m))
			i += 2
		case c <= ' ' || c >= 0x7f || c == '=':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// DecodeUTF8Address reads the address of an ORCPT of type utf-8: xtext with \x{…} for what is not ASCII, or, with SMTPUTF8, as it is.
// RFC 6533, section 3.
func DecodeUTF8Address(s string) (addr string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\' && strings.HasPrefix(s[i:], `\x{`):
			end := strings.IndexByte(s[i:], '}')
			if end < 5 || end > 9 {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+3:i+end], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) || n < ' ' || n >= 0x7f && n < 0xa0 {
				return "", false
			}
			b.WriteRune(rune(n))
			i += end + 1
			continue
		case r == utf8.RuneError && size <= 1, r <= ' ', r >= 0x7f && r < 0xa0, r == '+', r == '=', r == '\\':
			return "", false
		}
		b.WriteRune(r)
		i += size
	}
	return b.String(), true
}

// EncodeUTF8Address writes an address for ORCPT of type utf-8, in ASCII. RFC 6533, section 3 (utf-8-addr-xtext).
func EncodeUTF8Address(addr string) string {
	var b strings.Builder
	for _, r := range addr {
		if r > ' ' && r < 0x7f && r != '+' && r != '=' && r != '\\' {
			b.WriteRune(r)
		} else {
			b.WriteString(`\x{` + strings.ToUpper(strconv.FormatUint(uint64(uint32(r)), 16)) + "}") //nolint:gosec // a rune of valid text is not negative
		}
	}
	return b.String()
}
