package edoc

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
)

func textFile(name, content string) File {
	return File{Name: name, Size: int64(len(content)), Open: func() (io.Reader, error) { return strings.NewReader(content), nil }}
}

func headers(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func codes(problems []Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Code)
	}
	return list
}

var testNow = at("2026-11-23 12:00:00")

func TestRecognizeLevelAndAct(t *testing.T) {
	tests := []struct {
		name     string
		in       Input
		level    Level
		op       Op
		code     string
		document bool
	}{
		{"ordinary", Input{Subject: "Họp giao ban"}, L4, OpNew, "", false},
		{"ordinary with brackets", Input{Subject: "[Bản tin] số 5"}, L4, OpNew, "", false},
		{"reply to a document", Input{Subject: "Re: [123/QĐ-UBND] x"}, L4, OpNew, "", false},
		{"only urgent", Input{Subject: "[KHẨN] x"}, L4, OpNew, "", false},
		{"only a draft", Input{Subject: "[DỰ THẢO] x"}, L4, OpDraft, "", false},
		{"only an answer", Input{Subject: "[TRẢ LỜI 5/SNV-VP] x"}, L4, OpReply, "", false},
		{"asks for a number", Input{Subject: "[XIN SỐ QĐ] x"}, L4, OpNumber, "", false},
		{"asks for the next number", Input{Subject: "[?/QĐ-UBND] x"}, L1, OpNumber, "?/QĐ-UBND", false},
		{"tagged", Input{Subject: "[123/QĐ-UBND] x"}, L1, OpNew, "123/QĐ-UBND", true},
		{"tagged, NFD", Input{Subject: norm.NFD.String("[123/QĐ-SỞ] x")}, L1, OpNew, "123/QĐ-SỞ", true},
		{"answer with its own number", Input{Subject: "[9/UBND-VP][TRẢ LỜI 5/SNV-VP] x"}, L1, OpReply, "09/UBND-VP", true},
		{"recall", Input{Subject: "[THU HỒI 123/QĐ-UBND] sai"}, L1, OpRecall, "123/QĐ-UBND", false},
		{"update", Input{Subject: "[CẬP NHẬT 123/QĐ-UBND] x"}, L1, OpUpdate, "123/QĐ-UBND", true},
		{"replace", Input{Subject: "[124/QĐ-UBND][THAY THẾ 123/QĐ-UBND] x"}, L1, OpReplace, "124/QĐ-UBND", true},
		{"replace without own number", Input{Subject: "[THAY THẾ 123/QĐ-UBND] x"}, L1, OpReplace, "", true},
		{"for information", Input{Subject: "[123/QĐ-UBND][ĐỂ BIẾT] x"}, L1, OpFYI, "123/QĐ-UBND", true},
		{"+vb", Input{Subject: "x", Details: []string{"vb"}}, L0, OpNew, "", true},
		{"+VB", Input{Subject: "x", Details: []string{"VB"}}, L0, OpNew, "", true},
		{"+vb and tag", Input{Subject: "[123/QĐ-UBND] x", Details: []string{"vb"}}, L0, OpNew, "123/QĐ-UBND", true},
		{"+xinso", Input{Subject: "x", Details: []string{"xinso.qd"}}, L0, OpNumber, "", false},
		{"+duthao", Input{Subject: "x", Details: []string{"duthao"}}, L0, OpDraft, "", false},
		{"+ykien", Input{Subject: "[1/SNV-VP] x", Details: []string{"ykien"}}, L0, OpConsult, "01/SNV-VP", true},
		{"consult without a number", Input{Subject: "[LẤY Ý KIẾN] [HẠN 01/12/2026] V/v quy chế"}, L1, OpConsult, "", true},
		{"consult, NFD without diacritics on the keyboard", Input{Subject: norm.NFD.String("[lay y kien] quy chế")}, L1, OpConsult, "", true},
		{"consult with a number", Input{Subject: "[12/UBND-VX][LẤY Ý KIẾN] V/v quy chế"}, L1, OpConsult, "12/UBND-VX", true},
		{"+ykien without a number", Input{Subject: "V/v quy chế", Details: []string{"ykien"}}, L0, OpConsult, "", true},
		{"answer to a question", Input{Subject: "Re: [LẤY Ý KIẾN] V/v quy chế"}, L4, OpNew, "", false},
		{"draft", Input{Subject: "[DỰ THẢO] quy chế"}, L4, OpDraft, "", false},
		{"draft with a number", Input{Subject: "[12/UBND-VX][DỰ THẢO] quy chế"}, L1, OpDraft, "12/UBND-VX", false},
		{"+thuhoi", Input{Subject: "[1/SNV-VP] x", Details: []string{"thuhoi"}}, L0, OpRecall, "01/SNV-VP", false},
		{"+tracuu", Input{Subject: "x", Details: []string{"tracuu"}}, L0, OpSearch, "", false},
		{"other detail", Input{Subject: "x", Details: []string{"list"}}, L4, OpNew, "", false},
		{"headers", Input{Subject: "x", Header: headers("X-VB-So", "123", "X-VB-Ky-Hieu", "QĐ-UBND")}, L0, OpNew, "123/QĐ-UBND", true},
		{"headers in one", Input{Subject: "x", Header: headers("X-VB-So", "123/QĐ-UBND")}, L0, OpNew, "123/QĐ-UBND", true},
		{"headers of the Party", Input{Subject: "x", Header: headers("X-VB-So", "12", "X-VB-Ky-Hieu", "CV/TU")}, L0, OpNew, "12-CV/TU", true},
		{"no headers", Input{Subject: "x", Header: headers()}, L4, OpNew, "", false},
		{"recall by header", Input{Subject: "x", Header: headers("X-VB-So", "1/SNV-VP", "X-VB-Nghiep-Vu", "thu-hoi")}, L0, OpRecall, "01/SNV-VP", false},
		{"edXML", Input{Subject: "x", Files: []File{textFile("goi.EDXML", sample(t, "congvan.edxml"))}}, L0, OpNew, "123/SNV-VP", true},
		{"edXML replaces", Input{Subject: "x", Files: []File{textFile("a.edxml", sample(t, "thaythe-cu.edxml"))}}, L0, OpReplace, "06a/QĐ-SNV", true},
		{"edXML status", Input{Subject: "x", Files: []File{textFile("a.edxml", sample(t, "trangthai.edxml"))}}, L0, OpNew, "", false},
		{"file name alone", Input{Subject: "x", Files: []File{textFile("123_QD-UBND.pdf", "")}}, L4, OpNew, "", false},
		{"+vb and file name", Input{Subject: "x", Details: []string{"vb"}, Files: []File{textFile("123_QD-UBND_20261123.pdf", "")}}, L0, OpNew, "123/QD-UBND", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Now = testNow
			got := Recognize(tt.in)
			gotCode := ""
			if got.Code != nil {
				gotCode = got.Code.String()
			}
			if got.Level != tt.level || got.Op != tt.op || gotCode != tt.code || got.IsDocument() != tt.document {
				t.Errorf("got %v, %v, code %q, document %v, want %v, %v, %q, %v",
					got.Level, got.Op, gotCode, got.IsDocument(), tt.level, tt.op, tt.code, tt.document)
			}
			if got.Err != nil {
				t.Errorf("error %v", got.Err)
			}
		})
	}
}

