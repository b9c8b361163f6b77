package report

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
)

// allLetters is every Vietnamese letter with a mark, and what an enemy adds.
const allLetters = "à á ả ã ạ ă ằ ắ ẳ ẵ ặ â ầ ấ ẩ ẫ ậ đ è é ẻ ẽ ẹ ê ề ế ể ễ ệ ì í ỉ ĩ ị ò ó ỏ õ ọ ô ồ ố ổ ỗ ộ ơ ờ ớ ở ỡ ợ ù ú ủ ũ ụ ư ừ ứ ử ữ ự ỳ ý ỷ ỹ ỵ"

// longRegister has 200 lines: voided ones, abstracts of a page and more, all letters.
func longRegister(t *testing.T) Sheet {
	t.Helper()
	g := sample()
	g.Parent, g.Year = "Ủy ban nhân dân tỉnh Điện Biên", 2026
	for i := 11; i <= 207; i++ {
		c := docstore.Columns{
			Arrived: "2026-11-24", Number: i, Issuer: "Ủy ban nhân dân phường Điện Biên Phủ", Code: fmt.Sprintf("%d/UBND-KGVXNV", 1000+i), Issued: "2026-11-20",
			Title: "V/v báo cáo kết quả thực hiện nhiệm vụ tháng 11", Recipient: "Phòng Nghiệp vụ Y", Handed: "2026-11-24", Signed: "chuyenvien1",
		}
		switch i {
		case 12:
			c.Title = allLetters + " " + strings.ToUpper(allLetters)
		case 13:
			c.Title = strings.Repeat("việc rất dài phải viết sang nhiều trang, ", 90) + "hết."
		}
		row := InRow(c)
		row.Hash = [32]byte{byte(i)}
		g.Rows = append(g.Rows, row)
	}
	s, err := g.Sheet()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func written(t *testing.T, s Sheet, f Format) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The same sheet gives the same octets in every format, also after it went
// through JSON, and none of them holds the present time.
func TestSameSheetSameOctets(t *testing.T) {
	s := longRegister(t)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again Sheet
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	for _, f := range Formats() {
		a, b := written(t, s, f), written(t, again, f)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two files of one sheet differ", f)
		}
		if year := fmt.Sprint(time.Now().Year() + 1); f.Binary() && bytes.Contains(a, []byte("D:"+year)) {
			t.Errorf("%s: has a date of its own", f)
		}
	}
	if err := s.Write(io.Discard, "doc"); err == nil {
		t.Error("an unknown format was written")
	}
	s.Rows = s.Rows[:3]
	for _, f := range Formats() {
		if err := s.Write(broken{}, f); !errors.Is(err, errBroken) {
			t.Errorf("%s: a failing disk gives %v", f, err)
		}
	}
}

// tool finds a program of Debian's poppler-utils.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("VANTHU_TEST_REQUIRE_CLIENTS") != "" {
			t.Fatalf("%s is missing (Debian: poppler-utils)", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// onDisk writes a sheet as PDF into a folder of its own.
func onDisk(t *testing.T, s Sheet) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sheet.pdf")
	if err := os.WriteFile(file, written(t, s, FormatPDF), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func TestPDFText(t *testing.T) {
	read := tool(t, "pdftotext")
	file := onDisk(t, longRegister(t))
	text := output(t, read, "-layout", "-enc", "UTF-8", file, "-")
	golden(t, "register-pdf.txt", text)

	pages := strings.Split(strings.TrimSuffix(string(text), "\f"), "\f")
	for i, p := range pages {
		for _, want := range []string{
			fmt.Sprintf("Trang %d/%d", i+1, len(pages)), "Số đến", "Sổ đăng ký văn bản đến năm 2026 – Sở Y tế (H18.26) – từ số 1 đến số 207",
			"Mã băm SHA-256 của dòng cuối trang: ",
		} {
			if want := strings.TrimSpace(want); !strings.Contains(p, want) && (i > 0 || !strings.HasPrefix(want, "Mã băm")) {
				t.Errorf("page %d has no %q", i+1, want)
			}
		}
	}
	words := strings.Join(strings.Fields(string(output(t, read, "-enc", "UTF-8", file, "-"))), " ")
	for _, want := range []string{"THỦ TRƯỞNG CƠ QUAN", "NGƯỜI LẬP SỔ", "ỦY BAN NHÂN DÂN TỈNH ĐIỆN BIÊN", "Tính đến 10 giờ 00 phút, 24/11/2026", "Đã hủy: vào nhầm sổ"} {
		if !strings.Contains(words, want) {
			t.Errorf("the print has no %q", want)
		}
	}
	flat := strings.ReplaceAll(words, " ", "")
	for letter := range strings.FieldsSeq(allLetters + " " + strings.ToUpper(allLetters)) {
		if !strings.Contains(flat, letter) {
			t.Errorf("%s cannot be read in the print", letter)
		}
	}
	if n := strings.Count(flat, "việcrấtdàiphảiviếtsangnhiềutrang,"); n < 80 { // some are cut by a page's end
		t.Errorf("of an abstract of 90 clauses %d are printed", n)
	}
	fonts := string(output(t, tool(t, "pdffonts"), file))
	for _, l := range strings.Split(strings.TrimSpace(fonts), "\n")[2:] {
		if !strings.Contains(l, "yes") || strings.Contains(strings.Join(strings.Fields(l), " "), "no no no") {
			t.Errorf("a font is not embedded: %s", l)
		}
	}
}

// The pages look as they were approved by eye, and nothing reaches into the margins.
func TestPDFPictures(t *testing.T) {
	draw := tool(t, "pdftoppm")
	file := onDisk(t, longRegister(t))
	base := filepath.Join(filepath.Dir(file), "page")
	output(t, draw, "-r", "50", "-gray", "-png", file, base)
	names, err := filepath.Glob(base + "*.png")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d pages: %v", len(names), err)
	}
	for i, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		page, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if x, y, ink := inkInMargin(page); ink {
			t.Errorf("page %d has ink in the margin at %d,%d", i+1, x, y)
		}
		if i == 0 || i == len(names)-1 {
			same(t, fmt.Sprintf("register-page-%s.png", map[bool]string{true: "first", false: "last"}[i == 0]), raw, page)
		}
	}
}

