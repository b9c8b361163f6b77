package blob

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vanthu/internal/fault"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want error
		kind fault.Kind
	}{
		{"disk full", &os.PathError{Op: "write", Err: syscall.ENOSPC}, ErrFull, fault.Exhausted},
		{"share used up", &os.PathError{Op: "write", Err: syscall.EDQUOT}, ErrFull, fault.Exhausted},
		{"read-only file system", &os.PathError{Op: "open", Err: syscall.EROFS}, ErrReadOnly, fault.Temporary},
		{"no permission", &os.PathError{Op: "open", Err: syscall.EACCES}, ErrReadOnly, fault.Temporary},
		{"other", syscall.EIO, syscall.EIO, fault.Temporary},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := classify(tt.err)
			if !errors.Is(got, tt.want) || fault.KindOf(got) != tt.kind {
				t.Errorf("classify = %v of kind %v; want %v of kind %v", got, fault.KindOf(got), tt.want, tt.kind)
			}
		})
	}
}

// A write error must surface, must not be forgotten by later calls, and must
// leave no file under the content address.
func TestWriteErrorStays(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	tmp := w.f
	w.buf.Reset(full)
	if _, err := w.Write(make([]byte, 64<<10)); !errors.Is(err, ErrFull) {
		t.Errorf("Write to a full disk = %v, want ErrFull", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrFull) {
		t.Errorf("next Write = %v, want ErrFull", err)
	}
	if _, _, err := w.Commit(); !errors.Is(err, ErrFull) {
		t.Errorf("Commit = %v, want ErrFull", err)
	}
	if _, err := os.Stat(tmp.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary file after a failed Commit: %v, want it gone", err)
	}
	if err := full.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Err(); err != nil {
		t.Errorf("a full disk broke the store: %v", err)
	}
}

// After a failed fsync nothing may be promised any more.
func TestFailedSyncStopsWriting(t *testing.T) {
	s, err := Open(Options{Dir: filepath.Join(t.TempDir(), "blobs")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.syncFailed(syscall.EIO); !errors.Is(err, ErrBroken) {
		t.Errorf("syncFailed(EIO) = %v, want ErrBroken", err)
	}
	if _, err := s.Create(); !errors.Is(err, ErrBroken) {
		t.Errorf("Create = %v, want ErrBroken", err)
	}
	if err := s.Err(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Err = %v, want the cause in it", err)
	}
}
