package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
)

// Password is a password in the clear. It does not show itself in logs.
type Password string

// String hides the password from whoever prints it by accident.
func (Password) String() string { return "(password)" }

// GoString hides the password from %#v.
func (Password) GoString() string { return "(password)" }

// Reveal gives the password itself, for the one place that shows it to its
// owner.
func (p Password) Reveal() string { return string(p) }

// How a credential was made, as the table keeps it.
const (
	schemeArgon2 = "argon2id" // a PHC string: costly, for what people think up
	schemeMade   = "made"     // a keyed hash: 128 random bits need no more
)

// credential is what is kept of a password.
type credential struct {
	scheme  string // "" when there is none: nobody can log in
	secret  string
	scram   string // sealed keys, "" when there are none (yet)
	changed time.Time
}

// Parameters of Argon2id, RFC 9106; the second choice of the OWASP cheat
// sheet: 19 MiB, two passes, one lane.
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32

	// What we are ready to compute for a stored hash of other parameters.
	argonMaxTime   = 8
	argonMaxMemory = 64 << 10
	argonMaxLanes  = 4
)

const (
	maxPassword = 1024 // octets
	madeLength  = 26   // characters of a made password, without hyphens
)

// madeBits is the alphabet of made passwords: no capitals, and neither 0, 1, 8
// nor 9, so that they survive being read out and written down.
//
//nolint:gochecknoglobals // never changed
var madeBits = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// canonical gives the password as it is hashed: NFC, since keyboards differ in
// how they send Vietnamese letters. RFC 8265, section 4.2.
func (p Password) canonical() string { return norm.NFC.String(string(p)) }

// checkPassword gives an error of kind fault.Invalid when p may not be chosen.
func (d *Directory) checkPassword(p Password) error {
	switch {
	case len(p) > maxPassword:
		return fault.New(fault.Invalid, fault.Text{EN: "password longer than 1024 octets", VI: "mật khẩu quá dài"})
	case !utf8.ValidString(string(p)) || strings.ContainsFunc(string(p), unicode.IsControl):
		return fault.New(fault.Invalid, fault.Text{EN: "password contains control characters", VI: "mật khẩu có ký tự điều khiển"})
	case utf8.RuneCountInString(p.canonical()) < d.minPassword:
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("password shorter than %d characters", d.minPassword),
			VI: fmt.Sprintf("mật khẩu phải có ít nhất %d ký tự", d.minPassword),
		})
	}
	return nil
}

// makePassword makes a password of 128 random bits, as 26 letters and digits
// in groups: "k4ouj-…".
func makePassword() Password {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // crypto/rand never fails: it ends the program instead
	return groupMade(madeBits.EncodeToString(bits[:]))
}

// groupMade writes the 26 characters of a made password in groups, as people get to see it; SCRAM takes it in this form only.
func groupMade(s string) Password {
	if len(s) != madeLength {
		return Password(s)
	}
	return Password(s[:5] + "-" + s[5:10] + "-" + s[10:15] + "-" + s[15:20] + "-" + s[20:])
}

// madeForm brings what was typed to the bare 26 characters of a made password.
func madeForm(p Password) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, string(p)))
}

// hashMade gives the keyed hash of a made password. The account's number is
// in it, so that a hash is worth nothing in another account's row.
func (d *Directory) hashMade(id AccountID, p Password) string {
	h := hmac.New(sha256.New, d.secret)
	h.Write([]byte("vanthu made password\x00" + strconv.FormatInt(int64(id), 10) + "\x00" + madeForm(p)))
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}

// hashArgon2 gives the PHC string of p with a new salt.
func hashArgon2(p Password) string {
	var salt [argonSalt]byte
	_, _ = rand.Read(salt[:]) // see makePassword
	key := argon2.IDKey([]byte(p.canonical()), salt[:], argonTime, argonMemory, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt[:]), base64.RawStdEncoding.EncodeToString(key))
}

var errPHC = errors.New("stored password hash is not understood")

// verifyArgon2 tells whether p has the PHC string phc.
func verifyArgon2(p Password, phc string) (bool, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != schemeArgon2 || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return false, errPHC
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false, fmt.Errorf("%w: %w", errPHC, err)
	}
	if passes == 0 || passes > argonMaxTime || memory > argonMaxMemory || lanes == 0 || lanes > argonMaxLanes {
		return false, errPHC
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) < 16 {
		return false, errPHC
	}
	got := argon2.IDKey([]byte(p.canonical()), salt, passes, memory, lanes, uint32(len(want))) //nolint:gosec // bounded by the row
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// burnArgon2 costs what verifying an Argon2id hash of ours costs.
func burnArgon2(p Password) {
	var salt [argonSalt]byte
	_ = argon2.IDKey([]byte(p.canonical()), salt[:], argonTime, argonMemory, argonLanes, argonKey)
}
