package mailauth

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"vanthu/internal/fault"
)

// tags reads a tag-list, RFC 6376, section 3.2, with blanks inside of values
// taken out. A tag that occurs twice makes the list worth nothing.
func tags(s string) (map[string]string, bool) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if !ok {
			if name != "" {
				return nil, false
			}
			continue
		}
		if _, twice := out[name]; twice {
			return nil, false
		}
		out[name] = strings.Join(strings.Fields(value), "")
	}
	return out, true
}

// checkRecord tells what is wrong with the record of a key.
func checkRecord(rec Record) error {
	bad := func(en, vi string) error {
		return fault.New(fault.Invalid, fault.Text{EN: "this is no DKIM key record: " + en, VI: "không phải bản ghi khóa DKIM: " + vi})
	}
	t, ok := tags(string(rec))
	if !ok || t["v"] != "" && t["v"] != "DKIM1" {
		return bad(`it looks like "v=DKIM1; k=ed25519; p=…"`, `phải có dạng "v=DKIM1; k=ed25519; p=…"`)
	}
	der, err := base64.StdEncoding.DecodeString(t["p"])
	if err != nil || len(der) == 0 {
		return bad("p= holds no base64", "p= không phải base64")
	}
	switch t["k"] {
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return bad("an Ed25519 key has 32 octets", "khóa Ed25519 dài 32 byte")
		}
		return nil
	case "", "rsa":
		pub, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			pub, err = x509.ParsePKCS1PublicKey(der) // RFC 6376, erratum 3017
		}
		if key, ok := pub.(*rsa.PublicKey); err != nil || !ok {
			return bad("p= holds no RSA key", "p= không chứa khóa RSA")
		} else if key.N.BitLen() < 1024 { // RFC 8301, section 3.2
			return bad("an RSA key has at least 1,024 bits", "khóa RSA phải dài ít nhất 1.024 bit")
		}
		return nil
	}
	return bad("k= is rsa or ed25519", "k= phải là rsa hoặc ed25519")
}
