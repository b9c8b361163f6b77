package mailstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/mail"
	"vanthu/internal/sqldb"
)

// maxPooled is the largest buffer that is kept for the next body.
const maxPooled = 128 << 10

// A Body takes an incoming message: it scans it and finds its hash while it
// arrives, and keeps at most Options.InlineLimit octets in memory; more goes to
// a file. It is for one goroutine. Either Finish or Abort must be called;
// Abort after Finish does nothing, so it can be deferred.
type Body struct {
	s     *Store
	scan  *mail.Scanner
	buf   *[]byte
	spool *blob.Writer // once the body is over the limit
	limit int          // octets kept in memory
	err   error
	done  bool
}

// NewBody begins an incoming message.
func (s *Store) NewBody() *Body { return s.newBody(s.opt.InlineLimit) }

// NewFileBody is [Store.NewBody] for somebody who holds many messages at once:
// whatever its size, the message goes to a file.
func (s *Store) NewFileBody() *Body { return s.newBody(0) }

func (s *Store) newBody(limit int) *Body {
	buf, ok := s.buffers.Get().(*[]byte)
	if !ok {
		b := make([]byte, 0, 16<<10)
		buf = &b
	}
	*buf = (*buf)[:0]
	return &Body{s: s, scan: mail.NewScanner(s.opt.Limits), buf: buf, limit: limit}
}

// Write takes the next octets. An error (of kind Exhausted when the disk is
// full) stays: every later Write and Finish return it.
func (b *Body) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.done {
		return 0, fs.ErrClosed
	}
	if b.spool == nil && len(*b.buf)+len(p) > b.limit {
		if b.err = b.toSpool(); b.err != nil {
			return 0, b.err
		}
	}
	if b.spool == nil {
		*b.buf = append(*b.buf, p...)
	} else if _, b.err = b.spool.Write(p); b.err != nil {
		return 0, b.err
	}
	return b.scan.Write(p) // never fails
}

// toSpool moves what there is to a file and goes on there.
func (b *Body) toSpool() error {
	w, err := b.s.blobs.Create()
	if err != nil {
		return err
	}
	if _, err := w.Write(*b.buf); err != nil {
		w.Abort()
		return err
	}
	b.spool = w
	*b.buf = (*b.buf)[:0]
	return nil
}

// Abort throws the message away.
func (b *Body) Abort() {
	if b.done {
		return
	}
	b.done = true
	if b.spool != nil {
		b.spool.Abort()
	}
	b.s.recycle(b.buf)
	b.buf = nil
}

// Finish ends the message. A body above the limit is durable in the blob store
// when Finish returns, before any row can name it. Call Release on the result
// when it has been stored or refused.
func (b *Body) Finish() (*Finished, error) {
	if b.err != nil {
		b.Abort()
		return nil, b.err
	}
	if b.done {
		return nil, fs.ErrClosed
	}
	f := &Finished{s: b.s, Scan: b.scan.Finish()}
	if b.spool == nil {
		f.inline, f.Size, f.SHA256 = b.buf, int64(len(*b.buf)), sha256.Sum256(*b.buf)
	} else {
		h, size, err := b.s.claims.commit(b.spool)
		if err != nil {
			b.err = err
			b.Abort()
			return nil, err
		}
		f.SHA256, f.Size, f.large = h, size, true
		b.s.recycle(b.buf)
	}
	b.done, b.buf = true, nil
	f.structure = mail.EncodeStructure(f.Scan)
	if n := f.Scan.HeaderLen; n > 0 && n <= maxHeaderRow {
		f.header = make([]byte, n)
		if _, err := f.ReadAt(f.header, 0); err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(fmt.Errorf("read the header of a message: %w", err), f.Release())
		}
	}
	return f, nil
}

// maxHeaderRow is the longest header that is kept apart from the body, in
// octets. Lists of messages ask for headers alone; a longer one is read with its
// message.
const maxHeaderRow = 64 << 10

// Finished is a complete message that no mailbox holds yet. One that never
// gets stored leaves no trace; a large one's file is removed by [Store.Collect].
type Finished struct {
	Scan   *mail.Message
	SHA256 [sha256.Size]byte // of the received octets
	Size   int64             // of the received octets

	s         *Store
	inline    *[]byte // nil for a large body
	large     bool
	file      *blob.File // opened when first read
	released  bool
	structure []byte
	header    []byte // the first octets, when they are kept apart
}

// Held returns how many octets of memory the message takes until Release,
// beside what Scan holds.
func (f *Finished) Held() int64 {
	n := int64(len(f.structure))
	if f.inline != nil {
		n += int64(len(*f.inline))
	}
	return n
}

// ReadAt reads the received octets, for looking into parts. Not for several
// goroutines at once.
func (f *Finished) ReadAt(p []byte, off int64) (int, error) {
	if f.released {
		return 0, fs.ErrClosed
	}
	if !f.large {
		return bytes.NewReader(*f.inline).ReadAt(p, off)
	}
	if f.file == nil {
		file, err := f.s.blobs.Open(blob.Hash(f.SHA256))
		if err != nil {
			return 0, err
		}
		f.file = file
	}
	return f.file.ReadAt(p, off)
}

// Release gives the memory back. The Finished is of no use afterwards. It may
// be called twice.
func (f *Finished) Release() error {
	_, err := f.release()
	return err
}

// release gives how many other finished bodies have the same file.
func (f *Finished) release() (left int, err error) {
	if f.released {
		return 0, nil
	}
	f.released = true
	if f.inline != nil {
		f.s.recycle(f.inline)
		f.inline = nil
	}
	if f.large {
		left = f.s.claims.release(blob.Hash(f.SHA256))
	}
	if f.file != nil {
		err = f.file.Close()
	}
	return left, err
}

func (s *Store) recycle(buf *[]byte) {
	if buf != nil && cap(*buf) <= maxPooled {
		s.buffers.Put(buf)
	}
}

const qInsertMessage = `
INSERT INTO message (received_us, size, sha256, in_blob, prefix, structure, header, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// Store adds the message's row, once for all mailboxes that will hold it.
// prefix is the trace fields that go before the received octets; size and
// everything a client sees include it. Until an entry is made ([Store.Deliver])
// or somebody else keeps the message, the collector may take it after an hour.
func (s *Store) Store(ctx context.Context, tx *sqldb.Tx, f *Finished, prefix []byte, received time.Time) (MessageID, error) {
	if f.released {
		return 0, errors.New("store message: its body was released")
	}
	var body any
	inBlob := int64(1)
	if !f.large {
		body, inBlob = (*f.inline)[len(f.header):], 0
	}
	if prefix == nil {
		prefix = []byte{}
	}
	header := f.header
	if header == nil {
		header = []byte{}
	}
	size := int64(len(prefix)) + f.Size
	id, err := tx.Insert(ctx, qInsertMessage, sqldb.Micros(received), size, f.SHA256[:], inBlob, prefix, f.structure, header, body)
	if err != nil {
		return 0, fmt.Errorf("store message: %w", err)
	}
	m, err := newMeta(MessageID(id), f.SHA256[:], bytes.Clone(prefix), f.structure, header)
	if err != nil {
		return 0, err
	}
	m.Size, m.Large, m.Received = size, f.large, sqldb.Time(sqldb.Micros(received))
	p := s.pending(tx)
	p.sizes[m.Message] = size
	p.metas = append(p.metas, m) // what just came is what clients ask for next
	return m.Message, nil
}

var (
	_ io.Writer   = (*Body)(nil)
	_ io.ReaderAt = (*Finished)(nil)
)
