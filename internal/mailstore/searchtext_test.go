package mailstore

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHTMLText(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "a  b\r\n c", "a b c"},
		{"inline and block", "gi<b>ả</b>i<br>ngân<td>x</td>", "giải\nngân\nx\n"},
		{"attributes with >", `<a title="x > y" href='>'>z</a>`, "z"},
		{"quote that never ends", `<a title="x>y</a>`, "y"},
		{"entities", "&lt;b&gt; &amp;amp; &#272;i&#x1EC7;n", "<b> &amp; Điện"},
		{"no tag", "1 < 2 <3 a<", "1 < 2 <3 a<"},
		{"comment", "a<!-- <b> > -->b<!-- never closed", "ab"},
		{"script", "a<SCRIPT>if (a<b) x('</p>')</Script >b<style>c", "a\nb\n"},
		{"tag that never ends", "a<b c d", "a"},
		{"doctype", "<!DOCTYPE html><?xml x?>a", "a"},
		{"invalid UTF-8", "a\xffb", "a\xffb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := htmlText(tt.in); got != tt.want {
				t.Errorf("htmlText(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// Time grows with the length, whatever the HTML is made of.
func TestHTMLTextIsLinear(t *testing.T) {
	for _, unit := range []string{"<", "<a", "<a b=\"", "<a b='", "</", "<!--", "<script>", "<title></", "&", "&#", "<a b=\">'", " ", "<head>", "<style></styl"} {
		begin := time.Now()
		htmlText(strings.Repeat(unit, (4<<20)/len(unit)))
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("4 MiB of %q take %v", unit, d)
		}
	}
}

func FuzzHTMLText(f *testing.F) {
	f.Add("<p>a<b>c</p>&amp;<script>x</script>")
	f.Add("<a b=\"c>\"><!-- x")
	f.Fuzz(func(t *testing.T, s string) {
		if got := htmlText(s); len(got) > 2*len(s)+8 {
			t.Errorf("%d octets became %d", len(s), len(got))
		}
	})
}

// Each needle's grams are grams of every text that holds it.
func TestNeedleGrams(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", " ", "ng", "\u1ecd", "1", "/", "\xff", "\xfe"}
	for range 2000 {
		var b strings.Builder
		for range 5 + r.IntN(60) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		t1 := b.String()
		whole := appendJoints(appendGrams(nil, []byte(t1), anyField), []byte(t1), anyField)
		at := r.IntN(len(t1))
		needle := t1[at:min(len(t1), at+r.IntN(20))]
		if strings.ContainsAny(needle, "\xff\xfe") || strings.IndexByte(needle, 0xff) >= 0 || strings.IndexByte(needle, 0xfe) >= 0 {
			continue
		}
		for _, g := range needleGrams([]byte(needle), FieldText) {
			if !slices.Contains(whole, g) {
				t.Fatalf("gram %x of needle %q is not in text %q", g, needle, t1)
			}
		}
	}
}

func TestPostings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for n := range 300 {
		var block []byte
		var scratch []byte
		lists := map[gram]postings{}
		last := gram(1000)
		first := last
		for i := range 1 + r.IntN(20) {
			var p postings
			for at := uint32(r.IntN(50)); len(p) < 1+n; at += 1 + uint32(r.IntN(1+n)) {
				p = append(p, at)
			}
			g := last
			if i > 0 {
				g += 1 + gram(r.IntN(1<<20))
			}
			block, scratch = appendPostings(block, uint64(g-last), p, scratch)
			lists[g], last = p, g
		}
		for g, want := range lists {
			got, err := findPostings(block, first, g, nil)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("postings of %d = %v, %v; want %v", g, got, err, want)
			}
			if got, err := findPostings(block, first, g+1, nil); lists[g+1] == nil && (err != nil || len(got) != 0) {
				t.Fatalf("postings of a gram that is not there = %v, %v", got, err)
			}
		}
	}
}

func FuzzBlock(f *testing.F) {
	block, _ := appendPostings(nil, 0, postings{1, 5, 900}, nil)
	f.Add(block, uint32(0))
	f.Fuzz(func(_ *testing.T, block []byte, g uint32) {
		_, _ = findPostings(block, 0, gram(g), nil) // must not panic
	})
}

func TestToMerge(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []int64
		want int
	}{
		{"none", nil, 0},
		{"three", []int64{1, 1, 1}, 0},
		{"four", []int64{1, 1, 1, 1}, 4},
		{"four after a large one", []int64{500, 2, 3, 1, 1}, 4},
		{"small ones between", []int64{70, 2, 70, 2, 70}, 5},
		{"never again", []int64{20_000, 20_000, 20_000, 20_000}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var list []segment
			at := MessageID(1)
			for _, n := range tt.in {
				list = append(list, segment{first: at, last: at + MessageID(n) - 1, messages: n})
				at += MessageID(n)
			}
			if got := len(toMerge(list)); got != tt.want {
				t.Errorf("toMerge(%v) merges %d, want %d", tt.in, got, tt.want)
			}
		})
	}
}
