package mail

import "io"

// Decoder gives the body of p without its transfer encoding, read from the
// message r (offsets as in the received bytes). It tolerates what real mail
// has: junk between base64 letters, missing padding, broken quoted-printable.
// An unknown encoding gives the bytes as they are.
func (p *Part) Decoder(r io.ReaderAt) io.Reader {
	body := io.NewSectionReader(r, p.BodyOffset, p.BodyLen)
	switch p.Encoding {
	case "base64":
		return &base64Reader{src: body}
	case "quoted-printable":
		return &qpReader{src: body}
	default:
		return body
	}
}

// decodeChunk is how much the decoders read at a time.
const decodeChunk = 8 << 10

// base64Value maps a letter of RFC 4648's two alphabets to its value; others
// are 0xff, which no values of letters give when or-ed.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()

// base64Bits decodes base64 in pieces; all that is no letter is skipped, and
// padding only ends the group, so that encodings set end to end are all read.
type base64Bits struct {
	acc uint32
	n   int // letters in acc, 0..3
}

func (b *base64Bits) decode(dst, src []byte) []byte {
	acc, n := b.acc, b.n
	for i := 0; i < len(src); i++ {
		for n == 0 && i+4 <= len(src) { // whole groups, the usual case
			v0, v1 := base64Value[src[i]], base64Value[src[i+1]]
			v2, v3 := base64Value[src[i+2]], base64Value[src[i+3]]
			if v0|v1|v2|v3 == 0xff {
				break
			}
			dst = append(dst, v0<<2|v1>>4, v1<<4|v2>>2, v2<<6|v3)
			i += 4
		}
		if i == len(src) {
			break
		}
		c := src[i]
		v := base64Value[c]
		if v == 0xff {
			if c == '=' {
				b.acc, b.n = acc, n
				dst = b.flush(dst)
				acc, n = 0, 0
			}
			continue
		}
		acc = acc<<6 | uint32(v)
		if n++; n == 4 {
			dst = append(dst, byte(acc>>16), byte(acc>>8), byte(acc))
			acc, n = 0, 0
		}
	}
	b.acc, b.n = acc, n
	return dst
}

// flush gives the octets of an unfinished group.
func (b *base64Bits) flush(dst []byte) []byte {
	switch b.n {
	case 2:
		dst = append(dst, byte(b.acc>>4))
	case 3:
		dst = append(dst, byte(b.acc>>10), byte(b.acc>>2))
	}
	b.acc, b.n = 0, 0
	return dst
}

func decodeBase64Tolerant(s string) []byte {
	var bits base64Bits
	out := bits.decode(make([]byte, 0, len(s)/4*3+3), []byte(s))
	return bits.flush(out)
}

type base64Reader struct {
	src  io.Reader
	bits base64Bits
	in   [decodeChunk]byte
	buf  []byte // decoded, at out[pos:]
	pos  int
	err  error
}

// Read implements io.Reader.
func (r *base64Reader) Read(p []byte) (int, error) {
	for r.pos == len(r.buf) {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.src.Read(r.in[:])
		r.buf, r.pos = r.bits.decode(r.buf[:0], r.in[:n]), 0
		if err != nil {
			r.buf, r.err = r.bits.flush(r.buf), err
		}
	}
	n := copy(p, r.buf[r.pos:])
	r.pos += n
	return n, nil
}

// qpReader decodes quoted-printable, RFC 2045, section 6.7. Wrong escapes stay
// as they are; blanks before a line end are dropped.
type qpReader struct {
	src   io.Reader
	in    [decodeChunk]byte
	carry []byte // undecided tail of the input: an escape or blanks at its end
	buf   []byte
	pos   int
	err   error
}

// Read implements io.Reader.
func (r *qpReader) Read(p []byte) (int, error) {
	for r.pos == len(r.buf) {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.src.Read(r.in[:])
		r.carry = append(r.carry, r.in[:n]...)
		var used int
		r.buf, used = decodeQP(r.buf[:0], r.carry, err != nil)
		r.carry = append(r.carry[:0], r.carry[used:]...)
		r.pos, r.err = 0, err
	}
	n := copy(p, r.buf[r.pos:])
	r.pos += n
	return n, nil
}

// maxQPBlanks bounds the blanks at a chunk's end that wait for the line end
// which would drop them.
const maxQPBlanks = 1024

// decodeQP appends the decoded src to dst and gives how much of src it has
// decided on; with last that is all.
func decodeQP(dst, src []byte, last bool) (out []byte, used int) {
	i := 0
	for i < len(src) {
		switch c := src[i]; c {
		case ' ', '\t':
			j := i
			for j < len(src) && (src[j] == ' ' || src[j] == '\t') && j-i < maxQPBlanks {
				j++
			}
			if j == len(src) && !last && j-i < maxQPBlanks {
				return dst, i
			}
			k := j
			if k < len(src) && src[k] == '\r' {
				k++
				if k == len(src) && !last {
					return dst, i
				}
			}
			if atEnd := j == len(src) || k < len(src) && src[k] == '\n'; !atEnd || j-i == maxQPBlanks {
				dst = append(dst, src[i:j]...)
			}
			i = j
		case '=':
			n, decided := softBreak(src[i:], last)
			switch {
			case !decided:
				return dst, i
			case n > 0:
				i += n
			case i+2 < len(src) && unhex(src[i+1]) >= 0 && unhex(src[i+2]) >= 0:
				dst = append(dst, byte(unhex(src[i+1])<<4|unhex(src[i+2])))
				i += 3
			default:
				dst = append(dst, c)
				i++
			}
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, i
}

// softBreak looks at src, which begins with "=", and gives the length of a soft
// line break, 0 if it is none, and whether src is long enough to tell that and
// to tell an escape.
func softBreak(src []byte, last bool) (n int, decided bool) {
	i := 1
	for i < len(src) && (src[i] == ' ' || src[i] == '\t') && i < maxQPBlanks {
		i++
	}
	if i == len(src) {
		if last {
			return i, true
		}
		return 0, false
	}
	switch {
	case src[i] == '\n':
		return i + 1, true
	case src[i] == '\r' && i+1 < len(src) && src[i+1] == '\n':
		return i + 2, true
	case src[i] == '\r' && i+1 == len(src) && !last:
		return 0, false
	case i == 1 && len(src) < 3 && !last:
		return 0, false
	default:
		return 0, true
	}
}
