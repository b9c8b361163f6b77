package mail

import (
	"bytes"
	"strings"
)

// lineKind is what a header line turned out to be.
type lineKind uint8

const (
	lineField    lineKind = iota // a field or the continuation of one
	lineJunk                     // neither
	lineDashes                   // neither, and it begins with "--"
	lineMboxFrom                 // an mbox "From " line
)

// headerReader collects the fields of one header line by line.
type headerReader struct {
	text    []byte // names, colons and unfolded values of the kept fields
	marks   []fieldMark
	scratch []Field

	used      bool  // a line was read
	seen      bool  // … and one of them was a field
	cut       bool  // a limit was hit
	inField   bool  // a continuation may follow
	keeping   bool  // … and it is kept
	junkAt    int64 // offset of the first junk line after the last field, or -1
	junkLines int64 // LF octets before it
}

// fieldMark is a field as offsets into headerReader.text.
type fieldMark struct {
	name, value, end int
	offset, length   int64
}

func (h *headerReader) reset() {
	if h.text == nil {
		h.text, h.marks = make([]byte, 0, 2048), make([]fieldMark, 0, 32)
	}
	*h = headerReader{text: h.text[:0], marks: h.marks[:0], scratch: h.scratch, junkAt: -1}
}

// line takes a line without its end, perhaps cut at the field limit; start and
// total are the whole line's place, lines the LF octets before it.
func (h *headerReader) line(lim Limits, content []byte, start, total, lines int64) lineKind {
	if c := content; len(c) > 0 && (c[0] == ' ' || c[0] == '\t') {
		h.used = true
		if !h.inField {
			return h.junk(start, lines)
		}
		h.extend(lim, c, total)
		return lineField
	}
	nameEnd, colon := fieldName(content)
	if colon < 0 {
		if bytes.HasPrefix(content, []byte("--")) {
			return lineDashes
		}
		kind := h.junk(start, lines)
		if bytes.HasPrefix(content, []byte("From ")) {
			kind = lineMboxFrom
		}
		h.used = true
		return kind
	}
	h.used, h.seen, h.inField, h.junkAt = true, true, true, -1
	if len(h.marks) >= lim.Fields || len(h.text) >= lim.Header {
		h.keeping, h.cut = false, true
		return lineField
	}
	h.keeping = true
	if room := min(lim.Field, lim.Header-len(h.text)); len(content) > room {
		h.cut = true
		if room <= colon {
			h.keeping = false
			return lineField
		}
		content = content[:room]
	}
	at := len(h.text)
	h.text = append(h.text, content...)
	h.marks = append(h.marks, fieldMark{
		name: at + nameEnd, value: at + colon + 1, end: len(h.text), offset: start, length: total,
	})
	return lineField
}

func (h *headerReader) junk(start, lines int64) lineKind {
	h.inField = false
	if h.junkAt < 0 {
		h.junkAt, h.junkLines = start, lines
	}
	return lineJunk
}

// extend adds a continuation line to the last field. RFC 5322, section 2.2.3.
func (h *headerReader) extend(lim Limits, content []byte, total int64) {
	if !h.keeping {
		return
	}
	m := &h.marks[len(h.marks)-1]
	m.length += total
	begin := 0
	if len(h.marks) > 1 {
		begin = h.marks[len(h.marks)-2].end
	}
	if room := min(lim.Field-(m.end-begin), lim.Header-len(h.text)); len(content) > room {
		h.cut = true
		content = content[:max(room, 0)]
	}
	h.text = append(h.text, content...)
	m.end = len(h.text)
}

// fieldName gives the end of the field name at the start of line and the place
// of the colon, which is -1 when line is no field. Blanks before the colon are
// allowed as in the obsolete syntax, RFC 5322, section 4.5.
func fieldName(line []byte) (nameEnd, colon int) {
	colon = bytes.IndexByte(line[:min(len(line), maxLine)], ':')
	if colon <= 0 {
		return 0, -1
	}
	nameEnd = colon
	for nameEnd > 0 && (line[nameEnd-1] == ' ' || line[nameEnd-1] == '\t') {
		nameEnd--
	}
	for _, c := range line[:nameEnd] {
		if c <= ' ' || c >= 0x7f {
			return 0, -1
		}
	}
	return nameEnd, colon
}

// fields gives the kept fields; the slice is good until the next call.
func (h *headerReader) fields() []Field {
	text := string(h.text)
	if cap(h.scratch) < len(h.marks) {
		h.scratch = make([]Field, 0, len(h.marks))
	}
	out, at := h.scratch[:0], 0
	for _, m := range h.marks {
		out = append(out, Field{
			Name: text[at:m.name], Value: strings.Trim(text[m.value:m.end], " \t\r\n"),
			Offset: m.offset, Len: m.length,
		})
		at = m.end
	}
	h.scratch = out
	return out
}

// ParseHeader reads the fields of a header block as the Scanner does, with the
// default Limits. Offsets count from the first octet of raw.
func ParseHeader(raw []byte) Header {
	lim := Limits{}.withDefaults()
	var h headerReader
	h.reset()
	for at := 0; at < len(raw); {
		end := at + nextLine(raw[at:])
		content := bytes.TrimRight(raw[at:end], "\r\n")
		if len(content) == 0 {
			break
		}
		h.line(lim, content, int64(at), int64(end-at), 0)
		at = end
	}
	return h.fields()
}

// nextLine gives the length of the first line of b with its end.
func nextLine(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// HeaderFilter chooses fields of header blocks by their names: what
// BODY[HEADER.FIELDS] and BODY[HEADER.FIELDS.NOT] show, RFC 9051, section
// 6.4.5. It is made once for many messages and may be used concurrently.
type HeaderFilter struct {
	names [][]byte
	sizes uint64 // bit n: there is a name of n octets; names of 64 and more set bit 63
	omit  bool
}

// NewHeaderFilter makes a filter that keeps the fields whose names are in
// names, in any case, or with omit those whose names are not.
func NewHeaderFilter(names []string, omit bool) *HeaderFilter {
	f := &HeaderFilter{omit: omit}
	for _, n := range names {
		f.names = append(f.names, []byte(n))
		f.sizes |= 1 << min(len(n), 63)
	}
	return f
}

// Append appends the chosen fields of a raw header block to dst, byte for byte
// and with the empty line. Lines that are no field count as fields of another
// name.
func (f *HeaderFilter) Append(dst, raw []byte) []byte {
	take := f.omit
	for at := 0; at < len(raw); {
		end := at + nextLine(raw[at:])
		line := bytes.TrimRight(raw[at:end], "\r\n")
		switch {
		case len(line) == 0:
			return append(dst, raw[at:end]...)
		case (line[0] == ' ' || line[0] == '\t') && at > 0:
			// goes with the line before
		default:
			nameEnd, colon := fieldName(line)
			take = f.omit
			if colon > 0 {
				take = f.has(line[:nameEnd]) != f.omit
			}
		}
		if take {
			dst = append(dst, raw[at:end]...)
		}
		at = end
	}
	return dst
}

func (f *HeaderFilter) has(name []byte) bool {
	if f.sizes&(1<<min(len(name), 63)) == 0 {
		return false
	}
	for _, n := range f.names {
		if len(n) == len(name) && bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}
