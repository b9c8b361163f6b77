package mail

import (
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// The table says what the normalization says, for each rune and for runes that
// meet each other.
func TestFoldTable(t *testing.T) {
	for r := range rune(0x2100) {
		if s := "a" + string(r) + "\u0301"; Fold(s) != foldSlowly(s) {
			t.Errorf("Fold(%q) = %q, want %q", s, Fold(s), foldSlowly(s))
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	runes := []rune("aĐđệỆơƠ\u0323\u0302\u0301\u0340\u0345\u0f71\u1b44\u030aåÅẛßıİſ한글\u302e–…\u200d\ufffd\x00ǅΣς\U0001d165")
	for range 20_000 {
		var b strings.Builder
		for range 1 + r.IntN(40) {
			b.WriteRune(runes[r.IntN(len(runes))])
			if r.IntN(100) == 0 {
				b.WriteByte(0xff)
			}
		}
		if got, want := Fold(b.String()), foldSlowly(b.String()); got != want {
			t.Fatalf("Fold(%q) = %q, want %q", b.String(), got, want)
		}
	}
}

// Folding what is folded changes nothing.
func TestFoldTwice(t *testing.T) {
	for r := range rune(0x30000) {
		if s := Fold(string(r)); Fold(s) != s {
			t.Errorf("Fold(%q) = %q, again %q", string(r), s, Fold(s))
		}
	}
}

func BenchmarkFold(b *testing.B) {
	text := strings.Repeat("Ủy ban nhân dân tỉnh Điện Biên về việc giải ngân vốn đầu tư công. ", 60)
	for _, bm := range []struct{ name, s string }{{"NFC", text}, {"NFD", norm.NFD.String(text)}} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.s)))
			for b.Loop() {
				Fold(bm.s)
			}
		})
	}
}
