package mailauth

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-msgauth/dkim"

	"vanthu/internal/sqldb/sqldbtest"
)

// crlf makes a message of lines that end in LF.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

const plain = "From: a@p.test\nTo: b@peer.test\nSubject: ngân sách\n 2026\nDate: Tue, 24 Nov 2026 10:00:00 +0700\n" +
	"Message-ID: <1@p.test>\nMIME-Version: 1.0\nContent-Type: text/plain\n\nhello  world \n\n x\n\n\n"

func sign(t testing.TB, k *Keys, msg string, algs Algorithms) string {
	t.Helper()
	header, body, _ := strings.Cut(msg, "\r\n\r\n")
	fields, err := k.Sign("p.test", []byte(header+"\r\n\r\n"), strings.NewReader(body), algs)
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + msg
}

// library verifies with go-msgauth, which shares no code with our signer.
func library(t testing.TB, k *Keys, msg string) []*dkim.Verification {
	t.Helper()
	v, err := dkim.VerifyWithOptions(strings.NewReader(msg), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		rec, _ := k.lookup(name)
		return []string{string(rec)}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newKeys(t testing.TB) *Keys {
	t.Helper()
	k, err := Open(t.Context(), sqldbtest.Open(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Ensure(t.Context(), by, "p.test"); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignVerifies(t *testing.T) {
	k := newKeys(t)
	head := "From: a@p.test\nSubject: x\n\n"
	tests := []struct{ name, message string }{
		{"plain", plain},
		{"empty body", head},
		{"empty lines only", head + "\n\n\n"},
		{"no last line end", head + "abc"},
		{"blanks at line ends", head + "a  \t \n \n b\t\tc\n"},
		{"odd header", "from :  a@p.test\nSUBJECT:a\n\tb\n  c\nX-VB-So:\t12\nReply-To:\nTo: x,\n y\n\nbody\n"},
		{"two of a field", "From: a@p.test\nTo: b\nTo: c\nSubject: one\nSubject: two\n\nbody\n"},
		{"long", head + strings.Repeat("một dòng dài hơn  \n", 5000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := library(t, k, sign(t, k, crlf(tt.message), AllAlgorithms))
			if len(got) != 2 {
				t.Fatalf("%d signatures", len(got))
			}
			for i, v := range got {
				if v.Err != nil {
					t.Errorf("signature %d: %v", i, v.Err)
				}
			}
			if got := library(t, k, sign(t, k, crlf(tt.message), Ed25519Only)); len(got) != 1 || got[0].Err != nil {
				t.Errorf("Ed25519 alone: %+v", got)
			}
		})
	}
}

// TestSignProtects changes a signed message in every way that matters.
func TestSignProtects(t *testing.T) {
	k := newKeys(t)
	signed := sign(t, k, crlf(plain), AllAlgorithms)
	tests := []struct{ name, old, new string }{
		{"body", "hello", "Hello"},
		{"line added to the body", "hello", "x\r\nhello"},
		{"subject", "Subject: ng", "Subject: xng"},
		{"second From", "From: a@p.test", "From: a@p.test\r\nFrom: b@p.test"},
		{"Cc that was not there", "From: a@p.test", "From: a@p.test\r\nCc: evil@x.test"},
		{"another Content-Type", "MIME-Version: 1.0", "MIME-Version: 1.0\r\nContent-Type: text/html"},
		{"signer", "d=p.test", "d=q.test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range library(t, k, strings.ReplaceAll(signed, tt.old, tt.new)) {
				if v.Err == nil {
					t.Error("still verifies")
				}
			}
		})
	}
}

// TestSignForDomainsBelow: the keys of p.test are those of so.p.test too, and
// nothing from there passes without.
func TestSignForDomainsBelow(t *testing.T) {
	k := newKeys(t)
	if !k.Signs("so.p.test") || k.Own("so.p.test") || k.Signs("xp.test") || k.Signs("test") {
		t.Error("keys count for the wrong domains")
	}
	msg := strings.ReplaceAll(crlf(plain), "a@p.test", "a@so.p.test")
	header, body, _ := strings.Cut(msg, "\r\n\r\n")
	fields, err := k.Sign("so.p.test", []byte(header+"\r\n\r\n"), strings.NewReader(body), Ed25519Only)
	if err != nil {
		t.Fatal(err)
	}
	for m, want := range map[string]Result{string(fields) + msg: ResultPass, msg: ResultFail} {
		v, err := NewVerifier(k, nil).Check(t.Context(), session(t, ""), scan(t, m), strings.NewReader(m))
		if err != nil || v.DMARC != want {
			t.Errorf("got %s (%+v), %v, want %s", v.DMARC, v.DKIM, err, want)
		}
	}
	if err := k.Make(t.Context(), by, "so.p.test"); err != nil || !k.Own("so.p.test") {
		t.Errorf("keys of its own: %v", err)
	}
}

func TestSignWithoutKeyOrFrom(t *testing.T) {
	k := newKeys(t)
	if f, err := k.Sign("other.test", []byte("From: a@other.test\r\n\r\n"), strings.NewReader(""), AllAlgorithms); f != nil || err != nil {
		t.Errorf("a domain without keys: %q, %v", f, err)
	}
	if _, err := k.Sign("p.test", []byte("Subject: x\r\n\r\n"), strings.NewReader(""), AllAlgorithms); err == nil {
		t.Error("a message without From was signed")
	}
	if _, err := k.Sign("p.test", []byte("From: a@p.test\r\n\r\n"), iotest.ErrReader(errUnknownKey), AllAlgorithms); err == nil {
		t.Error("a body that cannot be read was signed")
	}
}

// FuzzRelaxedBody compares with a plain reading of RFC 6376, section 3.4.4,
// whatever the pieces the body comes in.
func FuzzRelaxedBody(f *testing.F) {
	for _, s := range []string{"", "\r\n", "a", "a \r\n\r\n", " \t\r\n\r\nb\t\tc\r", "\r\r\n \r\n", "a\nb \r\n"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		got := sha256.New()
		r := relaxedBody{w: got}
		cut = min(max(cut, 0), len(body))
		_, _ = r.Write(body[:cut])
		_, _ = r.Write(body[cut:])
		r.finish()
		want := sha256.Sum256(slowRelaxed(body))
		if !bytes.Equal(got.Sum(nil), want[:]) {
			t.Errorf("body %q cut at %d", body, cut)
		}
	})
}

func slowRelaxed(body []byte) []byte {
	lines := strings.Split(string(body), "\r\n")
	var out []string
	for _, l := range lines {
		var b strings.Builder
		blank := false
		for i := range len(l) {
			if l[i] == ' ' || l[i] == '\t' {
				blank = true
				continue
			}
			if blank {
				b.WriteByte(' ')
			}
			blank = false
			b.WriteByte(l[i])
		}
		out = append(out, b.String())
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	if len(out) == 0 {
		return nil
	}
	return []byte(strings.Join(out, "\r\n") + "\r\n")
}

// FuzzSignedHeader: whatever the header, what we sign the library verifies.
func FuzzSignedHeader(f *testing.F) {
	k := newKeys(f)
	f.Add("a@p.test", "x\r\nTo: b\r\n c")
	f.Add("", "\tx\r\nfrom : y\r\nDKIM-Signature: b=x")
	f.Fuzz(func(t *testing.T, from, rest string) {
		header := "From: " + from + "\r\nX: " + rest + "\r\n"
		for i := range len(header) {
			c := header[i]
			lf := c == '\n' && (i == 0 || header[i-1] != '\r')
			cr := c == '\r' && (i+1 == len(header) || header[i+1] != '\n')
			if lf || cr || c == 0 || c == '\v' || c == '\f' || c >= 0x80 {
				t.Skip("such octets are refused, or other blanks to the library")
			}
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(header, "\r\n"), "\r\n") {
			if line == "" || !strings.Contains(line, ":") && line[0] != ' ' && line[0] != '\t' || line[0] == ':' ||
				strings.TrimSpace(line) == "" || strings.Contains(strings.ToLower(line), "dkim-signature") {
				t.Skip("no header")
			}
		}
		got := library(t, k, sign(t, k, header+"\r\nbody\r\n", Ed25519Only))
		if len(got) != 1 || got[0].Err != nil {
			t.Errorf("%q: %v", header, got[0].Err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	k := newKeys(b)
	header := []byte(crlf("From: a@p.test\nTo: b@p.test\nSubject: x\nDate: Tue, 24 Nov 2026 10:00:00 +0700\nMessage-ID: <a@b>\n\n"))
	body := bytes.Repeat([]byte("hello world this is a line of text that goes on and on\r\n"), 75)
	for name, algs := range map[string]Algorithms{"ed25519": Ed25519Only, "both": AllAlgorithms} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign("p.test", header, bytes.NewReader(body), algs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