func TestRecognizeFields(t *testing.T) {
	got := Recognize(Input{
		Subject: "[HỎA TỐC][9/QĐ-UBND][HẠN: 15h30 30/11/2026] V/v ban hành quy chế", Now: testNow,
	})
	if got.Type.Name != "Quyết định" || got.Abstract != "ban hành quy chế" || got.Urgency != UrgencyFlash ||
		!got.Due.Equal(at("2026-11-30 15:30:00")) || got.Year != 2026 || !got.Issued.IsZero() {
		t.Errorf("got %+v", got)
	}
	if len(got.Problems) > 0 {
		t.Errorf("problems %v, want none", got.Problems)
	}
	want := Evidence{Source: SourceSubject, Confidence: 0.9, Raw: "09/QĐ-UBND"}
	if ev := got.Evidence[FieldCode]; !reflect.DeepEqual(ev, want) {
		t.Errorf("evidence of the code is %+v, want %+v", ev, want)
	}
	if ev := got.Evidence[FieldType]; ev.Source != SourceDerived || ev.Confidence != 0.9 {
		t.Errorf("evidence of the type is %+v", ev)
	}
	for subject, want := range map[string]float64{"rà soát": plainSubject, "V/v rà soát": 0.9} {
		got := Recognize(Input{Subject: subject, Details: []string{"vb"}, Now: testNow})
		if ev := got.Evidence[FieldAbstract]; got.Abstract != "rà soát" || math.Abs(ev.Confidence-want) > 1e-9 {
			t.Errorf("%q: abstract %q, evidence %+v, want confidence %v", subject, got.Abstract, ev, want)
		}
	}
	if got := Recognize(Input{Subject: "[09/2025/QĐ-UBND] x", Now: testNow}); got.Year != 2025 || got.Type.Class != ClassLegal {
		t.Errorf("year %d, class %d, want 2025 and a legal norm", got.Year, got.Type.Class)
	}
	// 31 December 20:00 UTC is already the next year in Vietnam.
	if got := Recognize(Input{Subject: "[1/SNV-VP] x", Now: time.Date(2026, 12, 31, 20, 0, 0, 0, time.UTC)}); got.Year != 2027 {
		t.Errorf("year %d, want 2027", got.Year)
	}
}

