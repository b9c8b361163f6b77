package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ranks orders the rooms of docs/ARCHITECTURE.md: a package imports strictly
// lower ranks. A package inside another's folder has its owner's rank and may
// be imported by it.
var ranks = map[string]int{
	"internal/fault":     0,
	"internal/worktime":  0,
	"internal/mail":      1,
	"internal/edoc":      1,
	"internal/blob":      1,
	"internal/sqldb":     1,
	"internal/wire":      1,
	"internal/extract":   1,
	"config":             1,
	"internal/filter":    2,
	"internal/journal":   2,
	"internal/sieve":     2,
	"internal/directory": 3,
	"internal/mailauth":  3,
	"internal/auth":      4,
	"internal/mailstore": 4,
	"internal/peer":      3,
	"internal/receipt":   3,
	"internal/queue":     4,
	"internal/rules":     4,
	"docstore":           4,
	"internal/delivery":  5,
	"internal/workflow":  5,
	"internal/report":    5,
	"internal/search":    5,
	"internal/transport": 6,
	"internal/edxdrop":   6,
	"smtpd":              7,
	"imapd":              7,
	"internal/portal":    7,
	"internal/control":   7,
	"internal/app":       8,
	"internal/testkit":   9,
	"cmd/vanthu":         9,
}

// room gives the ranked package that owns pkg, and its rank.
func room(pkg string) (owner string, rank int, ok bool) {
	for p := pkg; p != "."; p = filepath.ToSlash(filepath.Dir(p)) {
		if r, ok := ranks[p]; ok {
			return p, r, true
		}
	}
	return "", 0, false
}

// mayImport says whether a file of package from, a test or not, may import to.
func mayImport(from, to string, isTest bool) bool {
	fo, fr, ok1 := room(from)
	to2, tr, ok2 := room(to)
	if !ok1 || !ok2 {
		return false
	}
	if fo == to2 {
		return true
	}
	if to2 == "config" {
		return fo == "internal/app" || fo == "cmd/vanthu" || fo == "internal/testkit"
	}
	return tr < fr || isTest && fo == "cmd/vanthu" && to2 == "internal/testkit"
}

func TestMayImport(t *testing.T) {
	tests := []struct {
		from, to string
		want     bool
	}{
		{"smtpd", "internal/mail", true},
		{"internal/mail", "smtpd", false},
		{"docstore", "internal/mailstore", false},
		{"internal/delivery", "docstore", true},
		{"smtpd", "config", false},
		{"internal/app", "config", true},
		{"internal/sqldb/sqldbtest", "internal/sqldb", true},
		{"internal/unknown", "internal/fault", false},
	}
	for _, tt := range tests {
		if got := mayImport(tt.from, tt.to, false); got != tt.want {
			t.Errorf("mayImport(%s, %s) = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestRanks reads the imports of every file itself: a list from the go command
// would be cached by go test and hide a new violation.
func TestRanks(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		from := filepath.ToSlash(rel)
		if _, _, ok := room(from); !ok {
			t.Errorf("%s: package %s has no rank in this test and docs/ARCHITECTURE.md", path, from)
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, imp := range f.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if to, ours := strings.CutPrefix(p, "vanthu/"); ours && !mayImport(from, to, strings.HasSuffix(path, "_test.go")) {
				t.Errorf("%s: %s must not import %s", path, from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files read: the walk is broken", files)
	}
}
