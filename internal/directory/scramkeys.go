package directory

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strconv"

	"github.com/xdg-go/scram"

	"vanthu/internal/mail"
)

// scramIterations is the cost of SCRAM for every account: the least that RFC 7677, section 4 allows. The stored keys are sealed, so that
// a stolen database is no use to guess against, whatever the cost; and one count for all tells accounts apart from unknown logins in
// nothing.
const scramIterations = 4096

const scramSalt = 16 // octets

// scramKeys are StoredKey and ServerKey of RFC 5802, section 3.
type scramKeys [2 * sha256.Size]byte

// seals keeps SCRAM keys from whoever has the database alone.
type seals struct {
	salt []byte // keys the salts
	aead cipher.AEAD
}

func newSeals(secret []byte) (seals, error) {
	derive := func(label string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(label))
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("vanthu scram seal"))
	if err != nil {
		return seals{}, err
	}
	aead, err := cipher.NewGCM(block)
	return seals{salt: derive("vanthu scram salt"), aead: aead}, err
}

// factors gives salt and cost of a login, whether it exists or not. All passwords of an account have one salt: the server must name it
// before it can know which of them the client has.
func (s seals) factors(login mail.Address) scram.KeyFactors {
	h := hmac.New(sha256.New, s.salt)
	h.Write([]byte(login.Local + "@" + login.Domain))
	return scram.KeyFactors{Salt: string(h.Sum(nil)[:scramSalt]), Iters: scramIterations}
}

// makeKeys computes the SCRAM keys of p, which costs a few milliseconds. ok is false when p has none: SASLprep (RFC 4013) refuses some
// characters, and then no client can use SCRAM with it.
func (s seals) makeKeys(login mail.Address, p Password) (k scramKeys, ok bool) {
	client, err := scram.SHA256.NewClient(login.Local+"@"+login.Domain, string(p), "")
	if err != nil {
		return scramKeys{}, false
	}
	c, err := client.GetStoredCredentialsWithError(s.factors(login))
	if err != nil {
		return scramKeys{}, false
	}
	copy(k[:sha256.Size], c.StoredKey)
	copy(k[sha256.Size:], c.ServerKey)
	return k, true
}

// sealFor says whose keys a seal holds: it opens in no other row.
func sealFor(id AccountID) []byte { return strconv.AppendInt([]byte("account "), int64(id), 10) }

// seal gives what is stored of the keys of an account's password.
func (s seals) seal(id AccountID, k scramKeys) string {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(k)+s.aead.Overhead())
	_, _ = rand.Read(nonce) // see makePassword
	return string(s.aead.Seal(nonce, nonce, k[:], sealFor(id)))
}

// open gives the keys back; false when there are none, or they are another account's, or of another secret.
func (s seals) open(id AccountID, sealed string) (k scramKeys, ok bool) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return scramKeys{}, false
	}
	plain, err := s.aead.Open(nil, []byte(sealed[:n]), []byte(sealed[n:]), sealFor(id))
	if err != nil || len(plain) != len(k) {
		return scramKeys{}, false
	}
	copy(k[:], plain)
	return k, true
}
