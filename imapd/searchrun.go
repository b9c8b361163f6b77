package imapd

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
)

// maxSearched is how many decoded octets of one part are searched.
const maxSearched = 8 << 20

// truth is an answer that may need more of the message to be known.
type truth int8

const (
	never truth = iota
	perhaps
	surely
)

func certain(b bool) truth {
	if b {
		return surely
	}
	return never
}

// subject is a message while it is searched, with as much of it as has been read.
type subject struct {
	target
	meta    *mailstore.Meta    // nil until it is read
	fields  *mail.Fields       // of meta
	content *mailstore.Content // nil until it is read
	header  mail.Header        // of content
	zone    *time.Location
	err     error
}

// candidate is a message that may be a hit.
type candidate struct {
	target
	is truth
}

// find gives the messages of the client's view for which the program holds. The index decides first, then what is stored about the
// messages that are still open, and only for the rest their octets are read.
func (s *session) find(program *searchKey) ([]target, error) {
	var list []candidate
	var open []int // places in list
	zone := s.srv.opt.Zone
	sub := subject{zone: zone}
	for seq, row := range s.box.known.Rows(1, s.box.known.Len()) {
		sub.target = target{seq, row}
		is := program.holds(&sub)
		if is == never {
			continue
		}
		if is == perhaps {
			open = append(open, len(list))
		}
		list = append(list, candidate{sub.target, is})
	}
	var deep []int
	err := look(list, open, func(ids []mailstore.MessageID, next func(mailstore.MessageID) int) error {
		return s.srv.be.Store.Metas(s.ctx, ids, func(m *mailstore.Meta) error {
			at := next(m.Message)
			list[at].is = program.holds(&subject{target: list[at].target, meta: m, zone: zone})
			if list[at].is == perhaps {
				deep = append(deep, at)
			}
			return nil
		})
	})
	if err = s.unlessDamaged(err); err != nil {
		return nil, err
	}
	err = look(list, deep, func(ids []mailstore.MessageID, next func(mailstore.MessageID) int) error {
		return s.srv.be.Store.Contents(s.ctx, ids, func(c *mailstore.Content) error {
			at := next(c.Message)
			sub := subject{target: list[at].target, meta: c.Meta, content: c, zone: zone}
			list[at].is = program.holds(&sub)
			return sub.err
		})
	})
	if err = s.unlessDamaged(err); err != nil {
		return nil, err
	}
	hits := make([]target, 0, len(list))
	for i := range list {
		if list[i].is == surely { // what is still open has been removed from the store
			hits = append(hits, list[i].target)
		}
	}
	return hits, nil
}

// unlessDamaged lets a search go on when the store has passed over damaged messages: they match nothing, and the rest is still found.
func (s *session) unlessDamaged(err error) error {
	if errors.Is(err, mailstore.ErrDamaged) {
		s.log.Error("search passed over damaged messages", "err", err)
		return nil
	}
	return err
}

// look calls read for batches of the candidates at the places given; next gives the place of the message that the store has come to,
// passing over those that are gone.
func look(list []candidate, places []int, read func(ids []mailstore.MessageID, next func(mailstore.MessageID) int) error) error {
	ids := make([]mailstore.MessageID, 0, fetchBatch)
	var damaged error
	for len(places) > 0 {
		part := places[:min(len(places), fetchBatch)]
		places = places[len(part):]
		ids = ids[:0]
		for _, at := range part {
			ids = append(ids, list[at].row.Message)
		}
		i := 0
		err := read(ids, func(id mailstore.MessageID) int {
			for list[part[i]].row.Message != id {
				i++
			}
			i++
			return part[i-1]
		})
		if errors.Is(err, mailstore.ErrDamaged) {
			damaged = err
		} else if err != nil {
			return err
		}
	}
	return damaged
}

