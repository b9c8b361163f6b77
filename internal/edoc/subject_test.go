package edoc

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"
)

func code(s string) *Code {
	c, err := ParseCode(s)
	if err != nil {
		panic(s)
	}
	return &c
}

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, vietnam)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParseSubject(t *testing.T) {
	tests := []struct {
		name, in string
		want     Subject
	}{
		{"ordinary", "Họp giao ban tuần 47", Subject{Abstract: "Họp giao ban tuần 47"}},
		{"code and V/v", "[123/QĐ-UBND] V/v rà soát nhân sự", Subject{Code: code("123/QĐ-UBND"), Abstract: "rà soát nhân sự"}},
		{"no blank after tag", "[123/QĐ-UBND]Về việc: rà soát", Subject{Code: code("123/QĐ-UBND"), Abstract: "rà soát"}},
		{"about without diacritics", "[12-CV/TU] ve viec ra soat", Subject{Code: code("12-CV/TU"), Abstract: "ra soat"}},
		{"spaced about", "[12-CV/TU]  v / v  rà soát", Subject{Code: code("12-CV/TU"), Abstract: "rà soát"}},
		{"not about", "[12-CV/TU] V/vn", Subject{Code: code("12-CV/TU"), Abstract: "V/vn"}},
		{"legal norm", "[09/2025/QĐ-UBND] Quy định", Subject{Code: code("09/2025/QĐ-UBND"), Abstract: "Quy định"}},
		{"urgent", "[KHẨN] [123/QĐ-UBND] x", Subject{Code: code("123/QĐ-UBND"), Urgency: UrgencyUrgent, Abstract: "x"}},
		{"very urgent", "[123/QĐ-UBND][thượng khẩn] x", Subject{Code: code("123/QĐ-UBND"), Urgency: UrgencyHigh, Abstract: "x"}},
		{"flash, old tone place", "[HỎA TỐC][123/QĐ-UBND] x", Subject{Code: code("123/QĐ-UBND"), Urgency: UrgencyFlash, Abstract: "x"}},
		{"flash, new tone place", "[Hoả tốc][123/QĐ-UBND] x", Subject{Code: code("123/QĐ-UBND"), Urgency: UrgencyFlash, Abstract: "x"}},
		{"flash without diacritics", "[HOA TOC HEN GIO][123/QD-UBND] x", Subject{Code: code("123/QD-UBND"), Urgency: UrgencyTimed, Abstract: "x"}},
		{"flash with its time", "[Hỏa tốc hẹn giờ 15h30 25/11/2026] x", Subject{Urgency: UrgencyTimed, Due: at("2026-11-25 15:30:00"), Abstract: "x"}},
		{"due day", "[123/QĐ-UBND][HẠN 30/11/2026] x", Subject{Code: code("123/QĐ-UBND"), Due: at("2026-11-30 23:59:59"), Abstract: "x"}},
		{"due hour", "[HẠN: 15h30 5/3/2026] x", Subject{Due: at("2026-03-05 15:30:00"), Abstract: "x"}},
		{"due hour in words", "[hạn 17 giờ 01/12/2026] x", Subject{Due: at("2026-12-01 17:00:00"), Abstract: "x"}},
		{"due no date", "[HẠN 31/02/2026] x", Subject{Abstract: "[HẠN 31/02/2026] x"}},
		{"recall", "[THU HỒI 123/QĐ-UBND] sai số liệu", Subject{Ops: []OpRef{{Op: OpRecall, Code: code("123/QĐ-UBND")}}, Abstract: "sai số liệu"}},
		{"replace", "[124/QĐ-UBND][THAY THẾ 123/QĐ-UBND] x", Subject{Code: code("124/QĐ-UBND"), Ops: []OpRef{{Op: OpReplace, Code: code("123/QĐ-UBND")}}, Abstract: "x"}},
		{"update", "[cap nhat: 123/QĐ-UBND] x", Subject{Ops: []OpRef{{Op: OpUpdate, Code: code("123/QĐ-UBND")}}, Abstract: "x"}},
		{"correct", "[5/UBND-VP][Đính chính 123/QĐ-UBND]", Subject{Code: code("5/UBND-VP"), Ops: []OpRef{{Op: OpCorrect, Code: code("123/QĐ-UBND")}}}},
		{"reply", "[5/UBND-VP][TRẢ LỜI 09/2025/QĐ-UBND] x", Subject{Code: code("5/UBND-VP"), Ops: []OpRef{{Op: OpReply, Code: code("09/2025/QĐ-UBND")}}, Abstract: "x"}},
		{"number", "[XIN SỐ] x", Subject{Ops: []OpRef{{Op: OpNumber}}, Abstract: "x"}},
		{"number of a type", "[XIN SỐ QĐ] x", Subject{Ops: []OpRef{{Op: OpNumber, Arg: "Quyết định"}}, Abstract: "x"}},
		{"number of a named type", "[xin số tờ trình] x", Subject{Ops: []OpRef{{Op: OpNumber, Arg: "Tờ trình"}}, Abstract: "x"}},
		{"consult, fyi, draft", "[LẤY Ý KIẾN][ĐỂ BIẾT][DỰ THẢO] x", Subject{Ops: []OpRef{{Op: OpConsult}, {Op: OpFYI}, {Op: OpDraft}}, Abstract: "x"}},
		{"update of nothing", "[Cập nhật] phần mềm", Subject{Abstract: "[Cập nhật] phần mềm"}},
		{"ask", "[?/QĐ-UBND] x", Subject{Code: code("?/QĐ-UBND"), Abstract: "x"}},
		{"list tag in front", "[vanban-list] [123/QĐ-UBND] V/v x", Subject{Code: code("123/QĐ-UBND"), Abstract: "[vanban-list] x"}},
		{"reply is no tag", "Re: [123/QĐ-UBND] x", Subject{Abstract: "Re: [123/QĐ-UBND] x"}},
		{"open bracket", "[123/QĐ-UBND", Subject{Abstract: "[123/QĐ-UBND"}},
		{"brackets only", "[]", Subject{Abstract: "[]"}},
		{"secret tag", "[MẬT][123/QĐ-UBND] x", Subject{Code: code("123/QĐ-UBND"), Secret: Secret, Abstract: "x"}},
		{"folded line and tabs", "[123/QĐ-UBND]\r\n\tV/v  rà\u00a0soát", Subject{Code: code("123/QĐ-UBND"), Abstract: "rà soát"}},
		{"dashes", "[123/QĐ–UBND][HẠN 5‑3‑2026] Kế hoạch 2026–2030", Subject{Code: code("123/QĐ-UBND"), Due: at("2026-03-05 23:59:59"), Abstract: "Kế hoạch 2026–2030"}},
		{"empty", "", Subject{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Code != nil {
				tt.want.Codes = []Code{*tt.want.Code}
			}
			for form, in := range map[string]string{"as is": tt.in, "NFD": norm.NFD.String(tt.in), "NFC": norm.NFC.String(tt.in)} {
				got := ParseSubject(in)
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: got %+v, want %+v", form, got, tt.want)
				}
			}
		})
	}
}

