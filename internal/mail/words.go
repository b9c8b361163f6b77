package mail

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWords is how many encoded words of one value are decoded.
const maxWords = 1000

// maxEncodedWord is the length of an encoded word, RFC 2047, section 2.
const maxEncodedWord = 75

// DecodeHeader decodes the encoded words of a raw header value, wherever they
// stand (also inside quoted strings, where RFC 2047 has none but mailers do).
// Octets above 127 outside of words are taken as UTF-8 or else as windows-1258.
// Letters that were cut apart between two words are joined. The result is NFC
// without control characters; what cannot be decoded stays as it is.
func DecodeHeader(raw string) string {
	if isASCII(raw) && !strings.Contains(raw, "=?") {
		return stripControls(raw)
	}
	var out strings.Builder
	out.Grow(len(raw))
	var pending []byte // octets of words in charset that are not yet converted
	charset := ""
	flush := func() {
		if len(pending) > 0 {
			out.WriteString(decodeCharset(pending, charset))
			pending = pending[:0]
		}
	}
	words, rest := 0, raw
	for rest != "" {
		i := strings.Index(rest, "=?")
		if i < 0 || words >= maxWords {
			break
		}
		w, n := parseWord(rest[i:])
		if n < 0 {
			break
		}
		if n == 0 {
			flush()
			writeRaw(&out, rest[:i+2])
			rest = rest[i+2:]
			continue
		}
		words++
		between := rest[:i]
		if words == 1 || !isBlank(between) || len(pending) == 0 {
			flush()
			writeRaw(&out, between)
		}
		if !strings.EqualFold(w.charset, charset) {
			flush()
			charset = w.charset
		}
		pending = append(pending, w.content...)
		rest = rest[i+n:]
	}
	flush()
	writeRaw(&out, rest)
	return stripControls(norm.NFC.String(out.String()))
}

// writeRaw writes header text outside of encoded words.
func writeRaw(out *strings.Builder, s string) {
	if isASCII(s) {
		out.WriteString(s)
		return
	}
	out.WriteString(decodeCharset([]byte(s), ""))
}

type word struct {
	charset string
	content []byte
}

// parseWord reads an encoded word at the start of s ("=?charset?B?text?=") and
// gives its length: 0 if there is none, -1 if none can follow either (no "?=" is
// left; keeps the search linear). Blanks inside a Q word are tolerated.
func parseWord(s string) (word, int) {
	head, length := lexWord(s)
	if length <= 0 {
		return word{}, length
	}
	charset, _, _ := strings.Cut(s[2:head-3], "*") // RFC 2231, section 5: language
	text := s[head : length-2]
	if enc := s[head-2]; enc == 'B' || enc == 'b' {
		return word{charset: charset, content: decodeBase64Tolerant(text)}, length
	}
	return word{charset: charset, content: decodeQ(text)}, length
}

// lexWord gives where the text of the encoded word at the start of s begins and
// the word's length, as parseWord does.
func lexWord(s string) (text, length int) {
	rest := s[2:]
	q := strings.IndexByte(rest[:min(len(rest), 64)], '?')
	if q <= 0 || len(rest) < q+3 || rest[q+2] != '?' || strings.IndexByte("BbQq", rest[q+1]) < 0 ||
		strings.ContainsAny(rest[:q], " \t\"()<>@,;:=") {
		return 0, 0
	}
	end := strings.Index(rest[q+3:], "?=")
	if end < 0 {
		return 0, -1
	}
	return 2 + q + 3, 2 + q + 3 + end + 2
}

func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	default:
		return -1
	}
}

func isBlank(s string) bool { return strings.Trim(s, " \t\r\n") == "" }

// stripControls turns controls (also those that words smuggled in) into blanks.
func stripControls(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// EncodeText gives the UTF-8 text s as a header field may hold it: as it is when
// it is printable ASCII that cannot be taken for an encoded word, else as encoded
// words.
func EncodeText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0 && !strings.Contains(s, "=?") {
		return s
	}
	return encodeWords(s)
}

// encodeWords gives the UTF-8 text s as encoded words of at most 75 octets with
// a blank between two, never cutting a letter. RFC 2047, section 5.
func encodeWords(s string) string {
	const head, tail = "=?UTF-8?B?", "?="
	const room = (maxEncodedWord - len(head) - len(tail)) / 4 * 3
	var b strings.Builder
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > room {
				break
			}
			n += size
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(head)
		b.WriteString(base64.StdEncoding.EncodeToString([]byte(s[:n])))
		b.WriteString(tail)
		s = s[n:]
	}
	return b.String()
}
