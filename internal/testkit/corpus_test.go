package testkit_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"codeberg.org/go-pdf/fpdf"
)

// A sample is a document of the golden corpus, with what is true of it. Its
// names are placeholders of a form, never persons.
type sample struct {
	name     string
	file     string // name of the file
	content  []byte
	subject  string // of the mail
	declared bool   // tagged or declared: the file only adds to it
	readable bool   // the file has a text
	refused  bool   // a package that must not be taken
	truth    truth
}

// truth is what a person reads on the document. An empty field is not on it.
type truth struct {
	code, issued, typ, abstract, signer string
}

// act is one kind of document as units write it.
type act struct {
	typ, symbol, abstract, competence, position string
}

var acts = []act{
	{"Quyết định", "QĐ-UBND", "Về việc phê duyệt kế hoạch lựa chọn nhà thầu sửa chữa trụ sở", "TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"},
	{"Thông báo", "TB-STC", "Kết luận của Giám đốc Sở tại buổi giao ban tháng 10", "TL. GIÁM ĐỐC", "CHÁNH VĂN PHÒNG"},
	{"Kế hoạch", "KH-UBND", "Tập huấn gửi, nhận văn bản điện tử năm 2026", "KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"},
	{"Báo cáo", "BC-SYT", "Công tác phòng, chống dịch bệnh quý III năm 2026", "KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"},
	{"Tờ trình", "TTr-SNV", "Về việc ban hành Quy chế công tác văn thư", "", "GIÁM ĐỐC"},
	{"Giấy mời", "GM-VP", "Họp Ban Chỉ đạo chuyển đổi số", "TL. CHỦ TỊCH", "CHÁNH VĂN PHÒNG"},
	{"Công văn", "SGTVT-KH", "đôn đốc giải ngân vốn đầu tư công", "KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC"},
	{"Hướng dẫn", "HD-STP", "Thực hiện công tác hòa giải ở cơ sở", "", "GIÁM ĐỐC"},
	{"Chỉ thị", "CT-UBND", "Về việc tăng cường quản lý bảo vệ rừng mùa khô", "TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"},
	{"Nghị quyết", "NQ-HĐND", "Về dự toán thu, chi ngân sách năm 2027", "TM. HỘI ĐỒNG NHÂN DÂN", "CHỦ TỊCH"},
	{"Công điện", "CĐ-UBND", "Về việc ứng phó mưa lũ", "TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"},
	{"Phương án", "PA-UBND", "Bảo đảm an toàn giao thông dịp lễ", "KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"},
}

var bodyText = []string{
	"Thực hiện Công văn số 4321/BNV-VTLT ngày 02 tháng 3 năm 2026 của Bộ Nội vụ, cơ quan ban hành văn bản này để các đơn vị trực thuộc biết và thực hiện.",
	"Các đơn vị báo cáo kết quả về Văn phòng trước ngày 15/12/2026 để tổng hợp theo Nghị định số 30/2020/NĐ-CP của Chính phủ về công tác văn thư.",
	"Trong quá trình thực hiện nếu có khó khăn, vướng mắc, các đơn vị phản ánh kịp thời để được hướng dẫn, giải quyết./.",
}

const signerName = "Người Ký Mẫu"

func (a act) number(i int) string { return fmt.Sprintf("%d/%s", 100+17*i, a.symbol) }

func issuedOn(i int) time.Time {
	return time.Date(2026, time.Month(1+i%10), 1+i*2%27, 0, 0, 0, 0, hanoi)
}

var hanoi = time.FixedZone("+07", 7*60*60)

func placeDay(t time.Time) string {
	month := fmt.Sprintf("%d", int(t.Month()))
	if t.Month() < 3 { // NĐ 30/2020, Phụ lục I: days below 10 and months 1, 2 with a zero
		month = "0" + month
	}
	return fmt.Sprintf("Điện Biên, ngày %02d tháng %s năm %d", t.Day(), month, t.Year())
}

func (a act) truth(i int) truth {
	abstract := strings.TrimPrefix(a.abstract, "Về việc ")
	return truth{a.number(i), issuedOn(i).Format(time.DateOnly), a.typ, abstract, signerName}
}

