package journal

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vanthu/internal/fault"
)

// Signer signs statements of the server with the key of the journal. A statement
// begins with a title of its kind, so that none can be taken for another, or for
// a checkpoint.
type Signer struct {
	signer note.Signer
	name   string
}

// Signer reads the private key.
func (k Key) Signer() (*Signer, error) {
	s, err := k.signer()
	if err != nil {
		return nil, err
	}
	return &Signer{signer: s, name: keyName(s.Name(), s.KeyHash())}, nil
}

func keyName(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }

// Key names the key: who signs and a hash, as the public key's line begins.
func (s *Signer) Key() string { return s.name }

// Statement is a text with the title of its kind.
type Statement struct{ Title, Text string }

func (s Statement) octets() []byte { return []byte(s.Title + "\n" + s.Text) }

// Sign gives the Ed25519 signature of a statement.
func (s *Signer) Sign(st Statement) ([]byte, error) {
	sig, err := s.signer.Sign(st.octets())
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	return sig, nil
}

// VerifyStatement checks a signature by the key of that name, which must be
// among the public keys. It fails with fault.NotFound for another key,
// fault.Invalid for a signature that is not genuine.
func VerifyStatement(keys []string, name string, st Statement, sig []byte) error {
	for _, k := range keys {
		v, err := note.NewVerifier(strings.TrimSpace(k))
		if err != nil {
			return fault.Wrap(fault.Invalid, err, fault.Text{EN: fmt.Sprintf("%q is no verifier key", k)})
		}
		if keyName(v.Name(), v.KeyHash()) != name {
			continue
		}
		if !v.Verify(st.octets(), sig) {
			return fault.New(fault.Invalid, fault.Text{EN: "the signature is not genuine", VI: "chữ ký không đúng"})
		}
		return nil
	}
	return fault.New(fault.NotFound, fault.Text{
		EN: "it is signed by the key " + name + ", which is not among those that are trusted",
		VI: "ký bằng khóa " + name + ", không thuộc các khóa tin cậy",
	})
}
