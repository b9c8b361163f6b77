package main

import (
	"bytes"
	"fmt"
	"time"

	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifitalic"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"codeberg.org/go-pdf/fpdf"
)

// trainingDecision draws a decision in the layout of Nghị định 30/2020/NĐ-CP,
// Phụ lục I, as a PDF with a text layer. It is marked as a training document
// and names no person.
func trainingDecision(code, abstract string, issued time.Time) ([]byte, error) {
	const serif = "serif"
	p := fpdf.New("P", "mm", "A4", "")
	p.SetTitle("Quyết định "+code, true)
	p.SetSubject(abstract, true)
	p.SetCreationDate(issued)
	p.SetMargins(30, 20, 20)
	p.AddUTF8FontFromBytes(serif, "", liberationserifregular.TTF)
	p.AddUTF8FontFromBytes(serif, "B", liberationserifbold.TTF)
	p.AddUTF8FontFromBytes(serif, "I", liberationserifitalic.TTF)
	p.AddPage()

	line := func(style string, size float64, left, right string) {
		p.SetFont(serif, style, size)
		p.CellFormat(65, 6, left, "", 0, "C", false, 0, "")
		p.CellFormat(95, 6, right, "", 1, "C", false, 0, "")
	}
	line("B", 12, "ỦY BAN NHÂN DÂN", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM")
	line("B", 12, "TỈNH ĐIỆN BIÊN", "Độc lập - Tự do - Hạnh phúc")
	p.Ln(3)
	p.SetFont(serif, "", 13)
	p.CellFormat(65, 6, "Số: "+code, "", 0, "C", false, 0, "")
	p.SetFont(serif, "I", 13)
	p.CellFormat(95, 6, fmt.Sprintf("Điện Biên, ngày %02d tháng %s năm %d", issued.Day(), month(issued), issued.Year()), "", 1, "C", false, 0, "")
	p.Ln(8)
	p.SetFont(serif, "B", 14)
	p.CellFormat(0, 7, "QUYẾT ĐỊNH", "", 1, "C", false, 0, "")
	p.MultiCell(0, 7, abstract, "", "C", false)
	p.Ln(4)
	p.SetFont(serif, "", 13)
	for _, s := range []string{
		"Căn cứ Nghị định số 30/2020/NĐ-CP ngày 05 tháng 3 năm 2020 của Chính phủ về công tác văn thư;",
		"Điều 1. Văn bản này do chương trình đào tạo tạo ra để minh họa việc gửi, nhận văn bản điện tử giữa các đơn vị; không có giá trị pháp lý.",
		"Điều 2. Văn thư các xã vào sổ văn bản đến bằng cách kéo thư vào thư mục \"2 Đã vào sổ\".",
		"Điều 3. Quyết định này có hiệu lực trong buổi đào tạo./.",
	} {
		p.MultiCell(0, 7, s, "", "J", false)
		p.Ln(2)
	}
	p.Ln(4)
	p.SetFont(serif, "B", 12)
	p.CellFormat(80, 6, "Nơi nhận:", "", 0, "L", false, 0, "")
	p.CellFormat(80, 6, "TM. ỦY BAN NHÂN DÂN", "", 1, "C", false, 0, "")
	p.SetFont(serif, "", 11)
	p.CellFormat(80, 6, "- UBND các xã, phường;", "", 1, "L", false, 0, "")
	p.CellFormat(80, 6, "- Lưu: VT.", "", 1, "L", false, 0, "")

	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("draw the training decision: %w", err)
	}
	return out.Bytes(), nil
}

// month writes January and February with a leading zero, as NĐ 30/2020 wants.
func month(t time.Time) string {
	if t.Month() <= 2 {
		return fmt.Sprintf("%02d", t.Month())
	}
	return fmt.Sprint(int(t.Month()))
}
