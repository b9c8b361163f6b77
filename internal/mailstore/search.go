package mailstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// TextQuery asks for messages with a text in a field.
type TextQuery struct {
	Field  TextField
	Header string // name of the field, for FieldHeader
	Needle string // UTF-8; "" is in every field that is there
}

// SearchText reports for each of ids whether the needle is in the field. Both
// are compared folded ([mail.Fold]): without diacritics, in lower case, đ as d.
// The answer is exact, whether a message is indexed yet or not, within these
// limits: of one message the first MiB of folded header and the first MiB of
// folded text of its parts are looked into.
//
// A message that is gone has nothing. [ErrDamaged] is returned, with all other
// answers, when a message could not be read.
func (s *Store) SearchText(ctx context.Context, ids []MessageID, q TextQuery) ([]bool, error) {
	look := query{field: q.Field, header: []byte(mail.Fold(q.Header)), needle: []byte(mail.Fold(q.Needle))}
	hits := make([]bool, len(ids))
	err := s.search(ctx, ids, append(needleGrams(look.needle, q.Field), look.headerGrams()...), q.Field, func(place int, t searchText) {
		hits[place] = t.has(look)
	})
	return hits, err
}

// headerGrams gives the grams of the name of a header field.
func (q query) headerGrams() []gram {
	if q.field != FieldHeader {
		return nil
	}
	return needleGrams(append(slices.Clip(q.header), ": "...), FieldHeader)
}

// probe is a message that is looked for.
type probe struct {
	id    MessageID
	place int32 // in the caller's list
	known bool  // it is in the index
}

// search calls judge for every message that may have all of the grams. judge
// is called by several goroutines, never twice for one place. Its text
// may hold no more than the field needs.
func (s *Store) search(ctx context.Context, ids []MessageID, grams []gram, field TextField, judge func(place int, t searchText)) error {
	probes := make([]probe, len(ids))
	for i, id := range ids {
		probes[i] = probe{id: id, place: int32(i)} //nolint:gosec // a mailbox has less than 2^31 messages
	}
	byID := func(a, b probe) int { return cmp.Compare(a.id, b.id) }
	if !slices.IsSortedFunc(probes, byID) {
		slices.SortFunc(probes, byID)
	}
	suspects, err := s.suspects(ctx, probes, grams)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return s.judgeAll(ctx, suspects, field, judge)
}

// judgeAll finds the texts of the probes, ascending by id, for judge.
func (s *Store) judgeAll(ctx context.Context, suspects []probe, field TextField, judge func(place int, t searchText)) (err error) {
	const chunk = 128
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	bad := make([]error, (len(suspects)+chunk-1)/chunk)
	for i := range bad {
		part := suspects[i*chunk : min((i+1)*chunk, len(suspects))]
		look := func() error {
			err := s.judge(ctx, part, field, judge)
			if errors.Is(err, ErrDamaged) {
				bad[i], err = err, nil
			}
			return err
		}
		if len(bad) == 1 {
			err = look()
			break
		}
		g.Go(look)
	}
	return errors.Join(err, g.Wait(), errors.Join(bad...))
}

// suspects gives those of the probes, ascending by id, that may have all of
// the grams.
func (s *Store) suspects(ctx context.Context, probes []probe, grams []gram) (list []probe, err error) {
	list = make([]probe, 0, len(probes)/8+16)
	if len(grams) == 0 {
		return probes, nil
	}
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		list = list[:0]
		segs, err := segments(ctx, r)
		if err != nil {
			return err
		}
		rest := probes
		for _, seg := range segs {
			below := from(rest, seg.first)
			list = append(list, rest[:below]...)
			rest = rest[below:]
			in := from(rest, seg.last+1)
			if list, err = seg.filter(ctx, r, list, rest[:in], grams); err != nil {
				return err
			}
			rest = rest[in:]
		}
		list = append(list, rest...)
		list, err = withUnread(ctx, r, list, probes)
		return err
	})
	if errors.Is(err, errBlock) {
		s.log.Error("the search index is damaged, searching without it", "err", err)
		return probes, nil
	}
	return list, err
}

// from gives the place of the first probe with that id or a higher one.
func from(probes []probe, id MessageID) int {
	n, _ := slices.BinarySearchFunc(probes, id, func(p probe, id MessageID) int { return cmp.Compare(p.id, id) })
	return n
}

// fewEnough: it is faster to look into so few messages than to read the list
// of one more gram.
const fewEnough = 2

// filter appends to list those of the probes, all of the segment, that have
// the grams.
func (x segment) filter(ctx context.Context, r sqldb.Reader, list, probes []probe, grams []gram) ([]probe, error) {
	at := len(list)
	for _, p := range probes {
		p.known = true
		list = append(list, p)
	}
	var have postings
	for _, g := range grams {
		if len(list)-at <= fewEnough {
			break
		}
		var id int64
		var data []byte
		err := r.QueryRow(ctx, qBlockAt, blockID(x.id, g)).Scan(&id, &data)
		if err != nil && !sqldb.NoRows(err) {
			return nil, err
		}
		have = have[:0]
		if err == nil && id>>32 == x.id {
			if have, err = findPostings(data, gram(id&(1<<32-1)), g, have); err != nil {
				return nil, err
			}
		}
		list = list[:at+x.keep(list[at:], have)]
	}
	return list, nil
}

