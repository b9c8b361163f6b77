package mail

import (
	"bytes"
	"encoding/binary"
	"strings"
)

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Depth, 100)
	def(&l.Parts, 10_000)
	def(&l.Boundary, 2048)
	def(&l.Header, 1<<20)
	def(&l.Field, 256<<10)
	def(&l.Fields, 5000)
	def(&l.AllHeader, 4<<20)
	return l
}

// delimiterPadding is how many blanks may follow a delimiter on its line.
const delimiterPadding = 256

// maxLine is the length of a line without its end, RFC 5322, section 2.1.1.
const maxLine = 998

// Scanner reads a message once and finds its parts. It is an io.Writer that
// takes the message in chunks of any size and never fails; how the message is
// cut into chunks makes no difference. The zero Scanner is not usable.
//
// It is tolerant: a line that is no header field is skipped, LF alone ends a
// line, a part without its delimiter ends where an outer one or the message
// ends. A header block without a single field is taken as body; lines at the
// end of a header that was never ended by an empty line are taken as body from
// the first line that is no field.
type Scanner struct {
	lim     Limits
	defects Defects

	size  int64 // octets before the chunk at hand
	lines int64 // LF octets before the line at hand
	cr    int64 // CR octets
	crlf  int64 // CR LF pairs
	tail  [2]byte

	// The line that began in an earlier chunk.
	line     []byte // its first octets, as many as its mode needs
	lineLen  int64  // all octets of it so far, 0 when no line is begun
	lineHigh bool   // one of them is above 127
	lineEOL  int    // length of the line end before it

	head   headerReader
	inHead bool // the innermost part's header is being read
	top    bool // … and it is the message's own

	header  Header
	env     EnvelopeData
	root    *Part
	headLen int64
	stack   []frame
	open    int  // frames that wait for delimiters
	parts   int  // parts so far
	rest    bool // the last part takes all that follows
	ended   bool // Finish was called
	all     int  // octets of headers kept so far
}

// frame is a part that has not ended.
type frame struct {
	part      *Part
	boundary  string // of a multipart that waits for delimiters
	digest    bool   // children are messages by default
	message   bool   // the header is a message's header
	byDefault bool   // message/rfc822 when there is no Content-Type
	headLines int64  // LF octets before the header
	bodyLines int64  // LF octets before the body
}

// NewScanner returns a Scanner for one message.
func NewScanner(l Limits) *Scanner {
	s := &Scanner{lim: l.withDefaults(), top: true}
	s.root = &Part{}
	s.push(frame{part: s.root, message: true}, 0)
	return s
}

// Write implements io.Writer; it takes all of p and returns no error.
func (s *Scanner) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.defects&DefectNUL == 0 && bytes.IndexByte(p, 0) >= 0 {
		s.defects |= DefectNUL
	}
	s.cr += int64(bytes.Count(p, []byte{'\r'}))
	bodyFrom := 0 // from here on p is outside the first header
	pos := 0
	for pos < len(p) {
		i := bytes.IndexByte(p[pos:], '\n')
		if i < 0 {
			break
		}
		end := pos + i + 1
		eol := 1
		switch {
		case i > 0 && p[end-2] == '\r', i == 0 && pos == 0 && s.tail[1] == '\r':
			eol = 2
			s.crlf++
		default:
			s.defects |= DefectBareLF
		}
		total := s.lineLen + int64(i+1)
		if total-int64(eol) > maxLine {
			s.defects |= DefectLongLine
		}
		wasTop := s.top
		switch {
		case s.lineLen > 0:
			s.keep(p[pos:end], 0)
			s.endLine(s.line, s.size+int64(end)-s.lineLen, s.lineLen, s.lineEOL, s.lineHigh)
			s.line, s.lineLen, s.lineHigh = s.line[:0], 0, false
		case s.inHead:
			line := p[pos:end]
			s.endLine(line, s.size+int64(pos), int64(len(line)), s.eolBefore(p, pos), hasHigh(line))
		case p[pos] == '-' && s.open > 0:
			s.endLine(p[pos:end], s.size+int64(pos), int64(i+1), s.eolBefore(p, pos), false)
		}
		if wasTop {
			bodyFrom = end
		}
		s.lines++
		pos = end
	}
	if s.top {
		bodyFrom = len(p)
	}
	if pos < len(p) {
		s.keep(p[pos:], s.eolBefore(p, pos))
	}
	if s.defects&DefectBody8Bit == 0 && hasHigh(p[bodyFrom:]) {
		s.defects |= DefectBody8Bit
	}
	if len(p) > 1 {
		s.tail[0] = p[len(p)-2]
	} else {
		s.tail[0] = s.tail[1]
	}
	s.tail[1] = p[len(p)-1]
	s.size += int64(len(p))
	return len(p), nil
}

