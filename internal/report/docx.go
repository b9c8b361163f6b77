package report

import (
	"fmt"
	"io"
	"strings"
)

const wordML = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"

// twips turns mm into twentieths of a point.
func twips(mm float64) int { return int(mm*1440/25.4 + 0.5) }

// WriteDOCX writes the sheet as a text document (ECMA-376): A4 in landscape,
// the headings repeated on each page, page x of y in the footer.
func (s Sheet) WriteDOCX(w io.Writer) error {
	parts := append(commonParts(s, "word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
		"word/styles.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml",
		"word/footer1.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"),
		ooxmlPart{"word/_rels/document.xml.rels", relations([3]string{"rId1", "styles", "styles.xml"}, [3]string{"rId2", "footer", "footer1.xml"})},
		ooxmlPart{"word/styles.xml", xmlHead + `<w:styles xmlns:w="` + wordML + `"><w:docDefaults><w:rPrDefault><w:rPr>` +
			`<w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:eastAsia="Times New Roman" w:cs="Times New Roman"/>` +
			`<w:sz w:val="18"/><w:szCs w:val="18"/><w:lang w:val="vi-VN"/></w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>` +
			`<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style></w:styles>`},
		ooxmlPart{"word/footer1.xml", s.wordFooter()},
		ooxmlPart{"word/document.xml", s.wordDocument()},
	)
	if err := writeParts(w, s.date(), parts); err != nil {
		return fmt.Errorf("write DOCX: %w", err)
	}
	return nil
}

// wordText is how a run of text looks.
type wordText struct {
	bold, italic, struck bool
	size                 int // in half points; 0 means 18
	align                string
}

// paragraph writes one paragraph of text.
func (t wordText) paragraph(text string) string {
	var b strings.Builder
	b.WriteString(`<w:p>`)
	if t.align != "" {
		b.WriteString(`<w:pPr><w:jc w:val="` + t.align + `"/></w:pPr>`)
	}
	b.WriteString(t.run(`<w:t xml:space="preserve">`+escape(text)+`</w:t>`) + `</w:p>`)
	return b.String()
}

func (t wordText) run(content string) string {
	props := ""
	if t.bold {
		props += `<w:b/>`
	}
	if t.italic {
		props += `<w:i/>`
	}
	if t.struck {
		props += `<w:strike/>`
	}
	if t.size != 0 {
		props += fmt.Sprintf(`<w:sz w:val="%d"/><w:szCs w:val="%d"/>`, t.size, t.size)
	}
	return `<w:r><w:rPr>` + props + `</w:rPr>` + content + `</w:r>`
}

func (s Sheet) wordFooter() string {
	small := wordText{size: 16}
	field := func(name string) string {
		return `<w:fldSimple w:instr=" ` + name + ` ">` + small.run(`<w:t>1</w:t>`) + `</w:fldSimple>`
	}
	return xmlHead + `<w:ftr xmlns:w="` + wordML + `"><w:p><w:pPr><w:tabs>` +
		fmt.Sprintf(`<w:tab w:val="right" w:pos="%d"/>`, twips(tableWidth)) + `</w:tabs></w:pPr>` +
		small.run(`<w:t xml:space="preserve">`+escape(clean(s.Footer))+`</w:t>`) + small.run(`<w:tab/>`) +
		small.run(`<w:t xml:space="preserve">Trang </w:t>`) + field("PAGE") + small.run(`<w:t>/</w:t>`) + field("NUMPAGES") + `</w:p></w:ftr>`
}

func (s Sheet) wordDocument() string {
	var b strings.Builder
	b.WriteString(xmlHead + `<w:document xmlns:w="` + wordML + `" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><w:body>`)
	const block = 110.0
	b.WriteString(wordTable(false, block, tableWidth-block) + `<w:tr>` +
		wordCell(block, "", wordText{align: "center", size: 22}.paragraph(strings.ToUpper(clean(s.Parent)))+
			wordText{bold: true, align: "center", size: 22}.paragraph(strings.ToUpper(clean(s.Unit)))) +
		wordCell(tableWidth-block, "", `<w:p/>`) + `</w:tr></w:tbl>`)
	b.WriteString(`<w:p/>` + wordText{bold: true, align: "center", size: 28}.paragraph(clean(s.Title)))
	for _, l := range s.lines() {
		b.WriteString(wordText{italic: true, align: "center", size: 22}.paragraph(l))
	}
	b.WriteString(`<w:p/>` + s.wordRows())
	b.WriteString(`<w:p/>`)
	for _, n := range s.notes() {
		b.WriteString(wordText{}.paragraph(n))
	}
	if n := len(s.Signers); n > 0 {
		s.wordSignatures(&b, n)
	}
	fmt.Fprintf(&b, `<w:sectPr><w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="%d" w:h="%d" w:orient="landscape"/>`+
		`<w:pgMar w:top="%d" w:right="%d" w:bottom="%d" w:left="%d" w:header="%d" w:footer="%d" w:gutter="0"/></w:sectPr></w:body></w:document>`,
		twips(pageWidth), twips(pageHeight), twips(marginTop), twips(marginRight), twips(marginBottom), twips(marginLeft), twips(6), twips(7))
	return b.String()
}

