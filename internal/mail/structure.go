package mail

import (
	"encoding/binary"
	"slices"
	"time"

	"vanthu/internal/fault"
)

// structureVersion begins every encoded Structure. A change of the format takes
// the next number; DecodeStructure goes on reading the old ones.
const structureVersion = 1

// Structure is what is stored about a message so that nobody parses it again.
// Its slices are parts of the decoded input; they must not be changed.
type Structure struct {
	Size      int64 // octets of the received message
	HeaderLen int64 // octets of its header with the empty line
	Lines     int64 // LF octets
	Defects   Defects

	Envelope      []byte // IMAP ENVELOPE, ready to send
	BodyStructure []byte // IMAP BODYSTRUCTURE, ready to send
	Body          []byte // IMAP BODY, the form without extension data, ready to send

	fields []byte
	parts  []byte
}

// Fields are the decoded fields of a stored message; see EnvelopeData.
type Fields struct {
	Subject   string
	Date      time.Time // to the second, in UTC; zero when absent
	From      []HeaderAddress
	Sender    []HeaderAddress
	ReplyTo   []HeaderAddress
	To        []HeaderAddress
	Cc        []HeaderAddress
	MessageID string
	InReplyTo string
	Reference []string
}

// EncodeStructure gives the stored form of m: a version octet, then variable
// length numbers and counted texts.
func EncodeStructure(m *Message) []byte {
	env := &m.Envelope
	full := appendBody(make([]byte, 0, 1024), m.Root, true)
	short := appendBody(make([]byte, 0, 512), m.Root, false)
	b := make([]byte, 0, 512+2*len(env.IMAP)+len(full)+len(short))
	b = append(b, structureVersion)
	for _, n := range []int64{m.Size, m.HeaderLen, m.Lines, int64(m.Defects)} {
		b = appendNumber(b, n)
	}
	b = appendBytes(b, env.IMAP)
	b = appendBytes(b, full)
	b = appendBytes(b, short)
	b = appendBytes(b, appendFields(make([]byte, 0, 512), env))
	return appendBytes(b, appendPart(make([]byte, 0, 256), m.Root))
}

func appendFields(b []byte, e *EnvelopeData) []byte {
	b = appendText(b, e.Subject)
	date := int64(0)
	if !e.Date.IsZero() {
		date = e.Date.Unix()<<1 | 1
	}
	b = binary.AppendVarint(b, date)
	b = appendText(b, e.MessageID)
	b = appendText(b, e.InReplyTo)
	b = appendNumber(b, int64(len(e.Reference)))
	for _, r := range e.Reference {
		b = appendText(b, r)
	}
	for _, list := range [][]HeaderAddress{e.From, e.Sender, e.ReplyTo, e.To, e.Cc} {
		b = appendNumber(b, int64(len(list)))
		for _, a := range list {
			b = append(b, byte(a.Group))
			b = appendText(b, a.Name)
			b = appendText(b, a.Addr)
		}
	}
	return b
}

// The kinds of an encoded part: what its nested parts are.
const (
	kindLeaf      = 0
	kindMultipart = 1
	kindMessage   = 2 // exactly one: the root of the message inside
)

