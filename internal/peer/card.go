package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/fault"
)

// CardFormat is the first thing in a card.
const CardFormat = "vanthu-peer-card/1"

// Card is what one administrator gives to another: everything that is needed
// to make a server known. It holds nothing secret, but whoever can change it on
// its way can pose as its server: compare the fingerprint by another way.
type Card struct {
	Format  string   `json:"format"`
	Name    Name     `json:"name"`
	Domains []string `json:"domains"`
	Hosts   []string `json:"hosts"`
	Pin     string   `json:"pin"`        // SHA-256, hexadecimal
	Key     string   `json:"public_key"` // Ed25519, base64
}

// ParseCard reads a card's file. Unknown fields are refused: a card that says
// more than we know would be half understood.
func ParseCard(text []byte) (c Card, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Card{}, fault.Wrap(fault.Invalid, err, fault.Text{EN: "this file is no peer card: " + err.Error()})
	}
	if c.Format != CardFormat {
		return Card{}, fault.Newf(fault.Invalid, "this file is no peer card of a kind known here: its format is %q, not %q", c.Format, CardFormat)
	}
	_, err = c.peer()
	return c, err
}

// Fingerprint names a card so that two people can compare it by telephone.
func (c Card) Fingerprint() string {
	text, err := json.Marshal(c)
	if err != nil { // strings and lists of them cannot fail
		return ""
	}
	sum := sha256.Sum256(text)
	return grouped(hex.EncodeToString(sum[:16]))
}

// Fingerprint names a public key in the same way.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return grouped(hex.EncodeToString(sum[:16]))
}

func grouped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte('-')
		}
		b.WriteString(s[i : i+4])
	}
	return b.String()
}

// peer checks a card.
func (c Card) peer() (Peer, error) {
	p := Peer{Name: c.Name}
	name, err := domainOf(string(c.Name))
	if err != nil {
		return Peer{}, fault.Newf(fault.Invalid, "the card's name %q is not a host name", c.Name)
	}
	p.Name = Name(name)
	for _, d := range c.Domains {
		d, err := domainOf(d)
		if err != nil {
			return Peer{}, err
		}
		if !slices.Contains(p.Domains, d) {
			p.Domains = append(p.Domains, d)
		}
	}
	for _, h := range c.Hosts {
		h, err := hostPort(h)
		if err != nil {
			return Peer{}, err
		}
		p.Hosts = append(p.Hosts, h)
	}
	if len(p.Domains) == 0 || len(p.Hosts) == 0 {
		return Peer{}, fault.New(fault.Invalid, fault.Text{EN: "the card names no domain or no host", VI: "thẻ không ghi tên miền hoặc máy chủ"})
	}
	if p.Pin, err = ParsePin(c.Pin); err != nil {
		return Peer{}, fault.Wrap(fault.Invalid, err, fault.Text{EN: err.Error()})
	}
	if p.Key, err = base64.StdEncoding.DecodeString(c.Key); err != nil || len(p.Key) != ed25519.PublicKeySize {
		return Peer{}, fault.Newf(fault.Invalid, "the card's public key is not an Ed25519 key in base64")
	}
	return p, nil
}

// Card gives a peer's card.
func (p Peer) Card() Card {
	return Card{
		Format: CardFormat, Name: p.Name, Domains: p.Domains, Hosts: p.Hosts, Pin: p.Pin.String(),
		Key: base64.StdEncoding.EncodeToString(p.Key),
	}
}

// Signer is our own Ed25519 key.
type Signer = ed25519.PrivateKey

// NewSigner makes a key and gives it as the PEM that ParseSigner reads.
func NewSigner() (text []byte, err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseSigner reads a key that NewSigner made.
func ParseSigner(text []byte) (Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key file holds no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an Ed25519 key")
	}
	return ed, nil
}

// PublicText gives the public half as a card has it.
func PublicText(s Signer) string {
	return base64.StdEncoding.EncodeToString(s.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // it is one by its type
}

// OwnCard is what we give to others.
func (r *Registry) OwnCard() Card { return r.opt.Self }
