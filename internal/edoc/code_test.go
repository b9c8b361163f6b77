package edoc

import (
	"errors"
	"testing"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
)

func TestParseCode(t *testing.T) {
	tests := []struct {
		name, in string
		want     Code
		str, key string
	}{
		{"administrative", "123/QĐ-UBND", Code{Number: 123, Symbol: "QĐ-UBND"}, "123/QĐ-UBND", "123|qd-ubnd"},
		{"legal norm", "09/2025/QĐ-UBND", Code{Number: 9, Year: 2025, Symbol: "QĐ-UBND"}, "09/2025/QĐ-UBND", "9|qd-ubnd"},
		{"label", "Số: 09/2025/QĐ-TTg", Code{Number: 9, Year: 2025, Symbol: "QĐ-TTg"}, "09/2025/QĐ-TTg", "9|qd-ttg"},
		{"blanks everywhere", "Số : 15 / QĐ - UBND", Code{Number: 15, Symbol: "QĐ-UBND"}, "15/QĐ-UBND", "15|qd-ubnd"},
		{"official letter", "125/SGDĐT-VP", Code{Number: 125, Symbol: "SGDĐT-VP"}, "125/SGDĐT-VP", "125|sgddt-vp"},
		{"field in place of unit", "45/UBND-KGVX", Code{Number: 45, Symbol: "UBND-KGVX"}, "45/UBND-KGVX", "45|ubnd-kgvx"},
		{"joint", "10/2025/TTLT-BNV-BTC", Code{Number: 10, Year: 2025, Symbol: "TTLT-BNV-BTC"}, "10/2025/TTLT-BNV-BTC", "10|ttlt-bnv-btc"},
		{"three groups", "22/CTr-UBND-HĐND", Code{Number: 22, Symbol: "CTr-UBND-HĐND"}, "22/CTr-UBND-HĐND", "22|ctr-ubnd-hdnd"},
		{"thousands point", "1.234/BC-STC", Code{Number: 1234, Symbol: "BC-STC"}, "1234/BC-STC", "1234|bc-stc"},
		{"suffix", "15a/TB-VP", Code{Number: 15, Suffix: "a", Symbol: "TB-VP"}, "15a/TB-VP", "15a|tb-vp"},
		{"capital suffix", "15A/TB-VP", Code{Number: 15, Suffix: "a", Symbol: "TB-VP"}, "15a/TB-VP", "15a|tb-vp"},
		{"Party", "12-CV/TU", Code{Number: 12, Symbol: "CV/TU", Party: true}, "12-CV/TU", "12|cv/tu"},
		{"Party, central", "127-QĐ/TW", Code{Number: 127, Symbol: "QĐ/TW", Party: true}, "127-QĐ/TW", "127|qd/tw"},
		{"Party, blanks", "05 – QĐ / TU", Code{Number: 5, Symbol: "QĐ/TU", Party: true}, "05-QĐ/TU", "5|qd/tu"},
		{"leading zero", "01/QĐ-UBND", Code{Number: 1, Symbol: "QĐ-UBND"}, "01/QĐ-UBND", "1|qd-ubnd"},
		{"leading zeros", "0007/QĐ-UBND", Code{Number: 7, Symbol: "QĐ-UBND"}, "07/QĐ-UBND", "7|qd-ubnd"},
		{"en dash", "123/QĐ–UBND", Code{Number: 123, Symbol: "QĐ-UBND"}, "123/QĐ-UBND", "123|qd-ubnd"},
		{"non-breaking hyphen and blank", "123\u00a0/\u00a0QĐ\u2011UBND", Code{Number: 123, Symbol: "QĐ-UBND"}, "123/QĐ-UBND", "123|qd-ubnd"},
		{"zero width", "123/\u200bQĐ\u00ad-UBND", Code{Number: 123, Symbol: "QĐ-UBND"}, "123/QĐ-UBND", "123|qd-ubnd"},
		{"NFD", norm.NFD.String("123/TTr-SỞ"), Code{Number: 123, Symbol: "TTr-SỞ"}, "123/TTr-SỞ", "123|ttr-so"},
		{"without diacritics", "123/QD-UBND", Code{Number: 123, Symbol: "QD-UBND"}, "123/QD-UBND", "123|qd-ubnd"},
		{"eth for Đ", "123/QÐ-UBND", Code{Number: 123, Symbol: "QĐ-UBND"}, "123/QĐ-UBND", "123|qd-ubnd"},
		{"small letters", "123/qđ-ubnd", Code{Number: 123, Symbol: "qđ-ubnd"}, "123/qđ-ubnd", "123|qd-ubnd"},
		{"point in symbol", "123/BC-STC.QLNS", Code{Number: 123, Symbol: "BC-STC.QLNS"}, "123/BC-STC.QLNS", "123|bc-stcqlns"},
		{"law", "117/2025/QH15", Code{Number: 117, Year: 2025, Symbol: "QH15"}, "117/2025/QH15", "117|qh15"},
		{"ask", "?/QĐ-UBND", Code{Symbol: "QĐ-UBND", Ask: true}, "?/QĐ-UBND", "?|qd-ubnd"},
		{"ask with blanks", "? / TB-VP", Code{Symbol: "TB-VP", Ask: true}, "?/TB-VP", "?|tb-vp"},
		{"six digits", "123456/UBND-VP", Code{Number: 123456, Symbol: "UBND-VP"}, "123456/UBND-VP", "123456|ubnd-vp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCode(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("ParseCode(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			}
			if got.String() != tt.str {
				t.Errorf("String() = %q, want %q", got.String(), tt.str)
			}
			if got.Key() != tt.key {
				t.Errorf("Key() = %q, want %q", got.Key(), tt.key)
			}
			again, err := ParseCode(got.String())
			if err != nil || again != got {
				t.Errorf("ParseCode(String()) = %+v, %v, want %+v", again, err, got)
			}
		})
	}
}

