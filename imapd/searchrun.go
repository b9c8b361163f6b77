package imapd

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

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
	candidate
	meta *mailstore.Meta // nil until it is read
	zone *time.Location
}

// candidate is a message that may be a hit.
type candidate struct {
	target
	is    truth
	asked int // its place in the answers about texts
}

// find gives the messages of the client's view for which the program holds. The index of the mailbox decides first, then the store's
// index of texts, and only dates of the header need more of the messages that are still open.
func (s *session) find(b *box, program *searchKey) ([]target, error) {
	if program.always() {
		hits := make([]target, 0, b.known.Len())
		for seq, row := range b.known.Rows(1, b.known.Len()) {
			hits = append(hits, target{seq, row})
		}
		return hits, nil
	}
	if err := s.loadSaved(b, program); err != nil {
		return nil, err
	}
	for _, k := range program.keys(nil, searchOp.asksText) {
		k.hits = nil // of the mailbox before
	}
	var list []candidate
	var open []int // places in list
	zone := s.srv.opt.Zone
	sub := subject{zone: zone}
	for seq, row := range b.known.Rows(1, b.known.Len()) {
		sub.candidate = candidate{target: target{seq, row}, asked: len(open)}
		sub.is = program.holds(&sub)
		if sub.is == never {
			continue
		}
		if sub.is == perhaps {
			open = append(open, len(list))
		}
		if len(list) == cap(list) && len(list) >= 4096 { // many are hits: grow once
			list = slices.Grow(list, b.known.Len()-seq+1)
		}
		list = append(list, sub.candidate)
	}
	if err := s.searchTexts(program, list, open); err != nil {
		return nil, err
	}
	var dated []int
	for _, at := range open {
		list[at].is = program.holds(&subject{candidate: list[at], zone: zone})
		if list[at].is == perhaps {
			dated = append(dated, at)
		}
	}
	err := look(list, dated, func(ids []mailstore.MessageID, next func(mailstore.MessageID) int) error {
		return s.srv.be.Store.Metas(s.ctx, ids, func(m *mailstore.Meta) error {
			at := next(m.Message)
			list[at].is = program.holds(&subject{candidate: list[at], meta: m, zone: zone})
			return nil
		})
	})
	if err = s.unlessDamaged(err); err != nil {
		return nil, err
	}
	var hits []target
	for i := range list {
		if list[i].is == surely { // what is still open has been removed from the store
			hits = append(hits, list[i].target)
		}
	}
	return hits, nil
}

// always tells whether the program holds for every message, as that of SORT and THREAD mostly does.
func (k *searchKey) always() bool {
	return k.op == opAll || k.op == opAnd && !slices.ContainsFunc(k.kids, func(kid *searchKey) bool { return !kid.always() })
}

// loadSaved gives the keys that ask when messages were saved the dates of the whole mailbox.
func (s *session) loadSaved(b *box, program *searchKey) error {
	keys := program.keys(nil, func(op searchOp) bool { return op == opSavedBefore || op == opSavedSince })
	if len(keys) == 0 {
		return nil
	}
	saved := make([]int64, b.known.Len())
	err := s.srv.be.Store.Saved(s.ctx, b.id, mailstore.AllUIDs(), func(uid mailstore.UID, at time.Time) {
		if seq, here := b.known.Seq(uid); here {
			saved[seq-1] = sqldb.Micros(at)
		}
	})
	for _, k := range keys {
		k.saved = saved
	}
	return err
}

// searchTexts has the store answer every text key of the program for all messages that are still open.
func (s *session) searchTexts(program *searchKey, list []candidate, open []int) error {
	if len(open) == 0 {
		return nil
	}
	ids := make([]mailstore.MessageID, len(open))
	for i, at := range open {
		ids[i] = list[at].row.Message
	}
	for _, k := range program.keys(nil, searchOp.asksText) {
		q := mailstore.TextQuery{Field: textFields[k.op], Header: k.field, Needle: k.text}
		var err error
		if k.fuzzy {
			err = s.searchFuzzy(k, ids, q)
		} else {
			k.hits, err = s.srv.be.Store.SearchText(s.ctx, ids, q)
		}
		if err = s.unlessDamaged(err); err != nil {
			return err
		}
	}
	return nil
}

// textFields says where the store looks for the text of a key. Never assigned to.
var textFields = map[searchOp]mailstore.TextField{
	opSubject: mailstore.FieldSubject, opFrom: mailstore.FieldFrom, opTo: mailstore.FieldTo, opCc: mailstore.FieldCc,
	opHeader: mailstore.FieldHeader, opBody: mailstore.FieldBody, opText: mailstore.FieldText,
}

// keys appends those keys of the program whose kind is asked for.
func (k *searchKey) keys(list []*searchKey, of func(searchOp) bool) []*searchKey {
	if of(k.op) {
		return append(list, k)
	}
	for _, kid := range k.kids {
		list = kid.keys(list, of)
	}
	return list
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
	case opModSeq:
		return certain(int64(m.row.ModSeq) >= k.n)
	case opLarger:
		return certain(m.row.Size > k.n)
	case opSmaller:
		return certain(m.row.Size < k.n)
	case opBefore:
		return certain(day(m.row.Date().In(m.zone)).Before(k.at))
	case opSince:
		return certain(!day(m.row.Date().In(m.zone)).Before(k.at))
	}
	switch k.op {
	case opOlder:
		return certain(!m.row.Date().After(k.at))
	case opYounger:
		return certain(!m.row.Date().Before(k.at))
	case opSavedBefore, opSavedSince:
		saved := k.saved[m.seq-1]
		return certain(saved != 0 && day(sqldb.Time(saved).In(m.zone)).Before(k.at) == (k.op == opSavedBefore))
	case opEmailID:
		return certain(int64(m.row.Message) == k.n)
	}
	if k.op.asksText() {
		if k.hits == nil {
			return perhaps
		}
		return certain(k.hits[m.asked])
	}
	if m.meta == nil {
		return perhaps
	}
	sent, known := sentDay(m.meta.Structure)
	return certain(known && sent.Before(k.at) == (k.op == opSentBefore))
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
