package app

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

const (
	memoryTick = 20 * time.Second
	memoryIdle = 10 // the program is idle while it uses less than this part of one processor
	// memoryWorth is how much more than what is live, in parts of a hundred, is
	// worth giving back.
	memoryWorth = 25
)

// releaseMemory gives memory back to the system whenever the server has become
// idle, until ctx ends. The runtime keeps as much free memory as is live, for
// the next burst, and collects only every two minutes when nothing happens:
// after a morning on which thousands of clients connected that would be half of
// all that the process has.
func releaseMemory(ctx context.Context) error {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	var used time.Duration
	var released uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := cpuTime()
		if err != nil {
			return err
		}
		idle := now-used < memoryTick/memoryIdle
		used = now
		metrics.Read(samples)
		held := samples[0].Value.Uint64() + samples[1].Value.Uint64() + samples[2].Value.Uint64()
		live := samples[3].Value.Uint64()
		if idle && held > live+live*memoryWorth/100 && held > released+released*memoryWorth/400 {
			debug.FreeOSMemory()
			metrics.Read(samples)
			released = samples[0].Value.Uint64() + samples[1].Value.Uint64() + samples[2].Value.Uint64()
		}
	}
}

// cpuTime is the processor time that the process has used.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
