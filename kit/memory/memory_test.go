package memory

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestMemoryIsGivenBackOnceAfterWork(t *testing.T) {
	var w watch
	for i, step := range []struct {
		grown uint64
		want  bool
	}{
		{1 << 20, false}, // idle from the start: nothing to give back
		{busyBytes + 1, false},
		{busyBytes * 4, false},
		{idleBytes * 2, false}, // neither
		{1 << 20, true},
		{1 << 20, false}, // once
		{idleBytes * 2, false},
		{1 << 20, false},
		{busyBytes + 1, false},
		{0, true},
	} {
		if got := w.look(w.last + step.grown); got != step.want {
			t.Errorf("look %d: ended is %v", i, got)
		}
	}
}

func TestAllocationsAreCounted(t *testing.T) {
	before := allocated()
	block := make([]byte, busyBytes)
	if grown := allocated() - before; grown < uint64(len(block)) {
		t.Fatalf("%d bytes counted of %d", grown, len(block))
	}
}

func TestTheSoftLimitFollowsFromAHardOne(t *testing.T) {
	for _, c := range []struct{ configured, hard, want int }{{400, 0, 400}, {0, 0, 0}, {400, 256, 204}, {400, 8192, 6553}, {0, 512, 409}} {
		if got := Soft(c.configured, c.hard); got != c.want {
			t.Errorf("configured %d, hard %d: got %d, want %d", c.configured, c.hard, got, c.want)
		}
	}
}

func TestALimitThatIsSetStays(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for _, step := range []struct {
		set       int64
		mebibytes int
		want      int64
	}{
		{math.MaxInt64, 0, math.MaxInt64},
		{math.MaxInt64, 300, 300 << 20},
		{100 << 20, 300, 100 << 20},
	} {
		debug.SetMemoryLimit(step.set)
		Limit(step.mebibytes)
		if got := debug.SetMemoryLimit(-1); got != step.want {
			t.Errorf("limit %d, then %d MiB: got %d", step.set, step.mebibytes, got)
		}
	}
}

func TestTheHeapGrowsFurtherUnlessTheUserSaysOtherwise(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "50")
	Relax(400)
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("with GOGC it became %d", got)
	}
	t.Setenv("GOGC", "")
	Relax(400)
	if got := debug.SetGCPercent(100); got != 400 {
		t.Errorf("it became %d", got)
	}
}
