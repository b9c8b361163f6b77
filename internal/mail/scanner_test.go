package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// scan scans raw in one piece.
func scan(raw []byte) *Message {
	s := NewScanner(Limits{})
	_, _ = s.Write(raw)
	return s.Finish()
}

func scanString(raw string) *Message { return scan([]byte(crlf(raw))) }

// crlf gives text with LF the line ends of mail.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// tree writes the part tree in short: type(children).
func tree(p *Part) string {
	s := p.Type + "/" + p.Subtype
	var below []string
	for _, c := range p.Children {
		below = append(below, tree(c))
	}
	if p.Message != nil {
		below = append(below, tree(p.Message.Root))
	}
	if below != nil {
		s += "(" + strings.Join(below, " ") + ")"
	}
	return s
}

func TestScannerTree(t *testing.T) {
	tests := []struct {
		name, raw, tree string
		bodies          []string // of the leaves, in order
		defects         Defects
	}{
		{
			name: "plain", raw: "Subject: a\n\nhello\n", tree: "text/plain", bodies: []string{"hello\r\n"},
		},
		{name: "empty", raw: "", tree: "text/plain", bodies: []string{""}, defects: DefectNoHeader},
		{name: "header only", raw: "Subject: a\n", tree: "text/plain", bodies: []string{""}},
		{
			name: "no header", raw: "hello world\n\nsecond\n", tree: "text/plain",
			bodies: []string{"hello world\r\n\r\nsecond\r\n"}, defects: DefectNoHeader | DefectMalformedHeader,
		},
		{
			name: "empty header", raw: "\nbody\n", tree: "text/plain", bodies: []string{"body\r\n"}, defects: DefectNoHeader,
		},
		{
			name: "no blank line", raw: "Subject: a\nhello there\nand on\n", tree: "text/plain",
			bodies: []string{"hello there\r\nand on\r\n"}, defects: DefectMalformedHeader | DefectNoBlankLine,
		},
		{
			name: "junk among fields", raw: "Subject: a\njunk without colon\nContent-Type: text/html\n\nhello\n", tree: "text/html",
			bodies: []string{"hello\r\n"}, defects: DefectMalformedHeader,
		},
		{
			name: "mbox line", raw: "From me@x Mon Jan  1 00:00:00 2024\nSubject: a\n\nhello\n", tree: "text/plain",
			bodies: []string{"hello\r\n"}, defects: DefectMalformedHeader | DefectMboxFrom,
		},
		{
			name: "leading blank", raw: " Subject: a\nTo: b@c\n\nhello\n", tree: "text/plain",
			bodies: []string{"hello\r\n"}, defects: DefectMalformedHeader,
		},
		{
			name: "multipart", raw: "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b  \nContent-Type: text/html\n\ntwo\n\n--b--\nepilogue\n--b\nnot a part\n",
			tree: "multipart/mixed(text/plain text/html)", bodies: []string{"one", "two\r\n"},
		},
		{
			name: "no closing delimiter", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n",
			tree: "multipart/mixed(text/plain text/plain)", bodies: []string{"one", "two\r\n"}, defects: DefectNoFinalBoundary,
		},
		{
			name: "outer delimiter ends inner", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\n\none\n--b\n\ntwo\n--b--\n",
			tree: "multipart/mixed(multipart/alternative(text/plain) text/plain)", bodies: []string{"one", "two"}, defects: DefectNoFinalBoundary,
		},
		{
			name: "boundary that is a prefix", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\none\n--bb--\n--b--\n",
			tree: "multipart/mixed(multipart/mixed(text/plain))", bodies: []string{"one"},
		},
		{
			name: "digest", raw: "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\none\n--b--\n",
			tree: "multipart/digest(message/rfc822(text/plain))", bodies: []string{"one"},
		},
		{
			name: "message in message", raw: "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: Text/HTML\n\nx\n--c--\n",
			tree: "message/rfc822(multipart/mixed(text/html))", bodies: []string{"x"},
		},
		{
			name: "empty message/rfc822", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n--b\nContent-Type: message/rfc822\n\n--b--",
			tree:   "multipart/mixed(message/rfc822(text/plain) message/rfc822(text/plain))",
			bodies: []string{"", ""}, defects: DefectNoBlankLine | DefectUnterminatedLine,
		},
		{
			name: "childless multipart", raw: "Content-Type: multipart/mixed; boundary=b\n\nhello\n", tree: "text/plain",
			bodies: []string{"hello\r\n"}, defects: DefectNoParts | DefectNoFinalBoundary,
		},
		{
			name: "multipart without boundary", raw: "Content-Type: multipart/mixed\n\n--b\n\nhello\n", tree: "text/plain",
			bodies: []string{"--b\r\n\r\nhello\r\n"}, defects: DefectNoParts,
		},
		{
			name: "missing blank line before delimiter", raw: "Content-Type: multipart/mixed; boundary=b\n--b\n\none\n--b--\n",
			tree: "multipart/mixed(text/plain)", bodies: []string{"one"}, defects: DefectNoBlankLine,
		},
		{
			name: "adjacent delimiters", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b--\n",
			tree: "multipart/mixed(text/plain text/plain)", bodies: []string{"", ""},
		},
		{
			name: "part that is text at once", raw: "Content-Type: multipart/mixed; boundary=b\n\n--b\nhello all\n\nthere\n--b--\n",
			tree: "multipart/mixed(text/plain)", bodies: []string{"hello all\r\n\r\nthere"}, defects: DefectMalformedHeader,
		},
		{
			name: "bad content type", raw: "Content-Type: html\n\nx", tree: "text/plain",
			bodies: []string{"x"}, defects: DefectBadContentType | DefectUnterminatedLine,
		},
		{
			name: "first content type counts", raw: "Content-Type: text/html\nContent-Type: text/plain\n\nx\n", tree: "text/html",
			bodies: []string{"x\r\n"}, defects: DefectDuplicateField,
		},
		{
			name: "blank before colon", raw: "Content-Type : text/html\n\nx\n", tree: "text/html", bodies: []string{"x\r\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := crlf(tt.raw)
			m := scan([]byte(raw))
			if got := tree(m.Root); got != tt.tree {
				t.Errorf("tree = %s, want %s", got, tt.tree)
			}
			var bodies []string
			walkParts(m.Root, func(p *Part) {
				if p.Message == nil && !p.IsMultipart() {
					bodies = append(bodies, raw[p.BodyOffset:p.BodyOffset+p.BodyLen])
				}
			})
			if !reflect.DeepEqual(bodies, tt.bodies) {
				t.Errorf("bodies = %q, want %q", bodies, tt.bodies)
			}
			if m.Defects != tt.defects {
				t.Errorf("defects = %b, want %b", m.Defects, tt.defects)
			}
			checkMessage(t, []byte(raw), m)
			checkChunks(t, []byte(raw), m)
		})
	}
}

