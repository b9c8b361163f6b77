// Package blob keeps large bodies as files named by the SHA-256 of their
// content: <folder>/ab/cd/abcd….
//
// Invariants: a file under its content address is complete and synced, with
// its directories, before [Writer.Commit] returns; equal content is one file;
// a file is never changed once it has its name. Whoever refers to a file does
// so after Commit, so a reference always has its file; a file without a
// reference is left over by a crash or a refusal and is removed by its owner
// with [Store.RemoveOlder].
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vanthu/internal/fault"
)

// Hash is the content address of a file: SHA-256 of its bytes.
type Hash [sha256.Size]byte

// String gives h as 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String writes. It fails with fault.Invalid.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, errNotHash
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, errNotHash
	}
	return h, nil
}

var errNotHash = fault.New(fault.Invalid, fault.Text{EN: "not a SHA-256 in hexadecimal"})

// ErrNotFound: the store has no file with this content address.
var ErrNotFound = fault.New(fault.NotFound, fault.Text{
	EN: "the content is missing from the server's storage", VI: "nội dung không còn trong kho lưu trữ của máy chủ",
})

// ErrCorrupt: the bytes of a file are not those its name promises.
var ErrCorrupt = fault.New(fault.Temporary, fault.Text{
	EN: "the content is damaged in the server's storage", VI: "nội dung trong kho lưu trữ của máy chủ bị hỏng",
})

// ErrFull: the disk, or the server's share of it, is full.
var ErrFull = fault.New(fault.Exhausted, fault.Text{
	EN: "the server's storage is full", VI: "máy chủ đã hết chỗ lưu trữ",
})

// ErrReadOnly: the folder cannot be written to.
var ErrReadOnly = fault.New(fault.Temporary, fault.Text{
	EN: "the server's storage cannot be written to", VI: "kho lưu trữ của máy chủ không cho ghi",
})

// ErrBroken: a directory could not be synced, so nothing written from now on
// can be promised to stay. Reading goes on; writing needs a restart after the
// disk has been mended.
var ErrBroken = fault.New(fault.Temporary, fault.Text{
	EN: "the server's storage is not working, please try again later",
	VI: "hệ thống lưu trữ của máy chủ đang gặp sự cố, xin thử lại sau",
})

// leftover is how old a temporary file must be before Open removes it.
const leftover = time.Hour

// tmpDir holds files that have no name yet. It lies inside the folder, so
// that a rename never crosses file systems.
const tmpDir = "tmp"

// Options says where the files lie.
type Options struct {
	Dir      string           // made when missing, unless ReadOnly
	ReadOnly bool             // neither make the folder nor tidy it up; Create fails with [ErrReadOnly]
	Now      func() time.Time // nil means time.Now; only judges the age of left-over files
}

// Store is an open folder. All methods may be called concurrently.
type Store struct {
	dir      string
	readOnly bool
	broken   atomic.Pointer[error]
	locks    [256]sync.Mutex      // by first octet: naming and removing the same content exclude each other
	kept     [1 << 16]atomic.Bool // the directories above ab/cd are known to be synced
}

// Open opens the folder, makes it when it is missing, and removes temporary
// files older than an hour. It fails with [ErrReadOnly] when the folder cannot
// be written to.
func Open(opt Options) (*Store, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Store{dir: opt.Dir, readOnly: opt.ReadOnly}
	if opt.ReadOnly {
		st, err := os.Stat(s.dir)
		if err != nil {
			return nil, fmt.Errorf("open blob folder: %w", err)
		}
		if !st.IsDir() {
			return nil, fmt.Errorf("open blob folder: %s is not a folder", s.dir)
		}
		return s, nil
	}
	tmp := filepath.Join(s.dir, tmpDir)
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return nil, fmt.Errorf("open blob folder: %w", classify(err))
	}
	probe, err := os.CreateTemp(tmp, "probe-*")
	if err != nil {
		return nil, fmt.Errorf("open blob folder: %w", classify(err))
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name()), syncDir(s.dir), syncDir(filepath.Dir(s.dir))); err != nil {
		return nil, fmt.Errorf("open blob folder: %w", classify(err))
	}
	return s, s.tidy(tmp, opt.Now().Add(-leftover))
}