func (s Sheet) wordRows() string {
	var b strings.Builder
	total := 0
	for _, c := range s.Columns {
		total += max(c.Width, 1)
	}
	widths := make([]float64, len(s.Columns))
	for i, c := range s.Columns {
		widths[i] = tableWidth * float64(max(c.Width, 1)) / float64(total)
	}
	b.WriteString(wordTable(true, widths...))
	const head = `<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>`
	b.WriteString(head)
	for c, h := range s.headings() {
		b.WriteString(wordCell(widths[c], `<w:shd w:val="clear" w:color="auto" w:fill="EBEBEB"/><w:vAlign w:val="center"/>`, wordText{bold: true, align: "center"}.paragraph(h)))
	}
	b.WriteString(`</w:tr>` + head)
	for c := range s.Columns {
		b.WriteString(wordCell(widths[c], "", wordText{italic: true, align: "center", size: 16}.paragraph(fmt.Sprintf("(%d)", c+1))))
	}
	b.WriteString(`</w:tr>`)
	for _, l := range s.Rows {
		b.WriteString(`<w:tr><w:trPr><w:cantSplit/></w:trPr>`)
		for c, text := range s.cells(l) {
			t := wordText{bold: l.Strong, italic: l.Under, struck: l.Struck && c < len(s.Columns)-1}
			switch k := s.Columns[c].Kind; {
			case k.right():
				t.align = "right"
			case k != KindText:
				t.align = "center"
			}
			b.WriteString(wordCell(widths[c], "", t.paragraph(text)))
		}
		b.WriteString(`</w:tr>`)
	}
	b.WriteString(`</w:tbl>`)
	return b.String()
}

func (s Sheet) wordSignatures(b *strings.Builder, n int) {
	width := tableWidth / float64(n)
	widths := make([]float64, n)
	for i := range widths {
		widths[i] = width
	}
	b.WriteString(`<w:p/>` + wordTable(false, widths...) + `<w:tr><w:trPr><w:cantSplit/></w:trPr>`)
	for i, signer := range s.Signers {
		date := ""
		if i == n-1 {
			date = signedAt
		}
		b.WriteString(wordCell(width, "", wordText{italic: true, align: "center"}.paragraph(date)+
			wordText{bold: true, align: "center", size: 22}.paragraph(strings.ToUpper(clean(signer)))+
			wordText{italic: true, align: "center"}.paragraph("(Ký, ghi rõ họ tên)")))
	}
	b.WriteString(`</w:tr></w:tbl><w:p/>`)
}

// wordTable opens a table with columns of these widths in mm.
func wordTable(borders bool, widths ...float64) string {
	var b strings.Builder
	b.WriteString(`<w:tbl><w:tblPr><w:tblW w:w="0" w:type="auto"/>`)
	if borders {
		b.WriteString(`<w:tblBorders>`)
		for _, side := range []string{"top", "left", "bottom", "right", "insideH", "insideV"} {
			b.WriteString(`<w:` + side + ` w:val="single" w:sz="4" w:space="0" w:color="auto"/>`)
		}
		b.WriteString(`</w:tblBorders>`)
	}
	margin := twips(cellPad)
	fmt.Fprintf(&b, `<w:tblLayout w:type="fixed"/><w:tblCellMar><w:top w:w="20" w:type="dxa"/><w:left w:w="%d" w:type="dxa"/><w:bottom w:w="20" w:type="dxa"/><w:right w:w="%d" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>`, margin, margin)
	for _, w := range widths {
		fmt.Fprintf(&b, `<w:gridCol w:w="%d"/>`, twips(w))
	}
	b.WriteString(`</w:tblGrid>`)
	return b.String()
}

func wordCell(width float64, props, content string) string {
	return fmt.Sprintf(`<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/>%s</w:tcPr>%s</w:tc>`, twips(width), props, content)
}
