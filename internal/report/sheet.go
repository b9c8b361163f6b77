package report

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Sheet is an output for people: a heading in the layout of
// NĐ 30/2020/NĐ-CP, one table, sums below it, and a place for signatures. Every
// file format is made of it, and of nothing else: the same Sheet gives the
// same octets, whenever and wherever it is written. docs/formats/registers.md.
type Sheet struct {
	Name    string    `json:"report"`            // fixed name of the output
	Title   string    `json:"title"`             // "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN"
	Parent  string    `json:"parent,omitempty"`  // cơ quan chủ quản
	Unit    string    `json:"unit,omitempty"`    // name of the unit
	Code    string    `json:"code,omitempty"`    // identifier of the unit
	Lines   []string  `json:"lines,omitempty"`   // below the title: year, numbers from and to
	AsOf    time.Time `json:"as_of,omitzero"`    // zero means without bound
	Dated   time.Time `json:"dated,omitzero"`    // of the newest thing in it: the date of files without AsOf
	Columns []Column  `json:"columns"`           //
	Rows    []Line    `json:"rows,omitempty"`    //
	Notes   []string  `json:"notes,omitempty"`   // below the table: sums, how to read it
	Signers []string  `json:"signers,omitempty"` // who signs at the end, from left to right
	Head    string    `json:"head,omitempty"`    // SHA-256 in hex of the newest row, which chains it to all before
	Footer  string    `json:"footer,omitempty"`  // on each page of a print
}

// Kind says what the cells of a column hold.
type Kind string

// The kinds of cells. An empty cell is "not known" in each of them.
const (
	KindText    Kind = "text"
	KindNumber  Kind = "number"  // decimal digits
	KindDate    Kind = "date"    // YYYY-MM-DD, Vietnam local; any other text stands as it is
	KindTime    Kind = "time"    // RFC 3339
	KindMinutes Kind = "minutes" // a length of time in whole minutes
	KindShare   Kind = "share"   // a part of 1 with up to four decimals
)

// Column is one column of a Sheet.
type Column struct {
	Key     string `json:"key"` // in JSON
	Heading string `json:"heading"`
	Kind    Kind   `json:"kind"`
	Width   int    `json:"width"` // in mm of an A4 page in landscape; what is over is shared out
}

// Line is one row of a Sheet.
type Line struct {
	Cells  []string `json:"cells"`            // one for each column, as Kind has them
	Struck bool     `json:"struck,omitempty"` // struck through, but for the last cell, which says why
	Under  bool     `json:"under,omitempty"`  // belongs to the row above: a correction of it
	Strong bool     `json:"strong,omitempty"` // a sum
	Hash   string   `json:"hash,omitempty"`   // SHA-256 in hex that chains it to all rows before
}

// date is what the metadata of a file say, so that they do not depend on when
// it was written.
func (s Sheet) date() time.Time {
	t := s.AsOf
	if t.IsZero() {
		t = s.Dated
	}
	if t.IsZero() {
		t = time.Date(2020, 3, 5, 0, 0, 0, 0, time.UTC) // of the decree; an empty sheet has no date of its own
	}
	return t.UTC().Truncate(time.Second)
}

// lines are what stands below the title.
func (s Sheet) lines() []string {
	out := make([]string, 0, len(s.Lines)+1)
	for _, l := range s.Lines {
		out = append(out, clean(l))
	}
	if !s.AsOf.IsZero() {
		out = append(out, "Tính đến "+s.AsOf.In(vietnam).Format("15 giờ 04 phút, 02/01/2006"))
	}
	return out
}

// headings are the column headings as people read them.
func (s Sheet) headings() []string {
	out := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		out[i] = clean(c.Heading)
	}
	return out
}

// cells are the cells of a row as people read them. A row with too few cells
// has empty ones at its end.
func (s Sheet) cells(l Line) []string {
	out := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		if i < len(l.Cells) {
			out[i] = clean(c.Kind.shown(l.Cells[i]))
		}
	}
	return out
}

// right reports whether cells of this kind stand to the right.
func (k Kind) right() bool {
	switch k {
	case KindNumber, KindMinutes, KindShare:
		return true
	case KindText, KindDate, KindTime:
	}
	return false
}

// shown gives a cell as people read it.
func (k Kind) shown(v string) string {
	switch k {
	case KindDate:
		return date(v)
	case KindTime:
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t.In(vietnam).Format("15:04 02/01/2006")
		}
	case KindMinutes:
		if n, err := strconv.Atoi(v); err == nil {
			return fmt.Sprintf("%d:%02d", n/60, n%60)
		}
	case KindShare:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return strings.Replace(strconv.FormatFloat(100*f, 'f', 1, 64), ".", ",", 1) + " %"
		}
	case KindText, KindNumber:
	}
	return v
}

// hash gives a chain hash for a Line; "" for none.
func hash(h [32]byte) string {
	if h == [32]byte{} {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// moment gives a time for a cell of KindTime; "" for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// localDay gives a date for a cell of KindDate; "" for the zero time.
func localDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format(time.DateOnly)
}

// shareOf gives a part of a whole for a cell of KindShare; "" of nothing.
func shareOf(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(part)/float64(whole), 'f', 4, 64)
}
