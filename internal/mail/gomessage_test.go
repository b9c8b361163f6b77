package mail

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
)

// wellFormed writes random but correct MIME parts.
type wellFormed struct {
	rnd  *rand.Rand
	buf  bytes.Buffer
	next int
}

func (w *wellFormed) pick(s ...string) string { return s[w.rnd.IntN(len(s))] }

func (w *wellFormed) line(s string) { w.buf.WriteString(s + "\r\n") }

// part writes the fields and the body of a part, without a line end after it.
func (w *wellFormed) part(depth int) {
	for range w.rnd.IntN(3) {
		w.line("X-Field: " + w.pick("a", "a\r\n folded", strings.Repeat("x ", 40), ""))
	}
	kind := w.rnd.IntN(6)
	if depth == 0 {
		kind = w.rnd.IntN(3)
	}
	switch kind {
	case 3, 4:
		w.next++
		b := fmt.Sprintf("%s%d", w.pick("b", "=_x'()+,-./:=? y", "--", strings.Repeat("z", 60)), w.next)
		w.line("Content-Type: multipart/" + w.pick("mixed", "alternative", "related") + ";\r\n\tboundary=\"" + b + "\"")
		w.line("")
		w.buf.WriteString(w.pick("", "preamble\r\n", "--\r\n\r\n"))
		for range 1 + w.rnd.IntN(3) {
			w.line("--" + b + w.pick("", "", " \t"))
			w.part(depth - 1)
			w.line("")
		}
		w.buf.WriteString("--" + b + "--" + w.pick("", "\r\n", "\r\nepilogue\r\n"))
	case 5:
		w.line("Content-Type: message/rfc822")
		w.line("")
		w.line("Subject: inner")
		w.part(depth - 1)
	default:
		body := w.pick("", "text", "text\r\n", "a\r\n\r\n--b\r\n-- \r\nx", strings.Repeat("line of text\r\n", 50))
		switch w.rnd.IntN(3) {
		case 0:
			w.line("Content-Type: " + w.pick("text/plain", "Text/HTML; charset=utf-8", "application/pdf; name=\"a b.pdf\""))
			w.line("")
			w.buf.WriteString(body)
		case 1:
			w.line("Content-Type: application/octet-stream")
			w.line("Content-Transfer-Encoding: " + w.pick("base64", "BASE64"))
			w.line("")
			w.buf.Write(base64Body(w.rnd.IntN(2000)))
		default:
			w.line("Content-Transfer-Encoding: quoted-printable")
			w.line("")
			var m messageWriter
			m.quotedPrintable("Văn thư = \r\n" + body)
			w.buf.Write(m.buf.Bytes())
		}
	}
}

// theirs writes what go-message finds: types and decoded bodies.
func theirs(out *strings.Builder, e *message.Entity) error {
	typ, _, err := e.Header.ContentType()
	if err != nil {
		return err
	}
	if typ == "" {
		typ = "text/plain"
	}
	out.WriteString(strings.ToLower(typ))
	if mr := e.MultipartReader(); mr != nil {
		out.WriteString("(")
		for {
			p, err := mr.NextPart()
			if err == io.EOF {
				out.WriteString(")")
				return nil
			}
			if err != nil {
				return err
			}
			if err := theirs(out, p); err != nil {
				return err
			}
		}
	}
	body, err := io.ReadAll(e.Body)
	if err != nil {
		return err
	}
	if typ == "message/rfc822" {
		inner, err := message.Read(bytes.NewReader(body))
		if err != nil {
			return err
		}
		out.WriteString("[")
		err = theirs(out, inner)
		out.WriteString("]")
		return err
	}
	fmt.Fprintf(out, "%q", body)
	return nil
}

func ours(t *testing.T, out *strings.Builder, raw []byte, p *Part) {
	out.WriteString(p.Type + "/" + p.Subtype)
	switch {
	case p.IsMultipart():
		out.WriteString("(")
		for _, c := range p.Children {
			ours(t, out, raw, c)
		}
		out.WriteString(")")
	case p.Message != nil:
		out.WriteString("[")
		ours(t, out, raw, p.Message.Root)
		out.WriteString("]")
	default:
		fmt.Fprintf(out, "%q", readPart(t, raw, p))
	}
}

func differ(t *testing.T, seed uint64) {
	w := wellFormed{rnd: rand.New(rand.NewPCG(seed, 1))}
	w.line("From: a@b")
	w.part(4)
	raw := w.buf.Bytes()
	e, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("seed %d: go-message: %v\n%s", seed, err, raw)
	}
	var want, got strings.Builder
	if err := theirs(&want, e); err != nil {
		t.Fatalf("seed %d: go-message: %v\n%s", seed, err, raw)
	}
	m := scan(raw)
	ours(t, &got, raw, m.Root)
	if got.String() != want.String() {
		t.Fatalf("seed %d:\n got %s\nwant %s\n%s", seed, &got, &want, raw)
	}
	if m.Defects&^(DefectUnterminatedLine) != 0 {
		t.Fatalf("seed %d: defects %b\n%s", seed, m.Defects, raw)
	}
	checkMessage(t, raw, m)
	checkChunks(t, raw, m)
}

// TestAgainstGoMessage compares with another parser on well-formed mail.
func TestAgainstGoMessage(t *testing.T) {
	for seed := range uint64(400) {
		differ(t, seed)
	}
}

func FuzzAgainstGoMessage(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { differ(t, seed) })
}
