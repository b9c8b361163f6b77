package mailstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"vanthu/internal/sqldb"
)

// The search index is filled after messages are accepted, never on their way.
// Its high-water mark is the last id of the last segment: what lies above it,
// or for whatever reason in no segment, is searched by reading it, so answers
// are the same before, during and after indexing. Ids are given by the one
// writer, so none below the mark can appear later.
//
// Grams of a message that was deleted stay in its segment until that is next
// merged, or made anew when a third is dead; its text goes with it at once.

// index is the state of the search index of one Store.
type index struct {
	working sync.Mutex // held by the one that writes the index
	ready   bool       // what a crash left behind was removed
	renew   bool       // it was found damaged: make it anew
	segment int64      // the last number given to a segment

	wake   chan struct{}
	stored atomic.Int64 // messages stored since the start
	others atomic.Int64 // commits since the start that changed mailboxes
	texts  messageCache[searchText]
	pack   *zstd.Encoder
	unpack *zstd.Decoder
}

func (x *index) init(opt Options) (err error) {
	limit := opt.SearchOctets
	if limit <= 0 {
		limit = 64 << 20
	}
	x.wake = make(chan struct{}, 1)
	x.texts.init(limit, func(t searchText) int64 { return int64(len(t)) + 200 })
	if x.pack, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10)); err != nil {
		return fmt.Errorf("prepare the search index: %w", err)
	}
	const most = maxHeaderText*5 + maxBodyText
	if x.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*most)); err != nil {
		return fmt.Errorf("prepare the search index: %w", err)
	}
	return nil
}

