package mailauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"
)

// Algorithms is which signatures are made.
type Algorithms uint8

// Ed25519 alone costs 30 µs and is for mail that stays here; what leaves gets
// the RSA signature too, which costs a millisecond.
const (
	Ed25519Only Algorithms = iota
	AllAlgorithms
)

// signedOnce are the fields a signature covers, each name once more than it
// occurs, so that none can be added later: the second From of an attacker
// breaks the signature. RFC 6376, sections 5.4 and 8.15.
var signedOnce = [...]string{
	"from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
	"mime-version", "content-type", "content-transfer-encoding", "content-disposition",
	"x-vb-so", "x-vb-ky-hieu", "x-vb-ngay", "x-vb-loai", "x-vb-trich-yeu", "x-vb-do-khan", "x-vb-han", "x-vb-ma-van-ban",
	"x-vb-nghiep-vu", "x-vb-tra-loi", "x-vb-de-biet",
}

// optional fields are covered only when they are there: naming them in every
// signature would make it long, and one that is added later does no harm that
// the others do not catch.
const firstOptional = 14

// Sign makes the DKIM-Signature fields for a message of domain d, to be put
// before it: header is its header with the empty line, body the rest. It
// returns nil when neither d nor a domain above it has an active key.
func (k *Keys) Sign(d Domain, header []byte, body io.Reader, algs Algorithms) ([]byte, error) {
	keys := k.now.Load().signers(d)
	if len(keys) == 0 {
		return nil, nil
	}
	sum := sha256.New()
	can := relaxedBody{w: sum}
	if _, err := io.Copy(&can, body); err != nil {
		return nil, fmt.Errorf("read a message to sign: %w", err)
	}
	can.finish()
	bodyHash := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	fields := splitHeader(header)
	names, signed := coverage(fields)
	if names == "" {
		return nil, errors.New("a message without From cannot be signed")
	}
	var out []byte
	for _, key := range keys {
		if _, ok := key.private.(ed25519.PrivateKey); !ok && algs == Ed25519Only {
			continue
		}
		field, err := signatureField(key, names, bodyHash, signed, k.opt.Now())
		if err != nil {
			return nil, err
		}
		out = append(out, field...)
	}
	return out, nil
}

// coverage gives the names for tag h and the signed fields in relaxed form in
// that order: of several fields of a name, the last first.
func coverage(fields [][]byte) (names string, signed []byte) {
	var h strings.Builder
	add := func(name string) {
		if h.Len() > 0 {
			h.WriteByte(':')
		}
		h.WriteString(name)
	}
	hasFrom := false
	for i, name := range signedOnce {
		found := false
		for j := len(fields) - 1; j >= 0; j-- {
			if hasName(fields[j], name) {
				found = true
				add(name)
				signed = append(appendRelaxed(signed, fields[j]), "\r\n"...)
			}
		}
		hasFrom = hasFrom || found && name == "from"
		if i < firstOptional || found {
			add(name)
		}
	}
	if !hasFrom {
		return "", nil
	}
	return h.String(), signed
}

func signatureField(key Key, names, bodyHash string, signed []byte, at time.Time) ([]byte, error) {
	alg, opts := "rsa-sha256", crypto.SignerOpts(crypto.SHA256)
	if _, ok := key.private.(ed25519.PrivateKey); ok {
		alg, opts = "ed25519-sha256", crypto.Hash(0) // RFC 8463, section 3: Ed25519 signs the hash as a message
	}
	field := []byte("DKIM-Signature: v=1; a=" + alg + "; c=relaxed/relaxed; d=" + string(key.Domain) +
		";\r\n\ts=" + string(key.Selector) + "; t=" + strconv.FormatInt(at.Unix(), 10) + ";\r\n\th=")
	field = appendFolded(field, names, ':')
	field = append(field, ";\r\n\tbh="+bodyHash+";\r\n\tb="...)
	sum := sha256.New()
	sum.Write(signed)
	sum.Write(appendRelaxed(nil, field))
	sig, err := key.private.Sign(rand.Reader, sum.Sum(nil), opts)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", key.Name(), err)
	}
	field = appendFolded(field, base64.StdEncoding.EncodeToString(sig), 0)
	return append(field, "\r\n"...), nil
}

