package mail

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/unicode/norm"
)

// DecodeText brings text of a declared charset to UTF-8 in NFC, as well as can
// be: text that is valid UTF-8 is taken for UTF-8 where the declared charset is
// absent, unknown or of one octet per character (senders lie about those), then
// the declared charset counts, then windows-1258. It never fails.
func DecodeText(b []byte, charset string) string {
	return norm.NFC.String(decodeCharset(b, charset))
}

func decodeCharset(b []byte, charset string) string {
	charset = strings.ToLower(strings.TrimSpace(charset))
	if !stateful(charset) && utf8.Valid(b) {
		return string(b)
	}
	switch charset {
	case "utf-8", "utf8":
		// Broken UTF-8 keeps what can be read; one octet per character when nothing much can.
		if good := strings.ToValidUTF8(string(b), "\uFFFD"); mostlyReadable(good) {
			return good
		}
	case "", "us-ascii", "ascii", "unknown-8bit", "x-unknown":
	default:
		if enc, err := htmlindex.Get(charset); err == nil {
			if out, err := enc.NewDecoder().Bytes(b); err == nil {
				return strings.ToValidUTF8(string(out), "\uFFFD")
			}
		}
	}
	out, err := charmap.Windows1258.NewDecoder().Bytes(b)
	if err != nil { // a table of one octet per character has no invalid input
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// stateful tells charsets whose text can look like valid UTF-8 and be none.
func stateful(charset string) bool {
	return strings.HasPrefix(charset, "iso-2022") || strings.HasPrefix(charset, "utf-16") ||
		strings.HasPrefix(charset, "hz") || strings.HasPrefix(charset, "gb") ||
		strings.HasPrefix(charset, "big5") || strings.HasPrefix(charset, "shift") || strings.HasPrefix(charset, "euc-")
}

// mostlyReadable tells whether less than a third of the runes above ASCII are
// replacement characters.
func mostlyReadable(s string) bool {
	wide, bad := 0, 0
	for _, r := range s {
		if r >= utf8.RuneSelf {
			wide++
		}
		if r == utf8.RuneError {
			bad++
		}
	}
	return bad*3 <= wide
}
