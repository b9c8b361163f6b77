package mailauth

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"

	"vanthu/internal/mail"
)

func scan(t testing.TB, msg string) *mail.Message {
	t.Helper()
	s := mail.NewScanner(mail.Limits{})
	if _, err := s.Write([]byte(msg)); err != nil {
		t.Fatal(err)
	}
	return s.Finish()
}

func session(t testing.TB, from string) Session {
	t.Helper()
	s := Session{Client: netip.MustParseAddr("192.0.2.1"), Helo: "mx.peer.test", From: mail.Path{Null: from == ""}}
	if from != "" {
		a, err := mail.ParseAddress(from, true)
		if err != nil {
			t.Fatal(err)
		}
		s.From.Address = a
	}
	return s
}

// results gives the field without its name and folds.
func results(v *Verdict) string {
	s := strings.TrimPrefix(string(v.AppendResults(nil, "mail.p.test")), "Authentication-Results: mail.p.test; ")
	return strings.Join(strings.Fields(strings.TrimPrefix(s, "Authentication-Results: mail.p.test;")), " ")
}

func TestVerifyByTable(t *testing.T) {
	k := newKeys(t)
	signed := sign(t, k, crlf(plain), Ed25519Only)
	tag, _, _ := strings.Cut(strings.SplitAfter(signed, "\tb=")[1], "\r\n")
	good := `header.d=p.test header.s=` + string(k.List()[0].Selector) + ` header.a=ed25519-sha256 header.b=`
	quote := func(s string) string { return value(s[:8]) }
	tests := []struct {
		name, message string
		dkim          Result
		dmarc         Result
		policy        Policy
		want          string // end of the field
	}{
		{
			name: "signed by us", message: signed, dkim: ResultPass, dmarc: ResultPass, policy: PolicyReject,
			want: `dkim=pass ` + good + quote(tag) + `; dmarc=pass reason="policy reject" header.from=p.test`,
		},
		{
			name: "changed", message: strings.Replace(signed, "hello", "hullo", 1), dkim: ResultFail, dmarc: ResultFail, policy: PolicyReject,
			want: `dkim=fail reason="signature does not fit" ` + good + quote(tag) + `; dmarc=fail reason="policy reject" header.from=p.test`,
		},
		{
			name: "our domain, not signed", message: crlf(plain), dmarc: ResultFail, policy: PolicyReject,
			want: `dmarc=fail reason="policy reject" header.from=p.test`,
		},
		{name: "nobody we know", message: crlf(strings.Replace(plain, "a@p.test", "a@x.test", 1)), want: "none"},
		{
			name: "ours in the signature only", message: strings.Replace(signed, "From: a@p.test", "From: a@x.test", 1),
			dkim: ResultFail, want: `dkim=fail reason="signature does not fit" ` + good + quote(tag),
		},
		{
			name: "two From fields", message: strings.Replace(signed, "From: ", "From: b@p.test\r\nFrom: ", 1), dkim: ResultPolicy,
			want: `dkim=policy reason="not exactly one From field" ` + good + quote(tag),
		},
		{
			name: "two authors", message: crlf("From: a@p.test, b@x.test\n\nx\n"), want: "none",
		},
		{
			name: "unknown key", message: "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=k; h=from; bh=AA==; b=AA==\r\nFrom: a@x.test\r\n\r\nx\r\n",
			dkim: ResultNeutral, want: `dkim=neutral reason="key not known here" header.d=x.test header.s=k header.a=rsa-sha256 header.b="AA=="`,
		},
		{
			name: "body length", message: "DKIM-Signature: v=1; a=ed25519-sha256; d=p.test; l=1; s=" + string(k.List()[0].Selector) +
				"; h=from; bh=AA==; b=AA==\r\nFrom: a@p.test\r\n\r\nx\r\n", dkim: ResultPolicy, dmarc: ResultFail, policy: PolicyReject,
			want: `dkim=policy reason="signs a part of the body only" ` + good + `"AA=="; dmarc=fail reason="policy reject" header.from=p.test`,
		},
		{
			name: "no tags", message: "DKIM-Signature: hello\r\nFrom: a@x.test\r\n\r\nx\r\n", dkim: ResultPermError,
			want: `dkim=permerror reason="malformed signature tags: dkim: malformed header params"`,
		},
		{
			name: "no empty line", message: "DKIM-Signature: v=1; d=x.test\r\nFrom: a@x.test\r\n", dkim: ResultPermError,
			want: `dkim=permerror reason="header cannot be read" header.d=x.test`,
		},
		{
			name: "too many names", message: "DKIM-Signature: v=1; d=x.test; h=" + strings.Repeat("from:", 300) + "from\r\nFrom: a@x.test\r\n\r\n",
			dkim: ResultPolicy, want: `dkim=policy reason="too many signed fields" header.d=x.test`,
		},
		{
			name: "header too large", message: "DKIM-Signature: v=1; d=x.test\r\nFrom: a@x.test\r\nX: " + strings.Repeat("y\r\n ", 40_000) + "\r\n\r\n",
			dkim: ResultPolicy, want: `dkim=policy reason="header too large" header.d=x.test`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewVerifier(k, nil).Check(t.Context(), session(t, "a@p.test"), scan(t, tt.message), strings.NewReader(tt.message))
			if err != nil {
				t.Fatal(err)
			}
			if tt.dkim != "" && (len(v.DKIM) != 1 || v.DKIM[0].Result != tt.dkim) || tt.dkim == "" && len(v.DKIM) > 0 {
				t.Errorf("DKIM %+v, want %s", v.DKIM, tt.dkim)
			}
			if v.DMARC != tt.dmarc || v.Policy != tt.policy || v.SPF != "" {
				t.Errorf("dmarc %q policy %q spf %q, want %q %q", v.DMARC, v.Policy, v.SPF, tt.dmarc, tt.policy)
			}
			if got := results(&v); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestManySignatures(t *testing.T) {
	k := newKeys(t)
	msg := crlf(plain)
	for range 7 {
		msg = sign(t, k, msg, Ed25519Only)
	}
	v, err := NewVerifier(k, nil).Check(t.Context(), session(t, ""), scan(t, msg), strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.DKIM) != maxSignatures {
		t.Errorf("%d signatures verified, want %d", len(v.DKIM), maxSignatures)
	}
	for _, s := range v.DKIM {
		if s.Result != ResultPass {
			t.Errorf("%+v", s)
		}
	}
}

func TestVerifyByDNS(t *testing.T) {
	theirs := newKeys(t) // of p.test; for us they are outside
	ours, err := Open(t.Context(), theirs.db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ours.now.Store(newKeySet(nil))
	signed := sign(t, theirs, crlf(plain), AllAlgorithms)
	zones := func(extra map[string]mockdns.Zone) Resolver {
		z := map[string]mockdns.Zone{
			"p.test.":        {TXT: []string{"v=spf1 ip4:192.0.2.0/24 -all"}},
			"_dmarc.p.test.": {TXT: []string{"v=DMARC1; p=reject; sp=quarantine"}},
		}
		for _, key := range theirs.List() {
			z[key.Name()+"."] = mockdns.Zone{TXT: []string{string(key.Record)}}
		}
		for name, zone := range extra {
			z[name] = zone
		}
		return &mockdns.Resolver{Zones: z}
	}
	unsigned := crlf(plain)
	tests := []struct {
		name, message, from string
		client              string
		zones               map[string]mockdns.Zone
		spf, dkim, dmarc    Result
		policy              Policy
	}{
		{name: "all good", message: signed, from: "a@p.test", spf: "pass", dkim: "pass", dmarc: "pass", policy: "reject"},
		{name: "SPF alone", message: unsigned, from: "a@p.test", spf: "pass", dmarc: "pass", policy: "reject"},
		{name: "other host, signed", message: signed, from: "a@p.test", client: "198.51.100.1", spf: "fail", dkim: "pass", dmarc: "pass", policy: "reject"},
		{name: "forged", message: unsigned, from: "a@p.test", client: "198.51.100.1", spf: "fail", dmarc: "fail", policy: "reject"},
		{name: "SPF for another domain", message: unsigned, from: "a@evil.test", spf: "pass", dmarc: "fail", policy: "reject", zones: map[string]mockdns.Zone{
			"evil.test.": {TXT: []string{"v=spf1 +all"}},
		}},
		{name: "subdomain", message: strings.Replace(unsigned, "a@p.test", "a@so.p.test", 1), from: "a@x.test", spf: "none", dmarc: "fail", policy: "quarantine"},
		{name: "strict", message: strings.Replace(unsigned, "a@p.test", "a@so.p.test", 1), from: "a@p.test", spf: "pass", dmarc: "fail", policy: "none", zones: map[string]mockdns.Zone{
			"_dmarc.so.p.test.": {TXT: []string{"v=DMARC1; p=none; aspf=s"}},
		}},
		{name: "no policy", message: strings.Replace(unsigned, "a@p.test", "a@x.test", 1), from: "a@x.test", spf: "none", dmarc: "none"},
		{name: "tried out", message: unsigned, from: "a@x.test", spf: "none", dmarc: "fail", policy: "none", zones: map[string]mockdns.Zone{
			"_dmarc.p.test.": {TXT: []string{"v=DMARC1; p=reject; pct=0"}},
		}},
		{name: "policy unreadable", message: unsigned, from: "a@x.test", spf: "none", dmarc: "permerror", zones: map[string]mockdns.Zone{
			"_dmarc.p.test.": {TXT: []string{"v=DMARC1; p=maybe"}},
		}},
		{name: "null sender", message: unsigned, from: "", spf: "pass", dmarc: "fail", policy: "reject", zones: map[string]mockdns.Zone{
			"mx.peer.test.": {TXT: []string{"v=spf1 +all"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := session(t, tt.from)
			if tt.client != "" {
				s.Client = netip.MustParseAddr(tt.client)
			}
			v, err := NewVerifier(ours, zones(tt.zones)).Check(t.Context(), s, scan(t, tt.message), strings.NewReader(tt.message))
			if err != nil {
				t.Fatal(err)
			}
			if v.SPF != tt.spf || v.DMARC != tt.dmarc || v.Policy != tt.policy {
				t.Errorf("spf %q dmarc %q policy %q, want %q %q %q", v.SPF, v.DMARC, v.Policy, tt.spf, tt.dmarc, tt.policy)
			}
			for _, d := range v.DKIM {
				if d.Result != tt.dkim {
					t.Errorf("DKIM %+v, want %s", d, tt.dkim)
				}
			}
		})
	}
}
