package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Mailbox is an address with the name that is shown for it. RFC 5322, section 3.4.
type Mailbox struct {
	Name string // UTF-8, may be ""
	Addr Address
}

// File is an attachment of an outgoing message.
type File struct {
	Name    string // shown name, UTF-8; cleaned as FileName says
	Type    string // media type, "" means application/octet-stream
	Content []byte
	Inline  bool // Content-Disposition inline instead of attachment
}

// ExtraField is a further header field of an outgoing message. Value is plain
// UTF-8 text; it is encoded and folded.
type ExtraField struct{ Name, Value string }

// Report makes a message a multipart/report, RFC 6522: the text, then Status,
// then what is returned of the original message.
type Report struct {
	Type     string // report-type and second part's subtype: "delivery-status", "disposition-notification"
	Status   []byte // content of the second part: fields of ASCII, line ends LF or CR LF
	Original []byte // raw original message or its header; nil leaves the third part out
	Headers  bool   // Original is a header only: text/rfc822-headers
}

// Builder builds an outgoing message. Its zero value with From, Date and
// MessageID set gives a valid message; text from outside may stand in any
// field, for line ends and other controls never leave a header value.
type Builder struct {
	From          Mailbox
	Sender        Mailbox // left out when zero
	ReplyTo       []Mailbox
	To            []Mailbox // when To and Cc are empty: "undisclosed-recipients:;"
	Cc            []Mailbox
	Subject       string
	Date          time.Time
	MessageID     string // with angle brackets, see NewMessageID
	InReplyTo     string
	References    []string
	AutoSubmitted string // "auto-generated", "auto-replied"; RFC 3834. Left out when "".
	Language      string // Content-Language; left out when ""
	Extra         []ExtraField
	Text          string // text/plain body, UTF-8, line ends LF or CR LF
	Files         []File
	Report        *Report
}

// maxFolded is the length at which header lines are folded, RFC 5322, section 2.1.1.
const maxFolded = 78

// Bytes gives the message with CR LF line ends. All of it but an embedded
// original with 8-bit octets is ASCII. Equal Builders give equal bytes.
func (b *Builder) Bytes() []byte {
	var w messageWriter
	w.addresses("From", []Mailbox{b.From})
	if !b.Sender.Addr.IsZero() {
		w.addresses("Sender", []Mailbox{b.Sender})
	}
	w.addresses("Reply-To", b.ReplyTo)
	w.addresses("To", b.To)
	w.addresses("Cc", b.Cc)
	if len(b.To)+len(b.Cc) == 0 {
		w.structured("To", "undisclosed-recipients:;")
	}
	w.structured("Date", b.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	w.structured("Message-ID", b.MessageID)
	w.structured("In-Reply-To", b.InReplyTo)
	w.structured("References", strings.Join(b.References, " "))
	w.text("Subject", b.Subject)
	w.structured("Auto-Submitted", b.AutoSubmitted)
	w.structured("Content-Language", b.Language)
	for _, f := range b.Extra {
		w.text(f.Name, f.Value)
	}
	w.structured("MIME-Version", "1.0")
	boundary := b.boundary()
	switch {
	case b.Report != nil:
		w.structured("Content-Type", `multipart/report; report-type=`+paramName(b.Report.Type)+`; boundary="`+boundary+`"`)
	case len(b.Files) > 0:
		w.structured("Content-Type", `multipart/mixed; boundary="`+boundary+`"`)
	default:
		w.textPart(b.Text)
		return w.buf.Bytes()
	}
	w.eol()
	w.delimiter(boundary, "")
	w.textPart(b.Text)
	if r := b.Report; r != nil {
		w.delimiter(boundary, "")
		w.report(r, boundary)
	}
	for _, f := range b.Files {
		w.delimiter(boundary, "")
		w.file(f)
	}
	w.delimiter(boundary, "--")
	return w.buf.Bytes()
}

// boundary gives a boundary that is fixed by the content and stands nowhere in
// it: "=_" is in no base64 and no quoted-printable text.
func (b *Builder) boundary() string {
	h := sha256.New()
	h.Write([]byte(b.MessageID))
	h.Write([]byte(b.Text))
	for _, f := range b.Files {
		h.Write(f.Content)
	}
	sum := h.Sum(nil)
	for n := uint64(0); ; n++ {
		boundary := "=_" + hex.EncodeToString(sum[:12]) + strconv.FormatUint(n, 36)
		taken := b.Report != nil &&
			(bytes.Contains(b.Report.Original, []byte(boundary)) || bytes.Contains(b.Report.Status, []byte(boundary)))
		for _, f := range b.Files {
			taken = taken || isMessageType(f.Type) && bytes.Contains(f.Content, []byte(boundary))
		}
		if !taken {
			return boundary
		}
	}
}

// messageWriter writes header fields and parts.
type messageWriter struct{ buf bytes.Buffer }

func (w *messageWriter) eol() { w.buf.WriteString("\r\n") }

// delimiter writes a delimiter line; the line end before it belongs to it.
func (w *messageWriter) delimiter(boundary, end string) {
	w.eol()
	w.buf.WriteString("--" + boundary + end)
	w.eol()
}

// structured writes a field of ASCII whose value may be folded at its blanks.
// An empty value leaves the field out.
func (w *messageWriter) structured(name, value string) {
	value = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, value)
	if value == "" {
		return
	}
	w.fields(name, strings.Fields(value))
}

