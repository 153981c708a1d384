// Package memory keeps a process at the size of its work: below a limit while there is much to do, and back at its idle
// size when it is done.
//
// The Go runtime collects garbage when the heap has doubled, and every two minutes: a service whose load has ended keeps
// what the load needed for minutes, since nothing allocates any more. Keep finds such moments and gives the memory back.
package memory

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	lookEvery = 5 * time.Second
	// A process that allocates more than busyBytes between two looks is at work; one that then allocates less than
	// idleBytes has done it. What lies between is neither: giving memory back costs a garbage collection, which a
	// process that works a little all the time should not pay again and again.
	busyBytes = 64 << 20
	idleBytes = 16 << 20
)

// Soft is the soft limit of a process: 80% of a hard one, because the stacks, the C libraries and what the kernel keeps for the
// process count towards that too. Where no hard limit is known (0) it is the one that was configured.
func Soft(configured, hard int) int {
	if hard > 0 {
		return hard * 4 / 5
	}
	return configured
}

// Limit sets the soft limit of the Go runtime: near it garbage is collected more often. A limit that is set already
// (GOMEMLIMIT) stays. 0 sets none.
func Limit(mebibytes int) {
	const noLimit = math.MaxInt64
	if mebibytes > 0 && debug.SetMemoryLimit(-1) == noLimit {
		debug.SetMemoryLimit(int64(mebibytes) << 20)
	}
}

// Relax lets the heap grow by so many percent between two collections of garbage, below the soft limit. It is for a process whose
// heap is small against what it allocates a second. What is set already (GOGC) stays.
func Relax(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Keep gives memory back to the operating system whenever work has ended, until ctx ends.
func Keep(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w := watch{last: allocated()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.look(allocated()) {
			debug.FreeOSMemory()
		}
	}
}

// allocated is how many bytes the process has allocated since it began, those freed since included.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// watch finds out from the bytes allocated when work has ended.
type watch struct {
	last uint64
	busy bool
}

func (w *watch) look(allocated uint64) (ended bool) {
	grown := allocated - w.last
	w.last = allocated
	switch {
	case grown > busyBytes:
		w.busy = true
	case grown < idleBytes && w.busy:
		w.busy = false
		return true
	}
	return false
}
