package imapd

import (
	"math"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/mailstore"
)

// maxURL is the longest IMAP URL, in octets.
const maxURL = 4 << 10

// messageURL is an IMAP URL (RFC 5092) of a message, or a part of one, in a mailbox of this server: its form without scheme and host,
// "/mailbox;UIDVALIDITY=1/;UID=2/;SECTION=1.2/;PARTIAL=0.1024".
type messageURL struct {
	mailbox  string // UTF-8
	validity uint32 // 0 when not given
	uid      mailstore.UID
	item     fetchItem // of kind fetchSection
}

// parseURL reads a URL. Anything else than a message of this server is not valid.
func parseURL(s string) (u messageURL, valid bool) {
	if len(s) > maxURL || !strings.HasPrefix(s, "/") || strings.ContainsFunc(s, func(r rune) bool { return r >= 0x7f }) {
		return u, false
	}
	cut := func(s, key string) (before, after string, found bool) {
		i := strings.Index(strings.ToUpper(s), key)
		if i < 0 {
			return s, "", false
		}
		return s[:i], s[i+len(key):], true
	}
	box, rest, found := cut(s[1:], "/;UID=")
	if !found {
		return u, false
	}
	box, validity, given := cut(box, ";UIDVALIDITY=")
	if given {
		n, valid := parseNumber([]byte(validity), math.MaxUint32)
		if !valid || n == 0 {
			return u, false
		}
		u.validity = uint32(n)
	}
	if u.mailbox, valid = unescapeURL(box); !valid || u.mailbox == "" {
		return u, false
	}
	u.mailbox = norm.NFC.String(u.mailbox)
	rest, partial, isPartial := cut(rest, "/;PARTIAL=")
	uid, section, _ := cut(rest, "/;SECTION=")
	n, valid := parseNumber([]byte(uid), math.MaxUint32)
	if !valid || n == 0 {
		return u, false
	}
	u.uid = mailstore.UID(n)
	if section, valid = unescapeURL(section); !valid {
		return u, false
	}
	l := lexer{b: []byte("BODY.PEEK[" + section + "]")}
	if u.item, valid = parseFetchItem(&l); !valid || l.i != len(l.b) || u.item.partial {
		return u, false
	}
	if isPartial {
		u.item.partial = true
		valid = parseURLPartial(partial, &u.item)
	}
	return u, valid
}

// parseURLPartial reads offset and length, of which the latter may be missing.
func parseURLPartial(s string, it *fetchItem) bool {
	from, count, both := strings.Cut(s, ".")
	n, valid := parseNumber([]byte(from), math.MaxInt64)
	it.from, it.count = int64(n), math.MaxInt64
	if !valid || !both {
		return valid
	}
	n, valid = parseNumber([]byte(count), math.MaxInt64)
	it.count = int64(n)
	return valid && n > 0
}

// unescapeURL resolves percent signs; the result is UTF-8 without control characters.
func unescapeURL(s string) (string, bool) {
	out, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return "", false
	}
	return out, true
}