func walkParts(p *Part, fn func(*Part)) {
	fn(p)
	for _, c := range p.Children {
		walkParts(c, fn)
	}
	if p.Message != nil {
		walkParts(p.Message.Root, fn)
	}
}

func TestScannerOctets(t *testing.T) {
	tests := []struct {
		name, raw string
		want      Defects
	}{
		{"clean", "A: b\r\n\r\nx\r\n", 0},
		{"bare LF in body", "A: b\r\n\r\nx\ny\r\n", DefectBareLF},
		{"bare LF in header", "A: b\n\r\nx\r\n", DefectBareLF},
		{"bare CR in body", "A: b\r\n\r\nx\ry\r\n", DefectBareCR},
		{"CR CR LF", "A: b\r\r\n\r\r\nx\r\n", DefectBareCR},
		{"LF CR", "A: b\r\n\r\nx\n\r", DefectBareLF | DefectBareCR | DefectUnterminatedLine},
		{"NUL", "A: b\r\n\r\nx\x00\r\n", DefectNUL},
		{"8 bit header", "A: \xc3\xa9\r\n\r\nx\r\n", DefectHeader8Bit},
		{"8 bit body", "A: b\r\n\r\n\xc3\xa9\r\n", DefectBody8Bit},
		{"8 bit part header", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: \xc3\xa9\r\n\r\nx\r\n--b--\r\n", DefectHeader8Bit | DefectBody8Bit},
		{"998 octets", "A: b\r\n\r\n" + strings.Repeat("x", 998) + "\r\n", 0},
		{"999 octets", "A: b\r\n\r\n" + strings.Repeat("x", 999) + "\r\n", DefectLongLine},
		{"999 octets, LF", "A: b\r\n\r\n" + strings.Repeat("x", 999) + "\n", DefectLongLine | DefectBareLF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := scan([]byte(tt.raw))
			if m.Defects != tt.want {
				t.Errorf("defects = %b, want %b", m.Defects, tt.want)
			}
			checkChunks(t, []byte(tt.raw), m)
		})
	}
}

