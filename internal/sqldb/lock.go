package sqldb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vanthu/internal/fault"
)

// lockFolder takes the folder for this process, for as long as the returned
// file stays open. SQLite's own locks would let two servers in, each with its
// own idea of what the mailboxes hold.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, "vanthu.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the folder's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) // only for the message below
		cause := errors.Join(ErrLocked, err, f.Close())
		return nil, fault.Wrap(fault.Conflict, cause, fault.Text{EN: fmt.Sprintf(
			"another vanthu process (pid %s) works on %s; stop it first", strings.TrimSpace(string(pid)), dir)})
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := fmt.Fprintf(f, "%d\n", os.Getpid()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
