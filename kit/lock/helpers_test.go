package lock

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"blindseq/kit/redistest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(holdEnv); url != "" {
		os.Exit(hold(url))
	}
	goleak.VerifyTestMain(m)
}

const (
	patience = 20 * time.Second // for what must happen; only a failing test waits so long
	longTTL  = 30 * time.Second // for tests in which nothing may depend on an expiry
)

// lockerForT is a Locker with a client of its own, as in another process.
func lockerForT(t *testing.T, r redistest.Redis, ttl time.Duration) *Locker {
	t.Helper()
	return New(r.NewClient(t), Options{Name: "test", TTL: ttl, Margin: ttl * 2 / 5, Holder: "t"})
}

func contextForT(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func acquire(t *testing.T, l *Locker, r Request) *Held {
	t.Helper()
	h, err := l.Acquire(contextForT(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func release(t *testing.T, h *Held) {
	t.Helper()
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// result of an Acquire in the background.
type result struct {
	name string
	held *Held
	err  error
}

func acquireSoon(ctx context.Context, l *Locker, name string, r Request, to chan<- result) {
	go func() {
		h, err := l.Acquire(ctx, r)
		to <- result{name, h, err}
	}()
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// waiting counts who waits in this Locker, the one who talks to Redis included.
func (l *Locker) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.line.priority) + len(l.line.normal)
	if l.line.turn != nil {
		n++
	}
	return n
}

func subscribers(t *testing.T, r redistest.Redis) int {
	t.Helper()
	channel := redistest.Names.LockEvents("test")
	n, err := r.Client.PubSubNumSub(t.Context(), channel).Result()
	if err != nil {
		t.Fatal(err)
	}
	return int(n[channel])
}

func wantLost(t *testing.T, h *Held, within time.Duration) {
	t.Helper()
	start := time.Now()
	select {
	case <-h.Context().Done():
	case <-time.After(patience):
		t.Fatal("the context goes on")
	}
	if took := time.Since(start); took > within {
		t.Errorf("the context ended after %v, want %v at most", took, within)
	}
	if cause := context.Cause(h.Context()); !errors.Is(cause, ErrLost) {
		t.Errorf("cause is %v", cause)
	}
	if err := h.Check(); !errors.Is(err, ErrLost) {
		t.Errorf("check says %v", err)
	}
}

// faults is a go-redis hook between a client and Redis.
type faults struct {
	calls   atomic.Int64
	before  atomic.Pointer[func()]      // runs before each command; may hang
	loseAll atomic.Bool                 // commands run and their replies are lost
	lose    atomic.Int64                // so many replies are lost
	after   atomic.Pointer[func(n int)] // runs before the reply is handed on
}

var errReplyLost = errors.New("reply lost")

func (f *faults) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *faults) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f *faults) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		n := int(f.calls.Add(1))
		if before := f.before.Load(); before != nil {
			(*before)()
		}
		err := next(ctx, cmd)
		if after := f.after.Load(); after != nil {
			(*after)(n)
		}
		if err == nil && (f.loseAll.Load() || f.lose.Add(-1) >= 0) {
			cmd.SetErr(errReplyLost)
			return errReplyLost
		}
		return err
	}
}

func faultyLocker(t *testing.T, r redistest.Redis, ttl time.Duration) (*Locker, *faults) {
	t.Helper()
	l := lockerForT(t, r, ttl)
	release(t, acquire(t, l, Request{})) // the scripts are loaded
	f := &faults{}
	l.store.rdb.AddHook(f)
	return l, f
}
