package mailstore

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"vanthu/internal/sqldb"
)

// segmentBuilder gathers the grams of a new segment in memory. It is a hash
// table of its own because each message looks up thousands of grams, most of
// them again and again: the slot alone tells that.
type segmentBuilder struct {
	first    MessageID
	messages int
	octets   int // of texts
	slots    []slot
	lists    []gramList
	scratch  []gram
}

// slot is a place of the hash table; it is empty while next is 0.
type slot struct {
	gram gram
	next uint32 // the last message's distance from the first, plus 1
	list uint32 // in lists
}

type gramList struct {
	gram gram
	p    postings
}

func newSegmentBuilder(first MessageID) *segmentBuilder {
	return &segmentBuilder{first: first, slots: make([]slot, 1<<14)}
}

// place gives the slot of g, or the empty one where it belongs.
func (b *segmentBuilder) place(g gram) *slot {
	mask := uint32(len(b.slots) - 1)
	at := uint32(g) * 0x9e3779b1
	for at ^= at >> 15; ; at++ {
		s := &b.slots[at&mask]
		if s.next == 0 || s.gram == g {
			return s
		}
	}
}

// add takes a message; ids ascend.
func (b *segmentBuilder) add(id MessageID, t searchText) {
	b.messages++
	b.octets += len(t)
	n := uint32(id - b.first)
	b.scratch = messageGrams(b.scratch[:0], t)
	for _, g := range b.scratch {
		s := b.place(g)
		switch {
		case s.next == n+1:
		case s.next != 0:
			s.next = n + 1
			b.lists[s.list].p = append(b.lists[s.list].p, n)
		default:
			*s = slot{gram: g, next: n + 1, list: uint32(len(b.lists))}
			b.lists = append(b.lists, gramList{g, postings{n}})
			if len(b.lists) > len(b.slots)/2 {
				b.grow()
			}
		}
	}
}

func (b *segmentBuilder) grow() {
	old := b.slots
	b.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.next != 0 {
			*b.place(s.gram) = s
		}
	}
}

