package mailstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"vanthu/internal/mail"
)

// searchForm is the form of stored texts and grams. Whoever changes what is
// taken out of a message, or how, raises it: the index is then made anew.
const searchForm = 2

// Limits of what is searched of one message. The same message gives the same
// text always: nothing here depends on time or load.
const (
	maxHeaderText = 1 << 20  // folded octets of the header
	maxBodyText   = 1 << 20  // folded octets of all the rest
	maxPartOctets = 8 << 20  // decoded octets of one text part that are looked at
	maxAttachment = 16 << 20 // decoded octets of an attachment that is opened; a larger one counts by its name
)

// Extractor gives the text of attachments that are not text, such as PDF and
// office documents. It must be safe for concurrent use, bound its own time and memory,
// and give the same text for the same octets.
type Extractor interface {
	// Reads reports whether it knows attachments of this kind.
	Reads(a Attachment) bool
	// Text gives at most limit octets of UTF-8. body has the decoded octets.
	Text(ctx context.Context, a Attachment, body io.Reader, limit int) (string, error)
}

// Attachment names a kind of attachment.
type Attachment struct {
	Media string // type/subtype in lower case
	Name  string // cleaned file name, may be ""
}

// TextField is where a text is looked for.
type TextField uint8

// The fields. The first four are those of the envelope, decoded; an address is
// "Name <local@domain>".
const (
	FieldSubject TextField = iota
	FieldFrom
	FieldTo
	FieldCc
	FieldHeader // the fields called TextQuery.Header
	FieldBody   // text parts, texts and names of attachments, headers of messages inside the message
	FieldText   // any "Name: value" of the header, or the body
)

// A searchText is the folded text of one message: sections with endSection
// between them, the last two made of pieces with endPiece after each. Neither
// octet occurs in UTF-8, so nothing is found across pieces.
type searchText []byte

const (
	endSection byte = 0xfe
	endPiece   byte = 0xff
)

// The sections of a searchText; the first four are the first four TextFields.
const (
	sectionHeader = 4
	sectionBody   = 5
)

// section gives one section; a damaged text has empty ones.
func (t searchText) section(n int) []byte {
	last := n == sectionBody
	for ; n > 0; n-- {
		i := bytes.IndexByte(t, endSection)
		if i < 0 {
			return nil
		}
		t = t[i+1:]
	}
	if last {
		return t
	}
	if i := bytes.IndexByte(t, endSection); i >= 0 {
		return t[:i]
	}
	return t
}

// query is a TextQuery ready to compare.
type query struct {
	field          TextField
	header, needle []byte // folded
}

// places gives what belongs to the field of q; nothing may be found across two
// of them.
func (t searchText) places(q query) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		switch q.field {
		case FieldSubject, FieldFrom, FieldTo, FieldCc:
			yield(t.section(int(q.field)))
		case FieldBody:
			yield(t.section(sectionBody))
		case FieldText:
			_ = yield(t.section(sectionBody)) && yield(t.section(sectionHeader))
		case FieldHeader:
			for piece := range bytes.SplitSeq(t.section(sectionHeader), []byte{endPiece}) {
				name, value, found := bytes.Cut(piece, []byte(": "))
				if found && bytes.Equal(name, q.header) && !yield(value) {
					return
				}
			}
		}
	}
}

// has reports whether the needle is in the field. The empty one is in every
// field that is there.
func (t searchText) has(q query) bool {
	for place := range t.places(q) {
		if bytes.Contains(place, q.needle) {
			return true
		}
	}
	return false
}

// envelopeTexts gives the folded texts of the first four fields.
func envelopeTexts(st *mail.Structure) [4]string {
	f := st.Fields()
	return [4]string{mail.Fold(f.Subject), addressText(f.From), addressText(f.To), addressText(f.Cc)}
}

func addressText(list []mail.HeaderAddress) string {
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.Name)
		if a.Addr != "" {
			b.WriteString(" <" + a.Addr + ">")
		}
		b.WriteString(", ")
	}
	return mail.Fold(b.String())
}