func TestRecognizeFusion(t *testing.T) {
	pkg := textFile("a.edxml", sample(t, "congvan.edxml"))
	t.Run("sources agree", func(t *testing.T) {
		got := Recognize(Input{
			Subject: "[123/snv-vp] V/v rà soát nhân sự.", Now: testNow,
			Header: headers("X-VB-So", "123", "X-VB-Ky-Hieu", "SNV–VP", "X-VB-Ngay", "2026-11-23", "X-VB-Loai", "cong van", "X-VB-Han", "2026-11-30"),
		})
		ev := got.Evidence[FieldCode]
		if ev.Source != SourceHeader || math.Abs(ev.Confidence-0.995) > 1e-9 || ev.Conflict || len(ev.Others) > 0 {
			t.Errorf("evidence of the code is %+v, want both sources agreeing", ev)
		}
		if got.Code.Symbol != "SNV-VP" {
			t.Errorf("symbol is %q, want the stronger source's writing", got.Code.Symbol)
		}
		if len(got.Problems) > 0 {
			t.Errorf("problems %v, want none", got.Problems)
		}
		if got.Type.Num != 18 || !got.Due.Equal(at("2026-11-30 23:59:59")) {
			t.Errorf("type %v, due %v", got.Type, got.Due)
		}
	})
	t.Run("strong sources disagree", func(t *testing.T) {
		got := Recognize(Input{Subject: "[124/SNV-VP] V/v rà soát nhân sự", Now: testNow, Files: []File{pkg}})
		ev := got.Evidence[FieldCode]
		if got.Code.Number != 123 || !ev.Conflict || len(ev.Others) != 1 || ev.Others[0] != (Claim{SourceSubject, "124/SNV-VP"}) {
			t.Errorf("code %v, evidence %+v, want the package's with a conflict", got.Code, ev)
		}
		if c := codes(got.Problems); !slices.Equal(c, []string{"xung_dot.code"}) || got.Invalid() {
			t.Errorf("problems %v, invalid %v, want one warning", c, got.Invalid())
		}
	})
	t.Run("weak source disagrees", func(t *testing.T) {
		got := Recognize(Input{Subject: "[123/SNV-VP] x", Now: testNow, Files: []File{{Name: "124_SNV-VP.pdf"}}})
		if ev := got.Evidence[FieldCode]; ev.Conflict || len(ev.Others) != 1 || got.Code.Number != 123 {
			t.Errorf("code %v, evidence %+v, want no conflict and the other kept", got.Code, ev)
		}
	})
	t.Run("type against symbol", func(t *testing.T) {
		got := Recognize(Input{Subject: "[1/QĐ-UBND] x", Now: testNow, Header: headers("X-VB-Loai", "Thông báo")})
		if c := codes(got.Problems); !slices.Equal(c, []string{"xung_dot.type"}) {
			t.Errorf("problems %v, want a conflict of the type", c)
		}
	})
	t.Run("edXML fields", func(t *testing.T) {
		got := Recognize(Input{Subject: "Gửi văn bản", Now: testNow, Files: []File{pkg}})
		if got.DocID != "H18.26,2026/11/23,123/SNV-VP" || got.Abstract != "rà soát nhân sự" || edxmlDay(got.Issued) != "2026/11/23" ||
			got.Year != 2026 || got.Urgency != UrgencyUrgent || got.EdXML == nil {
			t.Errorf("got %+v", got)
		}
		if len(got.Problems) > 0 {
			t.Errorf("problems %v, want none: a plain subject is no rival", got.Problems)
		}
	})
	t.Run("edXML relations", func(t *testing.T) {
		got := Recognize(Input{Now: testNow, Files: []File{textFile("a.edxml", sample(t, "thaythe-cu.edxml"))}})
		want := []OpRef{
			{Op: OpReplace, Code: code("05/QĐ-SNV"), DocID: "000.00.26.H18,2026/11/20,05/QĐ-SNV"},
			{Op: OpReply, Code: code("45/UBND-KGVX"), DocID: "H18,2026/11/01,45/UBND-KGVX"},
		}
		if !reflect.DeepEqual(got.Ops, want) {
			t.Errorf("relations %+v, want %+v", got.Ops, want)
		}
	})
}