func TestParseCodeRejects(t *testing.T) {
	for _, in := range []string{
		"", " ", "24/24", "60 km/h", "60/h", "ngày 23/11/2026", "23/11/2026", "192.168.0.0/24",
		"bảo MẬT thông tin", "0/QĐ-UBND", "00/QĐ-UBND", "123", "123/", "/QĐ-UBND", "123/QĐ-", "123/-UBND",
		"123/QĐ--UBND", "123/QĐ UBND", "1234567/QĐ-UBND", "10/Nov", "3/trang", "1/x-ray", "24/7",
		"123/QĐ-UBND và 124/QĐ-UBND", "?", "?/", "??/QĐ-UBND", "-5/QĐ-UBND", "12-CV/", "12-/TU", "12-CHUYÊN/TU",
		"123//QĐ-UBND", "09/2025/", "12ab/QĐ-UBND", "1.23/QĐ-UBND", "QĐ-UBND", "123/\xff\xfe-UBND", "١٢/QĐ-UBND",
	} {
		if got, err := ParseCode(in); err == nil {
			t.Errorf("ParseCode(%q) = %+v, want an error", in, got)
		} else if !errors.Is(err, ErrCode) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("ParseCode(%q): error %v, want ErrCode", in, err)
		}
	}
}

func TestNamesAgency(t *testing.T) {
	tests := []struct {
		code, agency string
		want         bool
	}{
		{"123/QĐ-SNV", "SNV", true},
		{"45/SNV-VP", "snv", true},
		{"45/SGDĐT-VP", "SGDĐT", true},
		{"45/SGDDT-VP", "SGDĐT", true},
		{"12-CV/TU", "TU", true},
		{"45/UBND", "UBND", true},
		{"9/UBND-VP-TH", "UBND-VP", true},
		{"9/BC-STC.QLNS", "STC", true},
		{"123/QĐ-STC", "SNV", false},
		{"123/QĐ-SNVX", "SNV", false},
		{"123/QĐ-SNV", "", false},
	}
	for _, tt := range tests {
		if got := code(tt.code).NamesAgency(tt.agency); got != tt.want {
			t.Errorf("%s names %q: got %v, want %v", tt.code, tt.agency, got, tt.want)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"123/QĐ-UBND", "09/2025/QĐ-UBND", "12-CV/TU", "15a/TB-VP", "1.234/BC-STC", "?/QĐ-UBND", "Số : 15 / QĐ - UBND"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCode(s)
		if err != nil {
			return
		}
		again, err := ParseCode(c.String())
		if err != nil || again != c {
			t.Fatalf("ParseCode(%q) = %+v; its text %q gives %+v, %v", s, c, c.String(), again, err)
		}
		if again.Key() != c.Key() {
			t.Fatalf("keys %q and %q differ", again.Key(), c.Key())
		}
	})
}
