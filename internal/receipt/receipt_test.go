package receipt_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/receipt"
)

func newKey(t testing.TB) (*journal.Signer, []string) {
	t.Helper()
	dir := t.TempDir()
	key := journal.KeyIn(dir)
	if err := journal.Init(dir, key, "mail.tinh.example", time.Now()); err != nil {
		t.Fatal(err)
	}
	s, err := key.Signer()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	return s, pub
}

func sample() receipt.Receipt {
	return receipt.Receipt{
		At: time.Date(2026, 11, 23, 2, 14, 5, 123456789, time.UTC), Kind: receipt.Registered, Server: "mail.tinh.example", Status: "03",
		Dispatch: "01D", Document: receipt.Document{ID: "01A", Code: "123/QĐ-UBND", Abstract: "V/v \"kế hoạch\" <2026> & \u2028dòng\nhai", Files: []receipt.Digest{{Name: "a.pdf", SHA256: "3f"}}},
		From: receipt.Party{Name: "Sở Nội vụ"}, To: []receipt.Party{{Name: "UBND xã Thanh Nưa", Code: "H18.101"}}, Number: 1287, Year: 2026, Journal: 7,
		Chain: receipt.Chain{Seq: 9, Head: "ab"},
	}
}

func TestReceipt(t *testing.T) {
	key, pub := newKey(t)
	s, err := receipt.Sign(sample(), key)
	if err != nil {
		t.Fatal(err)
	}
	got, code, err := receipt.Open(s.Content, pub)
	if err != nil {
		t.Fatal(err)
	}
	if code != s.Code || len(code.String()) != 14 || got.Number != 1287 || got.Document.Abstract != `V/v "kế hoạch" <2026> &  dòng hai` {
		t.Errorf("code %s (%s), %+v", code, s.Code, got)
	}
	if !bytes.HasPrefix(s.Content, []byte(`{"receipt":{"at":"2026-11-23T02:14:05.123456Z","chain":{"head":"ab","seq":9},"dispatch":"01D","document":{"abstract":"V/v \"kế hoạch\" <2026>`)) {
		t.Errorf("not canonical: %s", s.Content)
	}
	again, err := receipt.Sign(sample(), key)
	if err != nil || !bytes.Equal(again.Content, s.Content) {
		t.Errorf("the same receipt has other octets, %v", err)
	}

	for name, change := range map[string]func([]byte) []byte{
		"number":       func(b []byte) []byte { return bytes.Replace(b, []byte("1287"), []byte("1288"), 1) },
		"letter":       func(b []byte) []byte { return bytes.Replace(b, []byte("Thanh"), []byte("thanh"), 1) },
		"field added":  func(b []byte) []byte { return bytes.Replace(b, []byte(`"kind"`), []byte(`"a":1,"kind"`), 1) },
		"algorithm":    func(b []byte) []byte { return bytes.Replace(b, []byte("Ed25519"), []byte("none"), 1) },
		"no signature": func(b []byte) []byte { return b[:bytes.Index(b, []byte(`,"signature"`))] },
		"half":         func(b []byte) []byte { return b[:len(b)/2] },
	} {
		if _, _, err := receipt.Open(change(bytes.Clone(s.Content)), pub); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s changed: %v, want a refusal", name, err)
		}
	}
	_, others := newKey(t)
	if _, _, err := receipt.Open(s.Content, others); fault.KindOf(err) != fault.NotFound {
		t.Errorf("by another key: %v", err)
	}
}

func TestParseCode(t *testing.T) {
	for in, want := range map[string]receipt.Code{
		"K7M2-9QXP-4TAB": "K7M29QXP4TAB", "k7m2 9qxp 4tab": "K7M29QXP4TAB", "OIL0-0000-0000": "011000000000", "K7M2": "", "K7M2-9QXP-4TAU": "", "": "",
	} {
		got, err := receipt.ParseCode(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, k := range receipt.Kinds() {
		if !k.Valid() || k.Name() == string(k) || strings.ToUpper(k.Name()) != k.Name() {
			t.Errorf("kind %s is called %q", k, k.Name())
		}
	}
}

func FuzzOpen(f *testing.F) {
	key, pub := newKey(f)
	s, err := receipt.Sign(sample(), key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Content)
	f.Add([]byte(`{"receipt":{},"signature":{"alg":"Ed25519"}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, code, err := receipt.Open(content, pub)
		if err == nil && (code != s.Code || r.Number != 1287) {
			t.Errorf("genuine: %+v", r)
		}
	})
}