// appendFolded adds text in lines of about 70 octets, cut behind sep, or
// anywhere when sep is 0.
func appendFolded(b []byte, text string, sep byte) []byte {
	const width = 70
	for len(text) > width {
		cut := width
		if sep != 0 {
			if cut = strings.LastIndexByte(text[:width], sep) + 1; cut == 0 {
				break
			}
		}
		b = append(append(b, text[:cut]...), "\r\n\t "...)
		text = text[cut:]
	}
	return append(b, text...)
}

// splitHeader gives the fields of a header, each with its folds and last line
// end. What is no field is left out.
func splitHeader(header []byte) (fields [][]byte) {
	for len(header) > 0 {
		end := 0
		for {
			n := bytes.IndexByte(header[end:], '\n')
			if n < 0 {
				end = len(header)
				break
			}
			end += n + 1
			if end == len(header) || header[end] != ' ' && header[end] != '\t' {
				break
			}
		}
		if f := header[:end]; bytes.IndexByte(f, ':') > 0 {
			fields = append(fields, f)
		}
		header = header[end:]
	}
	return fields
}

// hasName tells whether a field is called name, which is in lower case.
func hasName(field []byte, name string) bool {
	if len(field) <= len(name) {
		return false
	}
	for i := range len(name) {
		c := field[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	rest := bytes.TrimLeft(field[len(name):], " \t")
	return len(rest) > 0 && rest[0] == ':'
}

// appendRelaxed adds a field in the relaxed form, without a line end. RFC 6376, section 3.4.2.
func appendRelaxed(b, field []byte) []byte {
	colon := bytes.IndexByte(field, ':')
	b = append(b, bytes.ToLower(bytes.TrimRight(field[:colon], " \t"))...)
	b = append(b, ':')
	blank, start := false, len(b)
	for _, c := range field[colon+1:] {
		switch c {
		case ' ', '\t', '\r', '\n':
			blank = true
			continue
		}
		if blank && len(b) > start {
			b = append(b, ' ')
		}
		blank = false
		b = append(b, c)
	}
	return b
}

// relaxedBody passes a body on in the relaxed form. RFC 6376, section 3.4.4.
type relaxedBody struct {
	w     hash.Hash // never fails
	crlfs int       // line ends held back: empty lines at the end do not count
	blank bool      // blanks held back
	cr    bool      // the last octet was CR
	any   bool      // there was something but empty lines
	buf   []byte
}

func (r *relaxedBody) Write(p []byte) (int, error) {
	r.buf = r.buf[:0]
	for i := 0; i < len(p); {
		c := p[i]
		i++
		if r.cr {
			r.cr = false
			if c == '\n' {
				r.crlfs++
				r.blank = false
				continue
			}
			r.put('\r')
		}
		switch c {
		case '\r':
			r.cr = true
		case ' ', '\t':
			r.blank = true
		default:
			r.put(c)
			// The run of octets that mean nothing special goes at once.
			j := i
			for j < len(p) && p[j] != '\r' && p[j] != ' ' && p[j] != '\t' {
				j++
			}
			r.buf = append(r.buf, p[i:j]...)
			i = j
		}
	}
	r.w.Write(r.buf)
	return len(p), nil
}

func (r *relaxedBody) put(c byte) {
	for ; r.crlfs > 0; r.crlfs-- {
		r.buf = append(r.buf, '\r', '\n')
	}
	if r.blank {
		r.buf = append(r.buf, ' ')
		r.blank = false
	}
	r.any = true
	r.buf = append(r.buf, c)
}

// finish ends the body: with one line end, unless it has nothing.
func (r *relaxedBody) finish() {
	r.buf = r.buf[:0]
	if r.cr {
		r.cr = false
		r.put('\r')
	}
	if r.any {
		r.buf = append(r.buf, '\r', '\n')
	}
	r.w.Write(r.buf)
}