// holds tells whether the key holds for the message, as far as it has been read.
func (k *searchKey) holds(m *subject) truth {
	switch k.op {
	case opAll:
		return surely
	case opAnd:
		return k.every(m)
	case opOr:
		return max(k.kids[0].holds(m), k.kids[1].holds(m))
	case opNot:
		return surely - k.kids[0].holds(m)
	case opSeq:
		return certain(contains(k.ranges, uint32(m.seq)))
	case opUID:
		return certain(contains(k.ranges, uint32(m.row.UID)))
	case opFlag:
		return certain(m.row.Flags&k.flag != 0)
	case opLarger:
		return certain(m.row.Size > k.n)
	case opSmaller:
		return certain(m.row.Size < k.n)
	case opBefore:
		return certain(day(m.row.Date().In(m.zone)).Before(k.at))
	case opSince:
		return certain(!day(m.row.Date().In(m.zone)).Before(k.at))
	}
	if m.meta == nil {
		return perhaps
	}
	switch k.op {
	case opSentBefore, opSentSince:
		sent, known := sentDay(m.meta.Structure)
		return certain(known && sent.Before(k.at) == (k.op == opSentBefore))
	case opSubject, opFrom, opTo, opCc:
		return certain(strings.Contains(mail.Fold(m.field(k.op)), k.text))
	}
	if m.content == nil {
		return perhaps
	}
	switch k.op {
	case opHeader:
		return certain(k.inHeader(m))
	case opBody:
		return certain(m.bodyHas(k.text))
	case opText:
		return certain(m.headerHas(k.text) || m.bodyHas(k.text))
	}
	return never
}

// every is the conjunction; it stops at the first key that cannot hold.
func (k *searchKey) every(m *subject) truth {
	all := surely
	for _, kid := range k.kids {
		if all = min(all, kid.holds(m)); all == never {
			break
		}
	}
	return all
}

// day gives t's date as midnight UTC: dates in SEARCH disregard time and zone (RFC 9051, section 6.4.4).
func day(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// sentDay gives the date of the Date field, in the field's own zone; it is the first string of the stored ENVELOPE.
func sentDay(st *mail.Structure) (time.Time, bool) {
	l := lexer{b: bytes.TrimPrefix(st.Envelope, []byte{'('})}
	text, isString := l.quoted()
	if !isString {
		return time.Time{}, false
	}
	t, valid := mail.ParseDate(text)
	return day(t), valid
}

// field gives a decoded field of the envelope.
func (m *subject) field(op searchOp) string {
	if op == opSubject {
		return m.meta.Structure.Subject()
	}
	if m.fields == nil {
		f := m.meta.Structure.Fields()
		m.fields = &f
	}
	list := m.fields.From
	switch op {
	case opTo:
		list = m.fields.To
	case opCc:
		list = m.fields.Cc
	}
	var b strings.Builder
	for _, a := range list {
		b.WriteString(a.Name)
		if a.Addr != "" {
			b.WriteString(" <" + a.Addr + ">")
		}
		b.WriteString(", ")
	}
	return b.String()
}

// fail keeps the first error of reading; the search ends with it.
func (m *subject) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *subject) headers() mail.Header {
	if m.header == nil {
		raw := make([]byte, int64(len(m.meta.Prefix))+m.meta.Structure.HeaderLen)
		if n, err := m.content.ReadAt(raw, 0); n < len(raw) {
			m.fail(err)
		}
		m.header = mail.ParseHeader(raw)
	}
	return m.header
}

func (k *searchKey) inHeader(m *subject) bool {
	for _, f := range m.headers() {
		if strings.EqualFold(f.Name, k.field) && strings.Contains(mail.Fold(mail.DecodeHeader(f.Value)), k.text) {
			return true
		}
	}
	return false
}

func (m *subject) headerHas(text string) bool {
	for _, f := range m.headers() {
		if strings.Contains(mail.Fold(f.Name+": "+mail.DecodeHeader(f.Value)), text) {
			return true
		}
	}
	return false
}

func (m *subject) bodyHas(text string) bool {
	return m.partHas(m.meta.Structure.Root(), text)
}

// partHas looks into the text parts, and into the headers of messages inside the message.
func (m *subject) partHas(p *mail.Part, text string) bool {
	if p == nil {
		return false
	}
	for _, c := range p.Children {
		if m.partHas(c, text) {
			return true
		}
	}
	if p.Message != nil && p.Message.Root != nil {
		inner := p.Message.Root
		raw, err := io.ReadAll(io.NewSectionReader(m.content.Body(), inner.Offset, inner.HeaderLen))
		if err != nil {
			m.fail(err)
		}
		for _, f := range mail.ParseHeader(raw) {
			if strings.Contains(mail.Fold(f.Name+": "+mail.DecodeHeader(f.Value)), text) {
				return true
			}
		}
		return m.partHas(inner, text)
	}
	if p.IsMultipart() || p.Type != "text" {
		return false
	}
	raw, err := io.ReadAll(io.LimitReader(p.Decoder(m.content.Body()), maxSearched))
	if err != nil {
		m.fail(err)
	}
	return strings.Contains(mail.Fold(mail.DecodeText(raw, p.Charset())), text)
}
