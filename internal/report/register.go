// Package report makes registers and reports out of what the stores hold. It
// only reads: it takes a sqldb.Reader, so a report cannot change what it tells.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// Query says which register to read.
type Query struct {
	Unit      directory.Unit
	Parent    string             // name of the agency above the unit, "" for none
	Direction docstore.Direction // "" means that of incoming documents
	Series    docstore.Series    // "" means docstore.SeriesDefault
	Year      int                // by Vietnam local date of registration
	AsOf      time.Time          // the register as it stood then; zero means now
	From      int                // first number; 0 means the beginning
	To        int                // last number; 0 means the end
}

// Register is a unit's register of one direction and year (sổ đăng ký văn bản
// đến, sổ đăng ký văn bản đi), with the ten columns of NĐ 30/2020/NĐ-CP, Phụ
// lục IV. It is all that a table, a file or a print of it needs.
type Register struct {
	Unit      string             // name of the unit
	Code      string             // identifier of the unit
	Parent    string             // name of the agency above it, "" for none
	Direction docstore.Direction // "" as in Query
	Series    docstore.Series    // "" as in Query
	Year      int                //
	AsOf      time.Time          // zero means without bound
	Headings  []string           // of the columns, in their order
	Rows      []Row              // by number, voided ones included, each followed by what corrects it
	Head      [32]byte           // hash of the newest of the rows' entries; it covers all entries before
}

// Row is one line of a register.
type Row struct {
	Number     int             // printed number without suffix, 0 for none
	Cells      []string        // one for each heading, as people read it: dates as dd/mm/yyyy
	Columns    json.RawMessage // the columns as they were entered, docstore.Columns or docstore.OutColumns
	Voided     bool            // struck through: the number is not used again
	VoidReason string          // why; may be empty
	Line       int             // place of the entry in the book, 0 for a number that is only reserved
	Corrects   int             // line of the row below which this one stands, 0 for one of its own
	Reserved   bool            // the number is given, but not used yet
	Hash       [32]byte        // of the entry, zero for a number that is only reserved
}

// Read reads a register. It returns docstore.ErrNoBook when the unit registered
// nothing that year. A Query with AsOf in the past gives the same Register
// whenever it is asked, but for entries that were taken back at AsOf and have
// been entered again since: these read as valid.
func Read(ctx context.Context, r sqldb.Reader, q Query) (Register, error) {
	if q.Direction == "" {
		q.Direction = docstore.DirectionIn
	}
	if q.Series == "" {
		q.Series = docstore.SeriesDefault
	}
	book, entries, err := docstore.ReadSeries(ctx, r, q.Unit.ID, q.Direction, q.Year, q.Series)
	if err != nil {
		return Register{}, fmt.Errorf("read the register of %d: %w", q.Year, err)
	}
	ended, err := docstore.Endings(ctx, r, book.ID, q.AsOf)
	if err != nil {
		return Register{}, err
	}
	g := Empty(q)
	newest := 0
	for _, e := range entries {
		if e.Number < q.From || q.To > 0 && e.Number > q.To || !q.AsOf.IsZero() && e.Entered.After(q.AsOf) {
			continue
		}
		voided := e.State == docstore.EntryVoided && (q.AsOf.IsZero() || !e.Voided.After(q.AsOf))
		row := InRow(e.Columns)
		if q.Direction == docstore.DirectionOut {
			row = OutRow(e.Number, e.Out)
		}
		row.Line, row.Corrects, row.Hash = e.Ordinal, e.Corrects, e.Hash
		if end, ok := ended[e.Dispatch]; ok && e.Dispatch != 0 && e.Corrects == 0 {
			row = row.noted(endingText(end))
		}
		if voided {
			row = row.struck(e.VoidReason)
		}
		g.Rows = append(g.Rows, row)
		if e.Ordinal > newest {
			newest, g.Head = e.Ordinal, e.Hash
		}
	}
	reserved, err := docstore.BookReservations(ctx, r, book.ID)
	if err != nil {
		return Register{}, err
	}
	for _, v := range reserved {
		if v.Number < q.From || q.To > 0 && v.Number > q.To || !v.OpenAt(q.AsOf) {
			continue
		}
		at := slices.IndexFunc(g.Rows, func(r Row) bool { return r.Number > v.Number || r.Number == 0 })
		if at < 0 {
			at = len(g.Rows)
		}
		g.Rows = slices.Insert(g.Rows, at, reservedRow(v))
	}
	return g, nil
}

// reservedRow is a number that waits to be used.
func reservedRow(v docstore.Reservation) Row {
	row := OutRow(v.Number, docstore.OutColumns{
		Code: v.Code, Title: v.Abstract, Remark: "Số dự trữ cho " + v.ByName + " đến " + v.Expires.In(vietnam).Format("15:04 02/01/2006"),
	})
	row.Reserved = true
	return row
}

// Empty gives the register of q without a line.
func Empty(q Query) Register {
	return Register{
		Unit: q.Unit.Name, Code: q.Unit.Code, Parent: q.Parent, Direction: q.Direction, Series: q.Series, Year: q.Year, AsOf: q.AsOf,
		Headings: Headings(q.Direction),
	}
}

// InRow makes a line of a register of incoming documents.
func InRow(c docstore.Columns) Row {
	return Row{Number: c.Number, Cells: inCells(c), Columns: encode(c)}
}

// OutRow makes a line of a register of outgoing documents.
func OutRow(number int, c docstore.OutColumns) Row {
	return Row{Number: number, Cells: outCells(c), Columns: encode(c)}
}

// endingText is what a register says of a document that was taken back or
// replaced: the entry stays. NĐ 30/2020, Phụ lục VI, part III.8.
func endingText(e docstore.Ending) string {
	what := "Đã thu hồi ngày "
	if e.State == docstore.StateReplaced {
		what = "Đã được thay thế ngày "
	}
	return what + e.At.In(vietnam).Format("02/01/2006")
}

// noted gives the line with a further remark.
func (r Row) noted(text string) Row {
	r.Cells = slices.Clone(r.Cells)
	remark := &r.Cells[len(r.Cells)-1]
	*remark = joinText(text, *remark)
	return r
}

// struck gives the line struck through; its last cell says so.
func (r Row) struck(reason string) Row {
	r.Voided, r.VoidReason = true, reason
	return r.noted("Đã hủy" + prefixed(": ", reason))
}

func encode(columns any) json.RawMessage {
	b, err := json.Marshal(columns)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return b
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func joinText(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

// date turns YYYY-MM-DD into dd/mm/yyyy; anything else stays as it is.
func date(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	return t.Format("02/01/2006")
}

// vietnam is UTC+7 all year; there is no daylight saving time.
var vietnam = worktime.Zone
