package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifitalic"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"codeberg.org/go-pdf/fpdf"
)

// A page: A4 in landscape, in mm. The left margin is where the book is bound.
const (
	pageWidth    = 297.0
	pageHeight   = 210.0
	marginLeft   = 20.0
	marginRight  = 10.0
	marginTop    = 12.0
	marginBottom = 18.0 // with the footer in it
	tableWidth   = pageWidth - marginLeft - marginRight
	tableBottom  = pageHeight - marginBottom

	lineHeight = 4.2 // of the table's text
	cellPad    = 1.0 // between a cell's border and its text
	bodySize   = 9.5 // pt
	footSize   = 8.0
	noteHeight = 5.0
	signHeight = 42.0
	maxHeading = 8 // lines
)

// The styles of the one font.
const (
	regular = ""
	bold    = "B"
	italic  = "I"
)

const serif = "serif"

// WritePDF writes the sheet as PDF: A4 in landscape, headings on each page,
// page x of y and the hash of the page's last row in the footer, the fonts
// embedded as far as they are used.
func (s Sheet) WritePDF(w io.Writer) error {
	p := newPrint(s)
	pages := p.paginate()
	for i, pg := range pages {
		p.draw(pg, i+1, len(pages))
	}
	if err := p.pdf.Output(w); err != nil {
		return fmt.Errorf("write PDF: %w", err)
	}
	return nil
}

// A printed is a sheet on its way to paper.
type printed struct {
	sheet    Sheet
	pdf      *fpdf.Fpdf
	widths   []float64 // of the columns, borders included
	headings [][]string
	rows     [][][]string // row, column, lines
	heights  []int        // of the rows, in lines
	advance  map[string]map[rune]float64
}

// A page of the print: pieces of rows, and what stands above and below.
type page struct {
	first, table, last bool
	pieces             []piece
	hash               string // of the newest row so far
}

// piece is a row, or the lines of it that stand on one page.
type piece struct{ row, from, to int }

func newPrint(s Sheet) *printed {
	p := &printed{sheet: s, pdf: fpdf.New("L", "mm", "A4", ""), advance: map[string]map[rune]float64{}}
	f := p.pdf
	f.SetCatalogSort(true)
	f.SetCreationDate(s.date())
	f.SetModificationDate(s.date())
	f.SetProducer("vanthu", false)
	f.SetTitle(clean(s.Title), true)
	f.SetAuthor(clean(s.Unit), true)
	f.SetSubject(strings.Join(s.lines(), "; "), true)
	f.SetLang("vi")
	f.SetMargins(marginLeft, marginTop, marginRight)
	f.SetAutoPageBreak(false, 0)
	f.AddUTF8FontFromBytes(serif, regular, liberationserifregular.TTF)
	f.AddUTF8FontFromBytes(serif, bold, liberationserifbold.TTF)
	f.AddUTF8FontFromBytes(serif, italic, liberationserifitalic.TTF)
	f.SetLineWidth(0.2)

	total := 0
	for _, c := range s.Columns {
		total += max(c.Width, 1)
	}
	for _, c := range s.Columns {
		p.widths = append(p.widths, tableWidth*float64(max(c.Width, 1))/float64(total))
	}
	for c, h := range s.headings() {
		lines := p.wrap(h, bold, p.widths[c])
		p.headings = append(p.headings, lines[:min(len(lines), maxHeading)])
	}
	for _, l := range s.Rows {
		cells := make([][]string, len(s.Columns))
		height := 1
		for c, text := range s.cells(l) {
			cells[c] = p.wrap(text, l.style(), p.widths[c])
			height = max(height, len(cells[c]))
		}
		p.rows = append(p.rows, cells)
		p.heights = append(p.heights, height)
	}
	return p
}

func (l Line) style() string {
	switch {
	case l.Strong:
		return bold
	case l.Under:
		return italic
	}
	return regular
}

// high is the height of a row of so many lines.
func high(lines int) float64 { return float64(lines)*lineHeight + 2*cellPad }

// headingHeight is the height of the table's head: the headings, and the
// numbers of the columns.
func (p *printed) headingHeight() float64 { return high(p.headingLines()) + high(1) }

func (p *printed) headingLines() int {
	lines := 1
	for _, h := range p.headings {
		lines = max(lines, len(h))
	}
	return lines
}

// titleHeight is the height of what stands above the table on the first page.
func (p *printed) titleHeight() float64 {
	return 13 + 8 + noteHeight*float64(len(p.sheet.lines())) + 3
}

// endHeight is the height of what stands below the table.
func (p *printed) endHeight() float64 {
	h := 2 + noteHeight*float64(p.noteLines())
	if len(p.sheet.Signers) > 0 {
		h += signHeight
	}
	return h
}

