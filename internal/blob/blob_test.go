package blob_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vanthu/internal/blob"
	"vanthu/internal/fault"
)

func open(t testing.TB, dir string) *blob.Store {
	t.Helper()
	s, err := blob.Open(blob.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *blob.Store, content []byte) blob.Hash {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	h, size, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if size != int64(len(content)) || h != blob.Hash(sha256.Sum256(content)) {
		t.Fatalf("Commit = %s, %d; want %x, %d", h, size, sha256.Sum256(content), len(content))
	}
	return h
}

func path(dir string, h blob.Hash) string {
	n := h.String()
	return filepath.Join(dir, n[:2], n[2:4], n)
}

func temps(t testing.TB, dir string) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int
	}{{"empty", 0}, {"one octet", 1}, {"over the write buffer", 100_000}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			content := bytes.Repeat([]byte("x"), tt.size)
			h := put(t, s, content)
			if again := put(t, s, content); again != h {
				t.Errorf("same content again = %s, want %s", again, h)
			}
			f, err := s.Open(h)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d octets, %v; want the %d written", len(got), err, len(content))
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Verify(t.Context(), h); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if n := temps(t, dir); n != 0 {
				t.Errorf("%d temporary files left, want 0", n)
			}
		})
	}
}

func TestReadBeforeCommit(t *testing.T) {
	s := open(t, t.TempDir())
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte("Subject: x")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 7)
	if _, err := w.ReadAt(got, 0); err != nil || string(got) != "Subject" {
		t.Errorf("ReadAt = %q, %v; want Subject", got, err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half a message")); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if n := temps(t, dir); n != 0 {
		t.Errorf("%d temporary files left, want 0", n)
	}
	if _, _, err := w.Commit(); err == nil {
		t.Error("Commit after Abort succeeded")
	}
	if _, err := s.Open(blob.Hash(sha256.Sum256([]byte("half a message")))); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open = %v, want ErrNotFound", err)
	}
}

// A file that was damaged, or cut short by a crash of the file system, must
// not be taken for the content when that arrives again.
func TestCommitReplacesFileOfWrongSize(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	content := []byte("the whole content")
	h := put(t, s, content)
	if err := os.WriteFile(path(dir, h), content[:4], 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, content)
	if err := s.Verify(t.Context(), h); err != nil {
		t.Errorf("Verify after the second Commit: %v", err)
	}
}

func TestVerifyFindsFlippedBit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	content := bytes.Repeat([]byte("abc"), 1000)
	h := put(t, s, content)
	content[1500] ^= 1
	if err := os.WriteFile(path(dir, h), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), h); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("Verify = %v, want ErrCorrupt", err)
	}
}

func TestOpenRemovesOldLeftovers(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	for _, name := range []string{"body-old", "body-new"} {
		if err := os.WriteFile(filepath.Join(dir, "tmp", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-61 * time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "tmp", "body-old"), old, old); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "tmp", "body-old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file left over for 61 minutes: %v, want it gone", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tmp", "body-new")); err != nil {
		t.Errorf("a file of another writer was taken away: %v", err)
	}
}

func TestRemoveOlder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	h := put(t, s, []byte("content"))
	limit := time.Now().Add(-time.Hour)
	if gone, err := s.RemoveOlder(h, limit); gone || err != nil {
		t.Errorf("fresh file: %v, %v; want it kept", gone, err)
	}
	old := limit.Add(-time.Minute)
	if err := os.Chtimes(path(dir, h), old, old); err != nil {
		t.Fatal(err)
	}
	put(t, s, []byte("content")) // somebody stores it again just now
	if gone, err := s.RemoveOlder(h, limit); gone || err != nil {
		t.Errorf("file committed again: %v, %v; want it kept", gone, err)
	}
	if err := os.Chtimes(path(dir, h), old, old); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.RemoveOlder(h, limit); !gone || err != nil {
		t.Errorf("old file: %v, %v; want it gone", gone, err)
	}
	if err := s.Remove(h); err != nil {
		t.Errorf("Remove of a missing file: %v", err)
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := map[blob.Hash]int64{}
	for _, c := range []string{"", "a", "bc"} {
		want[put(t, s, []byte(c))] = int64(len(c))
	}
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	err = s.Walk(t.Context(), func(h blob.Hash, size int64, _ time.Time) error {
		if n, ok := want[h]; !ok || n != size {
			t.Errorf("walked %s with %d octets, want %d (%v)", h, size, n, ok)
		}
		delete(want, h)
		return nil
	})
	if err != nil || len(want) != 0 {
		t.Errorf("Walk = %v, %d not seen", err, len(want))
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	h := put(t, open(t, dir), []byte("content"))
	s, err := blob.Open(blob.Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), h); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if _, err := s.Create(); !errors.Is(err, blob.ErrReadOnly) {
		t.Errorf("Create = %v, want ErrReadOnly", err)
	}
	if _, err := s.RemoveOlder(h, time.Time{}); !errors.Is(err, blob.ErrReadOnly) {
		t.Errorf("RemoveOlder = %v, want ErrReadOnly", err)
	}
	if _, err := blob.Open(blob.Options{Dir: filepath.Join(dir, "none"), ReadOnly: true}); err == nil {
		t.Error("Open of a missing folder for reading succeeded")
	}
}

func TestOpenRefusesWhatIsNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.Open(blob.Options{Dir: file}); err == nil {
		t.Error("Open of a plain file succeeded")
	}
}

func TestParseHash(t *testing.T) {
	h := blob.Hash(sha256.Sum256(nil))
	if got, err := blob.ParseHash(h.String()); err != nil || got != h {
		t.Errorf("ParseHash(String()) = %v, %v", got, err)
	}
	for _, s := range []string{"", "ab", h.String()[:63] + "g", h.String() + "00", "../../etc/passwd"} {
		if _, err := blob.ParseHash(s); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("ParseHash(%q) = %v, want fault.Invalid", s, err)
		}
	}
}

func BenchmarkCommit1MiB(b *testing.B) {
	s := open(b, b.TempDir())
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	b.SetBytes(int64(len(content)))
	i := 0
	for b.Loop() {
		content[0], content[1], content[2] = byte(i), byte(i>>8), byte(i>>16)
		i++
		put(b, s, content)
	}
}
