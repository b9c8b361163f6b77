package sqldb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	reParam = regexp.MustCompile(`\$([0-9]+)`)
	reSQL   = regexp.MustCompile(`(?s)^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	reStar  = regexp.MustCompile(`(?i)SELECT\s+\*`)
)

// paramsAscend reports whether $1…$n first appear in ascending order, without
// gaps. SQLite numbers parameters by first appearance, PostgreSQL by their
// number: only ascending text means the same to both.
func paramsAscend(q string) bool {
	last := 0
	for _, m := range reParam.FindAllStringSubmatch(q, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > last+1 || n == 0 {
			return false
		}
		last = max(last, n)
	}
	return true
}

func TestParamsAscend(t *testing.T) {
	tests := []struct {
		q    string
		want bool
	}{
		{"SELECT 1", true},
		{"SELECT a FROM t WHERE b = $1 AND c = $2 OR d = $1", true},
		{"SELECT a FROM t WHERE b = $2 AND c = $1", false},
		{"SELECT a FROM t WHERE b = $1 AND c = $3", false},
	}
	for _, tt := range tests {
		if got := paramsAscend(tt.q); got != tt.want {
			t.Errorf("paramsAscend(%q) = %v, want %v", tt.q, got, tt.want)
		}
	}
}

// TestEveryQueryIsPortable reads the text of every query of the project.
func TestEveryQueryIsPortable(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			q, err := strconv.Unquote(lit.Value)
			if err != nil || !reSQL.MatchString(q) || strings.Contains(path, "text_test.go") {
				return true
			}
			seen++
			if !paramsAscend(q) {
				t.Errorf("%s: parameters are not numbered by first use: %s", path, q)
			}
			if reStar.MatchString(q) {
				t.Errorf("%s: columns must be listed: %s", path, q)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 5 {
		t.Errorf("only %d queries found: the search is broken", seen)
	}
}
