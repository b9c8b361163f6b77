package edoc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

// The two columns of head and foot on one line each, as text layers give them.
const decisionText = `ỦY BAN NHÂN DÂN CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM
TỈNH ĐIỆN BIÊN Độc lập - Tự do - Hạnh phúc
Số: 1234/QĐ-UBND Điện Biên, ngày 05 tháng 11 năm 2026
HỎA TỐC
QUYẾT ĐỊNH
Về việc ban hành Quy chế tiếp nhận, xử lý văn bản điện tử
trên địa bàn tỉnh
ỦY BAN NHÂN DÂN TỈNH ĐIỆN BIÊN
Căn cứ Luật Tổ chức chính quyền địa phương ngày 16/6/2025;
Căn cứ Nghị định số 30/2020/NĐ-CP ngày 05 tháng 3 năm 2020 của Chính phủ về công tác văn thư;
Theo đề nghị của Giám đốc Sở Nội vụ tại Tờ trình số 77/TTr-SNV.
QUYẾT ĐỊNH:
Điều 1. Ban hành kèm theo Quyết định này Quy chế.
Điều 2. Quyết định này thay thế Quyết định số 12/QĐ-UBND và 13/QĐ-UBND; bãi bỏ Công văn số 9/UBND-NC.
Các đơn vị báo cáo trước ngày 30/11/2026.
Nơi nhận: TM. ỦY BAN NHÂN DÂN
- Như Điều 3; CHỦ TỊCH
- Sở Nội vụ;
- UBND các xã, phường;
- Lưu: VT, NC. Người Ký Mẫu
`

const letterText = `UBND TỈNH ĐIỆN BIÊN
SỞ NỘI VỤ
Số: 45/SNV-VP
V/v báo cáo tình hình thực hiện
công tác văn thư quý III
CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM
Độc lập - Tự do - Hạnh phúc
Điện Biên, ngày 9 tháng 10 năm 2026
Kính gửi:
- Sở Y tế;
- Ủy ban nhân dân các xã, phường.
Trả lời Công văn số 12/SYT-VP ngày 01/10/2026 của Sở Y tế, Sở Nội vụ báo cáo như sau.
KT. GIÁM ĐỐC
PHÓ GIÁM ĐỐC
Họ Và Tên
Nơi nhận:
- Như trên;
- Lưu: VT.
`

func codeText(c Code) string {
	if c.IsZero() {
		return ""
	}
	return c.String()
}

func relationsText(list []Relation) string {
	var out []string
	for _, r := range list {
		out = append(out, string(r.Kind)+" "+r.Code.String())
	}
	return strings.Join(out, ", ")
}

// spaced breaks words as text layers of the gazette do.
func spaced(s string) string {
	for _, pair := range [][2]string{{"Số:", "S ố :"}, {"QUYẾT ĐỊNH\n", "QUY ẾT Đ ỊNH\n"}, {"ngày", "ng ày"}, {"tháng", "th áng"}, {"Nơi nhận", "N ơi nh ận"}, {"CỘNG HÒA", "CỘNG HOÀ"}, {"QĐ-UBND", "QĐ - UBND"}} {
		s = strings.ReplaceAll(s, pair[0], pair[1])
	}
	return s
}