// appendPart appends p: its own octet count first, so that it can be skipped.
func appendPart(b []byte, p *Part) []byte {
	kind, nested := byte(kindLeaf), p.Children
	var inner [1]*Part
	switch {
	case p.Message != nil:
		inner[0] = p.Message.Root
		kind, nested = kindMessage, inner[:]
	case p.IsMultipart():
		kind = kindMultipart
	}
	begin := len(b)
	b = append(b, kind)
	for _, n := range [...]int64{p.Offset, p.HeaderLen, p.BodyLen, p.Lines} {
		b = appendNumber(b, n)
	}
	for _, s := range [...]string{
		p.Type, p.Subtype, p.Charset(), p.FileName(), cutRunes(p.ID, maxMessageID), p.Encoding, p.Disposition,
	} {
		b = appendText(b, s)
	}
	for _, c := range nested {
		b = appendPart(b, c)
	}
	// The count goes before what is already written.
	var count [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(count[:], uint64(len(b)-begin))
	return slices.Insert(b, begin, count[:n]...)
}

func appendNumber(b []byte, n int64) []byte { return binary.AppendUvarint(b, uint64(max(n, 0))) }

func appendText(b []byte, s string) []byte { return append(appendNumber(b, int64(len(s))), s...) }

func appendBytes(b, s []byte) []byte { return append(appendNumber(b, int64(len(s))), s...) }

func badStructure() error {
	return fault.New(fault.Temporary, fault.Text{
		EN: "stored message structure is damaged", VI: "Dữ liệu cấu trúc thư bị hỏng.",
	})
}

// structReader reads the stored form; after a fault it gives zeros and bad.
type structReader struct {
	b   []byte
	bad bool
}

func newStructReader(b []byte) *structReader { return &structReader{b: b} }

func (r *structReader) fail() { r.b, r.bad = nil, true }

func (r *structReader) text() string { return string(r.bytes()) }

func (r *structReader) number() int64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<62 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

func (r *structReader) signed() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *structReader) octet() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// bytes gives a counted text without copying.
func (r *structReader) bytes() []byte {
	n := r.number()
	if n > int64(len(r.b)) {
		r.fail()
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// DecodeStructure reads what EncodeStructure wrote. It copies nothing and looks
// into the part table and the fields only when they are asked for. An error
// means damaged storage.
func DecodeStructure(b []byte) (*Structure, error) {
	r := structReader{b: b}
	if r.octet() != structureVersion {
		return nil, badStructure()
	}
	s := &Structure{Size: r.number(), HeaderLen: r.number(), Lines: r.number(), Defects: Defects(r.number())}
	s.Envelope, s.BodyStructure, s.Body = r.bytes(), r.bytes(), r.bytes()
	s.fields, s.parts = r.bytes(), r.bytes()
	if r.bad || len(r.b) > 0 || s.HeaderLen > s.Size || s.Lines > s.Size {
		return nil, badStructure()
	}
	return s, nil
}

// Subject gives the decoded Subject alone.
func (s *Structure) Subject() string { return newStructReader(s.fields).text() }

// Fields gives all decoded fields. Damaged ones are left empty.
func (s *Structure) Fields() Fields {
	r := newStructReader(s.fields)
	f := Fields{Subject: r.text()}
	if d := r.signed(); d != 0 {
		f.Date = time.Unix(d>>1, 0).UTC()
	}
	f.MessageID, f.InReplyTo = r.text(), r.text()
	for n := r.number(); n > 0 && !r.bad; n-- {
		f.Reference = append(f.Reference, r.text())
	}
	for _, list := range []*[]HeaderAddress{&f.From, &f.Sender, &f.ReplyTo, &f.To, &f.Cc} {
		for n := r.number(); n > 0 && !r.bad; n-- {
			a := HeaderAddress{Group: Group(r.octet()), Name: r.text(), Addr: r.text()}
			if !r.bad {
				*list = append(*list, a)
			}
		}
	}
	return f
}

// Root gives the part tree with what is stored of each part: place, type,
// charset, cleaned file name ("name"), Content-ID, encoding and disposition. It
// is nil when the table is damaged.
func (s *Structure) Root() *Part {
	r := newStructReader(s.parts)
	p := s.readPart(r, 0)
	if r.bad {
		return nil
	}
	return p
}

// maxStoredDepth bounds the recursion over a table that may be damaged; tables
// of the default Limits.Depth fit.
const maxStoredDepth = 1000

func (s *Structure) readPart(r *structReader, depth int) *Part {
	entry := structReader{b: r.bytes()}
	kind := entry.octet()
	p := s.readOwn(&entry)
	if r.bad || entry.bad || depth > maxStoredDepth {
		r.fail()
		return nil
	}
	for len(entry.b) > 0 && !entry.bad {
		c := s.readPart(&entry, depth+1)
		switch {
		case c == nil:
		case kind == kindMultipart:
			p.Children = append(p.Children, c)
		case kind == kindMessage && p.Message == nil:
			p.Message = &Embedded{Root: c}
		default:
			entry.fail()
		}
	}
	if entry.bad || (kind == kindMessage) != (p.Message != nil) || (kind == kindMultipart) != p.IsMultipart() {
		r.fail()
		return nil
	}
	return p
}

// readOwn reads a part's own columns after its kind.
func (s *Structure) readOwn(r *structReader) *Part {
	p := &Part{Offset: r.number(), HeaderLen: r.number(), BodyLen: r.number(), Lines: r.number()}
	p.BodyOffset = p.Offset + p.HeaderLen
	p.Type, p.Subtype = r.text(), r.text()
	if v := r.text(); v != "" {
		p.Params = append(p.Params, Param{Name: "charset", Value: v})
	}
	if v := r.text(); v != "" {
		p.Params = append(p.Params, Param{Name: "name", Value: v})
	}
	p.ID, p.Encoding, p.Disposition = r.text(), r.text(), r.text()
	if p.Offset > s.Size || p.HeaderLen > s.Size || p.BodyLen > s.Size || p.BodyOffset+p.BodyLen > s.Size {
		r.fail()
	}
	return p
}