// fields writes a field whose value is words, a line end before each that does
// not fit.
func (w *messageWriter) fields(name string, words []string) {
	w.buf.WriteString(name + ":")
	length := len(name) + 1
	for i, word := range words {
		if i > 0 && length+1+len(word) > maxFolded {
			w.eol()
			length = 0
		}
		w.buf.WriteString(" " + word)
		length += 1 + len(word)
	}
	w.eol()
}

// text writes an unstructured field. Text that is not plain ASCII, or that
// looks like an encoded word, or could not be folded is encoded. RFC 2047.
func (w *messageWriter) text(name, value string) {
	name = fieldToken(name)
	value = cleanText(value)
	if value == "" || name == "" {
		return
	}
	words := strings.Fields(value)
	plain := isASCII(value) && !strings.Contains(value, "=?") && strings.Join(words, " ") == value
	for _, word := range words {
		plain = plain && len(word) < maxFolded-len(name)-2
	}
	if !plain {
		words = encodedWords(value, len(name)+2)
	}
	w.fields(name, words)
}

// encodedWords gives value as encoded words of which the first fits behind
// first octets on its line.
func encodedWords(value string, first int) []string {
	// The first word may be shorter: take off what fits, the rest as usual.
	const overhead = len("=?UTF-8?B?") + len("?=")
	room := (maxFolded - first - overhead) / 4 * 3
	if room < 12 || len(value) <= room {
		return strings.Fields(encodeWords(value))
	}
	head := cutRunes(value, room)
	return append(strings.Fields(encodeWords(head)), strings.Fields(encodeWords(value[len(head):]))...)
}

// cleanText makes text fit for a header value: valid, NFC, blanks for controls.
func cleanText(s string) string {
	s = norm.NFC.String(strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
}

// fieldToken gives name without what no field name has.
func fieldToken(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' {
			return -1
		}
		return r
	}, name)
}

// addresses writes an address field, nothing for an empty list.
func (w *messageWriter) addresses(name string, list []Mailbox) {
	var words []string
	for i, m := range list {
		display := displayName(m.Name)
		addr := m.Addr.String()
		if len(display) > 0 {
			addr = "<" + addr + ">"
		}
		if i < len(list)-1 {
			addr += ","
		}
		words = append(append(words, display...), addr)
	}
	if len(words) > 0 {
		w.fields(name, words)
	}
}

// displayName gives a display name as words: atoms, one quoted string, or
// encoded words.
func displayName(name string) []string {
	name = cleanText(name)
	if name == "" {
		return nil
	}
	if !isASCII(name) || strings.Contains(name, "=?") || len(name) > maxFolded-4 {
		return strings.Fields(encodeWords(name))
	}
	words := strings.Fields(name)
	atoms := strings.Join(words, " ") == name
	for _, word := range words {
		for i := 0; i < len(word); i++ {
			atoms = atoms && isAtext(word[i])
		}
	}
	if atoms {
		return words
	}
	return []string{quote(name)}
}
