package peer

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Pin is the SHA-256 of a certificate: that of a server, or that of an
// authority that signs it, which outlives its renewals.
type Pin [sha256.Size]byte

// ParsePin reads 64 hexadecimal digits, with or without colons.
func ParsePin(s string) (p Pin, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != len(p) {
		return p, errors.New("the fingerprint of a certificate has 64 hexadecimal digits")
	}
	return Pin(b), nil
}

// String gives 64 hexadecimal digits.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// PinOf gives the pin of a certificate.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.Raw) }

// Check tells whether the other side of a TLS connection, which showed chain,
// is the one that was pinned: its own certificate, or an authority in the chain
// that signed it. Nothing else is trusted, whatever the machine trusts; an
// expired certificate never is. Names do not count, since the pin says more.
func (p Pin) Check(chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("the other server shows no certificate")
	}
	leaf := chain[0]
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the other server's certificate expired on %s", leaf.NotAfter.Format(time.DateOnly))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the other server's certificate is not valid before %s", leaf.NotBefore.Format(time.DateOnly))
	}
	if PinOf(leaf) == p {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	for _, c := range chain[1:] {
		if PinOf(c) != p {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			return fmt.Errorf("the other server's certificate is not signed by the pinned authority: %w", err)
		}
		return nil
	}
	return fmt.Errorf("the other server's certificate has fingerprint %s, not the pinned one", PinOf(leaf))
}

// ByChain gives the peer that shows these certificates.
func (r *Registry) ByChain(chain []*x509.Certificate) (Peer, bool) {
	if len(chain) == 0 {
		return Peer{}, false
	}
	now := r.opt.Now()
	for _, p := range r.now.Load().all {
		if p.Pin.Check(chain, now) == nil {
			return p, true
		}
	}
	return Peer{}, false
}