func (p *printed) noteLines() int {
	n := 0
	for _, note := range p.sheet.notes() {
		n += len(p.wrap(note, regular, tableWidth))
	}
	return n
}

// paginate says what stands on which page. A row that is higher than what is
// left of a page goes to the next one; one that is higher than a page is cut.
func (p *printed) paginate() []page {
	pages := []page{{first: true, table: true}}
	y := marginTop + p.titleHeight() + p.headingHeight()
	next := func(table bool) {
		pages = append(pages, page{table: table, hash: pages[len(pages)-1].hash})
		y = marginTop
		if table {
			y += p.headingHeight()
		}
	}
	whole := int((tableBottom - marginTop - p.headingHeight() - 2*cellPad) / lineHeight)
	for row, height := range p.heights {
		for from := 0; from < height; {
			room := int((tableBottom - y - 2*cellPad) / lineHeight)
			fits := height-from <= room
			if !fits && (height-from <= whole || room < 3) {
				next(true)
				continue
			}
			to := height
			if !fits {
				to = from + room
			}
			last := &pages[len(pages)-1]
			last.pieces = append(last.pieces, piece{row, from, to})
			last.hash = p.hashUntil(row)
			y += high(to - from)
			from = to
		}
	}
	if y+p.endHeight() > tableBottom {
		before := len(pages) - 1
		n := len(pages[before].pieces)
		next(n > 1)
		if n > 1 { // nobody signs a page without a row
			moved := pages[before].pieces[n-1]
			pages[before].pieces = pages[before].pieces[:n-1]
			pages[before].hash = p.hashUntil(pages[before].pieces[n-2].row)
			pages[before+1].pieces = []piece{moved}
		}
	}
	pages[len(pages)-1].last = true
	return pages
}

// hashUntil is the hash of the newest row up to this one.
func (p *printed) hashUntil(row int) string {
	for ; row >= 0; row-- {
		if h := p.sheet.Rows[row].Hash; h != "" {
			return h
		}
	}
	return ""
}

func (p *printed) draw(pg page, number, of int) {
	p.pdf.AddPage()
	y := marginTop
	if pg.first {
		y = p.drawTitle(y)
	}
	if pg.table {
		y = p.drawHeadings(y)
	}
	for _, pc := range pg.pieces {
		y = p.drawPiece(pc, y)
	}
	if pg.last {
		p.drawEnd(y)
	}
	p.drawFooter(pg, number, of)
}

// drawTitle draws the agency above its unit at the left, and the title below.
// NĐ 30/2020/NĐ-CP, Phụ lục IV: cover and first page of a register.
func (p *printed) drawTitle(y float64) float64 {
	const blockWidth = 110.0
	middle := marginLeft + blockWidth/2
	s := p.sheet
	p.center(strings.ToUpper(clean(s.Parent)), regular, 11, middle, y+4)
	p.center(strings.ToUpper(clean(s.Unit)), bold, 11, middle, y+9)
	if s.Unit != "" {
		p.pdf.Line(middle-15, y+10.5, middle+15, y+10.5)
	}
	y += 13
	p.center(clean(s.Title), bold, 14, marginLeft+tableWidth/2, y+6)
	y += 8
	for _, l := range s.lines() {
		p.center(l, italic, 11, marginLeft+tableWidth/2, y+4)
		y += noteHeight
	}
	return y + 3
}

func (p *printed) drawHeadings(y float64) float64 {
	h := p.headingHeight() - high(1)
	x := marginLeft
	for c, lines := range p.headings {
		p.pdf.SetFillColor(235, 235, 235)
		p.pdf.Rect(x, y, p.widths[c], h, "FD")
		top := y + (h-float64(len(lines))*lineHeight)/2
		for i, l := range lines {
			p.center(l, bold, bodySize, x+p.widths[c]/2, top+float64(i)*lineHeight+baseline)
		}
		p.pdf.Rect(x, y+h, p.widths[c], high(1), "D")
		p.center(fmt.Sprintf("(%d)", c+1), italic, footSize, x+p.widths[c]/2, y+h+cellPad+baseline)
		x += p.widths[c]
	}
	return y + h + high(1)
}

// baseline is where letters stand below the top of their line.
const baseline = 3.2

