package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"vanthu/docstore"
)

// WriteCSV writes the register as CSV (RFC 4180) with the legal headings, in
// UTF-8 with the byte order mark that Excel needs to see that. No cell can
// become a formula.
func (g Register) WriteCSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(g.Headings); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	for _, r := range g.Rows {
		cells := make([]string, len(r.Cells))
		for i, cell := range r.Cells {
			cells[i] = inert(clean(cell))
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// inert puts an apostrophe before what a spreadsheet would take for a formula
// or a DDE call: text that begins, after spaces, with = + - or @, in ASCII or
// full width. OWASP, CSV Injection.
func inert(s string) string {
	bare := strings.TrimLeftFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || r == '\'' })
	if strings.ContainsAny(firstRune(bare), "=+-@＝＋－＠") {
		return "'" + s
	}
	return s
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

// registerJSON is the written form of a register. Its names are part of the
// command line's promise: they may be added to, never changed.
type registerJSON struct {
	Unit      string             `json:"unit"`
	Code      string             `json:"code"`
	Direction docstore.Direction `json:"direction"`
	Series    docstore.Series    `json:"series"`
	Year      int                `json:"year"`
	AsOf      *time.Time         `json:"as_of,omitempty"`
	Head      string             `json:"head"` // SHA-256 in hex, "" for an empty register
	Columns   []string           `json:"columns"`
	Rows      []json.RawMessage  `json:"rows"`
}

// marks are what a line says of itself beside its columns.
type marks struct {
	Voided     bool   `json:"huy"`
	VoidReason string `json:"ly_do_huy,omitempty"`
	Line       int    `json:"dong,omitempty"`
	Corrects   int    `json:"dinh_chinh_dong,omitempty"`
	Reserved   bool   `json:"du_tru,omitempty"`
}

// object is the line as one JSON object: its columns, then its marks.
func (r Row) object() (json.RawMessage, error) {
	tail, err := json.Marshal(marks{r.Voided, r.VoidReason, r.Line, r.Corrects, r.Reserved})
	if err != nil {
		return nil, err
	}
	head, ok := bytes.CutSuffix(r.Columns, []byte("}"))
	if !ok {
		return nil, errors.New("a line of a register has no columns")
	}
	return slices.Concat(head, []byte(","), tail[1:]), nil
}

// WriteJSON writes the register as one JSON object with the columns as they
// were entered; dates are YYYY-MM-DD.
func (g Register) WriteJSON(w io.Writer) error {
	j := registerJSON{
		Unit: g.Unit, Code: g.Code, Direction: cmp.Or(g.Direction, docstore.DirectionIn), Series: cmp.Or(g.Series, docstore.SeriesDefault), Year: g.Year,
		Columns: g.Headings, Rows: make([]json.RawMessage, 0, len(g.Rows)),
	}
	if !g.AsOf.IsZero() {
		asOf := g.AsOf.UTC()
		j.AsOf = &asOf
	}
	if len(g.Rows) > 0 {
		j.Head = hex.EncodeToString(g.Head[:])
	}
	for _, r := range g.Rows {
		row, err := r.object()
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		j.Rows = append(j.Rows, row)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(j); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
