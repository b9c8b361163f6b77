package blob

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A Writer takes the content of a new file. It is for one goroutine. Either
// Commit or Abort must be called; calling Abort afterwards does nothing, so it
// can be deferred.
type Writer struct {
	s    *Store
	f    *os.File // nil once committed or aborted
	buf  *bufio.Writer
	sum  hash.Hash
	size int64
	err  error
}

// Create begins a new file. It fails with [ErrFull], [ErrReadOnly] or
// [ErrBroken].
func (s *Store) Create() (*Writer, error) {
	if s.readOnly {
		return nil, ErrReadOnly
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "body-*")
	if err != nil {
		return nil, fmt.Errorf("create blob: %w", classify(err))
	}
	return &Writer{s: s, f: f, buf: bufio.NewWriterSize(f, 32<<10), sum: sha256.New()}, nil
}

// Write appends p. After an error every call returns that error.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.f == nil {
		return 0, fs.ErrClosed
	}
	n, err := w.buf.Write(p)
	w.sum.Write(p[:n])
	w.size += int64(n)
	if err != nil {
		w.err = fmt.Errorf("write blob: %w", classify(err))
	}
	return n, w.err
}

// ReadAt reads what has been written so far, so that a body can be looked into
// before it is committed.
func (w *Writer) ReadAt(p []byte, off int64) (int, error) {
	if w.f == nil {
		return 0, fs.ErrClosed
	}
	if w.err != nil {
		return 0, w.err
	}
	if err := w.buf.Flush(); err != nil {
		w.err = fmt.Errorf("write blob: %w", classify(err))
		return 0, w.err
	}
	return w.f.ReadAt(p, off)
}

// Commit makes the content durable under its address: the file is synced, gets
// its name, and the directories are synced. When the store has the content
// already, that file stays and counts as committed now. After an error nothing
// may refer to the content; the temporary file is gone.
func (w *Writer) Commit() (_ Hash, size int64, err error) {
	if w.f == nil {
		return Hash{}, 0, fs.ErrClosed
	}
	tmp := w.f.Name()
	defer func() {
		if err != nil {
			err = fmt.Errorf("commit blob: %w", err)
			if e := os.Remove(tmp); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}()
	f := w.f
	w.f = nil
	if err := w.flushAndSync(f); err != nil {
		return Hash{}, 0, errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return Hash{}, 0, classify(err)
	}
	h := Hash(w.sum.Sum(nil))
	mu := &w.s.locks[h[0]]
	mu.Lock()
	defer mu.Unlock()
	if err := w.s.name(h, tmp, w.size); err != nil {
		return Hash{}, 0, err
	}
	return h, w.size, nil
}

func (w *Writer) flushAndSync(f *os.File) error {
	if w.err != nil {
		return w.err
	}
	if err := w.s.Err(); err != nil {
		return err
	}
	if err := w.buf.Flush(); err != nil {
		return classify(err)
	}
	if err := f.Sync(); err != nil {
		return w.s.syncFailed(err)
	}
	return nil
}

// syncFailed tells a full disk, which heals by itself, from a failing one.
func (s *Store) syncFailed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return classify(err)
	}
	return s.breakDown(err)
}

// name gives the synced file tmp its content address.
func (s *Store) name(h Hash, tmp string, size int64) error {
	path := s.path(h)
	dir := filepath.Dir(path)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Size() == size:
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			return classify(err)
		}
		if err := os.Remove(tmp); err != nil {
			return err
		}
	case err == nil || errors.Is(err, fs.ErrNotExist):
		// A file of another size under this name is damaged: the good one
		// takes its place.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return classify(err)
		}
		if err := os.Rename(tmp, path); err != nil {
			return classify(err)
		}
	default:
		return classify(err)
	}
	// Even when the file was there: a crash may have come between its rename
	// and this sync. The levels above need it once per process.
	if err := syncDir(dir); err != nil {
		return s.syncFailed(err)
	}
	kept := &s.kept[int(h[0])<<8|int(h[1])]
	if kept.Load() {
		return nil
	}
	for _, d := range []string{filepath.Dir(dir), s.dir} {
		if err := syncDir(d); err != nil {
			return s.syncFailed(err)
		}
	}
	kept.Store(true)
	return nil
}

// Abort throws the content away.
func (w *Writer) Abort() {
	if w.f == nil {
		return
	}
	f := w.f
	w.f = nil
	// Should the removal fail, the next Open tidies up.
	_ = errors.Join(f.Close(), os.Remove(f.Name()))
}

var (
	_ io.Writer   = (*Writer)(nil)
	_ io.ReaderAt = (*Writer)(nil)
	_ io.ReaderAt = (*File)(nil)
)