// keep remembers a piece of an unfinished line; eol is the length of the line
// end before it when it is the line's first piece.
func (s *Scanner) keep(piece []byte, eol int) {
	if s.lineLen == 0 {
		s.lineEOL = eol
	}
	most := 0
	switch {
	case s.inHead:
		s.lineHigh = s.lineHigh || hasHigh(piece)
		most = max(s.lim.Field, s.lim.Boundary+delimiterPadding)
	case s.open > 0:
		most = s.lim.Boundary + delimiterPadding
	}
	if room := most - len(s.line); room > 0 && int64(len(s.line)) == s.lineLen {
		s.line = append(s.line, piece[:min(room, len(piece))]...)
	}
	s.lineLen += int64(len(piece))
}

// eolBefore gives the length of the line end before p[pos].
func (s *Scanner) eolBefore(p []byte, pos int) int {
	before := func(n int) byte {
		if pos-n >= 0 {
			return p[pos-n]
		}
		return s.tail[2+pos-n]
	}
	switch {
	case before(1) != '\n':
		return 0
	case before(2) == '\r':
		return 2
	default:
		return 1
	}
}

// hasHigh tells whether an octet of b is above 127.
func hasHigh(b []byte) bool {
	for len(b) >= 32 {
		if (binary.LittleEndian.Uint64(b)|binary.LittleEndian.Uint64(b[8:])|
			binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&0x8080808080808080 != 0 {
			return true
		}
		b = b[32:]
	}
	var or byte
	for _, c := range b {
		or |= c
	}
	return or >= 0x80
}

// endLine takes a line that begins at start and is total octets long with its
// end; line holds at least the octets its mode needs. eol is the length of the
// line end before it.
func (s *Scanner) endLine(line []byte, start, total int64, eol int, high bool) {
	if s.delimiter(line, start, total, eol) {
		s.noteHigh(high, false)
		return
	}
	if !s.inHead {
		return
	}
	if total > int64(s.lim.Field) {
		s.defects |= DefectHeaderTooLarge
		line = line[:min(len(line), s.lim.Field)]
	}
	content := bytes.TrimRight(line, "\r\n")
	if len(content) == 0 && int64(len(line)) == total {
		s.endHeader(start+total, true)
		return
	}
	wasTop, lim := s.top, s.lim
	lim.Header = min(lim.Header, max(lim.AllHeader-s.all, 0))
	switch s.head.line(lim, content, start, total, s.lines) {
	case lineMboxFrom:
		if wasTop && start == 0 {
			s.defects |= DefectMboxFrom
		}
		s.defects |= DefectMalformedHeader
	case lineDashes:
		// Most likely the empty line is missing before a delimiter.
		for s.inHead {
			s.endHeader(start, false)
		}
		s.delimiter(line, start, total, eol)
		s.noteHigh(high, false)
		return
	case lineJunk:
		s.defects |= DefectMalformedHeader
	case lineField:
	}
	s.noteHigh(high, true)
}

// noteHigh records octets above 127 in a line read as header or as body.
func (s *Scanner) noteHigh(high, header bool) {
	switch {
	case !high:
	case header && s.top:
		s.defects |= DefectHeader8Bit
	case header:
		s.defects |= DefectHeader8Bit | DefectBody8Bit
	default:
		s.defects |= DefectBody8Bit
	}
}

// delimiter handles the line if it is a delimiter of an open multipart.
func (s *Scanner) delimiter(line []byte, start, total int64, eol int) bool {
	if s.open == 0 || s.rest || len(line) < 3 || line[0] != '-' || line[1] != '-' ||
		total > int64(s.lim.Boundary+delimiterPadding) {
		return false
	}
	text := bytes.TrimRight(line[2:], " \t\r\n")
	for i := len(s.stack) - 1; i >= 0; i-- {
		b := s.stack[i].boundary
		if b == "" || len(text) < len(b) || string(text[:len(b)]) != b {
			continue
		}
		switch string(text[len(b):]) {
		case "":
			s.closeAbove(i, start, eol)
			s.child(i, start+total)
			return true
		case "--":
			s.closeAbove(i, start, eol)
			s.stack[i].boundary = ""
			s.open--
			return true
		}
	}
	return false
}

// closeAbove ends all parts inside stack[i] before the delimiter at start.
func (s *Scanner) closeAbove(i int, start int64, eol int) {
	s.endAll(start-int64(eol), s.lines-int64(min(eol, 1)), i+1)
}

// endAll ends all parts from stack[from] on at the offset at, before which
// there are lines LF octets.
func (s *Scanner) endAll(at, lines int64, from int) {
	for s.inHead {
		s.endHeader(max(at, s.stack[len(s.stack)-1].part.Offset), false)
	}
	for i := max(from, 1); i < len(s.stack); i++ {
		p := s.stack[i].part
		switch {
		case s.stack[i].message:
			p.fit(s.stack[i-1].part.BodyOffset, at)
		case i > from:
			p.fit(min(p.Offset, at), at)
		}
	}
	for len(s.stack) > from {
		f := &s.stack[len(s.stack)-1]
		if f.boundary != "" {
			s.defects |= DefectNoFinalBoundary
			s.open--
		}
		f.end(at, lines)
		if f.part.Type == "multipart" && len(f.part.Children) == 0 {
			s.defects |= DefectNoParts
			f.part.Type, f.part.Subtype, f.part.Params = "text", "plain", nil
		}
		s.stack = s.stack[:len(s.stack)-1]
	}
}

// fit makes p, which begins at begin, end not behind the offset at, so that it
// lies within the part around it: the empty line after a header may be the line
// end that belongs to an outer delimiter.
func (p *Part) fit(begin, at int64) {
	p.Offset = begin
	p.BodyOffset = max(begin, min(p.BodyOffset, at))
	p.HeaderLen = p.BodyOffset - begin
}

func (f *frame) end(at, lines int64) {
	if n := at - f.part.BodyOffset; n > 0 {
		f.part.BodyLen, f.part.Lines = n, lines-f.bodyLines
	}
}

// child begins a part of the multipart stack[i] at offset at, after a delimiter.
func (s *Scanner) child(i int, at int64) {
	parent := s.stack[i].part
	p := &Part{Offset: at}
	parent.Children = append(parent.Children, p)
	// The delimiter's own LF is counted only after its line.
	s.push(frame{part: p, byDefault: s.stack[i].digest}, s.lines+1)
}

// push begins to read the header of a new innermost part.
func (s *Scanner) push(f frame, lines int64) {
	f.headLines = lines
	s.stack = append(s.stack, f)
	s.parts++
	s.inHead = true
	s.head.reset()
}

// endHeader ends the header of the innermost part at the offset at, by an empty
// line or for want of one.
func (s *Scanner) endHeader(at int64, blank bool) {
	f := &s.stack[len(s.stack)-1]
	p := f.part
	s.inHead = false
	f.bodyLines = s.lines
	if blank {
		f.bodyLines++
	}
	h := &s.head
	switch {
	case !h.seen && h.used:
		at, f.bodyLines = p.Offset, f.headLines
		s.bodyAfterAll()
	case !blank && h.junkAt >= 0:
		at, f.bodyLines = h.junkAt, h.junkLines
		s.bodyAfterAll()
		s.defects |= DefectNoBlankLine
	case !blank && h.used && !s.ended:
		s.defects |= DefectNoBlankLine
	}
	p.HeaderLen, p.BodyOffset = at-p.Offset, at
	if h.cut {
		s.defects |= DefectHeaderTooLarge
	}
	fields := h.fields()
	s.all += len(h.text)
	if s.top {
		s.top = false
		s.headLen = p.HeaderLen
		s.header = append(make(Header, 0, len(fields)), fields...)
		if len(fields) == 0 {
			s.defects |= DefectNoHeader
		}
	}
	s.defects |= p.setFields(fields)
	if f.message {
		var d Defects
		if len(s.stack) == 1 {
			s.env, d = newEnvelope(fields)
			s.defects |= d
		} else {
			s.stack[len(s.stack)-2].part.Message.Envelope.IMAP = renderEnvelope(fields)
		}
	}
	s.begin(f)
}

// bodyAfterAll records that lines read as header have turned out to be body.
func (s *Scanner) bodyAfterAll() {
	if s.defects&DefectHeader8Bit != 0 {
		s.defects |= DefectBody8Bit
	}
}

// begin decides what the body of f is, whose header is read.
func (s *Scanner) begin(f *frame) {
	p := f.part
	if p.Type == "" {
		p.Type, p.Subtype = "text", "plain"
		if f.byDefault {
			p.Type, p.Subtype = "message", "rfc822"
		}
	}
	multipart := p.Type == "multipart"
	message := p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
	switch {
	case s.parts >= s.lim.Parts-1:
		s.defects |= DefectTooManyParts
		s.rest = true
		p.opaque()
	case (multipart || message) && len(s.stack) >= s.lim.Depth:
		s.defects |= DefectTooDeep
		p.opaque()
	case multipart:
		b := strings.TrimRight(param(p.Params, "boundary"), " \t")
		if b != "" && len(b) <= s.lim.Boundary {
			f.boundary = b
			f.digest = p.Subtype == "digest"
			s.open++
		}
	case message:
		root := &Part{Offset: p.BodyOffset}
		p.Message = &Embedded{Root: root}
		s.push(frame{part: root, message: true}, f.bodyLines)
	}
}

// opaque makes p a leaf that nobody looks into.
func (p *Part) opaque() {
	p.Type, p.Subtype, p.Params = "application", "octet-stream", nil
}

// Finish ends the message and gives what was found. The Scanner is of no use
// afterwards.
func (s *Scanner) Finish() *Message {
	s.ended = true
	if s.lineLen > 0 {
		s.defects |= DefectUnterminatedLine
		if s.lineLen > maxLine {
			s.defects |= DefectLongLine
		}
		s.endLine(s.line, s.size-s.lineLen, s.lineLen, s.lineEOL, s.lineHigh)
	}
	s.endAll(s.size, s.lines, 0)
	if s.cr != s.crlf {
		s.defects |= DefectBareCR
	}
	return &Message{
		Size: s.size, Lines: s.lines, HeaderLen: s.headLen, Header: s.header,
		Root: s.root, Envelope: s.env, Defects: s.defects,
	}
}