// keep moves the probes that are in have to the front and counts them.
func (x segment) keep(probes []probe, have postings) int {
	n, i := 0, 0
	for _, p := range probes {
		want := uint32(p.id - x.first)
		for i < len(have) && have[i] < want {
			i++
		}
		if i == len(have) {
			break
		}
		if have[i] == want {
			probes[n] = p
			n++
		}
	}
	return n
}

// withUnread adds the messages that could not be read when they were indexed.
func withUnread(ctx context.Context, r sqldb.Reader, list, probes []probe) ([]probe, error) {
	rows, err := r.Query(ctx, qUnread)
	if err != nil {
		return nil, err
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var id MessageID
		if err := scan(&id); err != nil {
			return err
		}
		for _, p := range probes[from(probes, id):from(probes, id+1)] {
			if !slices.ContainsFunc(list[from(list, id):from(list, id+1)], func(q probe) bool { return q.place == p.place }) {
				list = slices.Insert(list, from(list, id), p)
			}
		}
		return nil
	})
	return list, err
}

// judge finds the texts of the probes, in memory, in the index, or in the
// messages themselves.
func (s *Store) judge(ctx context.Context, probes []probe, field TextField, judge func(place int, t searchText)) error {
	ids := make([]MessageID, 0, len(probes))
	for _, p := range probes {
		ids = append(ids, p.id)
	}
	ids = slices.Compact(ids)
	seen := make(map[MessageID]bool, len(ids))
	see := func(id MessageID, t searchText) {
		seen[id] = true
		for _, p := range probes[from(probes, id):from(probes, id+1)] {
			judge(int(p.place), t)
		}
	}
	here := make(map[MessageID]searchText, len(ids))
	missing := s.index.texts.get(ids, nil, func(id MessageID, t searchText) { here[id] = t })
	for id, t := range here {
		see(id, t)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var bad error
	if field <= FieldHeader {
		news := slices.DeleteFunc(slices.Clone(missing), func(id MessageID) bool { return probes[from(probes, id)].known })
		if bad = s.readHeads(ctx, news, field, see); bad != nil && !errors.Is(bad, ErrDamaged) {
			return bad
		}
	}
	for _, read := range []func(context.Context, []MessageID, func(MessageID, searchText)) error{s.readTexts, s.scanTexts} {
		missing = slices.DeleteFunc(missing, func(id MessageID) bool { return seen[id] })
		if len(missing) == 0 {
			break
		}
		if err := read(ctx, missing, see); err != nil {
			return errors.Join(err, bad)
		}
	}
	return bad
}

// readHeads makes texts without a body, and for a field of the envelope
// without the header; messages whose header is not kept apart are left out.
func (s *Store) readHeads(ctx context.Context, ids []MessageID, field TextField, see func(MessageID, searchText)) error {
	var x texts
	return s.Metas(ctx, ids, func(m *Meta) error {
		switch {
		case field != FieldHeader:
			see(m.Message, x.envelope(x.out[:0], m))
		case m.HasHeader():
			see(m.Message, x.head(x.out[:0], m, slices.Concat(m.Prefix, m.Header)))
		}
		return nil
	})
}

const qTexts = `
SELECT message_id, text FROM search_text WHERE text IS NOT NULL AND message_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
  $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)`

// readTexts reads stored texts; what is missing or damaged is left out.
func (s *Store) readTexts(ctx context.Context, ids []MessageID, see func(MessageID, searchText)) error {
	args := make([]any, batch)
	packed := make(map[MessageID][]byte, min(len(ids), batch))
	for ; len(ids) > 0; ids = ids[min(batch, len(ids)):] {
		for i := range args {
			args[i] = int64(ids[min(i, len(ids)-1)])
		}
		clear(packed)
		err := s.db.View(ctx, func(r sqldb.Reader) error {
			rows, err := r.Query(ctx, qTexts, args...)
			if err != nil {
				return err
			}
			return scanAll(rows, func(scan func(...any) error) error {
				var id MessageID
				var text []byte
				err := scan(&id, &text)
				packed[id] = text
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("read texts: %w", err)
		}
		for id, p := range packed {
			t, err := s.index.unpack.DecodeAll(p, nil)
			if err != nil {
				s.log.Error("a stored text is damaged, reading the message instead", "msg_id", int64(id), "err", err)
				continue
			}
			s.index.texts.put(id, t)
			see(id, t)
		}
	}
	return nil
}

// scanTexts takes texts out of messages.
func (s *Store) scanTexts(ctx context.Context, ids []MessageID, see func(MessageID, searchText)) error {
	x := texts{extract: s.opt.Extract}
	var bad error
	err := s.Contents(ctx, ids, func(c *Content) error {
		t, err := x.of(ctx, c)
		if errors.Is(err, ErrDamaged) {
			bad = errors.Join(bad, err)
			return nil
		}
		if err != nil {
			return err
		}
		own := slices.Clone(t)
		s.index.texts.put(c.Message, own)
		see(c.Message, own)
		return nil
	})
	return errors.Join(err, bad)
}