func TestRecognizeProblems(t *testing.T) {
	full := func(name, value string) func(string) string {
		m := headers("X-VB-So", "1", "X-VB-Ky-Hieu", "SNV-VP", "X-VB-Trich-Yeu", "x")
		return func(n string) string {
			if n == name {
				return value
			}
			return m(n)
		}
	}
	tests := []struct {
		name string
		in   Input
		want []string
	}{
		{"all right", Input{Header: full("X-VB-Ngay", "2026-11-23")}, nil},
		{"+vb without number", Input{Subject: "x", Details: []string{"vb"}}, []string{"N.Code"}},
		{"+vb without anything", Input{Details: []string{"vb"}}, []string{"N.Code", "N.Subject"}},
		{"replacing without number", Input{Subject: "[THAY THẾ 1/SNV-VP] x"}, []string{"N.Code"}},
		{"number without symbol", Input{Subject: "x", Header: headers("X-VB-So", "1")}, []string{"N.X-VB-Ky-Hieu", "N.Code"}},
		{"symbol without number", Input{Subject: "x", Header: headers("X-VB-Ky-Hieu", "SNV-VP")}, []string{"N.X-VB-So", "N.Code"}},
		{"number malformed", Input{Header: full("X-VB-So", "một")}, []string{"M.X-VB-So", "N.Code"}},
		{"day malformed", Input{Header: full("X-VB-Ngay", "hôm nay")}, []string{"M.X-VB-Ngay"}},
		{"day to come", Input{Header: full("X-VB-Ngay", "2026-11-24")}, []string{"R.X-VB-Ngay"}},
		{"type unknown", Input{Header: full("X-VB-Loai", "thơ")}, []string{"R.X-VB-Loai"}},
		{"urgency", Input{Header: full("X-VB-Do-Khan", "5")}, []string{"R.X-VB-Do-Khan"}},
		{"urgency in words", Input{Header: full("X-VB-Do-Khan", "khẩn")}, []string{"R.X-VB-Do-Khan"}},
		{"due malformed", Input{Header: full("X-VB-Han", "mai")}, []string{"M.X-VB-Han"}},
		{"act unknown", Input{Header: full("X-VB-Nghiep-Vu", "xoa")}, []string{"R.X-VB-Nghiep-Vu"}},
		{"answered malformed", Input{Header: full("X-VB-Tra-Loi", "5/SNV-VP, abc")}, []string{"M.X-VB-Tra-Loi"}},
		{"long id", Input{Header: full("X-VB-Ma-Van-Ban", strings.Repeat("x", 101))}, []string{"R.X-VB-Ma-Van-Ban"}},
		{"long abstract", Input{Header: full("X-VB-Trich-Yeu", strings.Repeat("x", 501))}, []string{"R.X-VB-Trich-Yeu"}},
		{"long subject", Input{Subject: "[1/SNV-VP] " + strings.Repeat("ậ", 501)}, []string{"R.Subject"}},
		{"broken edXML", Input{Files: []File{textFile("a.edxml", "<a>")}, Header: full("", "")}, []string{"M.edXML"}},
		{"edXML too large", Input{Files: []File{{Name: "a.edxml", Size: 1 << 40, Open: func() (io.Reader, error) { panic("opened") }}}, Header: full("", "")}, []string{"M.edXML"}},
		{"two edXML", Input{Files: []File{textFile("a.edxml", sample(t, "congvan.edxml")), textFile("b.edxml", "")}}, []string{"M.edXML"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Now = testNow
			got := Recognize(tt.in)
			if c := codes(got.Problems); !slices.Equal(c, tt.want) {
				t.Errorf("problems %v, want %v", c, tt.want)
			}
			if got.Invalid() != (len(tt.want) > 0) {
				t.Errorf("invalid is %v", got.Invalid())
			}
			for _, p := range got.Problems {
				if p.Text.EN == "" || p.Text.VI == "" {
					t.Errorf("%s has no text", p.Code)
				}
			}
		})
	}
}

