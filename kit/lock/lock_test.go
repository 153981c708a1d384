package lock

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"blindseq/kit/redistest"
)

func TestAcquireAndReleaseAreOneRoundTripEach(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, f := faultyLocker(t, r, longTTL)
		h := acquire(t, l, Request{Meta: "m"})
		if n := f.calls.Load(); n != 1 {
			t.Errorf("acquire took %d calls", n)
		}
		release(t, h)
		if n := f.calls.Load(); n != 2 {
			t.Errorf("acquire and release took %d calls", n)
		}
	})
}

func TestTokensGrowAndPassTheFloor(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a, b := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		last := uint64(0)
		for i, l := range []*Locker{a, b, b, a} {
			h := acquire(t, l, Request{Floor: uint64(i)})
			if h.Token() <= last {
				t.Fatalf("token %d after %d", h.Token(), last)
			}
			last = h.Token()
			release(t, h)
		}
		if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		h := acquire(t, a, Request{Floor: 1000})
		defer release(t, h)
		if h.Token() != 1001 {
			t.Fatalf("token %d after a wipe, with floor 1000", h.Token())
		}
	})
}

func TestALargeFloorIsExactAndATooLargeOneRefused(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l := lockerForT(t, r, longTTL)
		for _, bad := range []Request{{Floor: maxFloor + 1}, {Floor: math.MaxUint64}, {Meta: strings.Repeat("x", maxMeta+1)}} {
			if _, err := l.Acquire(t.Context(), bad); !errors.Is(err, ErrBadRequest) {
				t.Errorf("got %v, want ErrBadRequest", err)
			}
		}
		h := acquire(t, l, Request{Floor: maxFloor})
		if h.Token() != maxFloor+1 {
			t.Errorf("token %d, want %d", h.Token(), uint64(maxFloor+1))
		}
		if st, err := l.Inspect(t.Context()); err != nil || st.Token != h.Token() {
			t.Errorf("inspect: %+v, %v", st, err)
		}
		release(t, h)
	})
}

func TestInspectTellsTheHolder(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l, other := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		want := func(want Status) {
			t.Helper()
			if got, err := other.Inspect(t.Context()); err != nil || got != want {
				t.Fatalf("got %+v, %v, want %+v", got, err, want)
			}
		}
		want(Status{})
		h := acquire(t, l, Request{Meta: "here"})
		want(Status{Holder: h.Holder(), Token: 1, Meta: "here"})
		release(t, h)
		want(Status{Token: 1})
	})
}

func TestLockersAreToldApartThoughTheirHolderIsTheSame(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a, b := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		h := acquire(t, a, Request{})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := b.Acquire(ctx, Request{})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "held elsewhere") {
			t.Fatalf("got %v", err)
		}
		release(t, h)
		next := acquire(t, b, Request{})
		defer release(t, next)
		if h.Holder() == next.Holder() || h.Token() == next.Token() {
			t.Fatalf("%s with %d and %s with %d", h.Holder(), h.Token(), next.Holder(), next.Token())
		}
	})
}

func TestReleaseWorksAfterTheContextEndedAndOnce(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l := lockerForT(t, r, longTTL)
		ctx, cancel := context.WithCancel(t.Context())
		h, err := l.Acquire(ctx, Request{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-h.Context().Done()
		if err := h.Check(); err != nil {
			t.Errorf("the end of the caller's context lost the lock: %v", err)
		}
		if err := h.Release(ctx); err != nil {
			t.Fatal(err)
		}
		next := acquire(t, l, Request{})
		if err := h.Release(ctx); err != nil {
			t.Errorf("the second release: %v", err)
		}
		if st, _ := l.Inspect(t.Context()); st.Token != next.Token() {
			t.Error("the second release took the lock from the next holder")
		}
		release(t, next)
	})
}

func TestALeaseIsRenewedOnRedis(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		l := lockerForT(t, r, time.Second)
		h := acquire(t, l, Request{})
		for range 4 {
			r.FastForward(500 * time.Millisecond)
			until(t, "it is renewed", func() bool {
				left, err := r.Client.PTTL(t.Context(), redistest.Names.LockLease("test")).Result()
				return err == nil && left > 600*time.Millisecond
			})
		}
		release(t, h)
	})
}

func TestNoSubscriptionWithoutAHolderElsewhere(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ctx := contextForT(t)
		a, b := lockerForT(t, r, longTTL), lockerForT(t, r, longTTL)
		got := make(chan result, 4)
		h := acquire(t, a, Request{})
		acquireSoon(ctx, a, "local", Request{}, got)
		until(t, "it waits", func() bool { return a.waiting() == 2 })
		release(t, h)
		h = receive(t, got).held
		if n := subscribers(t, r); n != 0 {
			t.Fatalf("%d subscriptions with waiters in one process only", n)
		}
		for range 3 {
			acquireSoon(ctx, b, "remote", Request{}, got)
		}
		until(t, "there is one subscription", func() bool { return subscribers(t, r) == 1 })
		release(t, h)
		for range 3 {
			release(t, receive(t, got).held)
		}
		until(t, "the subscription has ended", func() bool { return subscribers(t, r) == 0 })
	})
}
