package smtpd

import "bytes"

// A body follows a message's octets as they come in, in blocks of any size: it finds the end of DATA, takes the stuffed dots out,
// counts, and notes what is wrong with the text. RFC 5321, sections 4.5.2 and 2.3.8.
//
// Only CRLF "." CRLF ends data. What other servers take for an end (LF "." LF, CRLF "." LF, …) is a flaw, and stays inside: disagreement
// about it is what SMTP smuggling lives on.
type body struct {
	sink    func([]byte) // gets the message; not called any more once there is a flaw
	maxSize int64
	maxLine int
	binary  bool // BINARYMIME: lines mean nothing, any octet may be in it

	size    int64 // octets of the message
	line    int   // octets of the line so far
	inLine  bool  // the last octets were not CRLF
	afterCR bool  // the last octet was CR
	crs     int64 // CR seen, and how many of them in CRLF
	crlfs   int64
	flaws   flaw
}

// flaw is a set of reasons to refuse a message for its form.
type flaw uint8

const (
	flawBareCR flaw = 1 << iota
	flawBareLF
	flawNUL
	flawLongLine
	flawTooBig
)

// data takes a block of DATA. It returns how many octets it used and whether the end was among them; what it did not use (at most a dot
// and a CR) must be given again with more behind it.
func (b *body) data(p []byte) (used int, end bool) {
	start := 0 // of what has not gone to the sink
	i := 0
	for i < len(p) {
		if !b.inLine && p[i] == '.' {
			rest := p[i:]
			switch {
			case len(rest) == 1, len(rest) == 2 && rest[1] == '\r':
				b.take(p[start:i])
				return i, false
			case rest[1] == '\r' && rest[2] == '\n':
				b.take(p[start:i])
				b.finish()
				return i + 3, true
			}
			b.take(p[start:i])
			i++
			start = i
		}
		i = b.nextLine(p, i)
	}
	b.take(p[start:])
	return len(p), false
}

// text takes a block of a BDAT chunk, which has neither stuffed dots nor an end.
func (b *body) text(p []byte) {
	if b.binary {
		b.take(p)
		return
	}
	for i := 0; i < len(p); {
		i = b.nextLine(p, i)
	}
	b.take(p)
}

// nextLine goes over the rest of the line at p[i:] and returns where the next one begins.
func (b *body) nextLine(p []byte, i int) int {
	j := bytes.IndexByte(p[i:], '\n')
	if j < 0 {
		b.line += len(p) - i
		b.inLine = true
		b.afterCR = p[len(p)-1] == '\r'
		if b.line > b.maxLine {
			b.flaws |= flawLongLine
		}
		return len(p)
	}
	crlf := j > 0 && p[i+j-1] == '\r' || j == 0 && i == 0 && b.afterCR
	if crlf {
		b.crlfs++
	} else {
		b.flaws |= flawBareLF
	}
	if b.line+j+1 > b.maxLine {
		b.flaws |= flawLongLine
	}
	b.line, b.inLine, b.afterCR = 0, !crlf, false
	return i + j + 1
}

// take counts a piece of the message, looks for octets that may not be in it, and passes it on. Lines have been gone over already.
func (b *body) take(p []byte) {
	if len(p) == 0 {
		return
	}
	b.size += int64(len(p))
	if b.size > b.maxSize {
		b.flaws |= flawTooBig
	}
	if b.binary {
		if b.flaws == 0 {
			b.sink(p)
		}
		return
	}
	b.crs += int64(bytes.Count(p, cr))
	pending := int64(0)
	if b.afterCR {
		pending = 1
	}
	if b.crs-pending > b.crlfs {
		b.flaws |= flawBareCR
	}
	if bytes.IndexByte(p, 0) >= 0 {
		b.flaws |= flawNUL
	}
	if b.flaws == 0 {
		b.sink(p)
	}
}

// finish notes what only the end shows: a CR that nothing follows.
func (b *body) finish() {
	if b.afterCR {
		b.flaws |= flawBareCR
	}
}

var cr = []byte{'\r'}

// reply says why the message is refused for its form; "" when it is not.
func (b *body) reply() string {
	switch {
	case b.flaws == 0:
		return ""
	case b.flaws&flawTooBig != 0:
		return replyTooBig
	case b.flaws&(flawBareCR|flawBareLF) != 0:
		return replyBareInData
	case b.flaws&flawNUL != 0:
		return replyNULInData
	}
	return replyLongTextLine
}