// lines are what the two sides of the head, the body and the two sides of the
// foot say.
func (a act) lines(i int) (left, right, body, footLeft, footRight []string) {
	left = []string{"ỦY BAN NHÂN DÂN", "TỈNH ĐIỆN BIÊN", "Số: " + a.number(i)}
	right = []string{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", placeDay(issuedOn(i))}
	if a.typ == "Công văn" {
		left = append(left, "V/v "+a.abstract)
		body = append(body, "Kính gửi: Ủy ban nhân dân các xã, phường")
	} else {
		body = append(body, strings.ToUpper(a.typ), a.abstract)
	}
	body = append(body, bodyText...)
	footLeft = []string{"Nơi nhận:", "- Như trên;", "- Sở Nội vụ;", "- Lưu: VT."}
	footRight = []string{a.competence, a.position, "", signerName}
	if a.competence == "" {
		footRight = footRight[1:]
	}
	return left, right, body, footLeft, footRight
}

// pdfPages draws documents; columns puts the two sides of head and foot on the
// same lines, as tables do, otherwise each side is drawn as a block.
func (a act) pdf(t testing.TB, i int, columns bool, change func(string) string) []byte {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	p.SetMargins(30, 20, 20)
	p.AddUTF8FontFromBytes("serif", "", liberationserifregular.TTF)
	p.AddPage()
	p.SetFont("serif", "", 13)
	left, right, body, footLeft, footRight := a.lines(i)
	sides := func(l, r []string) {
		if columns {
			for n := range max(len(l), len(r)) {
				at := func(list []string) string {
					if n < len(list) {
						return change(list[n])
					}
					return ""
				}
				p.CellFormat(70, 6, at(l), "", 0, "C", false, 0, "")
				p.CellFormat(90, 6, at(r), "", 1, "C", false, 0, "")
			}
			return
		}
		top := p.GetY()
		p.MultiCell(70, 6, change(strings.Join(l, "\n")), "", "C", false)
		end := p.GetY()
		p.SetXY(100, top)
		for _, s := range r {
			p.SetX(100)
			p.CellFormat(90, 6, change(s), "", 1, "C", false, 0, "")
		}
		p.SetY(max(end, p.GetY()) + 2)
	}
	sides(left, right)
	for _, s := range body {
		align := "J"
		if s == strings.ToUpper(a.typ) || s == a.abstract {
			align = "C"
		}
		p.MultiCell(0, 7, change(s), "", align, false)
	}
	sides(footLeft, footRight)
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scanPDF is a PDF without a text layer.
func scanPDF(t testing.TB) []byte {
	t.Helper()
	p := fpdf.New("P", "mm", "A4", "")
	p.AddPage()
	p.Rect(20, 20, 100, 10, "F")
	var b bytes.Buffer
	if err := p.Output(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// docx writes the document as word processors do: head and foot in a table of
// two cells.
func (a act) docx(t testing.TB, i int) []byte {
	t.Helper()
	left, right, body, footLeft, footRight := a.lines(i)
	var b strings.Builder
	para := func(list []string) {
		for _, s := range list {
			b.WriteString("<w:p><w:r><w:t>")
			if err := xml.EscapeText(&b, []byte(s)); err != nil {
				t.Fatal(err)
			}
			b.WriteString("</w:t></w:r></w:p>")
		}
	}
	table := func(l, r []string) {
		b.WriteString("<w:tbl><w:tr><w:tc>")
		para(l)
		b.WriteString("</w:tc><w:tc>")
		para(r)
		b.WriteString("</w:tc></w:tr></w:tbl>")
	}
	b.WriteString(`<w:document xmlns:w="x"><w:body>`)
	table(left, right)
	para(body)
	table(footLeft, footRight)
	b.WriteString(`</w:body></w:document>`)
	return zipOf(t, map[string]string{"word/document.xml": b.String(), "[Content_Types].xml": "<Types/>"})
}

func plainDocx(t testing.TB, text string) []byte {
	return zipOf(t, map[string]string{"word/document.xml": `<w:document xmlns:w="x"><w:body><w:p><w:t>` + strings.ReplaceAll(text, "\n", "</w:t></w:p><w:p><w:t>") + `</w:t></w:p></w:body></w:document>`})
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// spacedWords breaks words as the text layers of the gazette do.
func spacedWords(s string) string {
	return strings.NewReplacer("Số:", "S ố:", "ngày", "ng ày", "tháng", "th áng", "CỘNG HÒA", "CỘNG H ÒA", "QUYẾT ĐỊNH", "QUY ẾT ĐỊNH", "Nơi nhận", "N ơi nhận").Replace(s)
}

func same(s string) string { return s }

// corpus makes the golden corpus.
func corpus(t testing.TB) []sample {
	var list []sample
	add := func(s sample) { list = append(list, s) }
	for i, a := range acts {
		base := sample{subject: "Gửi các đơn vị", readable: true, truth: a.truth(i)}
		for _, v := range []struct {
			kind, ext string
			content   []byte
		}{
			{"pdf columns", ".pdf", a.pdf(t, i, true, same)},
			{"pdf blocks", ".pdf", a.pdf(t, i, false, same)},
			{"pdf spaced", ".pdf", a.pdf(t, i, true, spacedWords)},
			{"docx", ".docx", a.docx(t, i)},
		} {
			s := base
			s.name, s.file, s.content = a.typ+" "+v.kind, "van ban"+v.ext, v.content
			add(s)
		}
		tagged := base
		tagged.declared, tagged.subject = true, "["+a.number(i)+"] V/v "+strings.TrimPrefix(a.abstract, "Về việc ")
		tagged.name, tagged.file, tagged.content = a.typ+" tagged", "van ban.pdf", a.pdf(t, i, i%2 == 0, same)
		add(tagged)
		scan := tagged
		scan.readable, scan.truth = false, truth{a.number(i), "", a.typ, tagged.truth.abstract, ""}
		scan.name, scan.content = a.typ+" tagged scan", scanPDF(t)
		add(scan)
	}
	list = append(list, edxmlSamples(t)...)
	// Files that cannot be read leave what the subject says.
	whole := acts[0].pdf(t, 0, true, same)
	for name, content := range map[string][]byte{"half a PDF": whole[:len(whole)/2], "empty": nil, "no PDF": []byte("%PDF-1.7 and nothing else"), "a bomb of brackets": []byte("%PDF-1.7\n" + strings.Repeat("[", 1<<20))} {
		add(sample{
			name: "broken: " + name, file: "van ban.pdf", content: content, declared: true, subject: "[" + acts[0].number(0) + "] V/v hỏng tệp",
			truth: truth{code: acts[0].number(0), typ: "Quyết định", abstract: "hỏng tệp"},
		})
	}
	return list
}

// ordinaryMails are messages that are no documents, however much they look
// like some.
func ordinaryMails(t testing.TB) []sample {
	subjects := []string{
		"Ảnh liên hoan", "Re: Họp giao ban sáng thứ 2", "[Quan trọng] Lịch trực Tết", "Hỏi về Công văn 12/SYT-VP", "Báo giá thiết bị 24/24", "Bảo mật thông tin cá nhân",
		"[Nhắc việc] nộp báo cáo", "Khẩn: mất điện tầng 3", "Đơn xin nghỉ phép", "Tài liệu tập huấn", "FW: 192.168.0.0/24", "Lịch công tác tuần 48",
		"Góp ý dự thảo", "Mời cưới", "Xe 60 km/h", "[KHẨN] gọi lại cho tôi", "Kết quả quay số 5/6", "Hóa đơn tiền điện tháng 11", "Danh sách 1/2", "Số: 12",
	}
	texts := []string{
		"Chào anh chị,\nĐính kèm ảnh buổi liên hoan ngày 20 tháng 11 năm 2026.\nTrân trọng.",
		"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\nĐƠN XIN NGHỈ PHÉP\nKính gửi: Ban Giám đốc\nTên tôi là: (ghi họ tên)\nĐiện Biên, ngày 2 tháng 3 năm 2026\nNgười làm đơn",
		"Anh cho hỏi Công văn số 12/SYT-VP ngày 01/02/2026 đã vào sổ chưa ạ?\nCăn cứ Nghị định số 30/2020/NĐ-CP thì phải vào sổ trong ngày.",
		"HƯỚNG DẪN SỬ DỤNG MÁY IN\n1. Bật máy.\n2. Chọn khay giấy số 2/A4-DOC.\nNơi nhận bảo hành: tầng 1",
		"BÁO GIÁ\nSố: 15\nMáy tính xách tay: 12/2026\nKính gửi: Quý khách hàng\nngày 3 tháng 4 năm 2026",
		"Lịch công tác tuần 48\nThứ 2: họp giao ban (TM. Văn phòng chủ trì)\nThứ 3: đi cơ sở",
		"GIẤY MỜI\nTrân trọng kính mời anh chị dự lễ thành hôn\nngày 5 tháng 12 năm 2026",
		"Biên bản đối chiếu công nợ giữa hai bên\nSố hợp đồng 05/HĐ-MB\nĐại diện bên A\nĐại diện bên B",
	}
	files := []string{"anh.pdf", "don.docx", "tai-lieu.docx", "bao gia.docx", "lich.docx"}
	var list []sample
	for i := range 500 {
		text := fmt.Sprintf("%s\nGhi chú %d", texts[i%len(texts)], i)
		s := sample{name: fmt.Sprintf("ordinary %d", i), subject: subjects[i%len(subjects)], file: files[i%len(files)], readable: true}
		if strings.HasSuffix(s.file, ".pdf") && i < 100 {
			p := fpdf.New("P", "mm", "A4", "")
			p.AddUTF8FontFromBytes("serif", "", liberationserifregular.TTF)
			p.AddPage()
			p.SetFont("serif", "", 13)
			p.MultiCell(0, 7, text, "", "L", false)
			var b bytes.Buffer
			if err := p.Output(&b); err != nil {
				t.Fatal(err)
			}
			s.content = b.Bytes()
		} else {
			s.file = strings.Replace(s.file, ".pdf", ".docx", 1)
			s.content = plainDocx(t, text)
		}
		list = append(list, s)
	}
	return list
}
