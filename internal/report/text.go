package report

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"vanthu/docstore"
)

// defaultWidth is the width of a table in columns of a terminal or of A4
// landscape at 8 pt.
const defaultWidth = 180

// TextOptions tunes WriteText; the zero value works.
type TextOptions struct {
	Width int // of the table, in columns; 0 means 180; narrower than its headings is not possible
}

// WriteText writes the register as an aligned table with heading and sum.
// Nothing in a cell can move the cursor or change the direction of writing.
func (g Register) WriteText(w io.Writer, opt TextOptions) error {
	if opt.Width == 0 {
		opt.Width = defaultWidth
	}
	f := formOf(g.Direction)
	rows := make([][10]string, 1, 1+len(g.Rows))
	copy(rows[0][:], g.Headings)
	voided, reserved, below := 0, 0, 0
	for _, r := range g.Rows {
		var cells [10]string
		copy(cells[:], r.Cells)
		for i := range cells {
			cells[i] = clean(cells[i])
		}
		rows = append(rows, cells)
		switch {
		case r.Corrects != 0:
			below++
		case r.Voided:
			voided++
		case r.Reserved:
			reserved++
		}
	}
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, f.title)
	fmt.Fprintf(out, "Đơn vị: %s%s\nNăm: %d\n", clean(g.Unit), prefixed(" – ", clean(g.Code)), g.Year)
	if g.Series != "" && g.Series != docstore.SeriesDefault {
		fmt.Fprintf(out, "Dãy số: %s\n", clean(g.Series.Name()))
	}
	if !g.AsOf.IsZero() {
		fmt.Fprintf(out, "Tính đến: %s\n", g.AsOf.In(vietnam).Format("15:04:05 02/01/2006"))
	}
	out.WriteByte('\n')
	writeTable(out, rows, f, opt.Width)
	fmt.Fprintf(out, "\nTổng số: %d %s", len(g.Rows)-below, f.counted)
	if voided > 0 {
		fmt.Fprintf(out, ", trong đó %d số đã hủy", voided)
	}
	if reserved > 0 {
		fmt.Fprintf(out, ", %d số dự trữ", reserved)
	}
	if below > 0 {
		fmt.Fprintf(out, ", %d dòng đính chính", below)
	}
	out.WriteString(".\n")
	if len(g.Rows) > 0 {
		fmt.Fprintf(out, "Mã băm của dòng cuối: %s\n", hex.EncodeToString(g.Head[:]))
	}
	return out.Flush()
}

const gap = "  "

// writeTable writes rows, of which the first is the heading.
func writeTable(out *bufio.Writer, rows [][10]string, f form, total int) {
	widths := fit(rows, f, total)
	for i, row := range rows {
		var lines [10][]string
		height := 0
		for c, cell := range row {
			lines[c] = wrap(cell, widths[c])
			height = max(height, len(lines[c]))
		}
		for l := range height {
			var line strings.Builder
			for c := range row {
				text := ""
				if l < len(lines[c]) {
					text = lines[c][l]
				}
				pad := strings.Repeat(" ", widths[c]-displayWidth(text))
				if c == f.right && i > 0 {
					text, pad = pad+text, ""
				}
				line.WriteString(text + pad)
				if c < len(row)-1 {
					line.WriteString(gap)
				}
			}
			out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		}
		if i == 0 {
			for c, w := range widths {
				if c > 0 {
					out.WriteString(gap)
				}
				out.WriteString(strings.Repeat("─", w))
			}
			out.WriteByte('\n')
		}
	}
}

// headingWidth is what a heading may claim of the width by itself.
const headingWidth = 12

// fit chooses the columns' widths: as wide as the widest cell, then the
// column that is widest for its share gives way until the table fits. None
// gets narrower than the longest word of its heading.
func fit(rows [][10]string, f form, total int) (widths [10]int) {
	var least [10]int
	for c, heading := range rows[0] {
		for word := range strings.FieldsSeq(heading) {
			least[c] = max(least[c], displayWidth(word))
		}
		widths[c] = min(displayWidth(heading), headingWidth)
		for _, row := range rows[1:] {
			widths[c] = max(widths[c], displayWidth(row[c]))
		}
		least[c] = max(least[c], min(f.unbroken[c], widths[c]))
		widths[c] = max(min(widths[c], total), least[c])
	}
	sum := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	for ; sum > total; sum-- {
		widest := -1
		for c, w := range widths {
			if w > least[c] && (widest < 0 || w*f.share[widest] > widths[widest]*f.share[c]) {
				widest = c
			}
		}
		if widest < 0 {
			return widths
		}
		widths[widest]--
	}
	return widths
}

// wrap breaks s into lines of at most limit columns, between words where that
// is possible. It returns at least one line.
func wrap(s string, limit int) []string {
	var lines []string
	line, used := "", 0
	for word := range strings.FieldsSeq(s) {
		w := displayWidth(word)
		if used > 0 && used+1+w <= limit {
			line, used = line+" "+word, used+1+w
			continue
		}
		if used > 0 {
			lines = append(lines, line)
		}
		for w > limit {
			head := cut(word, limit)
			lines = append(lines, head)
			word = word[len(head):]
			w -= displayWidth(head)
		}
		line, used = word, w
	}
	return append(lines, line)
}

// cut returns the longest beginning of s that is at most limit columns wide
// and ends between characters, marks included.
func cut(s string, limit int) string {
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > limit && i > 0 {
			return s[:i]
		}
		used += w
	}
	return s
}

// displayWidth is the number of terminal columns s takes.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 2 for wide East Asian characters, 0 for marks, else 1. In NFC
// every Vietnamese letter is one rune of width 1.
func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// clean returns s in NFC, on one line, without control characters and without
// invisible ones that turn or hide text (bidirectional and other format
// characters; Unicode TR 36, section 3).
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co):
			return -1
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(s, "\ufffd")))
}