func TestScannerLineEnds(t *testing.T) {
	raw := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\ntwo\n--b\nContent-Type: text/html\n\nthree\n--b--\n"
	for _, eol := range []string{"\n", "\r\n", "\r\r\n"} {
		m := scan([]byte(strings.ReplaceAll(raw, "\n", eol)))
		if got, want := tree(m.Root), "multipart/mixed(text/plain text/html)"; got != want {
			t.Errorf("line end %q: tree = %s, want %s", eol, got, want)
		}
		if got := m.Root.Children[0].Lines; got != 1 {
			t.Errorf("line end %q: lines = %d, want 1", eol, got)
		}
	}
}

// checkMessage tests what holds for every message.
func checkMessage(t *testing.T, raw []byte, m *Message) {
	t.Helper()
	if m.Size != int64(len(raw)) || m.Lines != int64(bytes.Count(raw, []byte("\n"))) {
		t.Errorf("size, lines = %d, %d, want %d, %d", m.Size, m.Lines, len(raw), bytes.Count(raw, []byte("\n")))
	}
	if m.Root.Offset != 0 || m.Root.HeaderLen != m.HeaderLen || m.Root.BodyOffset+m.Root.BodyLen != m.Size {
		t.Errorf("root %+v does not span the message", *m.Root)
	}
	for _, f := range m.Header {
		if f.Offset < 0 || f.Offset+f.Len > m.HeaderLen || !bytes.HasPrefix(raw[f.Offset:], []byte(f.Name)) {
			t.Errorf("field %q at %d+%d is not in the header", f.Name, f.Offset, f.Len)
		}
	}
	count := 0
	var check func(p *Part, depth int)
	within := func(c *Part, from, to int64) {
		if c.Offset < from || c.BodyOffset+c.BodyLen > to {
			t.Errorf("part %d..%d outside of %d..%d", c.Offset, c.BodyOffset+c.BodyLen, from, to)
		}
	}
	check = func(p *Part, depth int) {
		count++
		if p.BodyOffset != p.Offset+p.HeaderLen || p.HeaderLen < 0 || p.BodyLen < 0 || p.BodyOffset+p.BodyLen > m.Size {
			t.Fatalf("part %+v out of bounds", *p)
		}
		if got := int64(bytes.Count(raw[p.BodyOffset:p.BodyOffset+p.BodyLen], []byte("\n"))); got != p.Lines {
			t.Errorf("lines of the part at %d = %d, want %d", p.Offset, p.Lines, got)
		}
		if (p.Type == "multipart") != p.IsMultipart() {
			t.Errorf("%s/%s with %d children", p.Type, p.Subtype, len(p.Children))
		}
		if depth > 100 {
			t.Errorf("depth %d", depth)
		}
		from := p.BodyOffset
		for _, c := range p.Children {
			within(c, from, p.BodyOffset+p.BodyLen)
			check(c, depth+1)
			from = c.BodyOffset + c.BodyLen
		}
		if p.Message != nil {
			r := p.Message.Root
			within(r, p.BodyOffset, p.BodyOffset+p.BodyLen)
			if r.Offset != p.BodyOffset || r.BodyOffset+r.BodyLen != p.BodyOffset+p.BodyLen {
				t.Errorf("embedded message %d..%d does not fill its part", r.Offset, r.BodyOffset+r.BodyLen)
			}
			check(r, depth+1)
		}
	}
	check(m.Root, 1)
	if count > 10_000 {
		t.Errorf("%d parts", count)
	}
	checkStructure(t, m)
}

