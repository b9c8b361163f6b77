package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const spreadsheetML = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

// The cell styles of a workbook, by their place in xl/styles.xml. Those of
// the table follow: one for each way of writing and kind.
const (
	cellParent = iota + 1
	cellUnit
	cellTitle
	cellLine
	cellHeading
	cellOrdinal
	cellNote
	cellSigner
	cellSignHint
	cellTable
)

// tableKinds is the order of kinds in the styles of the table.
var tableKinds = [...]Kind{KindText, KindNumber, KindDate, KindTime, KindMinutes, KindShare}

// The fonts of a workbook, by their place in xl/styles.xml.
const (
	fontRegular = iota
	fontBold
	fontItalic
	fontStruck
	fontTitle
)

// WriteXLSX writes the sheet as a workbook (ECMA-376): dates and numbers as
// such, headings frozen and repeated in print, A4 in landscape, page x of y.
// Text never becomes a formula.
func (s Sheet) WriteXLSX(w io.Writer) error {
	heading := 3 + len(s.lines()) + 2 // the row of the headings, from 1
	parts := append(commonParts(s, "xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
		"xl/worksheets/sheet1.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml",
		"xl/styles.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"),
		ooxmlPart{"xl/workbook.xml", xmlHead + `<workbook xmlns="` + spreadsheetML + `" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">` +
			`<sheets><sheet name="Sổ" sheetId="1" r:id="rId1"/></sheets><definedNames>` +
			fmt.Sprintf(`<definedName name="_xlnm.Print_Titles" localSheetId="0">'Sổ'!$%d:$%d</definedName>`, heading, heading+1) +
			`</definedNames></workbook>`},
		ooxmlPart{"xl/_rels/workbook.xml.rels", relations(
			[3]string{"rId1", "worksheet", "worksheets/sheet1.xml"}, [3]string{"rId2", "styles", "styles.xml"})},
		ooxmlPart{"xl/styles.xml", workbookStyles()},
		ooxmlPart{"xl/worksheets/sheet1.xml", s.worksheet(heading)},
	)
	if err := writeParts(w, s.date(), parts); err != nil {
		return fmt.Errorf("write XLSX: %w", err)
	}
	return nil
}

func workbookStyles() string {
	const font = `<sz val="%d"/><name val="Times New Roman"/><family val="1"/>`
	var b strings.Builder
	b.WriteString(xmlHead + `<styleSheet xmlns="` + spreadsheetML + `"><numFmts count="4">` +
		`<numFmt numFmtId="164" formatCode="dd/mm/yyyy"/><numFmt numFmtId="165" formatCode="hh:mm\ dd/mm/yyyy"/>` +
		`<numFmt numFmtId="166" formatCode="[h]:mm"/><numFmt numFmtId="167" formatCode="0.0%"/></numFmts><fonts count="5">`)
	for _, f := range []struct {
		marks string
		size  int
	}{{"", 9}, {"<b/>", 9}, {"<i/>", 9}, {"<strike/>", 9}, {"<b/>", 14}} {
		fmt.Fprintf(&b, `<font>%s`+font+`</font>`, f.marks, f.size)
	}
	const side = ` style="thin"><color auto="1"/></`
	b.WriteString(`</fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>` +
		`<fill><patternFill patternType="solid"><fgColor rgb="FFEBEBEB"/></patternFill></fill></fills><borders count="2"><border/><border>` +
		`<left` + side + `left><right` + side + `right><top` + side + `top><bottom` + side + `bottom></border></borders>` +
		`<cellStyleXfs count="1"><xf/></cellStyleXfs>`)
	xf := func(format, font, fill, border int, horizontal, vertical string) string {
		return fmt.Sprintf(`<xf numFmtId="%d" fontId="%d" fillId="%d" borderId="%d" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" applyBorder="1" applyAlignment="1">`+
			`<alignment horizontal="%s" vertical="%s" wrapText="1"/></xf>`, format, font, fill, border, horizontal, vertical)
	}
	styles := []string{
		`<xf xfId="0"/>`,
		xf(49, fontRegular, 0, 0, "center", "center"), xf(49, fontBold, 0, 0, "center", "center"), // parent, unit
		xf(49, fontTitle, 0, 0, "center", "center"), xf(49, fontItalic, 0, 0, "center", "center"), // title, line
		xf(49, fontBold, 2, 1, "center", "center"), xf(49, fontItalic, 0, 1, "center", "center"), // heading, ordinal
		xf(49, fontRegular, 0, 0, "left", "top"),                                           // note
		xf(49, fontBold, 0, 0, "center", "top"), xf(49, fontItalic, 0, 0, "center", "top"), // signer
	}
	for _, font := range []int{fontRegular, fontBold, fontItalic, fontStruck} {
		for i, k := range tableKinds {
			horizontal := "center"
			switch {
			case k == KindText:
				horizontal = "left"
			case k.right():
				horizontal = `right" indent="1`
			}
			styles = append(styles, xf([]int{49, 1, 164, 165, 166, 167}[i], font, 0, 1, horizontal, "top"))
		}
	}
	fmt.Fprintf(&b, `<cellXfs count="%d">%s</cellXfs></styleSheet>`, len(styles), strings.Join(styles, ""))
	return b.String()
}

