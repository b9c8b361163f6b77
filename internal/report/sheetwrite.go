package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"vanthu/internal/fault"
)

// Format is a file format of a Sheet.
type Format string

// The formats.
const (
	FormatText Format = "text"
	FormatCSV  Format = "csv"
	FormatJSON Format = "json"
	FormatPDF  Format = "pdf"
	FormatXLSX Format = "xlsx"
	FormatDOCX Format = "docx"
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{FormatText, FormatCSV, FormatJSON, FormatPDF, FormatXLSX, FormatDOCX}
}

// Binary reports whether a terminal cannot show the format.
func (f Format) Binary() bool { return f == FormatPDF || f == FormatXLSX || f == FormatDOCX }

// Check returns fault.Invalid for a format that there is not.
func (f Format) Check() error {
	if slices.Contains(Formats(), f) {
		return nil
	}
	return fault.New(fault.Invalid, fault.Text{
		EN: fmt.Sprintf("there is no format %q; there are pdf, xlsx, docx, csv, json and text", string(f)),
		VI: fmt.Sprintf("không có định dạng %q; hãy chọn pdf, xlsx, docx, csv, json hoặc text", string(f)),
	})
}

// Write writes the sheet in a format; fault.Invalid is one that there is not.
func (s Sheet) Write(w io.Writer, f Format) error {
	switch f {
	case FormatText:
		return s.WriteText(w, TextOptions{})
	case FormatCSV:
		return s.WriteCSV(w)
	case FormatJSON:
		return s.WriteJSON(w)
	case FormatPDF:
		return s.WritePDF(w)
	case FormatXLSX:
		return s.WriteXLSX(w)
	case FormatDOCX:
		return s.WriteDOCX(w)
	}
	return f.Check()
}

// WriteCSV writes the table as CSV (RFC 4180) with its headings, in UTF-8 with
// the byte order mark that Excel needs to see that. No cell can become a formula.
func (s Sheet) WriteCSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	err := out.Write(s.headings())
	for _, l := range s.Rows {
		cells := s.cells(l)
		for i := range cells {
			cells[i] = inert(cells[i])
		}
		if err == nil {
			err = out.Write(cells)
		}
	}
	if out.Flush(); err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// sheetJSON is the written form of a sheet. Its names are part of the command
// line's promise: they may be added to, never changed.
type sheetJSON struct {
	Report  string           `json:"report"`
	Title   string           `json:"title"`
	Parent  string           `json:"parent,omitempty"`
	Unit    string           `json:"unit,omitempty"`
	Code    string           `json:"code,omitempty"`
	Lines   []string         `json:"lines"`
	AsOf    string           `json:"as_of,omitempty"`
	Columns []columnJSON     `json:"columns"`
	Rows    []map[string]any `json:"rows"`
	Notes   []string         `json:"notes"`
	Head    string           `json:"head,omitempty"`
}

type columnJSON struct {
	Key     string `json:"key"`
	Heading string `json:"heading"`
	Kind    Kind   `json:"kind"`
}