// checkStructure encodes and decodes m and compares.
func checkStructure(t *testing.T, m *Message) {
	t.Helper()
	b := EncodeStructure(m)
	s, err := DecodeStructure(b)
	if err != nil {
		t.Fatalf("DecodeStructure: %v", err)
	}
	for _, x := range [][]byte{s.Envelope, s.BodyStructure, s.Body} {
		if err := checkIMAP(x); err != nil {
			t.Errorf("%v in %q", err, x)
		}
	}
	f := s.Fields()
	if f.Subject != m.Envelope.Subject || s.Subject() != f.Subject || !reflect.DeepEqual(f.From, m.Envelope.From) ||
		!reflect.DeepEqual(f.To, m.Envelope.To) || !reflect.DeepEqual(f.Reference, m.Envelope.Reference) ||
		f.MessageID != m.Envelope.MessageID || f.InReplyTo != m.Envelope.InReplyTo || !f.Date.Equal(m.Envelope.Date) {
		t.Errorf("fields = %+v, want %+v", f, m.Envelope)
	}
	if got, want := tree(s.Root()), tree(m.Root); got != want {
		t.Errorf("stored tree = %s, want %s", got, want)
	}
	checkSections(t, s, m.Root, nil)
}

// checkSections compares Section with the tree, by the rules of RFC 9051.
func checkSections(t *testing.T, s *Structure, root *Part, at []int) {
	t.Helper()
	var check func(p *Part, at []int)
	check = func(p *Part, at []int) {
		if len(at) > 0 {
			off, n, ok := s.Section(at, SectionWhole)
			if !ok || off != p.BodyOffset || n != p.BodyLen {
				t.Errorf("section %v = %d+%d %v, want %d+%d", at, off, n, ok, p.BodyOffset, p.BodyLen)
			}
			off, n, ok = s.Section(at, SectionMIME)
			if !ok || off != p.Offset || n != p.HeaderLen {
				t.Errorf("section %v.MIME = %d+%d %v, want %d+%d", at, off, n, ok, p.Offset, p.HeaderLen)
			}
			off, n, ok = s.Section(at, SectionHeader)
			if ok != (p.Message != nil) || ok && (off != p.Message.Root.Offset || n != p.Message.Root.HeaderLen) {
				t.Errorf("section %v.HEADER = %d+%d %v", at, off, n, ok)
			}
		}
		for i, c := range p.Children {
			if i < 3 || i == len(p.Children)-1 {
				check(c, append(at[:len(at):len(at)], i+1))
			}
		}
		if p.IsMultipart() {
			if _, _, ok := s.Section(append(at[:len(at):len(at)], len(p.Children)+1), SectionWhole); ok {
				t.Errorf("section behind the last of %v found", at)
			}
		}
		if p.Message != nil {
			checkSections(t, s, p.Message.Root, at)
		}
	}
	if root.IsMultipart() { // the root of a message has no number of its own
		for i, c := range root.Children {
			if i < 3 || i == len(root.Children)-1 {
				check(c, append(at[:len(at):len(at)], i+1))
			}
		}
		return
	}
	check(root, append(at[:len(at):len(at)], 1))
}

// checkIMAP tests that b is one parenthesised IMAP list of pure ASCII.
func checkIMAP(b []byte) error {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c < ' ' || c >= 0x7f:
			return fmt.Errorf("octet %#x at %d", c, i)
		case c == '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] < ' ' || b[i] >= 0x7f {
					return fmt.Errorf("octet %#x at %d", b[i], i)
				}
				if b[i] == '\\' {
					if i++; i < len(b) && b[i] != '"' && b[i] != '\\' {
						return fmt.Errorf("escaped %q at %d", b[i], i)
					}
				}
			}
			if i >= len(b) {
				return fmt.Errorf("quoted string does not end")
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 || depth == 0 && i != len(b)-1 {
				return fmt.Errorf("unbalanced at %d", i)
			}
		}
	}
	if depth != 0 || len(b) == 0 {
		return fmt.Errorf("list does not end")
	}
	return nil
}

// checkChunks tests that cutting raw into chunks changes nothing.
func checkChunks(t *testing.T, raw []byte, want *Message) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, uint64(len(raw))))
	for _, size := range []int{1, 2, 3, 7, -1, -2} {
		s := NewScanner(Limits{})
		for rest := raw; len(rest) > 0; {
			n := size
			if n < 0 {
				n = 1 + rnd.IntN(40)
			}
			n = min(n, len(rest))
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		if got := s.Finish(); !reflect.DeepEqual(got, want) {
			t.Fatalf("chunks of %d: got %+v %s, want %+v %s", size, got, tree(got.Root), want, tree(want.Root))
		}
	}
}

