package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"vanthu/config"
	"vanthu/internal/peer"
)

// peerKey is the file of the key that signs statuses, inside the data folder.
const peerKey = "peer.key"

// openPeers reads the table of peers, and makes our own key and certificate if
// there are none yet: our card names both.
func (r *Rooms) openPeers(ctx context.Context) error {
	cfg := r.Config
	path := filepath.Join(cfg.DataDir, peerKey)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = peer.NewSigner(); err == nil {
			err = writeFile(path, text, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("the key for statuses: %w", err)
	}
	key, err := peer.ParseSigner(text)
	if err != nil {
		return fmt.Errorf("the key for statuses in %s: %w", path, err)
	}
	if r.certs, err = r.loadCertificates(); err != nil {
		return err
	}
	pin, err := r.ownPin()
	if err != nil {
		return err
	}
	card := peer.Card{Format: peer.CardFormat, Name: peer.Name(Hostname(cfg)), Pin: pin.String(), Key: peer.PublicText(key)}
	for _, d := range cfg.Domains {
		card.Domains = append(card.Domains, string(d))
	}
	card.Hosts = []string{ownHost(cfg)}
	r.Peers, err = peer.Open(ctx, r.DB, peer.Options{Self: card, Key: key, Now: r.opt.Now})
	return err
}

// loadCertificates gives the certificates that all services share.
func (r *Rooms) loadCertificates() (*certificates, error) {
	cfg := r.Config
	if cfg.TLS.CertFile != "" {
		return fileCertificates(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	}
	return ownCertificates(filepath.Join(cfg.DataDir, tlsFolder), certificateNames(cfg), r.opt.Now)
}

// ownPin is what peers pin: our own authority, which outlives the certificates
// that it signs; or the certificate that another authority signed.
func (r *Rooms) ownPin() (peer.Pin, error) {
	if r.Config.TLS.CertFile == "" {
		text, err := os.ReadFile(AuthorityFile(r.Config))
		if err != nil {
			return peer.Pin{}, err
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return peer.Pin{}, fmt.Errorf("%s holds no certificate", AuthorityFile(r.Config))
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return peer.Pin{}, err
		}
		return peer.PinOf(ca), nil
	}
	cert := r.certs.current.Load()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return peer.Pin{}, err
	}
	return peer.PinOf(leaf), nil
}

// certificate is what we show to peers.
func (r *Rooms) certificate() (*tls.Certificate, error) { return r.certs.current.Load(), nil }

// ownHost is where peers reach our relay port.
func ownHost(cfg *config.Config) string {
	host, port, err := net.SplitHostPort(string(cfg.SMTP.Relay))
	if err != nil || port == "0" {
		return net.JoinHostPort(Hostname(cfg), "25")
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && !ip.IsUnspecified() {
		return net.JoinHostPort(host, port)
	}
	return net.JoinHostPort(Hostname(cfg), port)
}
