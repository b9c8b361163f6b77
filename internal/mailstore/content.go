package mailstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// Meta is what is known of a message without its body. It is shared; do not
// change what it points to.
type Meta struct {
	Message   MessageID
	Structure *mail.Structure // its offsets count from the end of Prefix
	Prefix    []byte          // trace fields before the received octets
	Header    []byte          // received octets of the header; nil when it is too long to be kept apart, see HasHeader
	Size      int64           // octets a client sees: Prefix and received octets
	SHA256    [sha256.Size]byte
	Large     bool // the body lies in the blob store
	Received  time.Time

	octets int64 // of Prefix, Header and the encoded Structure
}

// HasHeader reports whether Header is all of the message's header: only one
// of unusual length must be read with the message.
func (m *Meta) HasHeader() bool { return int64(len(m.Header)) == m.Structure.HeaderLen }

// Content is a message as a client sees it: the trace fields, then exactly the
// received octets, whose hash was compared before anything is served. ReadAt
// may be called concurrently. Close it after use.
type Content struct {
	*Meta
	whole []byte     // prefix and body of a small message
	file  *blob.File // body of a large one
}

// ReadAt reads octets of the message, the prefix included.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if c.file == nil {
		return bytes.NewReader(c.whole).ReadAt(p, off)
	}
	if off < 0 {
		return 0, errors.New("read message: negative offset")
	}
	n := 0
	if off < int64(len(c.Prefix)) {
		n = copy(p, c.Prefix[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := c.file.ReadAt(p[n:], off+int64(n)-int64(len(c.Prefix)))
	return n + m, err
}

// Bytes gives the whole message when it is small enough to lie in memory, and
// false otherwise. Do not change it.
func (c *Content) Bytes() ([]byte, bool) { return c.whole, c.file == nil }

// Body reads the received octets alone, to which the offsets of Structure
// refer.
func (c *Content) Body() *io.SectionReader {
	n := int64(len(c.Prefix))
	return io.NewSectionReader(c, n, c.Size-n)
}

// Close ends the use of c.
func (c *Content) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// batch is how many messages one query reads: the number of parameters of
// qMetas and qContents. It bounds the memory of a FETCH: 32 small bodies.
const batch = 32

const (
	qMetas = `
SELECT id, received_us, size, sha256, in_blob, prefix, structure, header FROM message
WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)`
	qContents = `
SELECT id, received_us, size, sha256, in_blob, prefix, structure, header, body FROM message
WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
  $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)`
	qOneMeta    = `SELECT id, received_us, size, sha256, in_blob, prefix, structure, header FROM message WHERE id = $1`
	qOneContent = `SELECT id, received_us, size, sha256, in_blob, prefix, structure, header, body FROM message WHERE id = $1`
)

// read reads rows of messages, at most batch at once. With bodies, each whole
// message is given too, unless it is large. What is damaged is not given, but
// noted in bad.
func read(ctx context.Context, r sqldb.Reader, ids []MessageID, bodies bool, bad *error, fn func(m *Meta, whole []byte)) error {
	q, args := qMetas, make([]any, batch)
	switch {
	case len(ids) == 1 && bodies:
		q, args = qOneContent, args[:1]
	case len(ids) == 1:
		q, args = qOneMeta, args[:1]
	case bodies:
		q = qContents
	}
	for i := range args {
		args[i] = int64(ids[min(i, len(ids)-1)])
	}
	rows, err := r.Query(ctx, q, args...)
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	var id, received, size, inBlob int64
	var sum, prefix, structure, header []byte
	var body sql.RawBytes // only valid until the next row
	dest := []any{&id, &received, &size, &sum, &inBlob, &prefix, &structure, &header}
	if bodies {
		dest = append(dest, &body)
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return err
		}
		m, err := newMeta(MessageID(id), sum, prefix, structure, header)
		if err != nil {
			*bad = errors.Join(*bad, err)
			return nil
		}
		m.Size, m.Large, m.Received = size, inBlob != 0, sqldb.Time(received)
		if !bodies || m.Large {
			fn(m, nil)
			return nil
		}
		whole := append(append(append(make([]byte, 0, len(prefix)+len(header)+len(body)), prefix...), header...), body...)
		if int64(len(whole)) != size || sha256.Sum256(whole[len(prefix):]) != m.SHA256 {
			*bad = errors.Join(*bad, damaged(m.Message, errors.New("the row's body is not what was received")))
			return nil
		}
		fn(m, whole)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	return nil
}

func newMeta(id MessageID, sum, prefix, structure, header []byte) (*Meta, error) {
	if len(sum) != sha256.Size {
		return nil, damaged(id, errors.New("hash of a wrong length"))
	}
	st, err := mail.DecodeStructure(structure)
	if err != nil {
		return nil, damaged(id, err)
	}
	return &Meta{
		Message: id, Structure: st, Prefix: prefix, Header: header, SHA256: [sha256.Size]byte(sum),
		octets: int64(len(prefix) + len(structure) + len(header)),
	}, nil
}

func damaged(id MessageID, cause error) error {
	return fmt.Errorf("message %d: %w: %w", id, ErrDamaged, cause)
}

// Metas calls fn for each of ids, in their order; ids that do not exist are
// passed over. What is damaged is passed over too, and told by [ErrDamaged]
// after all others were given. No snapshot is held while fn runs, so fn may
// wait for a slow client. Memory does not grow with the number of ids.
func (s *Store) Metas(ctx context.Context, ids []MessageID, fn func(*Meta) error) error {
	found := make(map[MessageID]*Meta, batch)
	var missing []MessageID
	var bad error
	for len(ids) > 0 {
		part := ids[:min(batch, len(ids))]
		ids = ids[len(part):]
		clear(found)
		missing = s.structs.get(part, missing[:0], func(id MessageID, m *Meta) { found[id] = m })
		if len(missing) > 0 {
			err := s.db.View(ctx, func(r sqldb.Reader) error {
				return read(ctx, r, missing, false, &bad, func(m *Meta, _ []byte) {
					found[m.Message] = m
					s.structs.put(m.Message, m)
				})
			})
			if err != nil {
				return err
			}
		}
		for _, id := range part {
			if m := found[id]; m != nil {
				if err := fn(m); err != nil {
					return err
				}
			}
		}
	}
	return bad
}

// Meta gives one message without its body. It fails with [ErrNoMessage] or
// [ErrDamaged].
func (s *Store) Meta(ctx context.Context, id MessageID) (meta *Meta, err error) {
	err = s.Metas(ctx, []MessageID{id}, func(m *Meta) error { meta = m; return nil })
	if err == nil && meta == nil {
		err = ErrNoMessage
	}
	return meta, err
}

// Contents calls fn for each of ids, in their order; ids that do not exist are
// passed over. What is damaged is passed over too, and told by [ErrDamaged]
// after all others were given. The content is closed when fn returns. Small
// bodies are read many at a time; no snapshot is held while fn runs.
func (s *Store) Contents(ctx context.Context, ids []MessageID, fn func(*Content) error) error {
	found := make(map[MessageID]*Content, batch)
	var bad error
	for len(ids) > 0 {
		part := ids[:min(batch, len(ids))]
		ids = ids[len(part):]
		if err := s.contents(ctx, part, found, &bad); err != nil {
			return err
		}
		for _, id := range part {
			c := found[id]
			if c == nil {
				continue
			}
			use := *c // the same id may come twice, each with a file of its own
			if err := s.openLarge(ctx, &use); errors.Is(err, ErrDamaged) {
				bad = errors.Join(bad, err)
				continue
			} else if err != nil {
				return err
			}
			if err := errors.Join(fn(&use), use.Close()); err != nil {
				return err
			}
		}
	}
	return bad
}

// contents reads at most batch messages, without opening files.
func (s *Store) contents(ctx context.Context, ids []MessageID, found map[MessageID]*Content, bad *error) error {
	clear(found)
	return s.db.View(ctx, func(r sqldb.Reader) error {
		return read(ctx, r, ids, true, bad, func(m *Meta, whole []byte) {
			found[m.Message] = &Content{Meta: m, whole: whole}
		})
	})
}

// Content opens one message. It fails with [ErrNoMessage] or [ErrDamaged].
// Close it after use.
func (s *Store) Content(ctx context.Context, id MessageID) (*Content, error) {
	found := make(map[MessageID]*Content, 1)
	var bad error
	if err := s.contents(ctx, []MessageID{id}, found, &bad); err != nil {
		return nil, err
	}
	if bad != nil {
		return nil, bad
	}
	c := found[id]
	if c == nil {
		return nil, ErrNoMessage
	}
	if err := s.openLarge(ctx, c); err != nil {
		return nil, err
	}
	return c, nil
}

// openLarge opens the file of a large body and makes sure of its content.
func (s *Store) openLarge(ctx context.Context, c *Content) error {
	if !c.Large {
		return nil
	}
	f, err := s.blobs.Open(blob.Hash(c.SHA256))
	if errors.Is(err, blob.ErrNotFound) {
		return damaged(c.Message, err)
	}
	if err != nil {
		return err
	}
	if want := c.Size - int64(len(c.Prefix)); f.Size() != want {
		return errors.Join(damaged(c.Message, fmt.Errorf("file has %d octets instead of %d", f.Size(), want)), f.Close())
	}
	if !s.intact.has(blob.Hash(c.SHA256), f.ModTime()) {
		if err := s.blobs.Verify(ctx, blob.Hash(c.SHA256)); err != nil {
			if errors.Is(err, blob.ErrCorrupt) {
				err = damaged(c.Message, err)
			}
			return errors.Join(err, f.Close())
		}
		s.intact.add(blob.Hash(c.SHA256), f.ModTime())
	}
	c.file = f
	return nil
}

// maxVerified bounds verifiedBlobs: 4,096 entries are about 300 KiB.
const maxVerified = 4096

// verifiedBlobs remembers which files this process has found whole, so that a
// client that reads a large message in pieces has it hashed once.
type verifiedBlobs struct {
	mu sync.Mutex
	m  map[blob.Hash]time.Time // when it was committed
}

func (v *verifiedBlobs) has(h blob.Hash, committed time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.m[h]
	return ok && at.Equal(committed)
}

func (v *verifiedBlobs) add(h blob.Hash, committed time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.m == nil || len(v.m) >= maxVerified {
		v.m = make(map[blob.Hash]time.Time, maxVerified)
	}
	v.m[h] = committed
}
