package mail

import (
	"strings"
	"testing"
	"time"
)

func TestDecodeHeader(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "Hello", "Hello"},
		{"B", "=?UTF-8?B?VsSDbiB0aMaw?=", "Văn thư"},
		{"Q", "=?utf-8?q?V=C4=83n_th=c6=b0?=", "Văn thư"},
		{"blank between words vanishes", "=?utf-8?q?a?=\t =?utf-8?q?b?=", "ab"},
		{"text between words stays", "=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
		{"letter cut between words", "=?UTF-8?B?xA==?= =?UTF-8?B?kA==?=", "Đ"},
		{"two charsets", "=?utf-8?q?=C4=90?= =?iso-8859-1?q?=E9?=", "Đé"},
		{"windows-1258 becomes NFC", "=?windows-1258?Q?C=F4ng_v=E3n_s=F4=EC?=", "Công văn số"},
		{"NFD becomes NFC", "va\u0306n", "văn"},
		{"raw UTF-8", "Công văn", "Công văn"},
		{"raw windows-1258", "C\xf4ng v\xe3n", "Công văn"},
		{"inside quotes", `"=?utf-8?q?V=C4=83n?=" x`, `"Văn" x`},
		{"language", "=?utf-8*vi?q?V=C4=83n?=", "Văn"},
		{"unknown charset, UTF-8 inside", "=?x-none?q?V=C4=83n?=", "Văn"},
		{"us-ascii that is UTF-8", "=?us-ascii?q?V=C4=83n?=", "Văn"},
		{"latin 1 that is UTF-8", "=?iso-8859-1?q?V=C4=83n?=", "Văn"},
		{"gb2312", "=?gb2312?B?1tDOxA==?=", "中文"},
		{"iso-2022-jp", "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"blanks in a Q word", "=?utf-8?Q?a b c?=", "a b c"},
		{"missing padding", "=?utf-8?B?VsSDbg?=", "Văn"},
		{"controls", "=?utf-8?q?a=0D=0AB:_c=00?=", "a  B: c "},
		{"no end", "=?utf-8?q?abc", "=?utf-8?q?abc"},
		{"unknown encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"question mark at the end", "=?utf-8?Q?ok??=", "ok?"},
		{"glued words", "=?utf-8?q?a?==?utf-8?q?b?=", "ab"},
		{"more than 1,000 words", strings.Repeat("=?utf-8?q?a?= ", 1001), strings.Repeat("a", 1000) + " =?utf-8?q?a?= "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := DecodeHeader(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Điện Biên, ĐÀ NẴNG": "dien bien, da nang",
		"va\u0306n thư":      "van thu",
		"ABC":                "abc",
		"123/QĐ-UBND":        "123/qd-ubnd",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	want := time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)
	for _, in := range []string{
		"Tue, 24 Nov 2026 08:02:03 +0700", "24 Nov 2026 08:02:03 +0700", "Tue, 24 Nov 2026 08:02:03 +0700 (ICT-x)",
		"tue,24 nov 26 08:02:03 ICT", "Tue 24 Nov 2026 01:02:03 GMT", "24-Nov-2026 01:02:03 UT", "Mon, 23 Nov 2026 20:02:03 EST",
		"23 November 2026 20:02:03 -0500", "23 Nov 2026 20:02:03 CDT", "23 Nov 2026 21:02:03 EDT", "23 Nov 2026 19:02:03 CST",
		"23 Nov 2026 19:02:03 MDT", "23 Nov 2026 18:02:03 PDT", "23 Nov 2026 17:02:03 PST", "24 Nov 2026 01:02:03 +9999", "24 Nov 2026 01:02:03",
	} {
		if got, ok := ParseDate(in); !ok || !got.Equal(want) {
			t.Errorf("ParseDate(%q) = %v, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "yesterday", "32 Nov 2026 01:02:03 +0000", "31 Feb 2026 01:02:03 +0000", "1 Foo 2026 01:02:03", "1 Nov 2026", "1 Nov 2026 25:00 +0000"} {
		if got, ok := ParseDate(in); ok {
			t.Errorf("ParseDate(%q) = %v, want none", in, got)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	tests := []struct{ in, want string }{
		{"<a@b> <c@d>", "<a@b> <c@d>"},
		{"<a@b><c@d>", "<a@b> <c@d>"},
		{"(x) <a @b> junk <c <d@e>", "<a@b> <d@e>"},
		{"<a@b", ""},
		{"<>", ""},
	}
	for _, tt := range tests {
		if got := strings.Join(messageIDs(tt.in), " "); got != tt.want {
			t.Errorf("messageIDs(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	var long strings.Builder
	for i := range 500 {
		long.WriteString("<" + strings.Repeat("x", i%7+1) + string(rune('a'+i%26)) + "@b> ")
	}
	all := strings.Fields(long.String())
	got := messageIDs(long.String())
	if len(got) != 100 || got[0] != all[0] || got[1] != all[401] || got[99] != all[499] {
		t.Errorf("%d ids, %q … %q", len(got), got[0], got[len(got)-1])
	}
}

func TestFileName(t *testing.T) {
	tests := []struct{ name, fields, want string }{
		{"plain", `Content-Disposition: attachment; filename="a.pdf"`, "a.pdf"},
		{"name of content type", `Content-Type: a/b; name="a.pdf"`, "a.pdf"},
		{"raw UTF-8 without quotes", "Content-Disposition: attachment; filename=Công văn số 1.pdf", "Công văn số 1.pdf"},
		{"raw windows-1258", "Content-Disposition: attachment; filename=\"C\xf4ng v\xe3n.pdf\"", "Công văn.pdf"},
		{"RFC 2047", `Content-Type: a/b; name="=?utf-8?B?VsSDbi5wZGY=?="`, "Văn.pdf"},
		{"RFC 2047 folded", "Content-Type: a/b; name=\"=?utf-8?B?VsSD?=\n =?utf-8?B?bi5wZGY=?=\"", "Văn.pdf"},
		{"RFC 2231", `Content-Disposition: attachment; filename*=UTF-8''V%C4%83n.pdf`, "Văn.pdf"},
		{"RFC 2231 windows-1258", `Content-Disposition: attachment; filename*=windows-1258'vi'C%F4ng%20v%E3n.pdf`, "Công văn.pdf"},
		{"RFC 2231 pieces out of order", `Content-Disposition: attachment; filename*1=".pdf"; filename*0*=UTF-8''V%C4%83n`, "Văn.pdf"},
		{"RFC 2231 plain pieces", `Content-Disposition: attachment; filename*0="a"; filename*1="b.pdf"`, "ab.pdf"},
		{"RFC 2231 counted from one", `Content-Disposition: attachment; filename*1="a"; filename*2="b.pdf"`, "ab.pdf"},
		{"RFC 2231 before plain", `Content-Disposition: attachment; filename="x.pdf"; filename*=UTF-8''V%C4%83n.pdf`, "Văn.pdf"},
		{"path", `Content-Disposition: attachment; filename="../../etc/passwd"`, "passwd"},
		{"windows path", `Content-Disposition: attachment; filename="C:\a\b.pdf"`, "b.pdf"},
		{"dots", `Content-Disposition: attachment; filename=".."`, ""},
		{"bidi", "Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEfdp.exe%00%0D%0A", "afdp.exe"},
		{"long", `Content-Disposition: attachment; filename="` + strings.Repeat("ă", 300) + `.pdf"`, strings.Repeat("ă", 98) + ".pdf"},
		{"none", "Content-Type: text/plain", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := scanString(tt.fields + "\n\nx")
			if got := m.Root.FileName(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err := checkIMAP(appendBody(nil, m.Root, true)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseAddressList(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a@b", "|a@b"},
		{"A <a@b>", "A|a@b"},
		{`"A, B" <a@b>, c@d`, "A, B|a@b ; |c@d"},
		{"a@b; c@d", "|a@b ; |c@d"},
		{"a@b;", "|a@b"},
		{"<<a@b>>", ">|a@b"},
		{"A <a@b, C <c@d>", "A|a@b ; C|c@d"},
		{"A B C a@b", "A B C|a@b"},
		{"Nguyễn Văn A <a@b>", "Nguyễn Văn A|a@b"},
		{"=?utf-8?q?A,_B?= <a@b>", "A, B|a@b"},
		{`"=?utf-8?q?V=C4=83n?=" <a@b>`, "Văn|a@b"},
		{"a@b (A)", "A|a@b"},
		{`"a b"@c`, `|"a b"@c`},
		{"g: a@b, c@d;, e@f", "g{ ; |a@b ; |c@d ; } ; |e@f"},
		{"undisclosed-recipients:;", "undisclosed-recipients{ ; }"},
		{"a@[1.2.3.4]", "|a@[1.2.3.4]"},
		{"bob", "|bob"},
		{", ,", ""},
		{"A <>", "A|"},
		{"a:b@c", "a{ ; |b@c ; }"},
		{"a @ b", "|a@b"},
		{`A "B. C"   D (x) <a@b>`, "A B. C D|a@b"},
		{`"A""B" <a@b>`, "AB|a@b"},
		{`<"a b" (x) @c>`, `|"a b"@c`},
		{"A <a@b> trailing", "A trailing|a@b"},
		{"A < a@b >", "A|a@b"},
	}
	for _, tt := range tests {
		var got []string
		for _, a := range ParseAddressList(tt.in) {
			switch a.Group {
			case GroupStart:
				got = append(got, a.Name+"{")
			case GroupEnd:
				got = append(got, "}")
			case GroupNone:
				got = append(got, a.Name+"|"+a.Addr)
			}
		}
		if got := strings.Join(got, " ; "); got != tt.want {
			t.Errorf("ParseAddressList(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestHeaderFilter(t *testing.T) {
	raw := crlf("Subject: a\n folded\njunk\nTO: b\nX-A : c\nsubject: d\n\n")
	tests := []struct {
		name  string
		names []string
		omit  bool
		want  string
	}{
		{"one", []string{"to"}, false, "TO: b\n\n"},
		{"folded and repeated", []string{"SUBJECT"}, false, "Subject: a\n folded\nsubject: d\n\n"},
		{"obsolete blank", []string{"x-a"}, false, "X-A : c\n\n"},
		{"none", []string{"cc"}, false, "\n"},
		{"not", []string{"subject"}, true, "junk\nTO: b\nX-A : c\n\n"},
		{"not, none", nil, true, "Subject: a\n folded\njunk\nTO: b\nX-A : c\nsubject: d\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(NewHeaderFilter(tt.names, tt.omit).Append(nil, []byte(raw))); got != crlf(tt.want) {
				t.Errorf("got %q, want %q", got, crlf(tt.want))
			}
		})
	}
	if got := string(NewHeaderFilter([]string{"c"}, false).Append(nil, []byte("A: b\r\nC: d"))); got != "C: d" {
		t.Errorf("without an empty line: got %q", got)
	}
}

func TestParseHeaderMatchesScanner(t *testing.T) {
	for _, s := range nasty() {
		raw := []byte(s)
		m := scan(raw)
		got := ParseHeader(raw[:m.HeaderLen])
		if len(got) != len(m.Header) {
			t.Errorf("%q: %d fields, want %d", s, len(got), len(m.Header))
			continue
		}
		for i := range got {
			if got[i] != m.Header[i] {
				t.Errorf("%q: field %+v, want %+v", s, got[i], m.Header[i])
			}
		}
	}
}
