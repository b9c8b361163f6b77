package peer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/peer"
	"vanthu/internal/sqldb"
	"vanthu/internal/sqldb/sqldbtest"
)

func signer(t testing.TB) peer.Signer {
	t.Helper()
	text, err := peer.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	key, err := peer.ParseSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func card(t testing.TB, name string, key peer.Signer, domains ...string) peer.Card {
	t.Helper()
	return peer.Card{
		Format: peer.CardFormat, Name: peer.Name(name), Domains: domains, Hosts: []string{"127.0.0.1:2025"},
		Pin: strings.Repeat("ab", 32), Key: peer.PublicText(key),
	}
}

func open(t testing.TB, db *sqldb.DB, self peer.Card, key peer.Signer) *peer.Registry {
	t.Helper()
	r, err := peer.Open(t.Context(), db, peer.Options{Self: self, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func local(domain string) bool { return domain == "a.test" }

func TestAddListRemove(t *testing.T) {
	db := sqldbtest.Open(t)
	key := signer(t)
	self := card(t, "mail.a.test", key, "a.test")
	r := open(t, db, self, key)
	actor := journal.System("test")
	b := card(t, "MAIL.b.test", signer(t), "B.test", "xa.b.test", "b.test")
	p, err := r.Add(t.Context(), actor, b, local)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "mail.b.test" || strings.Join(p.Domains, " ") != "b.test xa.b.test" {
		t.Errorf("added %+v", p)
	}
	again := open(t, db, self, key) // as after a restart
	for _, reg := range []*peer.Registry{r, again} {
		if got, ok := reg.ByDomain("XA.b.test"); !ok || got.Name != "mail.b.test" || got.Pin != p.Pin || !bytes.Equal(got.Key, p.Key) {
			t.Errorf("ByDomain = %+v, %v", got, ok)
		}
	}
	for name, bad := range map[string]peer.Card{
		"twice":            b,
		"ourselves":        card(t, "mail.a.test", key, "x.test"),
		"our domain":       card(t, "mail.c.test", key, "a.test"),
		"another's domain": card(t, "mail.c.test", key, "b.test"),
	} {
		if _, err := r.Add(t.Context(), actor, bad, local); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
	}
	if err := r.Remove(t.Context(), actor, "mail.b.test"); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.ByDomain("b.test"); ok || len(r.List()) != 0 {
		t.Error("the peer is still there")
	}
	if err := r.Remove(t.Context(), actor, "mail.b.test"); !errors.Is(err, peer.ErrNoPeer) {
		t.Errorf("second Remove = %v", err)
	}
}

func TestCardsThatAreNotWhole(t *testing.T) {
	good := card(t, "mail.b.test", signer(t), "b.test")
	for name, change := range map[string]func(*peer.Card){
		"format":    func(c *peer.Card) { c.Format = "vanthu-peer-card/2" },
		"name":      func(c *peer.Card) { c.Name = "no name" },
		"no domain": func(c *peer.Card) { c.Domains = nil },
		"domain":    func(c *peer.Card) { c.Domains = []string{"b test"} },
		"no host":   func(c *peer.Card) { c.Hosts = nil },
		"host":      func(c *peer.Card) { c.Hosts = []string{"h:0"} },
		"pin":       func(c *peer.Card) { c.Pin = "abcd" },
		"key":       func(c *peer.Card) { c.Key = "AAAA" },
	} {
		c := good
		change(&c)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := peer.ParseCard(text); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
		if c.Fingerprint() == good.Fingerprint() {
			t.Errorf("%s: the fingerprint does not tell", name)
		}
	}
	if _, err := peer.ParseCard([]byte(`{"format":"vanthu-peer-card/1","more":1}`)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("unknown field: %v", err)
	}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := peer.ParseCard(text); err != nil || c.Fingerprint() != good.Fingerprint() {
		t.Errorf("ParseCard = %+v, %v", c, err)
	}
}

// authority signs certificates for the tests of pins.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func issue(t *testing.T, by *authority, from, to time.Time) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: to,
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	parent, sign := c, key
	if by != nil {
		parent, sign = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), sign)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func TestPin(t *testing.T) {
	now := time.Now()
	ca := issue(t, nil, now.Add(-time.Hour), now.Add(time.Hour))
	other := issue(t, nil, now.Add(-time.Hour), now.Add(time.Hour))
	leaf := issue(t, &ca, now.Add(-time.Hour), now.Add(time.Hour))
	stranger := issue(t, &other, now.Add(-time.Hour), now.Add(time.Hour))
	old := issue(t, &ca, now.Add(-2*time.Hour), now.Add(-time.Hour))
	early := issue(t, &ca, now.Add(time.Hour), now.Add(2*time.Hour))
	chain := func(list ...authority) (out []*x509.Certificate) {
		for _, a := range list {
			out = append(out, a.cert)
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		pin   peer.Pin
		chain []*x509.Certificate
		ok    bool
	}{
		{"the certificate", peer.PinOf(leaf.cert), chain(leaf), true},
		{"its authority", peer.PinOf(ca.cert), chain(leaf, ca), true},
		{"the authority is not shown", peer.PinOf(ca.cert), chain(leaf), false},
		{"another certificate", peer.PinOf(leaf.cert), chain(stranger), false},
		{"the authority beside a stranger", peer.PinOf(ca.cert), chain(stranger, ca), false},
		{"expired, pinned by authority", peer.PinOf(ca.cert), chain(old, ca), false},
		{"expired, pinned itself", peer.PinOf(old.cert), chain(old), false},
		{"not yet valid", peer.PinOf(ca.cert), chain(early, ca), false},
		{"nothing", peer.PinOf(ca.cert), nil, false},
	} {
		if err := tt.pin.Check(tt.chain, now); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func status() peer.Status {
	return peer.Status{
		To: "mail.a.test", ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Transfer: "01ARZ3NDEKTSV4RRFFQ69G5FAW", Recipient: "xa01@b.test", Unit: "xa01@b.test",
		UnitName: "Ủy ban nhân dân xã: 01", Code: "02", At: time.Date(2026, 11, 24, 3, 0, 0, 123456000, time.UTC), Reason: "KHAC",
		Note: "ghi chú\r\nsignature: x",
	}
}

func TestStatusIsReadBackAndVerified(t *testing.T) {
	ours, theirs := signer(t), signer(t)
	a, b := card(t, "mail.a.test", ours, "a.test"), card(t, "mail.b.test", theirs, "b.test")
	here, there := open(t, sqldbtest.Open(t), a, ours), open(t, sqldbtest.Open(t), b, theirs)
	if _, err := here.Add(t.Context(), journal.System("test"), b, local); err != nil {
		t.Fatal(err)
	}
	text, err := there.Report(status(), []byte("<x/>"))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{text, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))} {
		s, err := peer.ParseStatus(raw)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := here.Verify(s); err != nil || p.Name != "mail.b.test" {
			t.Errorf("Verify = %v, %v", p.Name, err)
		}
		if s.Note != "ghi chú  signature: x" || s.UnitName != status().UnitName || !s.At.Equal(status().At) {
			t.Errorf("read back %+v", s.Status)
		}
	}
	// Every single octet that changes makes it another text, or none at all.
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 1
		s, err := peer.ParseStatus(bad)
		if err != nil {
			continue
		}
		if _, err := here.Verify(s); err == nil {
			t.Fatalf("octet %d (%q) can be changed", i, text[i])
		}
	}
	for name, change := range map[string]func(*peer.Status){
		"for another server":     func(s *peer.Status) { s.To = "mail.c.test" },
		"about a unit elsewhere": func(s *peer.Status) { s.Unit = "xa01@c.test" },
		"to somebody elsewhere":  func(s *peer.Status) { s.Recipient = "xa01@a.test" },
		"no address":             func(s *peer.Status) { s.Recipient = "xa01" },
	} {
		s := status()
		change(&s)
		text, err := there.Report(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := peer.ParseStatus(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := here.Verify(signed); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v, want Denied", name, err)
		}
	}
	for _, code := range []string{"sent", "99", ""} { // what a server never reports
		s := status()
		s.Code = "03"
		text := bytes.Replace(s.Sign(theirs), []byte("code: 03"), []byte("code: "+code), 1)
		if _, err := peer.ParseStatus(text); err == nil {
			t.Errorf("code %q was read", code)
		}
	}
}

func TestTransfersAndStatusesAreTakenOnce(t *testing.T) {
	db := sqldbtest.Open(t)
	key := signer(t)
	r := open(t, db, card(t, "mail.a.test", key, "a.test"), key)
	tr := peer.Transfer{Peer: "mail.b.test", QueueID: "Q", Rcpt: "x@a.test"}
	s := status()
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error {
		if _, ok, err := peer.Taken(t.Context(), tx, tr); ok || err != nil {
			t.Errorf("Taken before = %v, %v", ok, err)
		}
		return errors.Join(peer.Take(t.Context(), tx, tr, "L", at), peer.See(t.Context(), tx, s, at))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *sqldb.Tx) error { return peer.Take(t.Context(), tx, tr, "L2", at) }); err == nil {
		t.Error("the same transfer was taken twice")
	}
	if err := db.View(t.Context(), func(rd sqldb.Reader) error {
		if id, ok, err := peer.Taken(t.Context(), rd, tr); id != "L" || !ok || err != nil {
			t.Errorf("Taken = %q, %v, %v", id, ok, err)
		}
		seen, err := peer.Seen(t.Context(), rd, s)
		if !seen {
			t.Error("the status was not seen")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Forget(t.Context(), at.Add(time.Second)); n != 1 || err != nil {
		t.Errorf("Forget = %d, %v", n, err)
	}
}

func FuzzParseStatus(f *testing.F) {
	key := signer(f)
	s := status()
	s.From = "mail.b.test"
	f.Add(s.Sign(key))
	f.Add([]byte("vanthu-peer-status/1\nfrom: \nsignature: AAAA\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := peer.ParseStatus(raw)
		if err != nil {
			return
		}
		// What can be read says the same when it is written again.
		again, err := peer.ParseStatus(got.Sign(key))
		if err != nil || again.Status != got.Status {
			t.Fatalf("written again: %+v, %v; was %+v", again.Status, err, got.Status)
		}
	})
}

func FuzzParseCard(f *testing.F) {
	text, err := json.Marshal(card(f, "mail.b.test", signer(f), "b.test"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := peer.ParseCard(raw); err == nil && (len(c.Domains) == 0 || len(c.Key) == 0) {
			t.Fatalf("an empty card passed: %+v", c)
		}
	})
}
