// Package report makes registers and reports out of what the stores hold. It
// only reads: it takes a sqldb.Reader, so a report cannot change what it tells.
package report

import (
	"context"
	"fmt"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// Query says which register to read.
type Query struct {
	Unit directory.Unit
	Year int       // by Vietnam local date of registration
	AsOf time.Time // the register as it stood then; zero means now
	From int       // first number; 0 means the beginning
	To   int       // last number; 0 means the end
}

// Register is a unit's register of incoming documents of one year (sổ đăng ký
// văn bản đến), with the ten columns of NĐ 30/2020/NĐ-CP, Phụ lục IV.
type Register struct {
	Unit string    // name of the unit
	Code string    // identifier of the unit
	Year int       //
	AsOf time.Time // zero means without bound
	Rows []Row     // by number, voided ones included
	Head [32]byte  // hash of the last row's entry; it covers all entries before
}

// Row is one line of a register.
type Row struct {
	docstore.Columns
	Voided     bool   // struck through: the number is not used again
	VoidReason string // why; may be empty
}

// Read reads a register of incoming documents. It returns
// docstore.ErrNoBook when the unit registered nothing that year. A Query with
// AsOf in the past gives the same Register whenever it is asked, but for
// entries that were taken back at AsOf and have been entered again since:
// these read as valid.
func Read(ctx context.Context, r sqldb.Reader, q Query) (Register, error) {
	_, entries, err := docstore.ReadBook(ctx, r, q.Unit.ID, docstore.DirectionIn, q.Year)
	if err != nil {
		return Register{}, fmt.Errorf("read the register of %d: %w", q.Year, err)
	}
	g := Register{Unit: q.Unit.Name, Code: q.Unit.Code, Year: q.Year, AsOf: q.AsOf}
	for _, e := range entries {
		if e.Number < q.From || q.To > 0 && e.Number > q.To || !q.AsOf.IsZero() && e.Entered.After(q.AsOf) {
			continue
		}
		row := Row{Columns: e.Columns}
		if e.State == docstore.EntryVoided && (q.AsOf.IsZero() || !e.Voided.After(q.AsOf)) {
			row.Voided, row.VoidReason = true, e.VoidReason
		}
		g.Rows = append(g.Rows, row)
		g.Head = e.Hash
	}
	return g, nil
}

// columnNames are the legal headings in their order: NĐ 30/2020, Phụ lục IV.
var columnNames = [10]string{
	"Ngày đến", "Số đến", "Tác giả", "Số, ký hiệu", "Ngày tháng văn bản", "Tên loại và trích yếu",
	"Đơn vị hoặc người nhận", "Ngày chuyển", "Ký nhận", "Ghi chú",
}

// cells returns the row's ten columns as people read them.
func (r Row) cells() [10]string {
	remark := r.Remark
	if r.Voided {
		remark = joinText("Đã hủy"+prefixed(": ", r.VoidReason), remark)
	}
	return [10]string{
		date(r.Arrived), fmt.Sprint(r.Number), r.Issuer, r.Code, date(r.Issued), r.Title,
		r.Recipient, date(r.Handed), r.Signed, remark,
	}
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
var vietnam = time.FixedZone("+07", 7*60*60)
