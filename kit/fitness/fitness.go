// Package fitness finds out what a service needs and cannot have, over and over, and says since when.
package fitness

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	// tryEvery is between two tries of a check, and tryTimeout bounds each.
	tryEvery   = time.Second
	tryTimeout = 2 * time.Second
	// untried is the fault of a part before its first try.
	untried = "not tried yet"
)

// Fitness is what keeps a replica from doing the work of a leader: by part, why and since when. The zero value has no fault.
// Its methods may be called from any goroutine.
type Fitness struct {
	mu     sync.Mutex
	faults map[string]Fault
}

// Fault is one thing that a leader needs and that does not work.
type Fault struct {
	Part   string
	Reason string
	Since  time.Time
}

// String is the fault as an operator reads it.
func (f Fault) String() string {
	return fmt.Sprintf("%s, since %s", f.Reason, f.Since.UTC().Format(time.RFC3339))
}

// Set says what is wrong with a part; the empty reason says that it works. The time is that of the first of several reasons.
func (f *Fitness) Set(part, reason string) { f.set(part, reason, time.Now()) }

func (f *Fitness) set(part, reason string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if reason == "" {
		delete(f.faults, part)
		return
	}
	if f.faults == nil {
		f.faults = map[string]Fault{}
	}
	if before, is := f.faults[part]; is {
		since = before.Since
	}
	f.faults[part] = Fault{Part: part, Reason: reason, Since: since}
}

// Whole says whether nothing is wrong.
func (f *Fitness) Whole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.faults) == 0
}

// Faults are what has been wrong for so long, the oldest first.
func (f *Fitness) Faults(long time.Duration) []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	faults := slices.SortedFunc(maps.Values(f.faults), func(a, b Fault) int {
		if order := a.Since.Compare(b.Since); order != 0 {
			return order
		}
		return strings.Compare(a.Part, b.Part)
	})
	return slices.DeleteFunc(faults, func(one Fault) bool { return time.Since(one.Since) < long })
}

// Check finds out whether a part works.
type Check struct {
	Part string
	Try  func(ctx context.Context) error // returns soon after ctx has ended
}

// Watch tries each check once a second until ctx ends. Until its first try a part counts as not working, but not for long.
func (f *Fitness) Watch(ctx context.Context, checks ...Check) error {
	var watching sync.WaitGroup
	for _, c := range checks {
		f.Set(c.Part, untried)
		watching.Go(func() { f.watch(ctx, c) })
	}
	watching.Wait()
	return nil
}

func (f *Fitness) watch(ctx context.Context, c Check) {
	tick := time.NewTicker(tryEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		if err := tryOnce(ctx, c); err == nil {
			f.set(c.Part, "", began)
		} else if ctx.Err() == nil {
			f.set(c.Part, err.Error(), began)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func tryOnce(ctx context.Context, c Check) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return c.Try(ctx)
}

// Reach is a check that another service answers. Whether it is ready is not looked at: that would be the same for all replicas.
func Reach(service string, conn grpc.ClientConnInterface) Check {
	health := healthv1.NewHealthClient(conn)
	return Check{Part: service, Try: func(ctx context.Context) error {
		_, err := health.Check(ctx, &healthv1.HealthCheckRequest{})
		switch status.Code(err) {
		case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
			return fmt.Errorf("cannot reach %s: %w", service, err)
		}
		return nil
	}}
}

// reportEvery is between two reports.
const reportEvery = time.Second

// Report says over and over what has not worked for a moment, until ctx ends.
func (f *Fitness) Report(ctx context.Context, say func([]Fault)) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		say(f.Faults(shown))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// shown is how long a fault lasts before it is shown: a call that was lost is none.
const shown = 2 * time.Second

// Text puts faults into words.
func Text(faults []Fault) string {
	var texts []string
	for _, one := range faults {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, "; ")
}