func TestRecognizeFYI(t *testing.T) {
	get := headers("X-VB-So", "1/SNV-VP", "X-VB-Trich-Yeu", "x", "X-VB-De-Biet", "stc@example.gov.vn; snv@example.gov.vn")
	got := Recognize(Input{Header: get, Now: testNow})
	if !slices.Equal(got.FYI, []string{"stc@example.gov.vn", "snv@example.gov.vn"}) || got.Op != OpNew {
		t.Errorf("got %v, %v", got.FYI, got.Op)
	}
}

func TestRecognizeSecret(t *testing.T) {
	for _, in := range []Input{
		{Subject: "[MẬT] x"},
		{Subject: "Re: [TỐI MẬT] x"},
		{Subject: "TUYỆT MẬT"},
		{Subject: "[MẬT][123/QĐ-UBND] x"},
		{Subject: "x", Header: headers("X-VB-So", "1/SNV-VP", "X-VB-Trich-Yeu", "[MẬT] x")},
		{Subject: "x", Files: []File{textFile("a.edxml", strings.Replace(sample(t, "congvan.edxml"), "V/v rà soát nhân sự", "[MẬT] rà soát", 1))}},
	} {
		if got := Recognize(in); got.Secret == SecretNone {
			t.Errorf("%q: no mark found", in.Subject)
		}
	}
	for _, subject := range []string{"bảo mật thông tin", "[123/QĐ-UBND] V/v bảo mật thông tin", "[Bảo mật] x", "mật độ dân số", "BÍ MẬT"} {
		if got := Recognize(Input{Subject: subject}); got.Secret != SecretNone {
			t.Errorf("%q: found %v", subject, got.Secret)
		}
	}
}

func TestRecognizeReadError(t *testing.T) {
	broken := errors.New("disk")
	got := Recognize(Input{Files: []File{{Name: "a.edxml", Open: func() (io.Reader, error) { return nil, broken }}}})
	if !errors.Is(got.Err, broken) || fault.KindOf(got.Err) != fault.Temporary || got.IsDocument() {
		t.Errorf("error %v, document %v, want the error only", got.Err, got.IsDocument())
	}
}

