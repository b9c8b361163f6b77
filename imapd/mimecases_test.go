package imapd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// bomb is a message that is built to cost more than it weighs (design, reliability.md 4.6).
type bomb struct{ name, text string }

// bombs are those of T106 to T114; poison has smaller ones.
func bombs() []bomb {
	repeat := strings.Repeat
	number := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	deep := func(n int, leaf string) string {
		return number(n, "Content-Type: multipart/mixed; boundary=\"b%[1]d\"\r\n\r\n--b%[1]d\r\n") + "\r\n" + leaf
	}
	many := "Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	embedded := "Content-Type: message/rfc822\r\n\r\n"
	return []bomb{
		{"T106 multipart 10,000 deep", deep(10_000, "x\r\n")},
		{"T106 multipart 1,000 deep with 2 MB", deep(1000, repeat("0123456789abcde\r\n", 120_000))},
		{"T107 rfc822 1,000 deep with 1 MB", repeat(embedded, 1000) + "Subject: in\r\n\r\n" + repeat("0123456789abcde\r\n", 60_000)},
		{"T108 100,000 parts", many + repeat("--b\r\n\r\nx\r\n", 100_000) + "--b--\r\n"},
		{"T108 1,000,000 boundaries", many + repeat("--b\r\n", 1_000_000)},
		{"T109 100,000 equal fields", repeat("To: a@b\r\n", 100_000) + "\r\nx\r\n"},
		{"T109 100,000 different fields", number(100_000, "X-%d: y\r\n") + "\r\nx\r\n"},
		{"T109 30,000 folds", "Subject: a\r\n" + repeat(" b\r\n", 30_000) + "\r\nx\r\n"},
		{"T109 2 MB line in the header", "Subject: " + repeat("x", 2<<20) + "\r\n\r\nx\r\n"},
		{"T109 2 MB line in the body", "Subject: x\r\n\r\n" + repeat("x", 2<<20) + "\r\n"},
		{"T110 400 KB comment", "Message-ID: (" + repeat("c", 400<<10) + ")<a@b>\r\nSubject: x\r\n\r\nx\r\n"},
		{"T110 50,000 deep comments", "From: " + repeat("(", 50_000) + repeat(")", 50_000) + " a@b\r\n\r\nx\r\n"},
		{"T110 50,000 addresses", "To: " + repeat("a@b, ", 50_000) + "c@d\r\n\r\nx\r\n"},
		{"T110 50,000 groups", "To: " + repeat("g:;", 50_000) + "\r\n\r\nx\r\n"},
		{"T111 20,000 encoded words", "Subject: " + repeat("=?utf-8?q?a?=\r\n ", 20_000) + "\r\n\r\nx\r\n"},
		{"T111 20,000 pieces", "Content-Type: text/plain" + number(20_000, ";\r\n name*%d=x") + "\r\n\r\nx\r\n"},
		{"T112 no boundary", "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n"},
		{"T112 empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n"},
		{"T112 no parts", many + "nothing\r\n"},
		{"T112 no subtype", "Content-Type: multipart\r\n\r\nx\r\n"},
		{"T112 no type", "Content-Type:\r\n\r\nx\r\n"},
		{"T112 empty rfc822", many + "--b\r\n" + embedded + "--b\r\n" + "Content-Type: message/rfc822\r\n--b--\r\n"},
		{"T112 nothing but rfc822", embedded},
		{"T113 no header", "no header here\r\nnor here\r\n"},
		{"T113 leading blank", " Subject: x\r\nTo: a@b\r\n\r\nx\r\n"},
		{"T113 From line", "From a@b Tue Nov 24 08:30:00 2026\r\nSubject: x\r\n\r\nFrom here\r\n"},
		{"T113 header alone", "Subject: x\r\n"},
		{"T113 no line end", "Subject: x"},
		{"T113 empty line alone", "\r\n"},
		{"T113 empty", ""},
		{"T114 8-bit", "Subject: \xb9\xab\xce\xc4 \xff\r\nFrom: \xe1\xba <a@b>\r\n\r\n\xff\xfe\x80\r\n"},
		{"T114 dates", "Date: 99 Foo 99999 99:99:99 +9999\r\nDate: \r\nReceived: ;;;\r\nSubject: x\r\n\r\nx\r\n"},
		{"T114 base64", "Content-Transfer-Encoding: base64\r\n\r\n====!!!!\r\nQ\r\n=Q=Q\r\n"},
		{"T114 quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\nSubject: x\r\n\r\n=\r\n=XY=4\r\n=="},
		{"T114 unknown encoding", "Content-Transfer-Encoding: x-none, base64\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n"},
		{"T114 two types", "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"},
		{"T114 file name", "Content-Type: application/pdf; name=\"../../\xe2\x80\xaefdp.exe\x01\\\"\r\nContent-Disposition: attachment; filename*=utf-8''%00%0d%0a..%2f\r\n\r\nx\r\n"},
		{"T122 calendar", many + "--b\r\nContent-Type: text/calendar\r\n\r\n" + repeat("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", 20_000) + "--b--\r\n"},
		{"T122 vCard", many + "--b\r\nContent-Type: text/vcard\r\n\r\nBEGIN:VCARD\r\nFN:" + repeat("x\r\n ", 50_000) + "\r\n--b--\r\n"},
		{"T122 TNEF", many + "--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" + repeat("eJ8+IgEAAAAA", 10_000) + "\r\n--b--\r\n"},
		{"T122 S/MIME in S/MIME", strings.ReplaceAll(deep(200, "x\r\n"), "multipart/mixed;", "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256;")},
	}
}

