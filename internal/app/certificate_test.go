package app

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOwnCertificates(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	c, err := ownCertificates(dir, []string{"mail.dienbien.test", "127.0.0.1"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, authorityCert))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the authority's file holds no certificate")
	}
	for _, name := range []string{"mail.dienbien.test", "127.0.0.1"} {
		if _, err := first.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("verify for %s: %v", name, err)
		}
	}
	if _, err := first.Leaf.Verify(x509.VerifyOptions{DNSName: "other.test", Roots: roots, CurrentTime: now}); err == nil {
		t.Error("the certificate is good for another name")
	}
	for _, name := range []string{authorityKey, serverKey} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, st.Mode())
		}
	}

	serial := func() string { return c.current.Load().Leaf.SerialNumber.String() }
	before := serial()
	if err := c.reload(); err != nil {
		t.Fatal(err)
	}
	if serial() != before {
		t.Error("a good certificate was replaced")
	}
	now = now.Add(300 * 24 * time.Hour)
	if err := c.reload(); err != nil {
		t.Fatal(err)
	}
	if serial() == before {
		t.Error("an ageing certificate was kept")
	}
	if _, err := c.current.Load().Leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: roots, CurrentTime: now}); err != nil {
		t.Errorf("renewed certificate: %v", err)
	}
}

func TestBrokenCertificateKeepsTheOneInForce(t *testing.T) {
	dir := t.TempDir()
	if _, err := ownCertificates(dir, []string{"mail.test"}, time.Now); err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, serverCert), filepath.Join(dir, serverKey)
	c, err := fileCertificates(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	before := c.current.Load()
	if err := os.WriteFile(cert, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.reload(); err == nil {
		t.Error("rubbish was taken for a certificate")
	}
	if c.current.Load() != before {
		t.Error("the certificate in force is gone")
	}
}
