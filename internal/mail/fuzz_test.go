package mail

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nasty is a corpus of messages that other programs tripped over.
func nasty() []string {
	return []string{
		"",
		"\n",
		"\r\n\r\n",
		"A",
		"From x\nA: b\n\nc",
		"Subject: a\r\r\n\r\r\nb",
		"Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--b--\n",
		"Content-Type: multipart/digest; boundary=b\n--b\n\n\n--b\nSubject: x\n--b--",
		"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed;boundary=a\n--a\n--a--",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822\nX\n--b\n--",
		"Content-Type: text/plain; charset=\"utf-8\nX\r\n: y\n -\n\n\x00\r",
		"To: \"a\\\" <b@c>, (x(y)z) d@e (n), g: h@i;, <@r:j@k>, =?utf-8?q?a,b?= <l@m>; n\r\nFrom: <\r\n\r\n",
		"Content-Type: text/plain; filename*0*=utf-8''%C4%90; filename*1=b; name=\"=?utf-8?B?xJA=?=\"; x=C\xc3\xb4ng v\xff\n\n",
		"References: <a@b> <c <d@e> x <f @g>\nIn-Reply-To: a@b\nDate: 1 Jan 24 10:00 ICT\nContent-Language: vi, en\nContent-Location: a b\nContent-MD5: x==\nContent-ID: <x>\n\n",
		"Content-Type: multipart/mixed; boundary=b\nContent-Type: message/rfc822\n\n--b\n--b\n--b\nzzz\n--b \t \n\n--b--\n--b\n",
		benchHeader + "x\n--------------abcdef--\n",
	}
}

func FuzzScanner(f *testing.F) {
	for i, s := range nasty() {
		f.Add([]byte(s), uint16(i))
		f.Add([]byte(crlf(s)), uint16(i*977))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		lim := Limits{Depth: 6, Parts: 12, Boundary: 20, Header: 2000, Field: 300, Fields: 12, AllHeader: 4000}
		whole := NewScanner(lim)
		_, _ = whole.Write(raw)
		want := whole.Finish()
		pieces := NewScanner(lim)
		for rest := raw; len(rest) > 0; {
			n := min(1+int(cut)%17, len(rest))
			cut = cut*25173 + 13849
			_, _ = pieces.Write(rest[:n])
			rest = rest[n:]
		}
		if got := pieces.Finish(); !reflect.DeepEqual(got, want) {
			t.Fatalf("chunks change the result: %+v %s, want %+v %s", got, tree(got.Root), want, tree(want.Root))
		}
		checkMessage(t, raw, want)
		m := scan(raw)
		checkMessage(t, raw, m)
		if !utf8.ValidString(m.Envelope.Subject) || strings.IndexFunc(m.Envelope.Subject, unicode.IsControl) >= 0 {
			t.Fatalf("subject %q", m.Envelope.Subject)
		}
		for _, a := range m.Attachments() {
			if len(a.Name) > maxFileName || strings.ContainsAny(a.Name, "/\\\x00\r\n") || a.Name == ".." {
				t.Fatalf("file name %q", a.Name)
			}
		}
		walkParts(m.Root, func(p *Part) { readPart(t, raw, p) })
		header := raw[:m.HeaderLen]
		names := []string{"subject", "To", "content-type"}
		only, not := NewHeaderFilter(names, false).Append(nil, header), NewHeaderFilter(names, true).Append(nil, header)
		blank := len(header)
		for at := 0; at < len(header); {
			end := at + nextLine(header[at:])
			if len(bytes.TrimRight(header[at:end], "\r\n")) == 0 {
				blank = at
				break
			}
			at = end
		}
		if len(only)+len(not) != len(header)+(len(header)-blank) {
			t.Fatalf("filtered %q and %q of %q", only, not, header)
		}
	})
}

