package edxdrop

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vanthu/internal/edoc"
	"vanthu/internal/mail"
)

func address(t *testing.T, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOrgans(t *testing.T) {
	d := New(Stores{}, Options{Organs: []Organ{{Codes: []Code{"H49.12", "000.00.12.H49"}, Address: address(t, "h49.12@truc.test"), Name: "Sở Y tế"}}})
	if !d.Serves("TRUC.test") || d.Serves("x.test") {
		t.Error("the domains are wrong")
	}
	for a, want := range map[string]string{"H49.12@truc.test": "H49.12", "h49.12+vb@truc.test": "H49.12", "h49@truc.test": ""} {
		if got, ok := d.Organ(address(t, a)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", a, got, ok, want)
		}
	}
	for code, want := range map[Code]string{"h49.12": "H49.12", "000.00.12.h49": "H49.12", " H50 ": "H50"} {
		if got := d.organ(code).code(); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	o := outgoing{id: 12, kind: kindStatus, made: time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)}
	if got := o.name(); got != "20261124T020000Z-000012-tt.edxml" {
		t.Errorf("name is %s", got)
	}
	for name, want := range map[string]bool{
		temporary(o.name()): true, o.name(): false, ".x.tmp": false, ".20261124T020000Z-x-tt.edxml.tmp": false, "..tmp": false,
	} {
		if _, ok := ownTemporary(name); ok != want {
			t.Errorf("%s is a temporary name of ours: %v, want %v", name, ok, want)
		}
	}
	for name, want := range map[string]bool{
		"a.edxml": true, "A.EDXML": true, "a.xml": true, ".a.edxml": false, "a.edxml.tmp": false, "a.txt": false, "edxml": false,
	} {
		if takes(name) != want {
			t.Errorf("%s is taken: %v, want %v", name, !want, want)
		}
	}
}

func TestReason(t *testing.T) {
	for text, want := range map[string]edoc.RefuseReason{
		"Sai nơi nhận": edoc.ReasonWrongAddressee, "sai thể thức văn bản, thiếu trích yếu": edoc.ReasonBadForm, "không rõ": edoc.ReasonOther, "": edoc.ReasonOther,
	} {
		if got := reason(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// A file is taken when it has not changed between two looks, and never over
// another of its name.
func TestClaim(t *testing.T) {
	dir := t.TempDir()
	d := New(Stores{}, Options{Inbox: dir})
	work := filepath.Join(dir, workFolder)
	if err := os.Mkdir(work, 0o750); err != nil {
		t.Fatal(err)
	}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(want ...string) {
		t.Helper()
		if err := d.claim(); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(work)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("in work are %q, want %q", got, want)
		}
	}
	put(filepath.Join(dir, "a.edxml"), "one")
	put(filepath.Join(dir, "b.txt"), "other")
	look()
	put(filepath.Join(dir, "a.edxml"), "one and more")
	look()
	look("a.edxml")
	put(filepath.Join(dir, "a.edxml"), "second")
	look("a.edxml")
	look("a-2.edxml", "a.edxml")
	if text, err := os.ReadFile(filepath.Join(work, "a.edxml")); err != nil || string(text) != "one and more" {
		t.Errorf("the first is %q, %v", text, err)
	}
}