func TestReadLayout(t *testing.T) {
	type want struct {
		signals                                                  int
		code, issued, typ, abstract, urgency, due, issuer        string
		competence, position, name, addressee, copies, relations string
	}
	decision := want{
		6, "1234/QĐ-UBND", "2026-11-05", "Quyết định", "Về việc ban hành Quy chế tiếp nhận, xử lý văn bản điện tử trên địa bàn tỉnh", "Hỏa tốc",
		"2026-11-30", "ỦY BAN NHÂN DÂN TỈNH ĐIỆN BIÊN", "TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH", "Người Ký Mẫu", "", "Sở Nội vụ|UBND các xã, phường",
		"cites 30/2020/NĐ-CP, cites 77/TTr-SNV, replaces 12/QĐ-UBND, replaces 13/QĐ-UBND, repeals 09/UBND-NC",
	}
	letter := want{
		6, "45/SNV-VP", "2026-10-09", "", "báo cáo tình hình thực hiện công tác văn thư quý III", "", "", "UBND TỈNH ĐIỆN BIÊN SỞ NỘI VỤ",
		"KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC", "Họ Và Tên", "Sở Y tế|Ủy ban nhân dân các xã, phường", "", "replies 12/SYT-VP",
	}
	plain := "Chào anh chị,\nĐính kèm là ảnh buổi liên hoan ngày 20 tháng 11 năm 2026.\nSố: 12 tấm.\nTrân trọng.\n"
	application := "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\nĐƠN XIN NGHỈ PHÉP\nKính gửi: Ban Giám đốc\nĐiện Biên, ngày 2 tháng 3 năm 2026\n"
	for _, tt := range []struct {
		name, text string
		want       want
	}{
		{"decision", decisionText, decision},
		{"NFD", norm.NFD.String(decisionText), decision},
		{"broken words", spaced(decisionText), decision},
		{"CRLF and blanks", strings.ReplaceAll(decisionText, "\n", " \r\n\r\n"), decision},
		{"letter", letterText, letter},
		{"ordinary", plain, want{}},
		{"application", application, want{signals: 2, addressee: "Ban Giám đốc"}},
		{"nothing", "", want{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ReadLayout(FileText{Pages: []string{tt.text}})
			day := func(d time.Time) string {
				if d.IsZero() {
					return ""
				}
				return d.Format(time.DateOnly)
			}
			urgency := ""
			if l.Urgency != UrgencyNormal {
				urgency = l.Urgency.Name()
			}
			got := want{
				l.Signals.Count(), codeText(l.Code), day(l.Issued), l.Type.Name, l.Abstract, urgency, day(l.Due), l.Issuer,
				l.Signer.Competence, l.Signer.Position, l.Signer.FullName, strings.Join(l.Addressee, "|"), strings.Join(l.Copies, "|"), relationsText(l.Relations),
			}
			if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tt.want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

func TestRecognizeText(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 0, 0, 0, vietnam)
	text := func(s string, properties map[string]string) []FileText {
		return []FileText{{Name: "a.pdf", Pages: []string{s}, Property: func(name string) string { return properties[name] }}}
	}
	both := func(in Input, texts []FileText) Recognition {
		r := Recognize(in)
		var names []string
		for _, f := range in.Files {
			names = append(names, f.Name)
		}
		r.AddTexts(texts, names, in.Now)
		return r
	}
	t.Run("evident", func(t *testing.T) {
		r := both(Input{Subject: "Gửi anh chị", Now: now}, text(decisionText, nil))
		if r.Level != L2 || r.IsDocument() || codeText(*r.Code) != "1234/QĐ-UBND" || r.Year != 2026 || r.Signer.FullName != "Người Ký Mẫu" {
			t.Errorf("%+v", r)
		}
		if ev := r.Evidence[FieldCode]; ev.Source != SourceText || ev.Confidence < 0.79 || ev.Confidence > 0.81 {
			t.Errorf("evidence %+v", ev)
		}
		if ev := r.Evidence[FieldType]; ev.Confidence < 0.9 { // the text and the symbol agree
			t.Errorf("evidence of the type %+v", ev)
		}
	})
	t.Run("tag and text agree", func(t *testing.T) {
		r := both(Input{Subject: "[1234/QĐ-UBND] V/v Quy chế", Now: now}, text(decisionText, map[string]string{"keywords": "so=1234; kyhieu=QĐ-UBND"}))
		if ev := r.Evidence[FieldCode]; r.Level != L1 || ev.Confidence < 0.99 || ev.Conflict || r.Issued.IsZero() {
			t.Errorf("%v %+v", r.Level, ev)
		}
	})
	t.Run("tag and text disagree", func(t *testing.T) {
		r := both(Input{Subject: "[1243/QĐ-UBND] V/v Quy chế", Now: now}, text(decisionText, nil))
		if ev := r.Evidence[FieldCode]; !ev.Conflict || codeText(*r.Code) != "1243/QĐ-UBND" || len(ev.Others) != 1 {
			t.Errorf("%+v", ev)
		}
	})
	t.Run("properties alone", func(t *testing.T) {
		r := both(Input{Subject: "+", Details: []string{"vb"}, Now: now}, text("ảnh quét", map[string]string{
			"X-VB-So": "7", "X-VB-Ky-Hieu": "TB-STC", "X-VB-Ngay": "2026-11-20", "X-VB-Trich-Yeu": "Thông báo họp", "X-VB-Do-Khan": "1",
		}))
		if r.Level != L0 || codeText(*r.Code) != "07/TB-STC" || r.Type.Name != "Thông báo" || r.Abstract != "Thông báo họp" || r.Urgency != UrgencyUrgent {
			t.Errorf("%+v", r)
		}
	})
	for _, tt := range []struct {
		name, subject, text, file string
		want                      Level
	}{
		{"application", "Đơn", "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nKính gửi: Ban Giám đốc\nngày 2 tháng 3 năm 2026\n", "don.pdf", L3},
		{"name", "Gửi", "không có gì", "123_QD-UBND_20261123.pdf", L3},
		{"ordinary", "Ảnh", "không có gì", "anh.pdf", L4},
		{"quotes a number", "Hỏi", "Anh cho hỏi về Công văn số 12/SYT-VP ngày 1 tháng 2 năm 2026 ạ.", "hoi.docx", L4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Subject: tt.subject, Files: []File{{Name: tt.file}}, Now: now}
			if r := both(in, text(tt.text, nil)); r.Level != tt.want {
				t.Errorf("level %v, want %v: %+v", r.Level, tt.want, r.Layout)
			}
		})
	}
	if r := both(Input{Subject: "x", Now: now}, text("TỐI MẬT\n", nil)); r.Secret != TopSecret {
		t.Errorf("mark in a file: %v", r.Secret)
	}
}

// Whatever the text is, the time is bounded and nothing is made up.
func FuzzReadLayout(f *testing.F) {
	for _, s := range []string{decisionText, letterText, spaced(decisionText), "Số: 1/A", strings.Repeat("Số: 1/QĐ-UBND căn cứ ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := ReadLayout(FileText{Pages: []string{s, s}})
		if l.Signals&SignalNumber != 0 == l.Code.IsZero() || l.Signals&SignalDate != 0 == l.Issued.IsZero() {
			t.Errorf("signals %b do not fit %+v", l.Signals, l)
		}
		if slices.Contains(l.Copies, "") || len(l.Relations) > 50 {
			t.Errorf("%+v", l)
		}
	})
}

func BenchmarkReadLayout(b *testing.B) {
	text := FileText{Pages: []string{decisionText + strings.Repeat("Điều 9. Các cơ quan, đơn vị có liên quan chịu trách nhiệm thi hành.\n", 100), letterText}}
	for b.Loop() {
		ReadLayout(text)
	}
}