// inkInMargin looks for anything dark outside of the table's room.
func inkInMargin(page image.Image) (x, y int, found bool) {
	b := page.Bounds()
	left, right := int(float64(b.Dx())*(marginLeft-1)/pageWidth), int(float64(b.Dx())*(pageWidth-marginRight+1)/pageWidth)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if (x < left || x > right || y < 8 || y > b.Max.Y-8) && gray(page, x, y) < 200 {
				return x, y, true
			}
		}
	}
	return 0, 0, false
}

func gray(p image.Image, x, y int) int {
	return int(color.GrayModel.Convert(p.At(x, y)).(color.Gray).Y)
}

// same compares a page with the approved picture. Versions of the renderer
// smooth letters differently, so a small share of the grey may differ.
func same(t *testing.T, name string, raw []byte, got image.Image) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	approved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.Decode(bytes.NewReader(approved))
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%s is %v, want %v", name, got.Bounds(), want.Bounds())
	}
	diff, b := 0, got.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			d := gray(got, x, y) - gray(want, x, y)
			diff += max(d, -d)
		}
	}
	if share := float64(diff) / float64(255*b.Dx()*b.Dy()); share > 0.01 {
		t.Errorf("%s differs by %.2f %% of its ink", name, 100*share)
	}
}

// parts takes an office file apart: every part is XML, and all have one date.
func parts(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Modified.Equal(z.File[0].Modified) {
			t.Errorf("%s is of %v", f.Name, f.Modified)
		}
		for dec := xml.NewDecoder(bytes.NewReader(body)); ; {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
		out[f.Name] = string(body)
	}
	return out
}

func TestOfficeFiles(t *testing.T) {
	s, err := sample().Sheet()
	if err != nil {
		t.Fatal(err)
	}
	s.Parent = "UBND tỉnh & các sở <Điện Biên>"
	s.Rows = append(s.Rows, Line{Under: true, Cells: []string{"", "", "", "", "", "Đính chính: _x0041_"}})
	readable := func(xml string) []byte { return []byte(strings.ReplaceAll(xml, "><", ">\n<") + "\n") }
	book := parts(t, written(t, s, FormatXLSX))
	golden(t, "register-sheet1.xml", readable(book["xl/worksheets/sheet1.xml"]))
	golden(t, "register-styles.xml", readable(book["xl/styles.xml"]))
	for _, want := range []string{`<definedName name="_xlnm.Print_Titles" localSheetId="0">'Sổ'!$8:$9</definedName>`, `<sheet name="Sổ"`} {
		if !strings.Contains(book["xl/workbook.xml"], want) {
			t.Errorf("the workbook has no %s", want)
		}
	}
	if strings.Contains(book["xl/worksheets/sheet1.xml"], "<f>") {
		t.Error("a cell is a formula")
	}
	text := parts(t, written(t, s, FormatDOCX))
	golden(t, "register-document.xml", readable(text["word/document.xml"]))
	golden(t, "register-footer.xml", readable(text["word/footer1.xml"]))
	for name, p := range map[string]map[string]string{"xlsx": book, "docx": text} {
		golden(t, "register-core-"+name+".xml", readable(p["docProps/core.xml"]))
		for part := range p {
			if !strings.HasSuffix(part, ".rels") && part != "[Content_Types].xml" && part != "xl/workbook.xml" &&
				!strings.Contains(p["[Content_Types].xml"], `PartName="/`+part+`"`) {
				t.Errorf("%s: the type of %s is not declared", name, part)
			}
		}
	}
}

