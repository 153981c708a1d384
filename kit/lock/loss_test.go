package lock

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"blindseq/kit/redistest"
)

const lossTTL = time.Second // its belief ends after 0.6 s: 0.4 s for a busy machine

func TestTheContextEndsBeforeTheLeaseCan(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, r redistest.Redis){
		"key deleted": func(t *testing.T, r redistest.Redis) {
			r.Client.Del(t.Context(), redistest.Names.LockLease("test"))
		},
		"stolen": func(t *testing.T, r redistest.Redis) {
			r.Client.HSet(t.Context(), redistest.Names.LockLease("test"), "attempt", "thief", "holder", "thief")
		},
		"redis gone":  func(t *testing.T, r redistest.Redis) { r.Stop(t) },
		"redis wiped": func(t *testing.T, r redistest.Redis) { r.Client.FlushAll(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, r redistest.Redis) {
				h := acquire(t, lockerForT(t, r, lossTTL), Request{})
				lose(t, r)
				wantLost(t, h, lossTTL)
				if err := h.Release(t.Context()); !errors.Is(err, ErrLost) {
					t.Errorf("release says %v", err)
				}
			})
		})
	}
}

func TestTheContextEndsInTimeThoughTheRenewalHangs(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, lossTTL)
		h := acquire(t, l, Request{})
		hang := make(chan struct{})
		stuck := func() { <-hang }
		f.before.Store(&stuck)
		wantLost(t, h, lossTTL)
		close(hang)
		if err := h.Release(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("release says %v", err)
		}
	})
}

func TestReleasingALostLockLeavesTheNewHolderAlone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a, b := lockerForT(t, r, lossTTL), lockerForT(t, r, longTTL)
		h := acquire(t, a, Request{})
		r.Client.Del(t.Context(), redistest.Names.LockLease("test"))
		next := acquire(t, b, Request{})
		if next.Token() <= h.Token() {
			t.Errorf("token %d after %d", next.Token(), h.Token())
		}
		if err := h.Release(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("release says %v", err)
		}
		if st, err := a.Inspect(t.Context()); err != nil || st.Holder != next.Holder() {
			t.Errorf("held by %q, %v", st.Holder, err)
		}
		release(t, next)
	})
}

func TestALostLockKeepsOthersOfTheProcessOutUntilItsSectionEnded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l := lockerForT(t, r, lossTTL)
		h := acquire(t, l, Request{})
		got := make(chan result, 1)
		acquireSoon(contextForT(t), l, "next", Request{}, got)
		r.Client.Del(t.Context(), redistest.Names.LockLease("test"))
		wantLost(t, h, lossTTL)
		if n := l.waiting(); n != 2 || len(got) > 0 {
			t.Fatal("the next one came in beside it")
		}
		_ = h.Release(t.Context())
		release(t, receive(t, got).held)
	})
}

func TestAnAcquireWhoseReplyWasLostIsAskedAgainAndMintsOneToken(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, longTTL) // token 1
		f.lose.Store(2)
		h := acquire(t, l, Request{})
		if h.Token() != 2 {
			t.Errorf("token %d, want 2", h.Token())
		}
		release(t, h)
	})
}

func TestAnAcquireGivenUpWithItsReplyLostHoldsNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, longTTL)
		f.loseAll.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		giveUp := func(int) { cancel() }
		f.after.Store(&giveUp)
		_, err := l.Acquire(ctx, Request{})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errReplyLost) {
			t.Errorf("got %v, want that it was given up, and the last cause", err)
		}
		f.loseAll.Store(false)
		if st, _ := l.Inspect(t.Context()); st.Holder != "" {
			t.Errorf("held by %s", st.Holder)
		}
	})
}

func TestAReleaseWhoseReplyWasLostIsDoneOnce(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, longTTL)
		h := acquire(t, l, Request{})
		f.lose.Store(1)
		release(t, h)
		release(t, acquire(t, l, Request{}))
	})
}

func TestAnAnswerOlderThanTheLeaseIsNotBelieved(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, lossTTL)
		slow := func(n int) {
			if n == 1 {
				<-time.After(lossTTL)
			}
		}
		f.after.Store(&slow)
		h := acquire(t, l, Request{})
		if f.calls.Load() < 2 {
			t.Error("the first answer was believed")
		}
		if err := h.Check(); err != nil {
			t.Error(err)
		}
		release(t, h)
	})
}

func TestAcquireWaitsForRedisToComeBack(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, longTTL)
		r.Stop(t)
		got := make(chan result, 1)
		acquireSoon(contextForT(t), l, "l", Request{}, got)
		until(t, "it tried", func() bool { return f.calls.Load() >= 2 })
		r.Start(t)
		release(t, receive(t, got).held)

		r.Stop(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := l.Acquire(ctx, Request{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAcquireFailsWhenItsClientIsClosed(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		client := r.NewClient(t)
		l := New(client, Options{Name: "test"})
		_ = client.Close()
		if _, err := l.Acquire(contextForT(t), Request{}); !errors.Is(err, redis.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// A section that hangs on a disk never releases: when its context has ended it does not keep others out for longer than its lease.
func TestASectionThatHangsAfterItsEndLosesTheLock(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const ttl = 500 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		hanging, err := New(r.NewClient(t), Options{Name: "test", TTL: ttl}).Acquire(ctx, Request{})
		if err != nil {
			t.Fatal(err)
		}
		other := make(chan *Held, 1)
		go func() {
			held, err := New(r.NewClient(t), Options{Name: "test", TTL: ttl}).Acquire(t.Context(), Request{})
			if err != nil {
				t.Error(err)
			}
			other <- held
		}()
		select {
		case <-other:
			t.Fatal("another has the lock of a section under way")
		case <-time.After(3 * ttl):
		}
		cancel()
		time.Sleep(ttl + ttl/5) // it is renewed for so long
		r.FastForward(2 * ttl)  // on miniredis
		select {
		case held := <-other:
			if err := hanging.Release(t.Context()); !errors.Is(err, ErrLost) {
				t.Errorf("the one that hung released the other's lock: %v", err)
			}
			if held != nil {
				_ = held.Release(t.Context())
			}
		case <-time.After(20 * time.Second):
			t.Error("the lock is kept")
		}
	})
}