// arrived is called after the commit of n new messages.
func (x *index) arrived(n int) {
	if n == 0 {
		return
	}
	x.stored.Add(int64(n))
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// How the indexer keeps out of the way of deliveries.
const (
	quietTime  = 300 * time.Millisecond // without a new message it begins …
	longestLag = 20 * time.Second       // … or when some have waited so long
	retryAfter = 30 * time.Second       // after an error
	hotShare   = 3                      // while others write it rests so many times as long as it works
)

// RunIndexer keeps the search index up to date until ctx ends: first whatever
// came while nobody indexed, then what arrives. It works when deliveries are
// quiet, or slowly when they never are. Errors are logged and tried again.
func (s *Store) RunIndexer(ctx context.Context) error {
	for {
		wait := time.Duration(0)
		if _, err := s.Index(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			s.log.Error("cannot index messages for search", "err", err)
			wait = retryAfter
		}
		if !sleep(ctx, wait) {
			return nil
		}
		select {
		case <-s.index.wake:
		case <-ctx.Done():
			return nil
		}
		for begin := time.Now(); time.Since(begin) < longestLag; {
			before := s.index.stored.Load()
			if !sleep(ctx, quietTime) {
				return nil
			}
			if s.index.stored.Load() == before {
				break
			}
		}
	}
}

// sleep reports whether it slept so long, not less because ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// work is one piece of indexing: fn may write at most a few hundred KiB. While
// others write, be it only flags, it is followed by a pause: each of their
// commits waits for the piece under way.
func (s *Store) work(ctx context.Context, fn func() error) error {
	before, begin := s.index.others.Load(), time.Now()
	if err := fn(); err != nil {
		return err
	}
	if s.index.others.Load() != before {
		sleep(ctx, min(hotShare*time.Since(begin), time.Second))
	}
	return ctx.Err()
}

// Index takes all messages into the search index that are not in it, and
// merges its segments where that is due. It gives the number of messages. It
// may be stopped at any time by ctx or a crash and goes on where it was.
func (s *Store) Index(ctx context.Context) (n int, err error) {
	s.index.working.Lock()
	defer s.index.working.Unlock()
	if !s.index.ready {
		if err := s.mendIndex(ctx); err != nil {
			return 0, fmt.Errorf("mend the search index: %w", err)
		}
		s.index.ready = true
	}
	for {
		k, err := s.indexSome(ctx)
		n += k
		for merged := true; merged && err == nil && k > 0; {
			merged, err = s.mergeSegments(ctx)
		}
		if err != nil {
			s.index.ready = false // parts of a segment may lie about
			s.index.renew = s.index.renew || errors.Is(err, errBlock)
			return n, fmt.Errorf("index messages: %w", err)
		}
		if k == 0 {
			return n, nil
		}
	}
}

// CompactIndex makes those segments of the search index anew of which more than
// a third of the messages are gone, and gives how many. It works as Index does
// and may be stopped in the same way.
func (s *Store) CompactIndex(ctx context.Context) (n int, err error) {
	s.index.working.Lock()
	defer s.index.working.Unlock()
	if !s.index.ready {
		return 0, nil // Index comes first
	}
	list, err := s.segments(ctx)
	if err != nil {
		return 0, fmt.Errorf("compact the search index: %w", err)
	}
	for _, x := range list {
		var left int64
		err := s.db.View(ctx, func(r sqldb.Reader) error {
			return r.QueryRow(ctx, qCountIndexed, int64(x.first), int64(x.last)).Scan(&left)
		})
		if err == nil && (x.messages-left)*3 > x.messages {
			err = s.rewrite(ctx, []segment{x})
			n++
		}
		if err != nil {
			s.index.ready = false // parts of a segment may lie about
			s.index.renew = s.index.renew || errors.Is(err, errBlock)
			return n, fmt.Errorf("compact the search index: %w", err)
		}
	}
	return n, nil
}

// segment is a row of search_segment.
type segment struct {
	id          int64
	first, last MessageID
	messages    int64
	form        int64
}

const (
	qSegments       = `SELECT id, first_id, last_id, messages, form FROM search_segment ORDER BY first_id`
	qInsertSegment  = `INSERT INTO search_segment (id, first_id, last_id, messages, form) VALUES ($1, $2, $3, $4, $5)`
	qDeleteSegment  = `DELETE FROM search_segment WHERE id = $1`
	qNextBlock      = `SELECT id FROM search_block WHERE id >= $1 ORDER BY id LIMIT 1`
	qDeleteBlocks   = `DELETE FROM search_block WHERE id IN (SELECT id FROM search_block WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 64)`
	qDeleteTexts    = `DELETE FROM search_text WHERE message_id IN (SELECT message_id FROM search_text WHERE message_id > $1 ORDER BY message_id LIMIT 256)`
	qNotIndexed     = `SELECT id FROM message WHERE id > $1 ORDER BY id LIMIT 1024`
	qInsertText     = `INSERT INTO search_text (message_id, text) SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM message WHERE id = $3)`
	qInsertBlock    = `INSERT INTO search_block (id, data) VALUES ($1, $2)`
	qBlocksFrom     = `SELECT id, data FROM search_block WHERE id > $1 AND id < $2 ORDER BY id LIMIT 16`
	qBlockAt        = `SELECT id, data FROM search_block WHERE id <= $1 ORDER BY id DESC LIMIT 1`
	qIndexedBetween = `SELECT message_id FROM search_text WHERE message_id >= $1 AND message_id <= $2 AND text IS NOT NULL`
	qCountIndexed   = `SELECT count(*) FROM search_text WHERE message_id >= $1 AND message_id <= $2 AND text IS NOT NULL`
	qUnread         = `SELECT message_id FROM search_text WHERE text IS NULL`
)

func segments(ctx context.Context, r sqldb.Reader) (list []segment, err error) {
	rows, err := r.Query(ctx, qSegments)
	if err != nil {
		return nil, err
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var x segment
		err := scan(&x.id, &x.first, &x.last, &x.messages, &x.form)
		list = append(list, x)
		return err
	})
	return list, err
}

func (s *Store) segments(ctx context.Context) (list []segment, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		list, err = segments(ctx, r)
		return err
	})
	return list, err
}

// mendIndex removes what no segment needs: an index of another form, and what
// was half written when the process ended.
func (s *Store) mendIndex(ctx context.Context) error {
	list, err := s.segments(ctx)
	if err != nil {
		return err
	}
	known := map[int64]bool{}
	s.index.segment = 0
	mark := MessageID(0)
	for _, x := range list {
		if x.form != searchForm || s.index.renew {
			mark = 0
			break
		}
		known[x.id] = true
		s.index.segment = max(s.index.segment, x.id)
		mark = max(mark, x.last)
	}
	// Texts go first: those of another form must not outlive their segments.
	for n := int64(1); n > 0; {
		n, err = s.change(ctx, qDeleteTexts, int64(mark))
		if err != nil {
			return err
		}
	}
	if mark == 0 {
		clear(known)
		s.index.segment = 0
		for _, x := range list {
			if _, err := s.change(ctx, qDeleteSegment, x.id); err != nil {
				return err
			}
		}
	}
	for at := int64(0); ; {
		err := s.db.View(ctx, func(r sqldb.Reader) error { return r.QueryRow(ctx, qNextBlock, at).Scan(&at) })
		if sqldb.NoRows(err) {
			s.index.renew = false
			return nil
		}
		if err != nil {
			return err
		}
		id := at >> 32
		if !known[id] {
			if err := s.dropBlocks(ctx, id); err != nil {
				return err
			}
		}
		at = (id + 1) << 32
	}
}

