package mail

import (
	"strings"
	"testing"

	"vanthu/internal/fault"
)

func TestParseAddress(t *testing.T) {
	l63, l64 := strings.Repeat("a", 63), strings.Repeat("a", 64)
	tests := []struct {
		in   string
		utf8 bool
		want string // String of the result; "" is refused
	}{
		{"a@b", false, "a@b"},
		{"A.B@Example.COM", false, "A.B@example.com"},
		{"a+vb@b.c", false, "a+vb@b.c"},
		{"!#$%&'*+-/=?^_`{|}~@b", false, "!#$%&'*+-/=?^_`{|}~@b"},
		{`"a b"@c`, false, `"a b"@c`},
		{`"ab"@c`, false, `ab@c`},
		{`"a\b"@c`, false, `ab@c`},
		{`"a@b"@c`, false, `"a@b"@c`},
		{`"a>b"@c`, false, `"a>b"@c`},
		{`"a\"\\b"@c`, false, `"a\"\\b"@c`},
		{l64 + "@b", false, l64 + "@b"},
		{"a@" + l63 + "." + l63 + ".vn", false, "a@" + l63 + "." + l63 + ".vn"},
		{"văn.thư@xã-a.vn", true, "văn.thư@xã-a.vn"},
		{"a@XÃ.vn", true, "a@xã.vn"},
		{"va\u0306n@b", true, "văn@b"},

		{"", false, ""},
		{"a", false, ""},
		{"@b", false, ""},
		{"a@", false, ""},
		{"a@b@c", false, ""},
		{"a@b,c@d", false, ""},
		{"a@b c@d", false, ""},
		{" a@b", false, ""},
		{"a@b ", false, ""},
		{"<a@b>", false, ""},
		{"a @b", false, ""},
		{".a@b", false, ""},
		{"a.@b", false, ""},
		{"a..b@c", false, ""},
		{"a@b.", false, ""},
		{"a@.b", false, ""},
		{"a@b..c", false, ""},
		{"a@-b", false, ""},
		{"a@b-", false, ""},
		{"a@b_c", false, ""},
		{"a@[127.0.0.1]", false, ""},
		{"a@[IPv6:::1]", false, ""},
		{"a(x)@b", false, ""},
		{`""@b`, false, ""},
		{`"a@b`, false, ""},
		{`"a"b@c`, false, ""},
		{`"a"@`, false, ""},
		{"a\x00@b", false, ""},
		{"a\r\n@b", false, ""},
		{"\"a\r\n\"@b", false, ""},
		{"\"a\tb\"@b", false, ""},
		{"a\x7f@b", false, ""},
		{l64 + "a@b", false, ""},
		{"a@" + l64 + ".vn", false, ""},
		{"a@" + strings.Repeat(l63+".", 4) + "vn", false, ""},
		{"văn@b", false, ""},
		{"v\xff@b", true, ""},
		{"a\u202eb@c", true, ""},
		{"a\u00a0b@c", true, ""},
		{"a\u0085b@c", true, ""},
		{"a@b\u3002c", true, ""},
		{"a\u037eb@c", true, ""}, // NFC makes a semicolon of it
	}
	for _, tt := range tests {
		a, err := ParseAddress(tt.in, tt.utf8)
		if tt.want == "" {
			if err == nil {
				t.Errorf("ParseAddress(%q) = %q, want an error", tt.in, a)
			} else if got := fault.KindOf(err); got != fault.Invalid {
				t.Errorf("ParseAddress(%q): kind %v, want invalid", tt.in, got)
			}
			continue
		}
		if err != nil || a.String() != tt.want {
			t.Errorf("ParseAddress(%q) = %q, %v, want %q", tt.in, a, err, tt.want)
		}
	}
}

func TestAddressSplit(t *testing.T) {
	tests := []struct{ in, base, detail string }{
		{"so@x", "so@x", ""},
		{"so+vb@x", "so@x", "vb"},
		{"so+vb+khan@x", "so@x", "vb+khan"},
		{"+vb@x", "+vb@x", ""},
		{"so+@x", "so@x", ""},
	}
	for _, tt := range tests {
		a, err := ParseAddress(tt.in, false)
		if err != nil {
			t.Fatal(err)
		}
		base, detail := a.Split()
		if base.String() != tt.base || detail != tt.detail {
			t.Errorf("%s: Split = %q, %q, want %q, %q", tt.in, base, detail, tt.base, tt.detail)
		}
	}
}

func TestAddressKey(t *testing.T) {
	a, _ := ParseAddress("Văn.Thư@X.vn", true)
	b, _ := ParseAddress("văn.thư@x.VN", true)
	if a.Key() != b.Key() || a == b {
		t.Errorf("keys %q, %q", a.Key(), b.Key())
	}
}

func TestParsePath(t *testing.T) {
	tests := []struct {
		in, want string // "" is refused
	}{
		{"<>", "<>"},
		{"<a@b>", "<a@b>"},
		{"<@x.y,@z:a@b>", "<a@b>"},
		{"", ""},
		{"<", ""},
		{"a@b", ""},
		{"<a@b", ""},
		{"<a@b>>", ""},
		{"<@:a@b>", ""},
		{"<x:a@b>", ""},
		{"< >", ""},
	}
	for _, tt := range tests {
		p, err := ParsePath(tt.in, false)
		if tt.want == "" {
			if err == nil {
				t.Errorf("ParsePath(%q) = %v, want an error", tt.in, p)
			}
			continue
		}
		if err != nil || p.String() != tt.want || p.Null != (tt.in == "<>") {
			t.Errorf("ParsePath(%q) = %v, %v, want %s", tt.in, p, err, tt.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b", `"a b"@c.d`, `"a\"@>"@c`, "văn@xã.vn", "a\u0130@\u0130.x", "\u212a@\u212a", `"\\"@x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s, true)
		if err != nil {
			if ascii, err := ParseAddress(s, false); err == nil {
				t.Fatalf("%q is %q only without UTF-8", s, ascii)
			}
			return
		}
		out := a.String()
		b, err := ParseAddress(out, true)
		if err != nil || a != b || b.String() != out {
			t.Fatalf("%q -> %q -> %q, %v", s, out, b, err)
		}
		if k, err := ParseAddress(a.String(), true); err != nil || k.Key() != a.Key() {
			t.Fatalf("key of %q changes", out)
		}
		quoted := false
		for i := 0; i < len(out); i++ {
			switch c := out[i]; {
			case c == '\r' || c == '\n' || c == 0:
				t.Fatalf("%q holds %#x", out, c)
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			case (c == '>' || c == ' ') && !quoted:
				t.Fatalf("%q holds %q outside of quotes", out, c)
			}
		}
		if len(out) > maxAddress {
			t.Fatalf("%q is too long", out)
		}
	})
}
