package mail

import (
	"reflect"
	"testing"
)

func TestHeader(t *testing.T) {
	m := scanString("To: a@b\nX-VB-Trich-Yeu: =?utf-8?q?V=C4=83n?=\n b\nto: c@d\n\nx\n")
	h := m.Header
	if got := h.Get("TO"); got != "a@b" {
		t.Errorf("Get = %q", got)
	}
	if got, want := h.Values("to"), []string{"a@b", "c@d"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Values = %q, want %q", got, want)
	}
	if got := h.Text("x-vb-trich-yeu"); got != "Văn b" {
		t.Errorf("Text = %q", got)
	}
	if !h.Has("To") || h.Has("Cc") || h.Count("to") != 2 || h.Get("Cc") != "" {
		t.Errorf("Has, Count = %v, %v, %d", h.Has("To"), h.Has("Cc"), h.Count("to"))
	}
	if got, want := h[1], (Field{Name: "X-VB-Trich-Yeu", Value: "=?utf-8?q?V=C4=83n?= b", Offset: 9, Len: 42}); got != want {
		t.Errorf("field = %+v, want %+v", got, want)
	}
	if m.Defects&DefectDuplicateField == 0 {
		t.Error("two To fields are not noted")
	}
}

func TestDecodeText(t *testing.T) {
	tests := []struct{ name, charset, in, want string }{
		{"utf-8", "UTF-8", "Văn", "Văn"},
		{"utf-8, one broken letter", "utf-8", "Văn thư \xc4 số", "Văn thư \uFFFD số"},
		{"utf-8 that is windows-1258", "utf-8", "C\xf4ng v\xe3n", "Công văn"},
		{"none", "", "C\xf4ng v\xe3n", "Công văn"},
		{"unknown", "x-tcvn", "C\xf4ng", "Công"},
		{"windows-1258", "Windows-1258", "s\xf4\xec", "số"},
		{"windows-1252 that is UTF-8", "windows-1252", "Văn", "Văn"},
		{"utf-16", "utf-16le", "V\x00\x03\x01n\x00", "Văn"},
		{"iso-8859-1", "iso-8859-1", "\xe9", "é"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := DecodeText([]byte(tt.in), tt.charset); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHeaderAddress(t *testing.T) {
	for in, want := range map[string]string{
		`Văn thư <Van.Thu@Xa-A.example>`: "Van.Thu@xa-a.example",
		`"a b"@c (x)`:                    `"a b"@c`,
		`bob`:                            "",
	} {
		a, err := ParseAddressList(in)[0].Address()
		if a.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", in, a, err, want)
		}
	}
}

func TestBodyTypeString(t *testing.T) {
	for b, want := range map[BodyType]string{Body7Bit: "7BIT", Body8BitMIME: "8BITMIME", BodyBinaryMIME: "BINARYMIME"} {
		if got := b.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
