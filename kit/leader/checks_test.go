package leader

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestTheClockInTheMiddleIsRight(t *testing.T) {
	const month = 30 * 24 * time.Hour
	for name, one := range map[string]struct {
		own    time.Duration
		others []time.Duration // Redis's is the first
		fine   bool
	}{
		"alone":                       {0, []time.Duration{0}, true},
		"ahead of all":                {month, []time.Duration{0, 0}, false},
		"behind all":                  {-month, []time.Duration{0, 0}, false},
		"another is ahead":            {0, []time.Duration{0, month}, true},
		"Redis's clock is wrong":      {time.Hour, []time.Duration{0, time.Hour}, true},
		"a little ahead":              {4 * time.Second, []time.Duration{0, 0, -4 * time.Second}, true},
		"two of three are a month on": {0, []time.Duration{0, month, month}, true},
	} {
		if err := drifts(one.own, append(one.others, one.own), 5*time.Second); (err == nil) != one.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADiskThatHangsOrIsSlowIsAFault(t *testing.T) {
	d := &Disk{Dir: t.TempDir(), Bound: time.Minute}
	if err := d.Check().Try(t.Context()); err != nil {
		t.Errorf("a disk that works: %v", err)
	}
	d.Bound = time.Nanosecond
	if err := d.Check().Try(t.Context()); err == nil || !strings.Contains(err.Error(), "small write") {
		t.Errorf("a slow disk: %v", err)
	}
	d.Bound = time.Minute
	writes, finish := 0, make(chan struct{})
	d.write = func() error { writes++; <-finish; return nil }
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := d.Check().Try(ctx); err == nil || !strings.Contains(err.Error(), "has not written") {
			t.Errorf("a disk that hangs: %v", err)
		}
		cancel()
	}
	close(finish)
	if err := d.Check().Try(t.Context()); err != nil || writes != 1 {
		t.Errorf("it works again: %v; %d writes", err, writes)
	}
	if err := (&Disk{Dir: t.TempDir() + "/none", Bound: time.Minute}).Check().Try(t.Context()); err == nil {
		t.Error("a folder that is not there")
	}
}