func (p *printed) drawPiece(pc piece, y float64) float64 {
	row, h := p.sheet.Rows[pc.row], high(pc.to-pc.from)
	x := marginLeft
	for c, lines := range p.rows[pc.row] {
		p.pdf.Rect(x, y, p.widths[c], h, "D")
		for i := pc.from; i < min(pc.to, len(lines)); i++ {
			p.font(row.style(), bodySize)
			width := p.width(lines[i], row.style())
			at, base := x+cellPad, y+cellPad+float64(i-pc.from)*lineHeight+baseline
			switch kind := p.sheet.Columns[c].Kind; {
			case kind.right():
				at = x + p.widths[c] - cellPad - width
			case kind != KindText:
				at = x + (p.widths[c]-width)/2
			}
			p.pdf.Text(at, base, lines[i])
			if row.Struck && c < len(p.widths)-1 && lines[i] != "" {
				p.pdf.Line(at, base-1.1, at+width, base-1.1)
			}
		}
		x += p.widths[c]
	}
	return y + h
}

func (p *printed) drawEnd(y float64) {
	y += 2
	for _, note := range p.sheet.notes() {
		for _, l := range p.wrap(note, regular, tableWidth) {
			p.font(regular, bodySize)
			p.pdf.Text(marginLeft, y+4, l)
			y += noteHeight
		}
	}
	n := len(p.sheet.Signers)
	for i, signer := range p.sheet.Signers {
		middle := marginLeft + tableWidth*(float64(i)+0.5)/float64(n)
		if i == n-1 {
			p.center(signedAt, italic, 11, middle, y+6)
		}
		p.center(strings.ToUpper(clean(signer)), bold, 11, middle, y+12)
		p.center("(Ký, ghi rõ họ tên)", italic, 10, middle, y+17)
	}
}

func (p *printed) drawFooter(pg page, number, of int) {
	y := pageHeight - marginBottom + 7
	p.pdf.Line(marginLeft, y-3.5, marginLeft+tableWidth, y-3.5)
	p.font(regular, footSize)
	p.pdf.Text(marginLeft, y, p.cutTo(clean(p.sheet.Footer), tableWidth-40))
	count := fmt.Sprintf("Trang %d/%d", number, of)
	p.pdf.Text(marginLeft+tableWidth-p.pdf.GetStringWidth(count), y, count)
	if pg.hash != "" {
		p.pdf.Text(marginLeft, y+3.6, "Mã băm SHA-256 của dòng cuối trang: "+pg.hash)
	}
}

func (p *printed) font(style string, size float64) { p.pdf.SetFont(serif, style, size) }

// center draws text around x.
func (p *printed) center(text, style string, size, x, y float64) {
	p.font(style, size)
	text = printable(text)
	p.pdf.Text(x-p.pdf.GetStringWidth(text)/2, y, text)
}

// printable shows a box for letters of scripts that the font does not have,
// where it would leave a gap that nobody sees.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x2600 && unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Common, unicode.Inherited) {
			return r
		}
		return '□'
	}, s)
}

// cutTo shortens s to a width at the present font.
func (p *printed) cutTo(s string, width float64) string {
	s = printable(s)
	if p.pdf.GetStringWidth(s) <= width {
		return s
	}
	sum := p.pdf.GetStringWidth("…")
	for i, r := range s {
		if sum += p.pdf.GetStringWidth(string(r)); sum > width {
			return s[:i] + "…"
		}
	}
	return s
}

// width is that of s in the table's size.
func (p *printed) width(s, style string) float64 {
	known := p.advance[style]
	if known == nil {
		known = map[rune]float64{}
		p.advance[style] = known
	}
	sum := 0.0
	for _, r := range s {
		w, ok := known[r]
		if !ok {
			p.font(style, bodySize)
			w = p.pdf.GetStringWidth(string(r))
			known[r] = w
		}
		sum += w
	}
	return sum
}

// wrap breaks text into the lines of a cell: between words, else after a
// stroke or hyphen, else anywhere. It returns at least one line.
func (p *printed) wrap(text, style string, cell float64) []string {
	limit := cell - 2*cellPad - 0.1
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(printable(text)) {
		if line != "" && p.width(line+" "+word, style) <= limit {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		head := p.headOf(word, style, limit)
		for len(head) < len(word) {
			lines = append(lines, head)
			word = word[len(head):]
			head = p.headOf(word, style, limit)
		}
		line = word
	}
	return append(lines, line)
}

// headOf is the beginning of a word that fits, at least one letter of it; the
// word itself when it does.
func (p *printed) headOf(word, style string, limit float64) string {
	end, soft, sum := 0, 0, 0.0
	for i, r := range word {
		after := i + utf8.RuneLen(r)
		if sum += p.width(string(r), style); i > 0 && sum > limit {
			if soft > 0 {
				return word[:soft]
			}
			return word[:end]
		}
		if end = after; r == '/' || r == '-' || r == '.' || r == '@' {
			soft = after
		}
	}
	return word
}

// signedAt is where place and date of the signature are written by hand.
const signedAt = "……………, ngày …… tháng …… năm ………"