// LibreOffice opens both office files; it takes its time, so only on demand.
func TestOfficeOpens(t *testing.T) {
	if os.Getenv("VANTHU_TEST_OFFICE") == "" {
		t.Skip("set VANTHU_TEST_OFFICE to have LibreOffice open the files")
	}
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range []Format{FormatXLSX, FormatDOCX} {
		if err := os.WriteFile(filepath.Join(dir, string(f)+"."+string(f)), written(t, longRegister(t), f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	output(t, office, "-env:UserInstallation=file://"+dir+"/profile", "--headless", "--convert-to", "pdf", "--outdir", dir, dir+"/xlsx.xlsx", dir+"/docx.docx")
	for _, f := range []Format{FormatXLSX, FormatDOCX} {
		text := strings.Join(strings.Fields(string(output(t, tool(t, "pdftotext"), "-enc", "UTF-8", filepath.Join(dir, string(f)+".pdf"), "-"))), " ")
		for _, want := range []string{"SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", "23/11/2026", "1207/", "THỦ TRƯỞNG CƠ QUAN", "Trang 2/"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: LibreOffice shows no %q", f, want)
			}
		}
		if strings.Contains(text, "###") {
			t.Errorf("%s: a column is too narrow for its dates", f)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		kind   Kind
		v, man string
		number float64
	}{
		{KindDate, "2026-06-30", "30/06/2026", 46203},
		{KindDate, "không rõ", "không rõ", 0},
		{KindDate, "1899-12-31", "31/12/1899", 0}, // what a workbook counts wrongly stays text
		{KindTime, "2026-06-30T17:30:00Z", "00:30 01/07/2026", 46204 + 0.5/24},
		{KindMinutes, "150", "2:30", 150. / 1440},
		{KindShare, "0.9512", "95,1 %", 0.9512},
		{KindNumber, "7", "7", 7},
		{KindText, "007", "007", 0},
		{KindNumber, "", "", 0},
	} {
		t.Run(string(tt.kind)+" "+tt.v, func(t *testing.T) {
			if got := tt.kind.shown(tt.v); got != tt.man {
				t.Errorf("shown %q, want %q", got, tt.man)
			}
			got, ok := tt.kind.number(tt.v)
			if ok != (tt.number != 0) || ok && (got-tt.number > 1e-6 || tt.number-got > 1e-6) {
				t.Errorf("number %v %v, want %v", got, ok, tt.number)
			}
		})
	}
}

func TestCellName(t *testing.T) {
	for c, want := range map[int]string{0: "A1", 25: "Z1", 26: "AA1", 51: "AZ1", 52: "BA1", 701: "ZZ1", 702: "AAA1"} {
		if got := cellName(c, 1); got != want {
			t.Errorf("cellName(%d) = %s, want %s", c, got, want)
		}
	}
}

// Whatever stands in a cell, every format can be written and is well-formed.
func FuzzSheet(f *testing.F) {
	f.Add("V/v", "2026-01-01", 3)
	f.Add("\x00\ufffe😀&<]]>", "_x000D_", 1)
	f.Add(strings.Repeat("a\u0323", 300), "+1", 0)
	f.Fuzz(func(t *testing.T, text, value string, struck int) {
		s := Sheet{Title: text, Unit: value, Parent: text, Lines: []string{text}, Notes: []string{text}, Signers: []string{text, value}, Footer: text}
		for i, k := range tableKinds {
			s.Columns = append(s.Columns, Column{Key: fmt.Sprint(i), Heading: text, Kind: k, Width: i})
		}
		s.Rows = []Line{{Cells: []string{text, value, value, value, value, value}, Struck: struck%2 == 0}, {Cells: []string{value}}}
		for _, format := range Formats() {
			raw := written(t, s, format)
			if format == FormatXLSX || format == FormatDOCX {
				parts(t, raw)
			}
		}
	})
}