// WriteJSON writes the sheet as one JSON object, each row as an object by the
// columns' keys: numbers, minutes and shares as numbers (null when not known), anything
// else as text; "struck", "under" and "sum" where they are so, "hash" where there is one.
func (s Sheet) WriteJSON(w io.Writer) error {
	j := sheetJSON{
		Report: s.Name, Title: s.Title, Parent: s.Parent, Unit: s.Unit, Code: s.Code, AsOf: moment(s.AsOf),
		Lines: append([]string{}, s.Lines...), Notes: append([]string{}, s.Notes...), Head: s.Head,
		Columns: make([]columnJSON, len(s.Columns)), Rows: make([]map[string]any, len(s.Rows)),
	}
	for i, c := range s.Columns {
		j.Columns[i] = columnJSON{c.Key, c.Heading, c.Kind}
	}
	for i, l := range s.Rows {
		row := make(map[string]any, len(s.Columns)+1)
		for c, col := range s.Columns {
			if c < len(l.Cells) {
				row[col.Key] = col.Kind.value(l.Cells[c])
			}
		}
		for name, is := range map[string]bool{"struck": l.Struck, "under": l.Under, "sum": l.Strong} {
			if is {
				row[name] = true
			}
		}
		if l.Hash != "" {
			row["hash"] = l.Hash
		}
		j.Rows[i] = row
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(j); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// value gives a cell as JSON has it.
func (k Kind) value(v string) any {
	if !k.right() {
		return v
	}
	if v == "" {
		return nil
	}
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		return n
	}
	return v
}

// WriteText writes the sheet as an aligned table with heading and sums.
// Nothing in a cell can move the cursor or change the direction of writing.
func (s Sheet) WriteText(w io.Writer, opt TextOptions) error {
	if opt.Width == 0 {
		opt.Width = defaultWidth
	}
	out := bufio.NewWriter(w)
	out.WriteString(clean(s.Title) + "\n")
	if s.Unit != "" {
		out.WriteString("Đơn vị: " + clean(s.Unit) + prefixed(" – ", clean(s.Code)) + "\n")
	}
	for _, l := range s.lines() {
		out.WriteString(l + "\n")
	}
	out.WriteByte('\n')
	s.writeTable(out, opt.Width)
	if len(s.Notes) > 0 {
		out.WriteByte('\n')
	}
	for _, n := range s.Notes {
		out.WriteString(clean(n) + "\n")
	}
	if h := s.Head; h != "" {
		out.WriteString("Mã băm của dòng cuối: " + h + "\n")
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write text: %w", err)
	}
	return nil
}

// writeTable writes headings and rows.
func (s Sheet) writeTable(out *bufio.Writer, total int) {
	rows := make([][]string, len(s.Rows))
	for i, l := range s.Rows {
		rows[i] = s.cells(l)
	}
	widths := s.fit(rows, total)
	s.writeRow(out, s.headings(), widths, false)
	for c, w := range widths {
		if c > 0 {
			out.WriteString(gap)
		}
		out.WriteString(strings.Repeat("─", w))
	}
	out.WriteByte('\n')
	for _, r := range rows {
		s.writeRow(out, r, widths, true)
	}
}

func (s Sheet) writeRow(out *bufio.Writer, row []string, widths []int, body bool) {
	cells := make([][]string, len(row))
	height := 0
	for c, cell := range row {
		cells[c] = wrap(cell, widths[c])
		height = max(height, len(cells[c]))
	}
	for l := range height {
		var line strings.Builder
		for c := range row {
			text := ""
			if l < len(cells[c]) {
				text = cells[c][l]
			}
			pad := strings.Repeat(" ", widths[c]-displayWidth(text))
			if body && s.Columns[c].Kind.right() {
				text, pad = pad+text, ""
			}
			line.WriteString(text + pad + gap)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// fit chooses the columns' widths: as wide as the widest cell, then the widest
// text column gives way until the table fits. Only text is broken, and none
// gets narrower than the longest word of its heading.
func (s Sheet) fit(rows [][]string, total int) []int {
	widths, least := make([]int, len(s.Columns)), make([]int, len(s.Columns))
	sum := len(gap) * (len(widths) - 1)
	for c, heading := range s.headings() {
		for word := range strings.FieldsSeq(heading) {
			least[c] = max(least[c], displayWidth(word))
		}
		widths[c] = max(least[c], min(displayWidth(heading), headingWidth))
		for _, row := range rows {
			widths[c] = max(widths[c], displayWidth(row[c]))
		}
		if s.Columns[c].Kind != KindText {
			least[c] = widths[c]
		}
		sum += widths[c]
	}
	for ; sum > total; sum-- {
		widest := -1
		for c, w := range widths {
			if w > least[c] && (widest < 0 || w > widths[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}