// change runs one statement as a piece of work.
func (s *Store) change(ctx context.Context, q string, args ...any) (n int64, err error) {
	err = s.work(ctx, func() error {
		return s.db.Update(ctx, func(tx *sqldb.Tx) error {
			n, err = tx.Exec(ctx, q, args...)
			return err
		})
	})
	return n, err
}

func (s *Store) dropBlocks(ctx context.Context, segment int64) error {
	for {
		n, err := s.change(ctx, qDeleteBlocks, segment<<32, (segment+1)<<32)
		if err != nil || n == 0 {
			return err
		}
	}
}

// Bounds of a new segment, beside the 1,024 messages of qNotIndexed. maxSpan
// bounds the ids of any segment.
const (
	maxNewText = 8 << 20
	maxSpan    = 1 << 17
)

// indexSome makes a segment of the next messages and gives their number.
func (s *Store) indexSome(ctx context.Context) (int, error) {
	ids, err := s.notIndexed(ctx)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	b := newSegmentBuilder(ids[0])
	x := texts{extract: s.opt.Extract, failed: func(id MessageID, err error) {
		s.log.Warn("cannot take the text out of an attachment", "msg_id", int64(id), "err", err)
	}}
	done := 0
	for done < len(ids) && b.octets < maxNewText {
		part := ids[done:min(done+batch, len(ids))]
		if err := s.work(ctx, func() error { return s.indexTexts(ctx, part, &x, b) }); err != nil {
			return 0, err
		}
		done += len(part)
	}
	s.index.segment++
	made := segment{id: s.index.segment, first: ids[0], last: ids[done-1], messages: int64(b.messages), form: searchForm}
	w := segmentWriter{s: s, segment: made.id}
	if err := b.write(ctx, &w); err != nil {
		return 0, err
	}
	return done, s.work(ctx, func() error {
		return s.db.Update(ctx, func(tx *sqldb.Tx) error { return insertSegment(ctx, tx, made) })
	})
}

func insertSegment(ctx context.Context, tx *sqldb.Tx, x segment) error {
	_, err := tx.Exec(ctx, qInsertSegment, x.id, int64(x.first), int64(x.last), x.messages, x.form)
	return err
}

// notIndexed gives the messages after the last segment, as many as a new one
// may have.
func (s *Store) notIndexed(ctx context.Context) (ids []MessageID, err error) {
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		list, err := segments(ctx, r)
		if err != nil {
			return err
		}
		mark := int64(0)
		if len(list) > 0 {
			mark = int64(list[len(list)-1].last)
		}
		rows, err := r.Query(ctx, qNotIndexed, mark)
		if err != nil {
			return err
		}
		return scanAll(rows, func(scan func(...any) error) error {
			var id MessageID
			err := scan(&id)
			if len(ids) == 0 || id-ids[0] < maxSpan {
				ids = append(ids, id)
			}
			return err
		})
	})
	return ids, err
}

// indexTexts stores the texts of some messages and adds their grams to b. A
// message that cannot be read gets an empty row, so that a search reads it
// and says so.
func (s *Store) indexTexts(ctx context.Context, ids []MessageID, x *texts, b *segmentBuilder) error {
	packed := make(map[MessageID][]byte, len(ids))
	err := s.Contents(ctx, ids, func(c *Content) error {
		t, err := x.of(ctx, c)
		if errors.Is(err, ErrDamaged) {
			s.log.Error("cannot index a message", "msg_id", int64(c.Message), "err", err)
			return nil
		}
		if err != nil {
			return err
		}
		packed[c.Message] = s.index.pack.EncodeAll(t, nil)
		b.add(c.Message, t)
		return nil
	})
	if errors.Is(err, ErrDamaged) {
		s.log.Error("cannot index a damaged message", "err", err)
	} else if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *sqldb.Tx) error {
		for _, id := range ids {
			var text any
			if p := packed[id]; p != nil {
				text = p
			}
			if _, err := tx.Exec(ctx, qInsertText, int64(id), text, int64(id)); err != nil {
				return err
			}
		}
		return nil
	})
}
