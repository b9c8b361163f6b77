package report

import (
	"bytes"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/sqldb"
)

// Oracle 17 of edoc.md §4.15: an auditor exports a book for 2026 as of
// 30/6/2026 and gets the same bytes twice, though the book has grown since.
func TestOracle17SameBookSameOctets(t *testing.T) {
	o := spring(t)
	export := func() map[Format][]byte {
		t.Helper()
		out := map[Format][]byte{}
		for _, dir := range []docstore.Direction{docstore.DirectionIn, docstore.DirectionOut} {
			q := Query{Unit: o.units[0], Parent: "Chính phủ", Direction: dir, Year: 2026, AsOf: local("2026-06-30", 24).Add(-time.Microsecond)}
			if dir == docstore.DirectionIn {
				q.Unit = o.units[2]
			}
			var g Register
			err := o.db.View(t.Context(), func(r sqldb.Reader) (err error) {
				g, err = Read(t.Context(), r, q)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(g.Rows) != 2 {
				t.Fatalf("%s: %d lines, want 2", dir, len(g.Rows))
			}
			s, err := g.Sheet()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range Formats() {
				out[f+Format(dir)] = written(t, s, f)
			}
		}
		return out
	}
	first := export()
	o.now = local("2026-08-03", 8)
	d := o.send(0, "50/QĐ-UBND", "sau ngày 30/6", time.Time{}, 2)
	o.act(local("2026-08-03", 9), d[0], docstore.Act{Event: docstore.EventRegister})
	o.act(local("2026-08-03", 9).Add(time.Minute), d[0], docstore.Act{Event: docstore.EventUndo})
	for f, want := range export() {
		if !bytes.Equal(first[f], want) {
			t.Errorf("%s: the second export differs from the first", f)
		}
	}
}
