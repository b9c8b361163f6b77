package mail

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden compares what real-looking messages give with testdata/golden.
// The messages lie there with LF and are scanned with CR LF.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.eml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lf, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			raw := bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))
			m := scan(raw)
			checkMessage(t, raw, m)
			checkChunks(t, raw, m)
			got := describe(t, raw, m)
			golden := strings.TrimSuffix(file, ".eml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// describe writes all that is stored of m as text.
func describe(t *testing.T, raw []byte, m *Message) string {
	t.Helper()
	s, err := DecodeStructure(EncodeStructure(m))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ENVELOPE %s\nBODYSTRUCTURE %s\nBODY %s\n", s.Envelope, s.BodyStructure, s.Body)
	f := s.Fields()
	fmt.Fprintf(&b, "subject %q\ndate %s\n", f.Subject, f.Date.Format("2006-01-02T15:04:05Z07:00"))
	for _, l := range []struct {
		name string
		list []HeaderAddress
	}{{"from", f.From}, {"sender", f.Sender}, {"reply-to", f.ReplyTo}, {"to", f.To}, {"cc", f.Cc}} {
		for _, a := range l.list {
			fmt.Fprintf(&b, "%s %q %q %d\n", l.name, a.Name, a.Addr, a.Group)
		}
	}
	fmt.Fprintf(&b, "id %q reply %q references %q\ndefects %b\n", f.MessageID, f.InReplyTo, f.Reference, s.Defects)
	for _, a := range s.Root().Attachments() {
		body := readPart(t, raw, a.Part)
		fmt.Fprintf(&b, "attachment %v %q %s inline=%v %d octets\n", a.Path, a.Name, a.Type, a.Inline, len(body))
	}
	return b.String()
}