func (s Sheet) worksheet(heading int) string {
	var b strings.Builder
	last, block := len(s.Columns)-1, s.blockColumns()
	b.WriteString(xmlHead + `<worksheet xmlns="` + spreadsheetML + `"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews>` +
		`<sheetView workbookViewId="0" showGridLines="0">` +
		fmt.Sprintf(`<pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/>`, heading+1, heading+2) +
		`</sheetView></sheetViews><sheetFormatPr defaultRowHeight="13.5"/><cols>`)
	total := 0
	for _, c := range s.Columns {
		total += max(c.Width, 1)
	}
	const perCharacter = 1.7 // mm that a unit of a column's width takes in this font
	for i, c := range s.Columns {
		fmt.Fprintf(&b, `<col min="%d" max="%d" width="%.2f" customWidth="1"/>`, i+1, i+1, tableWidth*float64(max(c.Width, 1))/float64(total)/perCharacter)
	}
	b.WriteString(`</cols><sheetData>`)

	row := 0
	lines := newPrint(s) // says how many lines a row takes
	var merged []string
	text := func(style, to int, value string) {
		row++
		fmt.Fprintf(&b, `<row r="%d">%s</row>`, row, textCell(0, row, style, value))
		if to > 0 {
			merged = append(merged, fmt.Sprintf("%s:%s", cellName(0, row), cellName(to, row)))
		}
	}
	text(cellParent, block, strings.ToUpper(clean(s.Parent)))
	text(cellUnit, block, strings.ToUpper(clean(s.Unit)))
	text(cellTitle, last, clean(s.Title))
	for _, l := range s.lines() {
		text(cellLine, last, l)
	}
	row++ // an empty one
	row++
	fmt.Fprintf(&b, `<row r="%d" ht="%.1f" customHeight="1">`, row, rowPoints(lines.headingLines()))
	for c, h := range s.headings() {
		b.WriteString(textCell(c, row, cellHeading, h))
	}
	row++
	fmt.Fprintf(&b, `</row><row r="%d">`, row)
	for c := range s.Columns {
		b.WriteString(textCell(c, row, cellOrdinal, fmt.Sprintf("(%d)", c+1)))
	}
	b.WriteString(`</row>`)
	for i, l := range s.Rows {
		row++
		fmt.Fprintf(&b, `<row r="%d" ht="%.1f" customHeight="1">`, row, rowPoints(lines.heights[i]))
		for c, col := range s.Columns {
			value := ""
			if c < len(l.Cells) {
				value = l.Cells[c]
			}
			b.WriteString(tableCell(c, row, l, col.Kind, value, c == last))
		}
		b.WriteString(`</row>`)
	}
	row++
	for _, n := range s.notes() {
		text(cellNote, last, n)
	}
	if n := len(s.Signers); n > 0 {
		row++
		s.signatures(&b, &row, &merged)
	}
	b.WriteString(`</sheetData>`)
	if len(merged) > 0 {
		fmt.Fprintf(&b, `<mergeCells count="%d"><mergeCell ref="%s"/></mergeCells>`, len(merged), strings.Join(merged, `"/><mergeCell ref="`))
	}
	b.WriteString(`<printOptions horizontalCentered="1"/><pageMargins left="0.79" right="0.39" top="0.5" bottom="0.7" header="0.3" footer="0.3"/>` +
		`<pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/><headerFooter><oddFooter>` +
		escape(`&L&8 `+footerText(s.Footer)+`&R&8 Trang &P/&N`) + `</oddFooter></headerFooter></worksheet>`)
	return b.String()
}

// rowPoints is the height of a row of so many lines; programs that open the
// workbook do not all find it by themselves. No row may be higher than 409 pt.
func rowPoints(lines int) float64 { return min(float64(lines)*12+3, 409) }

