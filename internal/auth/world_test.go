package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb/sqldbtest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("got error %v, want one of kind %v", err, want)
	}
}

var remote = netip.MustParseAddr("10.0.0.1")

// people makes a directory with accounts vanthu@x.test and khac@x.test, whose password here is "mật khẩu ở đây".
func people(t *testing.T, opt directory.Options) *directory.Directory {
	t.Helper()
	d, err := directory.Open(t.Context(), sqldbtest.Open(t), opt)
	check(t, err)
	check(t, d.AddDomain(t.Context(), journal.System("test"), "x.test"))
	for _, who := range []string{"vanthu", "khac"} {
		_, _, err := d.CreateAccount(t.Context(), journal.System("test"), directory.Account{
			Login: mail.Address{Local: who, Domain: "x.test"}, Name: who,
		}, "mật khẩu ở đây")
		check(t, err)
	}
	return d
}

// localCert makes a certificate for localhost that is its own authority: as the library wants it, and as PEM.
func localCert(t *testing.T) (cert tls.Certificate, roots *x509.CertPool, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(leaf)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
