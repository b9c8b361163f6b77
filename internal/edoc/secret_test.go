package edoc

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

func TestCheckSecret(t *testing.T) {
	tests := []struct {
		name, subject, body string
		want                SecretLevel
	}{
		{"nothing", "Họp", "Kính gửi", SecretNone},
		{"tag", "[MẬT] x", "", Secret},
		{"tag in small letters", "[mật] x", "", Secret},
		{"tag without diacritics is another word", "[MAT] x", "", SecretNone},
		{"top tag", "[TỐI MẬT] x", "", TopSecret},
		{"top tag without diacritics", "[toi mat] x", "", TopSecret},
		{"ultra tag after others", "[123/QĐ-UBND][TUYỆT MẬT] x", "", UltraSecret},
		{"tag in a reply", "Re: [MẬT] x", "", Secret},
		{"tag with label", "[Độ mật: Tối mật] x", "", TopSecret},
		{"nested brackets", "[[MẬT]] x", "", Secret},
		{"eth", "[ÐỘ MẬT: MẬT] x", "", Secret},
		{"whole subject", "TỐI MẬT", "", TopSecret},
		{"line", "x", "Số: 1/QĐ\n  MẬT  \r\nx", Secret},
		{"top line", "x", "a\nTỐI MẬT\nb", TopSecret},
		{"ultra line, any spelling", "x", "a\ntuyet  mat\nb", UltraSecret},
		{"labelled line", "x", "ĐỘ MẬT : TUYỆT MẬT", UltraSecret},
		{"labelled small line", "x", "Độ mật: Mật", Secret},
		{"labelled ordinary line", "x", "Độ mật: Thường", SecretNone},
		{"highest counts", "[MẬT]", "TUYỆT MẬT\nTỐI MẬT", UltraSecret},
		{"non-breaking blanks", "x", "\u00a0TỐI\u00a0MẬT\u00a0", TopSecret},
		{"zero width at the end", "x", "TỐI MẬT\u200b", TopSecret},
		{"oracle 10", "bảo mật thông tin", "", SecretNone},
		{"upper-case word", "BẢO MẬT", "BÍ MẬT\nMẬT ĐỘ\nMẬT MÃ", SecretNone},
		{"in a sentence", "V/v văn bản TỐI MẬT", "theo danh mục MẬT", SecretNone},
		{"honey", "x", "Mật\nmật\nmat", SecretNone},
		{"other label", "x", "Tài liệu: MẬT", SecretNone},
		{"tag with more", "[BẢO MẬT] x", "[mật độ]", SecretNone},
		{"tags count only in subjects", "x", "[MẬT]", SecretNone},
		{"long line", "x", strings.Repeat("MẬT ", 100), SecretNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for form, f := range map[string]func(string) string{"NFC": norm.NFC.String, "NFD": norm.NFD.String} {
				if got := CheckSecret(f(tt.subject), f(tt.body)); got != tt.want {
					t.Errorf("%s: got %q, want %q", form, got, tt.want)
				}
			}
		})
	}
}

func BenchmarkCheckSecret(b *testing.B) {
	text := strings.Repeat("Thực hiện chỉ đạo của Ủy ban nhân dân tỉnh về bảo mật\n", 2000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if CheckSecret("V/v rà soát nhân sự", text) != SecretNone {
			b.Fatal("found a mark")
		}
	}
}

func FuzzFreeText(f *testing.F) {
	for _, s := range []string{"TỐI MẬT", "[MẬT] x", "Độ mật: Mật", "trước 15 giờ 00 ngày 25/11/2026", "hạn 17h00 01-12-2026", "123_QD-UBND_20261123.pdf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		level := CheckSecret(s, s)
		if nfd := CheckSecret(norm.NFD.String(s), norm.NFD.String(s)); len(s) < maxMarkBytes/4 && level != nfd {
			t.Fatalf("%q is %v as it stands and %v in NFD", s, level, nfd)
		}
		if due, ok := ParseDue(s); ok && (due.Year() < 2000 || due.Year() > 2099) {
			t.Fatalf("%q is due in year %d", s, due.Year())
		}
		if c, _, ok := parseFileName(s); ok && c.Number == 0 {
			t.Fatalf("%q gives code %+v", s, c)
		}
	})
}