func TestScannerBombs(t *testing.T) {
	repeat := strings.Repeat
	deep := func(n int, leaf string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		b.WriteString("\r\n" + leaf)
		for i := n - 1; i >= 0; i-- {
			fmt.Fprintf(&b, "\r\n--b%d--", i)
		}
		return b.String()
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	tests := []struct {
		name, raw string
		want      Defects // at least
	}{
		{"multipart 10,000 deep", deep(10_000, "x"), DefectTooDeep},
		{"multipart 1,000 deep with 2 MB", deep(1000, repeat("abc\r\n", 400_000)), DefectTooDeep},
		{"rfc822 1,000 deep with 1 MB", repeat("Content-Type: message/rfc822\r\n\r\n", 1000) + "\r\n" + repeat("abc\r\n", 200_000), DefectTooDeep},
		{"1,000,000 delimiters", many + repeat("--b\r\n", 1_000_000), DefectTooManyParts},
		{"100,000 parts", many + repeat("--b\r\nA: b\r\n\r\nx\r\n", 100_000), DefectTooManyParts},
		{"100,000 rfc822 parts", many + repeat("--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx\r\n", 100_000), DefectTooManyParts},
		{"100,000 equal fields", repeat("To: a@b\r\n", 100_000) + "\r\nx", DefectHeaderTooLarge},
		{"30,000 folds", "Subject: a\r\n" + repeat(" b\r\n", 30_000) + "\r\nx", 0},
		{"2 MB field", "Subject: " + repeat("x", 2<<20) + "\r\n\r\nx", DefectHeaderTooLarge},
		{"10 MB header", repeat("X: "+repeat("y", 900)+"\r\n", 10_000) + "\r\nx", DefectHeaderTooLarge},
		{"400 KB comment", "Message-ID: (" + repeat("a", 400<<10) + ")<a@b>\r\nFrom: (" + repeat("a", 400<<10) + ") a@b\r\n\r\nx", DefectHeaderTooLarge},
		{"50,000 deep comment", "From: " + repeat("(", 50_000) + repeat(")", 50_000) + " a@b\r\n\r\nx", 0},
		{"50,000 addresses", "To: " + repeat("a@b, ", 50_000) + "\r\n\r\nx", 0},
		{"50,000 groups", "To: " + repeat("g:;", 50_000) + "\r\n\r\nx", 0},
		{"open angles", "To: " + repeat("<", 250_000) + "\r\n\r\nx", 0},
		{"open brackets", "To: " + repeat("[", 250_000) + "\r\n\r\nx", 0},
		{"open words", "Subject: " + repeat("=?a?q?", 40_000) + "\r\nTo: " + repeat("=?a?q?<", 35_000) + "?=\r\n\r\nx", 0},
		{"20,000 words", "Subject: " + repeat("=?utf-8?q?a?= ", 18_000) + "\r\n\r\nx", 0},
		{"20,000 pieces", "Content-Type: text/plain; " + func() string {
			var b strings.Builder
			for i := range 15_000 {
				fmt.Fprintf(&b, "name*%d=x; ", i)
			}
			return b.String()
		}() + "\r\n\r\nx", 0},
		{"long boundary", "Content-Type: multipart/mixed; boundary=" + repeat("b", 3000) + "\r\n\r\n--" + repeat("b", 3000) + "\r\n\r\nx", DefectNoParts},
		{"50 MB of dashes", many + repeat("--"+repeat("-", 70)+"\r\n", 700_000), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := []byte(tt.raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			m := scan(raw)
			b := EncodeStructure(m)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
				t.Errorf("%d octets allocated", n)
			}
			if d := time.Since(begin); d > time.Minute {
				t.Errorf("took %v", d)
			} else {
				t.Logf("%v, %d octets of structure", d, len(b))
			}
			if m.Defects&tt.want != tt.want {
				t.Errorf("defects = %b, want at least %b", m.Defects, tt.want)
			}
			checkMessage(t, raw, m)
		})
	}
}

