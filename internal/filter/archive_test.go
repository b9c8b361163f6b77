package filter

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packed makes an archive of one file of any mode; honest files of a few octets come before and after it.
func packed(t testing.TB, h *zip.FileHeader, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range []struct {
		h    *zip.FileHeader
		text string
	}{{&zip.FileHeader{Name: "first.txt"}, "first"}, {h, content}, {&zip.FileHeader{Name: "last.txt"}, "last"}} {
		f, err := w.CreateHeader(e.h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// T117: archives that would write where they should not are refused, and looking into any of them changes no file. The decision that
// people read stays short whatever the names are.
func TestT117_HostileArchives(t *testing.T) {
	mode := func(name string, m fs.FileMode) *zip.FileHeader {
		h := &zip.FileHeader{Name: name}
		h.SetMode(m)
		return h
	}
	canary := t.TempDir()
	scratch := filepath.Join(canary, "scratch")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(canary, "canary.txt"), []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16) // stored, so that the archive goes through a file
	tests := []struct {
		name    string
		header  *zip.FileHeader
		content string
		action  Action
	}{
		{"up", &zip.FileHeader{Name: "../canary.txt"}, "x", Refuse},
		{"up and up", &zip.FileHeader{Name: "a/../../canary.txt"}, "x", Refuse},
		{"up behind backslashes", &zip.FileHeader{Name: `a\..\..\canary.txt`}, "x", Refuse},
		{"absolute", &zip.FileHeader{Name: filepath.Join(canary, "canary.txt")}, "x", Refuse},
		{"absolute behind a backslash", &zip.FileHeader{Name: `\canary.txt`}, "x", Refuse},
		{"another computer", &zip.FileHeader{Name: `\\host\share\canary.txt`}, "x", Refuse},
		{"another disk", &zip.FileHeader{Name: `d:canary.txt`}, "x", Refuse},
		{"stream of a file", &zip.FileHeader{Name: `first.txt:canary.txt`}, "x", Refuse},
		{"folder above", &zip.FileHeader{Name: "../scratch/"}, "", Refuse},
		{"link", mode("a.txt", fs.ModeSymlink|0o777), "../canary.txt", Refuse},
		{"link to a folder", mode("a", fs.ModeSymlink|0o777), canary, Refuse},
		{"device", mode("a.txt", fs.ModeDevice|fs.ModeCharDevice|0o666), "", Refuse},
		{"pipe", mode("a.txt", fs.ModeNamedPipe|0o666), "", Refuse},
		{"same name but for case", &zip.FileHeader{Name: "FIRST.TXT"}, "x", Pass},
		{"same name", &zip.FileHeader{Name: "first.txt"}, "x", Pass},
		{"dots that are no path", &zip.FileHeader{Name: "a..b/...txt"}, "x", Pass},
		{"long name", &zip.FileHeader{Name: strings.Repeat("x", 65_000) + ".txt"}, "x", Pass},
		{"long name of a program", &zip.FileHeader{Name: strings.Repeat("x", 65_000) + ".exe"}, "x", Refuse},
		{"deep name", &zip.FileHeader{Name: strings.Repeat("x/", 32_000) + "a.txt"}, "x", Pass},
		{"large", &zip.FileHeader{Name: "../canary.txt", Method: zip.Store}, large + large, Refuse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, r := mailWith(t, named("a.zip", octets, packed(t, tt.header, tt.content)))
			d, err := NewAttachments(rules, scratch).Check(m, r)
			if err != nil {
				t.Fatal(err)
			}
			if d.Action != tt.action {
				t.Errorf("got %v %s %.200q, want %v", d.Action, d.Code, d.Text.EN, tt.action)
			}
			if n := max(len(d.File), len(d.Text.EN), len(d.Text.VI)); n > 1000 {
				t.Errorf("the decision has %d octets", n)
			}
		})
	}
	var left []string
	if err := filepath.WalkDir(canary, func(p string, _ fs.DirEntry, err error) error {
		left = append(left, strings.TrimPrefix(p, canary))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(left, " "), " /canary.txt /scratch"; got != want {
		t.Errorf("files are %q, want %q", got, want)
	}
	if got, err := os.ReadFile(filepath.Join(canary, "canary.txt")); err != nil || string(got) != "alive" {
		t.Errorf("the canary is %q, %v", got, err)
	}
}
