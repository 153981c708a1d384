package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/kit/redistest"
)

// section is what one holder did inside, on this process's monotonic clock.
type section struct {
	token       uint64
	enter, exit time.Duration
}

// sectionsEnv is how many sections there are on either Redis; if not set 10,000, but 300 on miniredis, which reads the
// scripts anew each time and takes as long for those.
const sectionsEnv = "BLINDSEQ_LOCK_SECTIONS"

func sectionsFor(t *testing.T) int {
	t.Helper()
	if s := os.Getenv(sectionsEnv); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if strings.HasSuffix(t.Name(), "/miniredis") {
		return 300
	}
	return 10_000
}

// TestSectionsNeverOverlap has 64 contenders in several processes: of thousands of sections no two are inside at once, by the
// clock and by their effect, as each finds what the one before left behind and a lower token than its own.
func TestSectionsNeverOverlap(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const lockers, contenders = 4, 64
		sections := sectionsFor(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // only a failing test takes so long
		defer cancel()
		var (
			left  atomic.Int64
			done  []section // guarded by the lock under test: the race detector checks it too
			began = time.Now()
			all   sync.WaitGroup
		)
		left.Store(int64(sections))
		var ls []*Locker
		for range lockers {
			ls = append(ls, lockerForT(t, r, longTTL))
		}
		for i := range contenders {
			all.Go(func() {
				for left.Add(-1) >= 0 {
					h, err := ls[i%lockers].Acquire(ctx, Request{Priority: i%3 == 0})
					if err != nil {
						t.Error(err)
						return
					}
					inside := section{token: h.Token(), enter: time.Since(began)}
					found := len(done)
					inside.exit = time.Since(began)
					if done = append(done, inside); len(done) != found+1 {
						t.Error("another wrote meanwhile")
					}
					if err := h.Release(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		noneOverlap(t, done, sections)
		if n := r.Client.Exists(ctx, redistest.Names.LockLease("test")).Val(); n != 0 {
			t.Errorf("%d keys left behind", n)
		}
		t.Logf("%d sections of %d contenders in %s, none overlaps", len(done), contenders, time.Since(began).Round(time.Millisecond))
	})
}

func noneOverlap(t *testing.T, done []section, want int) {
	t.Helper()
	if len(done) != want {
		t.Errorf("%d sections, want %d", len(done), want)
	}
	for i := 1; i < len(done); i++ {
		before, s := done[i-1], done[i]
		if s.token <= before.token {
			t.Fatalf("section %d has token %d, the one before %d", i, s.token, before.token)
		}
		if s.enter < before.exit {
			t.Fatalf("section %d was entered %s before the one before was left", i, before.exit-s.enter)
		}
	}
}

// order releases each result as it comes and returns the names in the order of coming.
func order(t *testing.T, got <-chan result, n int) string {
	t.Helper()
	names := ""
	for range n {
		res := receive(t, got)
		if res.err != nil {
			t.Fatalf("%s: %v", res.name, res.err)
		}
		names += res.name
		release(t, res.held)
	}
	return names
}

func TestWaitersOfOneProcessComeInOrderPriorityFirst(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ctx := contextForT(t)
		l := lockerForT(t, r, longTTL)
		h := acquire(t, l, Request{})
		got := make(chan result, 8)
		for i, name := range []string{"a", "P", "b", "Q", "c", "R"} {
			acquireSoon(ctx, l, name, Request{Priority: name < "a"}, got)
			until(t, "it waits", func() bool { return l.waiting() == i+2 })
		}
		release(t, h)
		if names := order(t, got, 6); names != "PQRabc" {
			t.Fatalf("served in order %s", names)
		}
	})
}

func TestAPriorityWaiterOvertakesInItsProcessWhileAnotherHolds(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ctx := contextForT(t)
		holder, l := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		got := make(chan result, 8)
		h := acquire(t, holder, Request{})
		acquireSoon(ctx, l, "a", Request{}, got)
		until(t, "it listens", func() bool { return subscribers(t, r) == 1 })
		acquireSoon(ctx, l, "P", Request{Priority: true}, got)
		until(t, "it waits", func() bool { return l.waiting() == 2 })
		release(t, h)
		if names := order(t, got, 2); names != "Pa" {
			t.Fatalf("served in order %s", names)
		}
	})
}

func TestAWaiterIsWokenAtOnceByARelease(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a, b := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		got := make(chan result, 1)
		for range 5 {
			h := acquire(t, a, Request{})
			acquireSoon(contextForT(t), b, "b", Request{}, got)
			until(t, "it listens", func() bool { return subscribers(t, r) == 1 && b.waiting() == 1 })
			start := time.Now()
			release(t, h)
			release(t, receive(t, got).held)
			if took := time.Since(start); took > 2*time.Second {
				t.Fatalf("it took %v", took)
			}
		}
	})
}

func TestALostWakeCostsNoMoreThanTheTTL(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const ttl = 500 * time.Millisecond
		dead, l := lockerForT(t, r, ttl), lockerForT(t, r, ttl)
		if _, err := dead.store.acquire(t.Context(), attempt{id: "x", holder: "dead"}); err != nil {
			t.Fatal(err)
		}
		got := make(chan result, 1)
		acquireSoon(contextForT(t), l, "l", Request{}, got)
		until(t, "it listens", func() bool { return subscribers(t, r) == 1 })
		r.FastForward(ttl) // on miniredis the lease ends now, on redis by itself: nobody publishes
		start := time.Now()
		release(t, receive(t, got).held)
		if took := time.Since(start); took > 3*ttl {
			t.Fatalf("it took %v", took)
		}
	})
}

func TestGivingUpLeavesNothingBehind(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		holder, l := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		h := acquire(t, holder, Request{})
		ctx, cancel := context.WithCancelCause(t.Context())
		got := make(chan result, 8)
		for i := range 6 {
			acquireSoon(ctx, l, fmt.Sprint(i), Request{Priority: i%2 == 0}, got)
		}
		until(t, "all wait", func() bool { return l.waiting() == 6 })
		why := errors.New("enough")
		cancel(why)
		for range 6 {
			if res := receive(t, got); !errors.Is(res.err, why) {
				t.Errorf("%s: %v", res.name, res.err)
			}
		}
		if l.waiting() != 0 {
			t.Error("something waits on")
		}
		until(t, "the subscription has ended", func() bool { return subscribers(t, r) == 0 })
		release(t, h)
		release(t, acquire(t, holder, Request{}))
	})
}