func base64Body(size int) []byte {
	data := make([]byte, size/78*57)
	for i := range data {
		data[i] = byte(i * 7)
	}
	enc := base64.StdEncoding.EncodeToString(data)
	var b bytes.Buffer
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\r\n")
		enc = enc[76:]
	}
	b.WriteString(enc + "\r\n")
	return b.Bytes()
}

const benchHeader = `Received: from mail.xa-a.tinh.example (mail.xa-a.tinh.example [203.0.113.7])
	by mx.tinh.example with ESMTPS id abc123; Mon, 24 Nov 2026 08:00:00 +0700
Message-ID: <abc.def@xa-a.tinh.example>
Date: Mon, 24 Nov 2026 08:00:00 +0700
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
Content-Language: vi
To: =?UTF-8?B?VsSDbiB0aMawIFPhu58gTuG7mWkgduG7pQ==?= <vanthu@sonoivu.tinh.example>
Cc: a@tinh.example, b@tinh.example
From: =?UTF-8?B?VsSDbiB0aMawIHjDoyBB?= <vanthu@xa-a.tinh.example>
Subject: =?UTF-8?B?MTIzL1HEkC1VQk5EIHbhu4Egdmnhu4djIHBow6ogZHV54buHdA==?=
Content-Type: multipart/mixed; boundary="------------abcdef"

This is a multi-part message in MIME format.
--------------abcdef
Content-Type: text/plain; charset=UTF-8; format=flowed
Content-Transfer-Encoding: 8bit

`

func benchMessage(body int) []byte {
	return []byte(crlf(benchHeader) + "Kinh gui\r\n--------------abcdef\r\n" +
		"Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		string(base64Body(body)) + "--------------abcdef--\r\n")
}

func BenchmarkScanner(b *testing.B) {
	plain := []byte(crlf("From: vanthu@xa-a.tinh.example\nTo: sonoivu@tinh.example\nSubject: bao cao\nDate: Mon, 24 Nov 2026 08:00:00 +0700\n" +
		"Message-ID: <a@b>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n" + strings.Repeat("mot dong cua thu nay dai chung nay ky tu\n", 95)))
	for _, bm := range []struct {
		name string
		raw  []byte
	}{{"plain 4 KiB", plain}, {"attachment 4 KiB", benchMessage(2600)}, {"attachment 1 MiB", benchMessage(1 << 20)}} {
		raw := bm.raw
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				s := NewScanner(Limits{})
				for rest := raw; len(rest) > 0; {
					n := min(32<<10, len(rest))
					_, _ = s.Write(rest[:n])
					rest = rest[n:]
				}
				EncodeStructure(s.Finish())
			}
		})
	}
}

// TestScannerTokens scans random rows of the pieces that steer the scanner.
func TestScannerTokens(t *testing.T) {
	tokens := []string{
		"--b", "--b--", "--c", "--", "b", "\r\n", "\r\n", "\r\n", "\n", "\r", " ", "\t", "x", "x: y", ":", "From ", "\x00", "\xc4\x90",
		"Content-Type: multipart/mixed; boundary=b", "Content-Type: multipart/digest; boundary=c", "Content-Type: message/rfc822",
		"\r\n--b\r\n", "\r\n--c\r\n", "\r\n\r\n", "\r\n--b--\r\n", "To: a@b, \"c", "Subject: =?utf-8?q?", strings.Repeat("y", 50),
	}
	lim := Limits{Depth: 5, Parts: 9, Boundary: 10, Header: 400, Field: 80, Fields: 6, AllHeader: 900}
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var raw []byte
		for range rnd.IntN(60) {
			raw = append(raw, tokens[rnd.IntN(len(tokens))]...)
		}
		m := scan(raw)
		checkMessage(t, raw, m)
		checkChunks(t, raw, m)
		whole, pieces := NewScanner(lim), NewScanner(lim)
		_, _ = whole.Write(raw)
		for i := range raw {
			_, _ = pieces.Write(raw[i : i+1])
		}
		a, b := whole.Finish(), pieces.Finish()
		checkMessage(t, raw, a)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("limits: single octets give %+v %s, the whole %+v %s", b, tree(b.Root), a, tree(a.Root))
		}
		if t.Failed() {
			t.Fatalf("seed %d: %q", seed, raw)
		}
	}
}
