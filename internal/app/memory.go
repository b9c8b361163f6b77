package app

import (
	"context"
	"fmt"
	"log/slog"
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
func releaseMemory(ctx context.Context, log *slog.Logger) error {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	var used time.Duration
	var kept uint64
	var wasIdle bool
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
		if idle && !wasIdle {
			debug.FreeOSMemory()
			if err := forgetProgram(); err != nil { // a system that hides /proc: the pages stay
				log.InfoContext(ctx, "memory of the program is not given back", "err", err)
			}
		}
		wasIdle = idle
		metrics.Read(samples)
		held := heap(samples)
		live := samples[3].Value.Uint64()
		worth := live * memoryWorth / 100
		if idle && held > live+worth && held > kept+worth/4 { // not again for what could not be released last time
			debug.FreeOSMemory()
			metrics.Read(samples)
			kept = heap(samples)
		}
	}
}

// heap adds up the first three samples: all that the heap holds of the system.
func heap(s []metrics.Sample) uint64 {
	return s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
}

// cpuTime is the processor time that the process has used.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("read the processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