func TestParseSubjectSeveralCodes(t *testing.T) {
	got := ParseSubject("[1/QĐ-UBND][2/QĐ-UBND] x")
	if len(got.Codes) != 2 || got.Code == nil || *got.Code != got.Codes[0] || got.Codes[1].Number != 2 {
		t.Errorf("got %+v, want two codes, the first being the document's", got)
	}
}

func TestParseDue(t *testing.T) {
	tests := []struct {
		in   string
		want time.Time
	}{
		{"gửi về Sở trước 15 giờ 00 ngày 25/11/2026 để tổng hợp", at("2026-11-25 15:00:00")},
		{"hạn 17h00 01-12-2026", at("2026-12-01 17:00:00")},
		{"HẠN: 5.3.2026", at("2026-03-05 23:59:59")},
		{"chậm nhất là ngày 05/3/2026.", at("2026-03-05 23:59:59")},
		{"trước 8:30, ngày 1/1/2027", at("2027-01-01 08:30:00")},
		{"truoc 9 gio 15 phut, ngay 1/1/2027", at("2027-01-01 09:15:00")},
		{"ngày 23/11/2026", time.Time{}},
		{"trước ngày 30/02/2026", time.Time{}},
		{"trước 25h00 ngày 1/1/2027", time.Time{}},
		{"trước ngày 1/1/20261", time.Time{}},
		{"khan hiếm 1/1/2027", time.Time{}},
		{"", time.Time{}},
	}
	for _, tt := range tests {
		got, ok := ParseDue(tt.in)
		if !got.Equal(tt.want) || ok == tt.want.IsZero() {
			t.Errorf("ParseDue(%q) = %v, %v, want %v", tt.in, got, ok, tt.want)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{
		"[123/QĐ-UBND][KHẨN][HẠN: 15h30 5/3/2026] V/v x", "[THU HỒI 12-CV/TU] y", "[XIN SỐ QĐ]", "[[[]]]", "[MẬT] z", "Về việc: x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ParseSubject(s)
		if (got.Code != nil) != (len(got.Codes) > 0) {
			t.Fatalf("ParseSubject(%q): code %v, codes %v", s, got.Code, got.Codes)
		}
		if !norm.NFC.IsNormalString(got.Abstract) || strings.Contains(got.Abstract, "  ") {
			t.Fatalf("ParseSubject(%q): abstract %q is not clean", s, got.Abstract)
		}
		if !got.Urgency.Valid() {
			t.Fatalf("ParseSubject(%q): urgency %d", s, got.Urgency)
		}
	})
}
