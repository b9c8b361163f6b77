package app

import (
	"math"
	"testing"
	"time"

	"vanthu/internal/fault"
)

func TestDiskRoom(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	d := &diskRoom{dir: t.TempDir(), least: 1, now: func() time.Time { return now }}
	if err := d.check(); err != nil {
		t.Errorf("with room: %v", err)
	}
	d.least = math.MaxInt64
	if err := d.check(); err != nil {
		t.Errorf("within the second the disk was looked at again: %v", err)
	}
	now = now.Add(time.Second)
	if err := d.check(); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("without room: %v, want exhausted", err)
	}
	d.dir, now = "/no/such/folder", now.Add(time.Second)
	if err := d.check(); err == nil || fault.KindOf(err) != fault.Temporary {
		t.Errorf("without the folder: %v, want a temporary error", err)
	}
}