// texts takes the text out of messages. It is for one goroutine.
type texts struct {
	extract Extractor // may be nil
	failed  func(id MessageID, err error)

	out  []byte
	left int // octets that may still be added to the section
	err  error
}

// of gives the text of a message, good until the next call. What cannot be
// understood in it is passed over; a message that cannot be read is
// [ErrDamaged].
func (x *texts) of(ctx context.Context, c *Content) (t searchText, err error) {
	defer func() {
		// One strange message must not end the server, nor keep all others
		// from being found.
		if r := recover(); r != nil {
			t, err = nil, damaged(c.Message, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	raw := make([]byte, int64(len(c.Prefix))+c.Structure.HeaderLen)
	if n, err := c.ReadAt(raw, 0); n < len(raw) {
		return nil, unreadable(c.Message, err)
	}
	x.out, x.err = x.head(x.out[:0], c.Meta, raw), nil
	x.left = maxBodyText
	x.part(ctx, c, c.Structure.Root())
	if x.err != nil {
		return nil, unreadable(c.Message, x.err)
	}
	return x.out, ctx.Err()
}

// unreadable: a message that is shorter than its structure says is damaged.
func unreadable(id MessageID, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(id, err)
	}
	return err
}

// head appends all sections but the body's to dst; raw is the header with the
// prefix.
func (x *texts) head(dst searchText, m *Meta, raw []byte) searchText {
	x.out = x.envelope(dst, m)
	x.left = maxHeaderText
	x.header(raw)
	return append(x.out, endSection)
}

// envelope appends the sections of the envelope.
func (x *texts) envelope(dst searchText, m *Meta) searchText {
	x.out = dst
	for _, s := range envelopeTexts(m.Structure) {
		x.left = maxHeaderText
		x.put(s)
		x.out = append(x.out, endSection)
	}
	return x.out
}

// put appends a folded text as far as there is room.
func (x *texts) put(s string) {
	if len(s) > x.left {
		n := x.left
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s, x.left = s[:n], n
	}
	x.out = append(x.out, s...)
	x.left -= len(s)
}

// piece appends a text as a piece of its own.
func (x *texts) piece(s string) {
	if s == "" || x.left <= 0 {
		return
	}
	x.put(mail.Fold(s))
	x.out = append(x.out, endPiece)
}

// header takes the fields of a header.
func (x *texts) header(raw []byte) {
	for _, f := range mail.ParseHeader(raw) {
		x.piece(f.Name + ": " + mail.DecodeHeader(f.Value))
	}
}

// part takes the text out of p and what is in it.
func (x *texts) part(ctx context.Context, c *Content, p *mail.Part) {
	if p == nil || x.left <= 0 || x.err != nil || ctx.Err() != nil {
		return
	}
	if p.Message != nil && p.Message.Root != nil {
		inner := p.Message.Root
		raw := make([]byte, inner.HeaderLen)
		if n, err := c.Body().ReadAt(raw, inner.Offset); n < len(raw) {
			x.err = err
			return
		}
		x.piece(p.FileName())
		x.header(raw)
		x.part(ctx, c, inner)
		return
	}
	if p.IsMultipart() {
		for _, child := range p.Children {
			x.part(ctx, c, child)
		}
		return
	}
	a := Attachment{Media: p.Type + "/" + p.Subtype, Name: p.FileName()}
	x.piece(a.Name)
	body := p.Decoder(c.Body())
	switch {
	case p.Type == "text":
		raw, err := io.ReadAll(io.LimitReader(body, maxPartOctets))
		if err != nil {
			x.err = err
			return
		}
		s := mail.DecodeText(raw, p.Charset())
		if p.Subtype == "html" {
			s = htmlText(s)
		}
		x.piece(s)
	case x.extract != nil && x.extract.Reads(a):
		s, err := x.extract.Text(ctx, a, io.LimitReader(body, maxAttachment), x.left)
		if err != nil && x.failed != nil {
			x.failed(c.Message, err)
		}
		x.piece(strings.ToValidUTF8(s, "\uFFFD"))
	}
}