func TestRecognizeOpensOnlyEdXML(t *testing.T) {
	opened := func() (io.Reader, error) { t.Error("opened"); return bytes.NewReader(nil), nil }
	Recognize(Input{Subject: "[1/SNV-VP] x", Files: []File{{Name: "a.pdf", Open: opened}, {Name: "edxml", Open: opened}}})
}

func TestIsDeclaredField(t *testing.T) {
	for _, name := range DeclaredHeaders() {
		if !IsDeclaredField(name) || !IsDeclaredField(strings.ToLower(name)) {
			t.Errorf("%s does not declare", name)
		}
	}
	for _, name := range append(ServerHeaders(), "Subject", "X-VB-", "X-VB", "") {
		if IsDeclaredField(name) {
			t.Errorf("%s declares", name)
		}
	}
}

func TestParseFileName(t *testing.T) {
	tests := []struct{ name, code, day string }{
		{"196-ndcp.signed.pdf", "196/NDCP", ""},
		{"123_QD-UBND_20261123.pdf", "123/QD-UBND", "2026/11/23"},
		{"15a TB-VP.docx", "15a/TB-VP", ""},
		{"45-UBND-KGVX 23-11-2026 ky so.pdf", "", ""},
		{"45-UBND-KGVX_23.11.2026_signed.pdf", "45/UBND-KGVX", "2026/11/23"},
		{"45-qđ-ubnd.PDF", "45/QĐ-UBND", ""},
		{"bao cao.pdf", "", ""},
		{"2026.xlsx", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		c, day, ok := parseFileName(tt.name)
		got := ""
		if ok {
			got = c.String()
		}
		if got != tt.code || edxmlDay(day) != tt.day {
			t.Errorf("%q: got %q, %q, want %q, %q", tt.name, got, edxmlDay(day), tt.code, tt.day)
		}
	}
}

// Ordinary mail passes here at thousands a second and must cost nothing.
func TestRecognizeOrdinaryMailAllocatesNothing(t *testing.T) {
	in := Input{Subject: "Họp giao ban tuần 47 và bảo mật thông tin", Files: make([]File, 3), Now: testNow}
	if n := testing.AllocsPerRun(100, func() { Recognize(in) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func BenchmarkRecognize(b *testing.B) {
	for name, in := range map[string]Input{
		"ordinary":     {Subject: "Họp giao ban tuần 47 và bảo mật thông tin", Files: make([]File, 3), Now: testNow},
		"brackets":     {Subject: "[Bản tin] Họp giao ban tuần 47 và bảo mật thông tin", Now: testNow},
		"empty header": {Subject: "Họp giao ban tuần 47", Header: func(string) string { return "" }, Now: testNow},
		"tagged":       {Subject: "[123/QĐ-UBND][KHẨN] V/v rà soát nhân sự", Now: testNow},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Recognize(in)
			}
		})
	}
}

func FuzzRecognizeHeaders(f *testing.F) {
	f.Add("[1/SNV-VP] x", "123", "QĐ-UBND", "2026-11-23T10:00", "vb", "123_QD-UBND.pdf")
	f.Add("[THU HỒI 1/A-B]", "", "", "1/2/2026", "xinso.qd", "a.edxml")
	f.Fuzz(func(t *testing.T, subject, number, symbol, other, detail, file string) {
		get := func(name string) string {
			switch name {
			case headerNumber:
				return number
			case headerSymbol:
				return symbol
			}
			return other
		}
		r := Recognize(Input{Subject: subject, Header: get, Details: []string{detail}, Files: []File{textFile(file, other)}, Now: testNow})
		if r.Level == LevelNone || r.Err != nil {
			t.Fatalf("level %v, error %v", r.Level, r.Err)
		}
		for field, ev := range r.Evidence {
			if ev.Confidence <= 0 || ev.Confidence > 1 {
				t.Fatalf("%s has confidence %v", field, ev.Confidence)
			}
		}
	})
}