// notes are what stands below the table; the hash of the last row at the end.
func (s Sheet) notes() []string {
	out := make([]string, 0, len(s.Notes)+1)
	for _, n := range s.Notes {
		out = append(out, clean(n))
	}
	if h := s.Head; h != "" {
		out = append(out, "Mã băm SHA-256 của dòng ghi sau cùng: "+h)
	}
	return out
}

// blockColumns is the last column that the names of the agencies reach over:
// about 110 mm.
func (s Sheet) blockColumns() int {
	total, width := 0, 0
	for _, c := range s.Columns {
		total += max(c.Width, 1)
	}
	for i, c := range s.Columns {
		if width += max(c.Width, 1); float64(width)*tableWidth >= 110*float64(total) {
			return i
		}
	}
	return len(s.Columns) - 1
}

// signatures writes the place to sign: equal shares of the columns.
func (s Sheet) signatures(b *strings.Builder, row *int, merged *[]string) {
	n, columns := len(s.Signers), len(s.Columns)
	for i, style := range []int{cellSignHint, cellSigner, cellSignHint} {
		*row++
		fmt.Fprintf(b, `<row r="%d">`, *row)
		for j, signer := range s.Signers {
			from, to := columns*j/n, columns*(j+1)/n-1
			value := [...]string{"", strings.ToUpper(clean(signer)), "(Ký, ghi rõ họ tên)"}[i]
			if i == 0 && j == n-1 {
				value = signedAt
			}
			if to < from || value == "" {
				continue
			}
			b.WriteString(textCell(from, *row, style, value))
			if to > from {
				*merged = append(*merged, fmt.Sprintf("%s:%s", cellName(from, *row), cellName(to, *row)))
			}
		}
		b.WriteString(`</row>`)
	}
}

// tableCell writes one cell of the table.
func tableCell(c, row int, l Line, k Kind, v string, last bool) string {
	way := 0
	switch {
	case l.Struck && !last:
		way = 3
	case l.Under:
		way = 2
	case l.Strong:
		way = 1
	}
	style := func(k Kind) int { return cellTable + way*len(tableKinds) + slices.Index(tableKinds[:], k) }
	number, ok := k.number(v)
	if !ok { // empty, or not what the column is for
		return textCell(c, row, style(KindText), clean(v))
	}
	return fmt.Sprintf(`<c r="%s" s="%d"><v>%s</v></c>`, cellName(c, row), style(k), strconv.FormatFloat(number, 'f', -1, 64))
}

// number gives a cell as a workbook keeps it: times as days since 30/12/1899.
func (k Kind) number(v string) (float64, bool) {
	var t time.Time
	var err error
	switch k {
	case KindNumber, KindShare, KindMinutes:
		n, err := strconv.ParseFloat(v, 64)
		if k == KindMinutes {
			n /= 24 * 60
		}
		return n, err == nil
	case KindDate:
		t, err = time.Parse(time.DateOnly, v)
	case KindTime:
		if t, err = time.Parse(time.RFC3339, v); err == nil {
			t = t.Add(7 * time.Hour).UTC() // as the clock on the wall shows it
		}
	case KindText:
		return 0, false
	}
	if err != nil {
		return 0, false
	}
	days := t.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24
	return days, days > 60 // before March 1900 the count is not what it seems
}

func textCell(c, row, style int, v string) string {
	if v == "" {
		return fmt.Sprintf(`<c r="%s" s="%d"/>`, cellName(c, row), style)
	}
	v = escapedHex.ReplaceAllString(v, "_x005F$0")
	return fmt.Sprintf(`<c r="%s" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, cellName(c, row), style, escape(v))
}

// escapedHex is what a spreadsheet takes for an escaped character.
// ECMA-376, part 1, section 22.9.2.19 (ST_Xstring).
var escapedHex = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// cellName is "A1" of column 0 and row 1.
func cellName(c, row int) string {
	name := string(rune('A' + c%26))
	for c = c/26 - 1; c >= 0; c = c/26 - 1 {
		name = string(rune('A'+c%26)) + name
	}
	return name + strconv.Itoa(row)
}

// footerText makes text safe for a footer, which may have 255 characters with
// its codes. ECMA-376, part 1, section 18.3.1.39.
func footerText(s string) string {
	runes := []rune(clean(s))
	if len(runes) > 100 {
		runes = append(runes[:99], '…')
	}
	return strings.ReplaceAll(string(runes), "&", "&&")
}