func (s *Store) tidy(tmp string, before time.Time) error {
	list, err := os.ReadDir(tmp)
	if err != nil {
		return fmt.Errorf("tidy up blob folder: %w", err)
	}
	for _, e := range list {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("tidy up blob folder: %w", err)
		}
		if !info.Mode().IsRegular() || !info.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("tidy up blob folder: %w", err)
		}
	}
	return nil
}

// Err returns [ErrBroken] around its cause when writing has stopped for good.
func (s *Store) Err() error {
	if p := s.broken.Load(); p != nil {
		return *p
	}
	return nil
}

// breakDown stops all writing: after a failed fsync the kernel may have
// thrown the pages away, and a second fsync would report success.
func (s *Store) breakDown(cause error) error {
	err := fmt.Errorf("%w: %w", ErrBroken, cause)
	s.broken.CompareAndSwap(nil, &err)
	return s.Err()
}

func (s *Store) path(h Hash) string {
	name := h.String()
	return filepath.Join(s.dir, name[:2], name[2:4], name)
}

// A File is an open body. ReadAt may be called concurrently.
type File struct {
	f    *os.File
	info fs.FileInfo
}

// ReadAt reads as io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Size is the length in octets.
func (f *File) Size() int64 { return f.info.Size() }

// ModTime is when the content was last committed.
func (f *File) ModTime() time.Time { return f.info.ModTime() }

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Open opens the file with content address h. It returns [ErrNotFound] when
// there is none. It does not read the content: compare Size with what is
// expected, and see [Store.Verify].
func (s *Store) Open(h Hash) (*File, error) {
	f, err := os.Open(s.path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", h, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob: %w", err), f.Close())
	}
	if !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("open blob %s: %w", h, ErrCorrupt), f.Close())
	}
	return &File{f: f, info: info}, nil
}

// Verify reads the file with content address h and compares its hash. It
// returns [ErrNotFound] or [ErrCorrupt], or ctx's error when that ends first.
func (s *Store) Verify(ctx context.Context, h Hash) (err error) {
	f, err := s.Open(h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	r := io.NewSectionReader(f, 0, f.Size())
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		sum.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read blob %s: %w", h, err)
		}
	}
	if got := Hash(sum.Sum(nil)); got != h {
		return fmt.Errorf("blob %s has the content of %s: %w", h, got, ErrCorrupt)
	}
	return nil
}

// Walk calls fn for every file with its size and the time it was last
// committed, in no useful order. An error of fn ends the walk and is returned.
// Files that appear or vanish meanwhile may be missed.
func (s *Store) Walk(ctx context.Context, fn func(h Hash, size int64, committed time.Time) error) error {
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == tmpDir && filepath.Dir(path) == filepath.Clean(s.dir) {
				return fs.SkipDir
			}
			return nil
		}
		h, err := ParseHash(d.Name())
		if err != nil || path != s.path(h) {
			return nil //nolint:nilerr // a stranger's file is none of ours
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(h, info.Size(), info.ModTime())
	})
	if err != nil {
		return fmt.Errorf("walk blob folder: %w", err)
	}
	return nil
}

// Remove deletes the file with content address h. It is no error when there is none.
func (s *Store) Remove(h Hash) error {
	_, err := s.RemoveOlder(h, time.Time{})
	return err
}

// RemoveOlder deletes the file with content address h if it was last committed
// before limit; the zero limit means always. It reports whether a file was
// deleted. Committing the same content again counts as a commit, so whoever
// asks "does anybody refer to it?" first and then calls RemoveOlder with a
// limit an hour back cannot take a file from a message just being stored.
func (s *Store) RemoveOlder(h Hash, limit time.Time) (bool, error) {
	if s.readOnly {
		return false, ErrReadOnly
	}
	mu := &s.locks[h[0]]
	mu.Lock()
	defer mu.Unlock()
	path := s.path(h)
	if !limit.IsZero() {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("remove blob: %w", err)
		}
		if !info.ModTime().Before(limit) {
			return false, nil
		}
	}
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove blob: %w", classify(err))
	}
	return true, nil
}

// classify puts the error of a system call under the fault that callers know.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
