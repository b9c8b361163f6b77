package edoc

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestFoldVietnameseAlphabet(t *testing.T) {
	groups := map[string]string{
		"a": "aàáảãạăằắẳẵặâầấẩẫậ",
		"e": "eèéẻẽẹêềếểễệ",
		"i": "iìíỉĩị",
		"o": "oòóỏõọôồốổỗộơờớởỡợ",
		"u": "uùúủũụưừứửữự",
		"y": "yỳýỷỹỵ",
		"d": "dđ",
	}
	for want, letters := range groups {
		for _, r := range letters {
			for _, s := range []string{string(r), strings.ToUpper(string(r)), norm.NFD.String(string(r))} {
				if got := Fold(s); got != want {
					t.Errorf("Fold(%q) = %q, want %q", s, got, want)
				}
			}
		}
	}
	for in, want := range map[string]string{
		"Điện Biên, Đà Nẵng": "dien bien, da nang",
		"hỏa hoả HOA":        "hoa hoa hoa",
		"ỦY ban Uỷ":          "uy ban uy",
		"123/QĐ-UBND":        "123/qd-ubnd",
		"":                   "",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTypeForSymbol(t *testing.T) {
	tests := []struct {
		symbol, name string
		num, edxml   int
	}{
		{"QĐ-UBND", "Quyết định", 2, 2},
		{"QD-UBND", "Quyết định", 2, 2},
		{"qđ-ubnd", "Quyết định", 2, 2},
		{"NQ-HĐND", "Nghị quyết", 1, 1},
		{"QyĐ-UBND", "Quy định", 5, 5},
		{"HD-SNV", "Hướng dẫn", 8, 8},
		{"HĐ-SNV", "Hợp đồng", 17, 17},
		{"ĐA-UBND", "Đề án", 12, 12},
		{"DA-UBND", "Dự án", 13, 13},
		{"CTr-UBND-HĐND", "Chương trình", 9, 9},
		{"CT-UBND", "Chỉ thị", 3, 3},
		{"TTr-STC", "Tờ trình", 16, 16},
		{"BTT-SNV", "Bản thỏa thuận", 21, 22},
		{"GM-UBND", "Giấy mời", 23, 25},
		{"PB-VP", "Phiếu báo", 28, 0},
		{"SY-UBND", "Sao y", 0, 0},
		{"SGDĐT-VP", "Công văn", 18, 18},
		{"UBND-KGVX", "Công văn", 18, 18},
		{"HĐND-VP", "Công văn", 18, 18},
		{"UBND", "Công văn", 18, 18},
		{"CV/TU", "Công văn", 18, 18},
		{"QĐ/TW", "Quyết định", 2, 2},
		{"", "Công văn", 18, 18},
	}
	for _, tt := range tests {
		got := TypeForSymbol(tt.symbol)
		if got.Name != tt.name || got.Num != tt.num || got.EdXMLDetail() != tt.edxml {
			t.Errorf("TypeForSymbol(%q) = %+v, want %s, %d, %d", tt.symbol, got, tt.name, tt.num, tt.edxml)
		}
	}
}

func TestDocTypesAreTheLegalList(t *testing.T) {
	all := DocTypes()
	if len(all) != 29 {
		t.Fatalf("got %d types, want 29", len(all))
	}
	seen := map[int]string{}
	for i, dt := range all {
		if dt.Num != i+1 {
			t.Errorf("%s has number %d, want %d", dt.Name, dt.Num, i+1)
		}
		if !norm.NFC.IsNormalString(dt.Name) || !norm.NFC.IsNormalString(dt.Abbr) {
			t.Errorf("%s is not NFC", dt.Name)
		}
		if dt.Abbr == "" {
			if dt.Num != 18 && dt.Num != 29 {
				t.Errorf("%s has no abbreviation", dt.Name)
			}
		} else if got := TypeForSymbol(dt.Abbr + "-UBND"); got != dt {
			t.Errorf("abbreviation %s gives %s, want %s", dt.Abbr, got.Name, dt.Name)
		}
		if got, ok := TypeForName(norm.NFD.String(strings.ToUpper(dt.Name))); !ok || got != dt {
			t.Errorf("TypeForName(%s) = %v, %v", dt.Name, got, ok)
		}
		if n := dt.EdXMLDetail(); n != 0 {
			if seen[n] != "" {
				t.Errorf("%s and %s have the same edXML number", dt.Name, seen[n])
			}
			seen[n] = dt.Name
			if got, ok := typeForEdXML(n); !ok || got != dt {
				t.Errorf("edXML number %d gives %v, want %s", n, got, dt.Name)
			}
		}
	}
}

func TestTypeForCode(t *testing.T) {
	tests := []struct {
		code, name string
		class      TypeClass
	}{
		{"09/2025/QĐ-UBND", "Quyết định", ClassLegal},
		{"30/2020/NĐ-CP", "Nghị định", ClassLegal},
		{"10/2025/TTLT-BNV-BTC", "Thông tư liên tịch", ClassLegal},
		{"117/2025/QH15", "", ClassLegal},
		{"9/QĐ-UBND", "Quyết định", ClassAdministrative},
		{"9/SNV-VP", "Công văn", ClassAdministrative},
	}
	for _, tt := range tests {
		got := TypeForCode(*code(tt.code))
		if got.Name != tt.name || got.Class != tt.class {
			t.Errorf("TypeForCode(%s) = %+v, want %s of class %d", tt.code, got, tt.name, tt.class)
		}
	}
}

func TestStatuses(t *testing.T) {
	want := []string{"01", "02", "03", "04", "05", "06", "13", "15", "16"}
	all := Statuses()
	if len(all) != len(want) {
		t.Fatalf("got %d codes, want %d", len(all), len(want))
	}
	for i, s := range all {
		if string(s) != want[i] || !s.Valid() || s.Name() == "" || s.NameEN() == "" {
			t.Errorf("status %d is %q (%q, %q), want %q with both names", i, s, s.Name(), s.NameEN(), want[i])
		}
		if (s.SentBy() == SideSender) != (s == StatusRecallRequested) {
			t.Errorf("%s is sent by side %d", s, s.SentBy())
		}
	}
	for _, s := range []Status{"", "1", "12", "44", "07"} {
		if s.Valid() {
			t.Errorf("%q is valid, want it not to be", s)
		}
	}
	order := []Status{StatusRefused, StatusArrived, StatusRegistered, StatusAssigned, StatusProcessing, StatusCompleted}
	for i := 1; i < len(order); i++ {
		if order[i].Rank() <= order[i-1].Rank() {
			t.Errorf("rank of %s is %d, not above %s", order[i], order[i].Rank(), order[i-1])
		}
	}
}

func TestRefuseReasons(t *testing.T) {
	for _, r := range RefuseReasons() {
		if !r.Valid() || r.Vi() == "" || r.EN() == "" {
			t.Errorf("%s has no text", r)
		}
		folder := r.Folder()
		if (folder == "") != (r == ReasonSecret) {
			t.Errorf("%s has folder %q", r, folder)
			continue
		}
		for _, name := range []string{folder, norm.NFD.String(folder), strings.ToUpper(folder)} {
			got, ok := ReasonForFolder(name)
			if folder != "" && (!ok || got != r) {
				t.Errorf("ReasonForFolder(%q) = %q, %v, want %q", name, got, ok, r)
			}
		}
	}
	for _, name := range []string{"", " ", "INBOX", "Sai"} {
		if got, ok := ReasonForFolder(name); ok {
			t.Errorf("ReasonForFolder(%q) = %q, want none", name, got)
		}
	}
	if RefuseReason("X").Valid() || RefuseReason("X").Folder() != "" {
		t.Error("an unknown reason is valid")
	}
}

func TestUrgencyNames(t *testing.T) {
	for u := UrgencyNormal; u.Valid(); u++ {
		if u.Name() == "" || u.NameEN() == "" {
			t.Errorf("urgency %d has no name", u)
		}
		if got, ok := urgencyWords(Fold(u.Name())); u != UrgencyNormal && (!ok || got != u) {
			t.Errorf("%q reads as %d, want %d", u.Name(), got, u)
		}
	}
	if Urgency(5).Valid() {
		t.Error("urgency 5 is valid")
	}
}
