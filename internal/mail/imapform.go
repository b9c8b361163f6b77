package mail

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown is how many octets of one header value ENVELOPE and BODYSTRUCTURE show.
const maxShown = 16 << 10

// appendString appends s as an IMAP quoted string of pure ASCII: CR, LF, NUL
// and other controls are dropped, text above ASCII becomes encoded words.
// RFC 9051, section 9 (quoted).
func appendString(b []byte, s string) []byte {
	if len(s) > maxShown {
		n := maxShown
		for n > maxShown-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if !isASCII(s) {
		s = encodeWords(DecodeHeader(s))
	}
	b = append(b, '"')
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		b = append(b, s...)
		return append(b, '"')
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, ' ')
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func appendNil(b []byte) []byte { return append(b, "NIL"...) }

// appendNonEmpty appends s, NIL when it is empty.
func appendNonEmpty(b []byte, s string) []byte {
	if s == "" {
		return appendNil(b)
	}
	return appendString(b, s)
}

// envelopeFields is where the fields of ENVELOPE stand in a header; -1 is absent.
type envelopeFields struct {
	date, subject, inReplyTo, messageID, references string
	has                                             [5]bool // in the order above
	from, sender, replyTo, to, cc, bcc              []listEntry
	twice                                           bool
}

// readEnvelope collects what ENVELOPE needs. Of equal fields the first counts,
// but To, Cc and Bcc are joined.
func readEnvelope(fields []Field) *envelopeFields {
	e := &envelopeFields{}
	var lists [6]bool
	text := func(i int, dst *string, v string) {
		if e.has[i] {
			e.twice = true
			return
		}
		e.has[i], *dst = true, v
	}
	list := func(i int, dst *[]listEntry, v string, join bool) {
		if lists[i] {
			e.twice = true
			if !join {
				return
			}
		}
		lists[i] = true
		*dst = addressList(*dst, v)
	}
	for i := range fields {
		f := &fields[i]
		switch len(f.Name) {
		case 2:
			if strings.EqualFold(f.Name, "to") {
				list(3, &e.to, f.Value, true)
			} else if strings.EqualFold(f.Name, "cc") {
				list(4, &e.cc, f.Value, true)
			}
		case 3:
			if strings.EqualFold(f.Name, "bcc") {
				list(5, &e.bcc, f.Value, true)
			}
		case 4:
			if strings.EqualFold(f.Name, "from") {
				list(0, &e.from, f.Value, false)
			} else if strings.EqualFold(f.Name, "date") {
				text(0, &e.date, f.Value)
			}
		case 6:
			if strings.EqualFold(f.Name, "sender") {
				list(1, &e.sender, f.Value, false)
			}
		case 7:
			if strings.EqualFold(f.Name, "subject") {
				text(1, &e.subject, f.Value)
			}
		case 8:
			if strings.EqualFold(f.Name, "reply-to") {
				list(2, &e.replyTo, f.Value, false)
			}
		case 10:
			if strings.EqualFold(f.Name, "message-id") {
				text(3, &e.messageID, f.Value)
			} else if strings.EqualFold(f.Name, "references") {
				text(4, &e.references, f.Value)
			}
		case 11:
			if strings.EqualFold(f.Name, "in-reply-to") {
				text(2, &e.inReplyTo, f.Value)
			}
		}
	}
	if len(e.sender) == 0 {
		e.sender = e.from
	}
	if len(e.replyTo) == 0 {
		e.replyTo = e.from
	}
	return e
}

// render gives the ENVELOPE of RFC 9051, section 7.5.2.
func (e *envelopeFields) render() []byte {
	b := make([]byte, 0, 512)
	b = append(b, '(')
	text := func(i int, s string) {
		if e.has[i] {
			b = appendString(b, s)
		} else {
			b = appendNil(b)
		}
		b = append(b, ' ')
	}
	text(0, e.date)
	text(1, e.subject)
	for _, l := range [][]listEntry{e.from, e.sender, e.replyTo, e.to, e.cc, e.bcc} {
		b = append(appendAddresses(b, l), ' ')
	}
	text(2, e.inReplyTo)
	text(3, e.messageID)
	b[len(b)-1] = ')'
	return b
}

func renderEnvelope(fields []Field) []byte { return readEnvelope(fields).render() }

// appendAddresses appends an address list, NIL for an empty one. An address
// without a domain gets an empty one, because NIL would begin a group.
func appendAddresses(b []byte, list []listEntry) []byte {
	if len(list) == 0 {
		return appendNil(b)
	}
	b = append(b, '(')
	for i := range list {
		e := &list[i]
		switch e.group {
		case GroupStart:
			b = append(b, "(NIL NIL "...)
			b = append(appendString(b, e.name), " NIL)"...)
			continue
		case GroupEnd:
			b = append(b, "(NIL NIL NIL NIL)"...)
			continue
		case GroupNone:
		}
		b = append(b, '(')
		if e.hasName {
			b = appendString(b, e.name)
		} else {
			b = appendNil(b)
		}
		b = append(b, ' ')
		b = append(appendNonEmpty(b, e.route), ' ')
		b = append(appendString(b, e.local), ' ')
		b = append(appendString(b, e.domain), ')')
	}
	return append(b, ')')
}

// newEnvelope gives all of EnvelopeData for a message's own header.
func newEnvelope(fields []Field) (EnvelopeData, Defects) {
	e := readEnvelope(fields)
	decode := func(list []listEntry) []HeaderAddress {
		if len(list) == 0 {
			return nil
		}
		out := make([]HeaderAddress, len(list))
		for i := range list {
			out[i] = list[i].headerAddress()
		}
		return out
	}
	d := EnvelopeData{
		IMAP:      e.render(),
		Subject:   DecodeHeader(cutRunes(e.subject, maxShown)),
		From:      decode(e.from),
		To:        decode(e.to),
		Cc:        decode(e.cc),
		Bcc:       decode(e.bcc),
		MessageID: firstID(e.messageID),
		InReplyTo: firstID(e.inReplyTo),
		Reference: messageIDs(e.references),
	}
	d.Sender, d.ReplyTo = d.From, d.From
	if len(e.sender) > 0 && !sameList(e.sender, e.from) {
		d.Sender = decode(e.sender)
	}
	if len(e.replyTo) > 0 && !sameList(e.replyTo, e.from) {
		d.ReplyTo = decode(e.replyTo)
	}
	d.Date, _ = ParseDate(e.date)
	if e.twice {
		return d, DefectDuplicateField
	}
	return d, 0
}

func sameList(a, b []listEntry) bool { return len(a) == len(b) && &a[0] == &b[0] }

// appendParams appends a parameter list, NIL for an empty one. Values above
// ASCII take the extended form of RFC 2231, section 4.
func appendParams(b []byte, params []Param) []byte {
	if len(params) == 0 {
		return appendNil(b)
	}
	b = append(b, '(')
	for i, p := range params {
		if i > 0 {
			b = append(b, ' ')
		}
		if isASCII(p.Value) {
			b = append(appendString(b, p.Name), ' ')
			b = appendString(b, p.Value)
			continue
		}
		name, value := p.Name, decodeIfHigh(p.Value)
		if strings.IndexByte(name, '*') < 0 {
			name += "*"
			value = "utf-8''" + percentEncode(value, true)
		} else {
			value = percentEncode(value, false)
		}
		b = append(appendString(b, name), ' ')
		b = appendString(b, value)
	}
	return append(b, ')')
}

// percentEncode escapes octets above ASCII, and with all whatever is no
// attribute-char of RFC 2231, section 7.
func percentEncode(s string, all bool) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)*2)
	for i := 0; i < len(s); i++ {
		c := s[i]
		plain := c < utf8.RuneSelf
		if all {
			plain = plain && c > ' ' && c != 0x7f && strings.IndexByte(`*'%()<>@,;:\"/[]?=`, c) < 0
		}
		if plain {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// appendBody appends the BODY (extended false) or BODYSTRUCTURE of p. RFC 9051,
// section 7.5.2.
func appendBody(b []byte, p *Part, extended bool) []byte {
	b = append(b, '(')
	if p.IsMultipart() {
		for _, c := range p.Children {
			b = appendBody(b, c, extended)
		}
		b = append(b, ' ')
		b = appendString(b, p.Subtype)
		if extended {
			b = appendParams(append(b, ' '), p.Params)
			b = appendExtension(b, p)
		}
		return append(b, ')')
	}
	b = append(appendString(b, p.Type), ' ')
	b = append(appendString(b, p.Subtype), ' ')
	b = append(appendParams(b, p.Params), ' ')
	b = append(appendNonEmpty(b, p.ID), ' ')
	b = append(appendNonEmpty(b, p.Description), ' ')
	b = append(appendString(b, p.Encoding), ' ')
	b = strconv.AppendInt(b, p.BodyLen, 10)
	switch {
	case p.Message != nil:
		b = append(b, ' ')
		b = append(b, p.Message.Envelope.IMAP...)
		b = append(b, ' ')
		b = append(appendBody(b, p.Message.Root, extended), ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	case p.Type == "text":
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	}
	if extended {
		b = append(b, ' ')
		b = appendNonEmpty(b, p.MD5)
		b = appendExtension(b, p)
	}
	return append(b, ')')
}

// appendExtension appends disposition, language and location.
func appendExtension(b []byte, p *Part) []byte {
	b = append(b, ' ')
	if p.Disposition == "" {
		b = appendNil(b)
	} else {
		b = append(b, '(')
		b = append(appendString(b, p.Disposition), ' ')
		b = append(appendParams(b, p.DispParams), ')')
	}
	b = append(b, ' ')
	if len(p.Language) == 0 {
		b = appendNil(b)
	} else {
		b = append(b, '(')
		for i, l := range p.Language {
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendString(b, l)
		}
		b = append(b, ')')
	}
	return appendNonEmpty(append(b, ' '), p.Location)
}
