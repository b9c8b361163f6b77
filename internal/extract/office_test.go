package extract

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func pack(t testing.TB, fill func(z *zip.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := fill(z); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func entry(z *zip.Writer, name string, content io.Reader) error {
	w, err := z.Create(name)
	if err == nil {
		_, err = io.Copy(w, content)
	}
	return err
}

// repeat reads as n octets of unit.
func repeat(unit string, n int64) io.Reader {
	block := []byte(strings.Repeat(unit, 1+(1<<16)/len(unit)))
	var parts []io.Reader
	for ; n > 0; n -= int64(len(block)) {
		parts = append(parts, bytes.NewReader(block))
	}
	return io.MultiReader(parts...)
}

// T116, T118: what is built to swell, to reach outside or never to end costs
// little and gives bounded text.
func TestOfficeLimits(t *testing.T) {
	docx := officeKind(File{Name: "a.DOCX"})
	text := "<w:p><w:t>bom</w:t></w:p>"
	doc := func(xml string) []byte {
		return pack(t, func(z *zip.Writer) error { return entry(z, "word/document.xml", strings.NewReader(xml)) })
	}
	lied := doc(text)
	for _, sig := range []string{"PK\x01\x02", "PK\x03\x04"} { // declares that nothing is in it
		at := bytes.Index(lied, []byte(sig))
		off := map[string]int{"PK\x01\x02": 20, "PK\x03\x04": 18}[sig]
		clear(lied[at+off : at+off+8])
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		min  int // octets of text
		max  int
	}{
		{"honest", doc(text), 4, 4},
		{"bomb of text", pack(t, func(z *zip.Writer) error { return entry(z, "word/document.xml", repeat(text, 64<<20)) }), 1, 1 << 20},
		{"bomb without text", pack(t, func(z *zip.Writer) error { return entry(z, "word/document.xml", repeat("<a>", 64<<20)) }), 0, 0},
		{"bomb of blanks", pack(t, func(z *zip.Writer) error { return entry(z, "word/document.xml", repeat(" ", 64<<20)) }), 0, 0},
		{"one long name", pack(t, func(z *zip.Writer) error {
			return entry(z, "word/document.xml", io.MultiReader(strings.NewReader("<w:"), repeat("a", 64<<20)))
		}), 0, 0},
		{"many bombs", pack(t, func(z *zip.Writer) error {
			for i := range 40 {
				if err := entry(z, fmt.Sprintf("word/header%d.xml", i), repeat("<a/>", 2<<20)); err != nil {
					return err
				}
			}
			return nil
		}), 0, 0},
		{"too many entries", pack(t, func(z *zip.Writer) error {
			for i := range maxOfficeEntries + 1 {
				if err := entry(z, fmt.Sprintf("word/header%d.xml", i), strings.NewReader(text)); err != nil {
					return err
				}
			}
			return nil
		}), 0, 0},
		{"deep", doc(strings.Repeat("<w:p><w:t>", 200_000) + "sâu"), 0, 4},
		{"entities", doc(`<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><w:p><w:t>&b;&f;</w:t></w:p>`), 0, 10},
		{"paths outside", pack(t, func(z *zip.Writer) error { return entry(z, "../../word/document.xml", strings.NewReader(text)) }), 0, 0},
		{"declares nothing", lied, 0, 4},
		{"no archive", []byte("PK\x03\x04 and so on"), 0, 0},
		{"empty", nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			doc := docx.read(tt.raw, 1<<20)
			got := doc.Text()
			if d := time.Since(begin); d > time.Minute {
				t.Errorf("it took %v", d)
			}
			if len(got) < tt.min || len(got) > tt.max {
				t.Errorf("%d octets of text, want %d to %d: %.60q", len(got), tt.min, tt.max, got)
			}
			if strings.Contains(got, "root") || strings.Contains(got, "haha") {
				t.Errorf("an entity was expanded: %q", got)
			}
		})
	}
}

func FuzzOffice(f *testing.F) {
	f.Add(pack(f, func(z *zip.Writer) error {
		return entry(z, "word/document.xml", strings.NewReader("<w:p><w:t>a</w:t></w:p>"))
	}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i := range officeKinds {
			doc := officeKinds[i].read(raw, 1000)
			if got := doc.Text(); len(got) > 1000 {
				t.Errorf("%d octets, want at most 1000", len(got))
			}
		}
	})
}