func (b *segmentBuilder) write(ctx context.Context, w *segmentWriter) error {
	slices.SortFunc(b.lists, func(x, y gramList) int { return cmp.Compare(x.gram, y.gram) })
	for _, l := range b.lists {
		if err := w.add(ctx, l.gram, l.p); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

const (
	blockOctets = 3_900     // of a block: its row fits a page of 4 KiB
	writeOctets = 256 << 10 // of blocks in one transaction
)

// segmentWriter writes the blocks of a segment. They mean nothing until the
// segment has its row.
type segmentWriter struct {
	s       *Store
	segment int64
	block   []byte
	first   gram // of block
	last    gram
	full    []blockRow
	octets  int // of full
	scratch []byte
}

type blockRow struct {
	id   int64
	data []byte
}

func blockID(segment int64, g gram) int64 { return segment<<32 | int64(g) }

// add appends a gram; grams ascend.
func (w *segmentWriter) add(ctx context.Context, g gram, p postings) error {
	if len(w.block) == 0 {
		w.first, w.last = g, g
	}
	before := len(w.block)
	w.block, w.scratch = appendPostings(w.block, uint64(g-w.last), p, w.scratch)
	w.last = g
	if len(w.block) <= blockOctets || before == 0 {
		return nil
	}
	// It is over the size with g: g begins the next block.
	own := slices.Clone(w.block[:before])
	w.full = append(w.full, blockRow{blockID(w.segment, w.first), own})
	w.octets += before
	w.first = g
	w.block, w.scratch = appendPostings(w.block[:0], 0, p, w.scratch)
	if w.octets < writeOctets {
		return nil
	}
	return w.write(ctx)
}

func (w *segmentWriter) flush(ctx context.Context) error {
	if len(w.block) > 0 {
		w.full = append(w.full, blockRow{blockID(w.segment, w.first), w.block})
		w.block = nil
	}
	return w.write(ctx)
}

func (w *segmentWriter) write(ctx context.Context) error {
	rows := w.full
	w.full, w.octets = nil, 0
	if len(rows) == 0 {
		return nil
	}
	return w.s.work(ctx, func() error {
		return w.s.db.Update(ctx, func(tx *sqldb.Tx) error {
			for _, b := range rows {
				if _, err := tx.Exec(ctx, qInsertBlock, b.id, b.data); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// segmentReader walks through the grams of a segment.
type segmentReader struct {
	blockReader
	s     *Store
	seg   segment
	shift uint32
	at    int64 // the last block read
	rows  []blockRow
	end   bool
}

func (s *Store) readSegment(ctx context.Context, seg segment, base MessageID) (*segmentReader, error) {
	r := &segmentReader{s: s, seg: seg, shift: uint32(seg.first - base), at: seg.id<<32 - 1}
	return r, r.advance(ctx)
}

// advance goes to the next gram, or sets end.
func (r *segmentReader) advance(ctx context.Context) error {
	for {
		ok, err := r.next()
		if ok || err != nil {
			return err
		}
		if len(r.rows) == 0 {
			if err := r.load(ctx); err != nil {
				return err
			}
		}
		if len(r.rows) == 0 {
			r.end = true
			return nil
		}
		b := r.rows[0]
		r.rows = r.rows[1:]
		r.blockReader = blockReader{rest: b.data, gram: gram(b.id & (1<<32 - 1))}
	}
}

func (r *segmentReader) load(ctx context.Context) error {
	return r.s.db.View(ctx, func(v sqldb.Reader) error {
		rows, err := v.Query(ctx, qBlocksFrom, r.at, (r.seg.id+1)<<32)
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var b blockRow
			err := scan(&b.id, &b.data)
			r.rows = append(r.rows, b)
			r.at = b.id
			return err
		})
	})
}

// Merging: segments have sizes of powers of 4, and the newest ones are merged
// as soon as there are fanIn of about the same size. So a search of n messages
// looks into few segments, and a message is rewritten log4(n) times at most.
const (
	fanIn     = 4
	maxMerged = 16 << 10 // messages of a segment that is not merged again
)

// toMerge gives the newest segments that should become one, nil for none.
func toMerge(list []segment) []segment {
	rank := func(x segment) int { return bits.Len64(uint64(x.messages)) / 2 }
	for top := 0; top <= bits.Len64(maxMerged)/2; top++ {
		from := len(list)
		for from > 0 && rank(list[from-1]) <= top && list[from-1].messages < maxMerged &&
			list[len(list)-1].last-list[from-1].first < maxSpan {
			from--
		}
		if len(list)-from >= fanIn {
			return list[from:]
		}
	}
	return nil
}

// mergeSegments merges once, and reports whether there was anything to merge.
func (s *Store) mergeSegments(ctx context.Context) (bool, error) {
	list, err := s.segments(ctx)
	if err != nil {
		return false, err
	}
	old := toMerge(list)
	if old == nil {
		return false, nil
	}
	return true, s.rewrite(ctx, old)
}

// rewrite makes one segment of neighbouring ones, without what is gone.
func (s *Store) rewrite(ctx context.Context, old []segment) error {
	s.index.segment++
	made := segment{id: s.index.segment, first: old[0].first, last: old[len(old)-1].last, form: searchForm}
	alive, n, err := s.alive(ctx, made)
	if err != nil {
		return err
	}
	made.messages = n
	if err := s.writeMerged(ctx, old, made, alive); err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sqldb.Tx) error {
		for _, x := range old {
			if _, err := tx.Exec(ctx, qDeleteSegment, x.id); err != nil {
				return err
			}
		}
		return insertSegment(ctx, tx, made)
	})
	if err != nil {
		return err
	}
	for _, x := range old {
		if err := s.dropBlocks(ctx, x.id); err != nil {
			return err
		}
	}
	return nil
}

// alive gives which messages of a segment still exist, and how many.
func (s *Store) alive(ctx context.Context, x segment) (alive []bool, n int64, err error) {
	alive = make([]bool, x.last-x.first+1)
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		rows, err := r.Query(ctx, qIndexedBetween, int64(x.first), int64(x.last))
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var id MessageID
			err := scan(&id)
			if err == nil {
				alive[id-x.first] = true
				n++
			}
			return err
		})
	})
	return alive, n, err
}

func (s *Store) writeMerged(ctx context.Context, old []segment, made segment, alive []bool) error {
	var readers []*segmentReader
	for _, x := range old {
		r, err := s.readSegment(ctx, x, made.first)
		if err != nil {
			return err
		}
		readers = append(readers, r)
	}
	w := segmentWriter{s: s, segment: made.id}
	var p postings
	for {
		readers = slices.DeleteFunc(readers, func(r *segmentReader) bool { return r.end })
		if len(readers) == 0 {
			return w.flush(ctx)
		}
		g := readers[0].gram
		for _, r := range readers[1:] {
			g = min(g, r.gram)
		}
		p = p[:0]
		for _, r := range readers {
			if r.gram != g {
				continue
			}
			var err error
			if p, err = r.postings(p, r.shift); err != nil {
				return err
			}
			if err := r.advance(ctx); err != nil {
				return err
			}
		}
		p = slices.DeleteFunc(p, func(n uint32) bool { return int(n) >= len(alive) || !alive[n] })
		if len(p) > 0 {
			if err := w.add(ctx, g, p); err != nil {
				return err
			}
		}
	}
}
