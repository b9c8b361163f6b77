package mail

import (
	"testing"
	"unicode/utf8"
)

func TestXtext(t *testing.T) {
	tests := []struct {
		text, coded string
	}{
		{"QQ314159", "QQ314159"},
		{"a+b=c d", "a+2Bb+3Dc+20d"},
		{"\x00\xff", "+00+FF"},
		{"", ""},
	}
	for _, tt := range tests {
		if got := EncodeXtext(tt.text); got != tt.coded {
			t.Errorf("EncodeXtext(%q) = %q, want %q", tt.text, got, tt.coded)
		}
		if got, ok := DecodeXtext(tt.coded); got != tt.text || !ok {
			t.Errorf("DecodeXtext(%q) = %q, %v, want %q", tt.coded, got, ok, tt.text)
		}
	}
	for _, bad := range []string{"+", "+2", "+2b", "+GG", "a b", "a=b", "é", "a\r\nb"} {
		if got, ok := DecodeXtext(bad); ok {
			t.Errorf("DecodeXtext(%q) = %q, want a refusal", bad, got)
		}
	}
}

func TestUTF8Address(t *testing.T) {
	const addr, coded = "phòng+tổng=hợp@tỉnh.test", `ph\x{F2}ng\x{2B}t\x{1ED5}ng\x{3D}h\x{1EE3}p@t\x{1EC9}nh.test`
	if got := EncodeUTF8Address(addr); got != coded {
		t.Errorf("EncodeUTF8Address = %q, want %q", got, coded)
	}
	for _, s := range []string{coded, `phòng\x{2B}tổng\x{3D}hợp@tỉnh.test`} {
		if got, ok := DecodeUTF8Address(s); got != addr || !ok {
			t.Errorf("DecodeUTF8Address(%q) = %q, %v, want %q", s, got, ok, addr)
		}
	}
	for _, bad := range []string{`\x{}`, `\x{0A}`, `\x{D800}`, `\x{110000}`, `\x{41`, "a b", `a\b`, "a\xff", "a\u0085b"} {
		if got, ok := DecodeUTF8Address(bad); ok {
			t.Errorf("DecodeUTF8Address(%q) = %q, want a refusal", bad, got)
		}
	}
}

func FuzzXtext(f *testing.F) {
	f.Add("a+2Bb")
	f.Add(`ph\x{F2}ng@x`)
	f.Fuzz(func(t *testing.T, s string) {
		if text, ok := DecodeXtext(s); ok && EncodeXtext(text) != s {
			if again, ok := DecodeXtext(EncodeXtext(text)); !ok || again != text {
				t.Errorf("%q decodes to %q, which does not come back", s, text)
			}
		}
		if addr, ok := DecodeUTF8Address(s); ok {
			if again, ok := DecodeUTF8Address(EncodeUTF8Address(addr)); !ok || again != addr || !utf8.ValidString(addr) {
				t.Errorf("%q decodes to %q, which does not come back", s, addr)
			}
		}
	})
}