func FuzzDecodeStructure(f *testing.F) {
	for _, s := range nasty() {
		f.Add(EncodeStructure(scan([]byte(s))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStructure(b)
		if err != nil {
			return
		}
		s.Fields()
		s.Subject()
		root := s.Root()
		for _, path := range [][]int{nil, {0}, {1}, {2}, {1, 1}, {1, 2}, {2, 1}, {1, 1, 1}, {-1}, {1 << 40}} {
			p := s.Part(path)
			for what := SectionWhole; what <= SectionMIME; what++ {
				off, n, ok := s.Section(path, what)
				if off < 0 || n < 0 || off+n > s.Size || !ok && off+n != 0 {
					t.Fatalf("section %v %d = %d+%d %v of %d", path, what, off, n, ok, s.Size)
				}
			}
			if root != nil && p != nil && p.BodyOffset+p.BodyLen > s.Size {
				t.Fatalf("part %v = %+v", path, *p)
			}
		}
		if root != nil {
			root.Attachments()
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	for _, s := range []string{
		"=?utf-8?B?VsSDbg==?= =?UTF-8?q?th=C6=B0?=", "=?windows-1258?q?C=F4ng_v=E3n?=", "a =?x?q?=", "=?utf-8?q?=0D=0A?=",
		"=?iso-2022-jp?b?GyRC?=", "=?utf-16?b?AAAA?=", "v\xffn", "=?utf-8*vi?q?a?=x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := DecodeHeader(s)
		if !utf8.ValidString(out) || !norm.NFC.IsNormalString(out) || strings.IndexFunc(out, unicode.IsControl) >= 0 {
			t.Fatalf("DecodeHeader(%q) = %q", s, out)
		}
		if clean := cleanText(s); clean != "" && clean == s {
			words := encodeWords(s)
			if got := DecodeHeader(words); got != s {
				t.Fatalf("%q encoded as %q decodes to %q", s, words, got)
			}
			for word := range strings.FieldsSeq(words) {
				if len(word) > maxEncodedWord {
					t.Fatalf("word of %d octets", len(word))
				}
			}
		}
		for _, a := range ParseAddressList(s) {
			if !utf8.ValidString(a.Name+a.Addr) || strings.IndexFunc(a.Name+a.Addr, unicode.IsControl) >= 0 {
				t.Fatalf("address %+v", a)
			}
		}
		if name := CleanFileName(s); name != CleanFileName(name) || strings.ContainsAny(name, "/\\") || len(name) > maxFileName {
			t.Fatalf("file name %q of %q", name, s)
		}
		ParseDate(s)
		Fold(s)
	})
}

func FuzzBuilder(f *testing.F) {
	f.Add("Công văn", "Kính gửi\n.\n", "a.pdf", []byte("x"))
	f.Add("a\r\nb: c", "--=_x\r\n", "../b", []byte{0, 255})
	f.Fuzz(func(t *testing.T, subject, text, name string, content []byte) {
		b := Builder{
			From: Mailbox{Name: subject, Addr: Address{"a", "b"}}, Subject: subject, MessageID: "<a@b>", Text: text,
			Files:  []File{{Name: name, Type: name, Content: content}},
			Report: &Report{Type: "delivery-status", Status: []byte(text), Original: content},
			Extra:  []ExtraField{{Name: "X-VB-So", Value: text}},
		}
		raw := b.Bytes()
		m := scan(raw)
		if m.Defects&^(DefectHeader8Bit|DefectBody8Bit|DefectNUL) != 0 && !strings.HasPrefix(strings.ToLower(name), "message/") &&
			m.Root.Children[2].Message.Root.Type == "text" && !hasHigh(content) && len(content) < 100 {
			inner := scan(normalizeEOL(content))
			if m.Defects&^inner.Defects != 0 {
				t.Fatalf("defects %b, of the content %b\n%q", m.Defects, inner.Defects, raw)
			}
		}
		if len(m.Root.Children) != 4 {
			t.Fatalf("tree %s\n%q", tree(m.Root), raw)
		}
		if got, want := strings.Join(strings.Fields(m.Envelope.Subject), " "), strings.Join(strings.Fields(cleanText(subject)), " "); got != want && len(want) < maxShown/4 {
			t.Fatalf("subject %q, want %q", got, want)
		}
		if got, want := readPart(t, raw, m.Root.Children[0]), normalizeText(text); got != want {
			t.Fatalf("text %q, want %q", got, want)
		}
		file := m.Root.Children[3]
		if file.Message == nil && file.Encoding == "base64" {
			if got := readPart(t, raw, file); got != string(content) {
				t.Fatalf("content %q, want %q", got, content)
			}
		}
		if got, want := file.FileName(), CleanFileName(name); got != want {
			t.Fatalf("file name %q, want %q", got, want)
		}
	})
}
