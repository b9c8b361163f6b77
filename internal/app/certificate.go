package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// Life of what our own authority signs. Clients refuse server certificates
// that live longer than 825 days (Apple), so they are renewed at each start
// when half of their time is over.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 397 * 24 * time.Hour
)

// Files of the own authority, in the folder tls of the data folder.
const (
	authorityCert = "ca.pem"
	authorityKey  = "ca.key"
	serverCert    = "server.pem"
	serverKey     = "server.key"
)

// certificates gives every TLS listener the certificate in force. Reload
// replaces it; connections that exist keep theirs.
type certificates struct {
	load    func() (*tls.Certificate, error)
	current atomic.Pointer[tls.Certificate]
}

// get is the GetCertificate of tls.Config.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// reload reads the certificate again; on failure the one in force stays.
func (c *certificates) reload() error {
	cert, err := c.load()
	if err != nil {
		return err
	}
	c.current.Store(cert)
	return nil
}

// fileCertificates uses a certificate that the administrator provides.
func fileCertificates(certFile, keyFile string) (*certificates, error) {
	c := &certificates{load: func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("load the certificate: %w", err)
		}
		return &cert, nil
	}}
	return c, c.reload()
}

// ownCertificates uses a certificate that our own authority in dir signs for
// names. Both are made when they are not there.
func ownCertificates(dir string, names []string, now func() time.Time) (*certificates, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of certificates: %w", err)
	}
	c := &certificates{load: func() (*tls.Certificate, error) {
		a, err := openAuthority(dir, now())
		if err != nil {
			return nil, err
		}
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, serverCert), filepath.Join(dir, serverKey))
		if err == nil && a.stillGood(cert.Leaf, names, now()) {
			return &cert, nil
		}
		if err := a.issue(dir, names, now()); err != nil {
			return nil, err
		}
		cert, err = tls.LoadX509KeyPair(filepath.Join(dir, serverCert), filepath.Join(dir, serverKey))
		return &cert, err
	}}
	return c, c.reload()
}

// authority is our own certification authority: for networks without one.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func openAuthority(dir string, now time.Time) (*authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, authorityCert), filepath.Join(dir, authorityKey))
	if errors.Is(err, fs.ErrNotExist) {
		return makeAuthority(dir, now)
	}
	if err != nil {
		return nil, fmt.Errorf("load the own authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of the own authority in %s is not an ECDSA key", dir)
	}
	return &authority{cert: pair.Leaf, key: key}, nil
}

func makeAuthority(dir string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "vanthu CA " + serial.Text(36)[:6]},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the own authority: %w", err)
	}
	if err := writePair(dir, authorityCert, authorityKey, [][]byte{der}, key); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

// stillGood tells whether a certificate is ours, for the right names, and has
// half of its life left.
func (a *authority) stillGood(leaf *x509.Certificate, names []string, now time.Time) bool {
	if leaf == nil || leaf.CheckSignatureFrom(a.cert) != nil || now.Add(certificateLife/2).After(leaf.NotAfter) {
		return false
	}
	var have []string
	have = append(have, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		have = append(have, ip.String())
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return false
		}
	}
	return true
}

func (a *authority) issue(dir string, names []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign the server's certificate: %w", err)
	}
	return writePair(dir, serverCert, serverKey, [][]byte{der, a.cert.Raw}, key)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// writePair writes a certificate chain and its key, the key first: a
// certificate without its key would be taken for a damaged pair.
func writePair(dir, certName, keyName string, chain [][]byte, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, keyName), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	var certs bytes.Buffer
	for _, c := range chain {
		if err := pem.Encode(&certs, &pem.Block{Type: "CERTIFICATE", Bytes: c}); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(dir, certName), certs.Bytes(), 0o644)
}

// writeFile replaces a file as a whole: written beside it, synced, renamed.
func writeFile(path string, data []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
