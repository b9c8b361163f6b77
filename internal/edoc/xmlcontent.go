package edoc

import (
	"bytes"
	"io"
	"strings"
)

// contentElement is the element that holds an attachment, in lower case.
const contentElement = "contenttransferencoded"

// A diverter passes XML through and takes the content of every contentElement
// out of it, decoding it on the way. Without it the XML decoder would hold
// each attachment as one token, several times its size in memory.
//
// It only knows where tags, comments, CDATA sections and processing
// instructions begin and end; the decoder behind it still checks everything.
// The nth contentElement that the decoder sees is the nth of contents.
type diverter struct {
	r        io.Reader
	room     int64 // bytes that may still be decoded; below zero ends the reading
	contents []*base64Reader

	state xmlState
	name  []byte // of the tag, at its beginning
	ours  bool   // the tag opens a contentElement
	quote byte   // of the attribute value the tag is in, or 0
	last  byte   // in a tag or instruction: the byte before
	run   int    // in a comment or CDATA section: '-' or ']' in a row
}

type xmlState uint8

const (
	inText xmlState = iota
	inName
	inTag
	inComment
	inCDATA
	inInstruction
	inContent
)

// maxTagName is more than any name that matters.
const maxTagName = 128

// Read filters in place: the output is never longer than the input.
func (d *diverter) Read(p []byte) (int, error) {
	for {
		n, err := d.r.Read(p)
		kept := d.filter(p[:n])
		if d.room < 0 {
			return 0, ErrTooLarge
		}
		if kept > 0 || err != nil || n == 0 {
			return kept, err
		}
	}
}

// filter moves the bytes that stay to the front of p and returns their number.
func (d *diverter) filter(p []byte) int {
	kept := 0
	for i := 0; i < len(p); {
		if d.state == inContent || d.state == inText {
			end := bytes.IndexByte(p[i:], '<')
			if end < 0 {
				end = len(p) - i
			}
			if d.state == inContent {
				d.contents[len(d.contents)-1].write(p[i : i+end])
				if d.room < 0 {
					return 0
				}
			} else {
				kept += copy(p[kept:], p[i:i+end])
			}
			if i += end; i == len(p) {
				break
			}
			d.state, d.name = inName, d.name[:0]
		} else {
			d.step(p[i])
		}
		p[kept] = p[i]
		kept++
		i++
	}
	return kept
}

// step reads one byte of markup.
func (d *diverter) step(c byte) {
	switch d.state {
	case inName:
		if !strings.ContainsRune(" \t\r\n/>", rune(c)) {
			if len(d.name) < maxTagName {
				d.name = append(d.name, c)
			}
			switch string(d.name) {
			case "!--":
				d.state, d.run = inComment, 0
			case "![CDATA[":
				d.state, d.run = inCDATA, 0
			case "?":
				d.state, d.last = inInstruction, 0
			}
			return
		}
		local := d.name[bytes.LastIndexByte(d.name, ':')+1:]
		d.ours = strings.ToLower(string(local)) == contentElement
		d.state, d.quote, d.last = inTag, 0, 0
		d.tag(c)
	case inTag:
		d.tag(c)
	case inComment:
		d.untilRun(c, '-')
	case inCDATA:
		d.untilRun(c, ']')
	case inInstruction:
		if c == '>' && d.last == '?' {
			d.state = inText
		}
		d.last = c
	case inText, inContent:
	}
}

// tag reads one byte after the tag's name.
func (d *diverter) tag(c byte) {
	switch {
	case d.quote != 0:
		if c == d.quote {
			d.quote = 0
		}
	case c == '"' || c == '\'':
		d.quote = c
	case c == '>':
		d.state = inText
		if d.ours {
			d.contents = append(d.contents, &base64Reader{room: &d.room})
			if d.last != '/' {
				d.state = inContent
			}
		}
	}
	d.last = c
}

// untilRun waits for "-->" or "]]>".
func (d *diverter) untilRun(c, mark byte) {
	switch {
	case c == mark:
		d.run++
	case c == '>' && d.run >= 2:
		d.state = inText
	default:
		d.run = 0
	}
}

// A base64Reader decodes base64 as it is met in the field: broken into lines
// anywhere, also by character references, in either alphabet, with or without
// padding.
type base64Reader struct {
	data      []byte
	room      *int64 // bytes that may still be decoded
	acc       uint32
	n         int  // characters in acc
	ended     bool // at padding
	malformed bool
	ref       []byte // character reference being read, with its '&'
}

// maxRef is the longest reference that is remembered; those of blanks are
// shorter.
const maxRef = 8

func (b *base64Reader) write(p []byte) {
	for _, c := range p {
		if b.ended {
			return
		}
		if len(b.ref) > 0 {
			b.reference(c)
			continue
		}
		v := sextet(c)
		switch {
		case v >= 0:
			b.acc = b.acc<<6 | uint32(v)
			if b.n++; b.n == 4 {
				b.data = append(b.data, byte(b.acc>>16), byte(b.acc>>8), byte(b.acc))
				b.acc, b.n = 0, 0
				*b.room -= 3
				if *b.room < 0 {
					return
				}
			}
		case c == '=':
			b.ended = true
		case c == '&':
			b.ref = append(b.ref, c)
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			b.malformed = true
		}
	}
}

// reference reads one more byte of a character reference. Only blanks are
// written so: "&#13;" at the ends of lines.
func (b *base64Reader) reference(c byte) {
	if c != ';' {
		if len(b.ref) < maxRef {
			b.ref = append(b.ref, c)
		}
		return
	}
	switch strings.ToLower(string(b.ref)) {
	case "&#9", "&#10", "&#13", "&#32", "&#x9", "&#xa", "&#xd", "&#x20":
	default:
		b.malformed = true
	}
	b.ref = b.ref[:0]
}

// finish returns what was decoded, and whether all of it was base64.
func (b *base64Reader) finish() ([]byte, bool) {
	if len(b.ref) > 0 {
		b.malformed = true
	}
	switch b.n {
	case 1:
		b.malformed = true
	case 2:
		b.data = append(b.data, byte(b.acc>>4))
	case 3:
		b.data = append(b.data, byte(b.acc>>10), byte(b.acc>>2))
	}
	b.n = 0
	return b.data, !b.malformed
}

func sextet(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+' || c == '-':
		return 62
	case c == '/' || c == '_':
		return 63
	}
	return -1
}