// T106 to T115, T122: each is stored and served octet by octet, every view of it is well formed, and a mailbox that has them all can
// be listed.
func TestT106_T115_BombsAreServed(t *testing.T) {
	w := plain(t)
	id := w.box("canbo", "INBOX").ID
	list := bombs()
	c := w.login("canbo")
	for _, b := range list {
		var uid mailstore.UID
		n := allocated(func() { uid = w.put(id, b.text, mailstore.Flags{}) })
		if limit := uint64(8*len(b.text) + 64<<20); n > limit {
			t.Errorf("%s: storing %d octets allocated %d", b.name, len(b.text), n)
		}
		c.ok("SELECT INBOX")
		begin := time.Now()
		n = allocated(func() {
			for _, items := range []string{
				"ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[1.1.1.1]", "BODY.PEEK[HEADER.FIELDS (To Subject X-99999)]",
				"BODY.PEEK[HEADER.FIELDS.NOT (To)]", "BINARY.SIZE[1]", "PREVIEW",
			} {
				got, tagged := c.do(fmt.Sprintf("UID FETCH %d (%s)", uid, items))
				if strings.HasPrefix(tagged, "NO [UNKNOWN-CTE]") && strings.HasPrefix(items, "BINARY") {
					continue
				}
				if !strings.HasPrefix(tagged, "OK") || len(got) != 1 || !balanced(got[0]) {
					t.Errorf("%s: %s: %d answers, %.300q %q", b.name, items, len(got), got, tagged)
				}
			}
			for _, keys := range []string{"TEXT nonsense", "HEADER X-99999 nonsense", "SUBJECT nonsense"} {
				if got := c.ok(fmt.Sprintf("UID SEARCH UID %d %s", uid, keys)); len(got) != 1 || got[0] != "* SEARCH" {
					t.Errorf("%s: SEARCH %s: %q", b.name, keys, got)
				}
			}
		})
		if limit := uint64(100*len(b.text) + 64<<20); n > limit {
			t.Errorf("%s: looking at %d octets allocated %d", b.name, len(b.text), n)
		}
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("%s: took %v", b.name, d)
		}
		got := c.ok(fmt.Sprintf("UID FETCH %d (RFC822.SIZE BODY.PEEK[])", uid))
		if want := fmt.Sprintf("RFC822.SIZE %d BODY[] {%s})", len(b.text), b.text); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: BODY[] is not what was stored", b.name)
		}
		c.alive()
	}
	if got := c.ok("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"); len(got) != len(list) {
		t.Errorf("%d of %d messages listed", len(got), len(list))
	}
	c.ok("SORT (SUBJECT DATE FROM SIZE) UTF-8 ALL")
	c.ok("THREAD REFERENCES UTF-8 ALL")
	c.alive()
}

// balanced says whether every bracket and quote of an answer outside of literals is closed. whole puts literals in braces.
func balanced(s string) bool {
	if i := strings.Index(s, " {"); i >= 0 && strings.Contains(s[:i], "BODY[") {
		return strings.HasSuffix(s, "})")
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if i >= len(s) {
				return false
			}
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0
}
