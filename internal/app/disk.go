package app

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"vanthu/internal/fault"
)

// diskRoom tells whether the data folder's disk has the room that the
// configuration asks for, so that reading and deleting stay possible when new
// mail is refused. It looks at the disk once a second at most.
type diskRoom struct {
	dir   string
	least int64 // octets
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time
	err    error
}

func (d *diskRoom) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); now.Sub(d.looked) >= time.Second || now.Before(d.looked) {
		d.looked, d.err = now, d.look()
	}
	return d.err
}

func (d *diskRoom) look() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return fmt.Errorf("look at the disk of the data folder: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < d.least {
		return fault.New(fault.Exhausted, fault.Text{
			EN: fmt.Sprintf("the server's disk is nearly full (%d MiB left); new mail is refused for the time being", free>>20),
			VI: "máy chủ sắp hết chỗ lưu trữ, tạm thời không nhận thư mới",
		})
	}
	return nil
}
