package testkit_test

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
)

// score counts how a field of a group of documents was recognised.
type score struct{ there, found, right int }

func (s score) precision() float64 { return ratio(s.right, s.found) }
func (s score) recall() float64    { return ratio(s.right, s.there) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

// TestRecognition measures recognition on the golden corpus, through the real
// reader of files, and holds it to its bars: on tagged mail every field right;
// on untagged files with a text number and symbol and date ≥ 98 %, type,
// abstract and signer ≥ 95 %; of 500 ordinary mails none at L0 to L2.
// `make recognition` prints the table.
func TestRecognition(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the real program")
	}
	t.Parallel()
	bin, cache := binary.Path(t), filepath.Join(t.TempDir(), "engine")
	files := extract.New(extract.Options{Command: func(pdf bool) *exec.Cmd {
		cmd := exec.Command(bin, "file-reader", fmt.Sprintf("--pdf=%v", pdf), "--cache", cache)
		cmd.Env = []string{}
		return cmd
	}})
	defer func() {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}()
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, hanoi)
	recognise := func(s sample) edoc.Recognition {
		in := edoc.Input{Subject: s.subject, Now: now}
		if s.group() == "edxml" {
			in.Files = []edoc.File{{Name: s.file, Size: int64(len(s.content)), Open: func() (io.Reader, error) { return bytes.NewReader(s.content), nil }}}
		}
		rec := edoc.Recognize(in)
		f := extract.File{Name: s.file}
		doc, err := files.Read(t.Context(), f, bytes.NewReader(s.content), extract.Want{Octets: 200 << 10, First: 2, Last: 2})
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%s: %v", s.name, err)
		}
		if s.readable && (err != nil || strings.TrimSpace(doc.Text()) == "") {
			t.Errorf("%s: no text: %v", s.name, err)
		}
		rec.AddTexts([]edoc.FileText{{Name: s.file, Pages: doc.Pages, Property: doc.Property}}, []string{s.file}, now)
		return rec
	}

	fields := []string{"code", "issued", "type", "abstract", "signer"}
	groups := map[string]map[string]*score{"tagged": {}, "edxml": {}, "untagged": {}}
	for _, g := range groups {
		for _, f := range fields {
			g[f] = &score{}
		}
	}
	documents, levels := 0, score{}
	for _, s := range corpus(t) {
		documents++
		rec := recognise(s)
		if rec.Invalid() != s.refused {
			t.Errorf("%s: refused is %v, want %v: %+v", s.name, rec.Invalid(), s.refused, rec.Problems)
		}
		if s.refused {
			continue
		}
		if !s.declared {
			levels.there++
			if rec.Level == edoc.L2 {
				levels.right++
			} else {
				t.Logf("%s: level %v", s.name, rec.Level)
			}
		}
		got := said(rec)
		for i, pair := range [][2]string{{got.code, s.truth.code}, {got.issued, s.truth.issued}, {got.typ, s.truth.typ}, {got.abstract, s.truth.abstract}, {got.signer, s.truth.signer}} {
			sc := groups[s.group()][fields[i]]
			if pair[1] != "" {
				sc.there++
			}
			if pair[0] != "" {
				sc.found++
			}
			if pair[0] == pair[1] && pair[1] != "" {
				sc.right++
			} else if pair[0] != pair[1] {
				t.Logf("%s: %s is %q, want %q", s.name, fields[i], pair[0], pair[1])
			}
		}
	}
	if documents < 60 {
		t.Errorf("the corpus has %d documents", documents)
	}

	var table strings.Builder
	fmt.Fprintf(&table, "%d documents\n%-10s %-8s %6s %6s %6s %10s %8s\n", documents, "group", "field", "there", "found", "right", "precision", "recall")
	for _, g := range []string{"tagged", "edxml", "untagged"} {
		for _, f := range fields {
			sc := groups[g][f]
			fmt.Fprintf(&table, "%-10s %-8s %6d %6d %6d %9.1f%% %7.1f%%\n", g, f, sc.there, sc.found, sc.right, 100*sc.precision(), 100*sc.recall())
			least := 1.0
			if g == "untagged" {
				least = map[string]float64{"code": 0.98, "issued": 0.98}[f]
				least = max(least, 0.95)
			}
			if sc.recall() < least || sc.precision() < least {
				t.Errorf("%s %s: precision %.3f, recall %.3f, want %.2f", g, f, sc.precision(), sc.recall(), least)
			}
		}
	}
	fmt.Fprintf(&table, "untagged found to be documents (L2): %d of %d\n", levels.right, levels.there)
	if levels.recall() < 0.98 {
		t.Errorf("documents at L2: %d of %d", levels.right, levels.there)
	}

	wrong := 0
	for _, s := range ordinaryMails(t) {
		if rec := recognise(s); rec.Level != edoc.LevelNone && rec.Level <= edoc.L2 {
			wrong++
			t.Errorf("%s (%s, %s) is taken for a document: %v %+v", s.name, s.subject, s.file, rec.Level, rec.Layout)
		}
	}
	fmt.Fprintf(&table, "ordinary mails taken for documents (L0 to L2): %d of 500\n", wrong)
	t.Log("\n" + table.String())
}

// group is under which the table counts a sample.
func (s sample) group() string {
	switch {
	case edoc.IsEdXMLName(s.file):
		return "edxml"
	case s.declared:
		return "tagged"
	}
	return "untagged"
}

func said(rec edoc.Recognition) truth {
	got := truth{typ: rec.Type.Name, abstract: strings.TrimPrefix(rec.Abstract, "Về việc "), signer: rec.Signer.FullName}
	if rec.Code != nil {
		got.code = rec.Code.String()
	}
	if !rec.Issued.IsZero() {
		got.issued = rec.Issued.In(hanoi).Format(time.DateOnly)
	}
	return got
}
