package lock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testTTL    = 10 * time.Second
	testMargin = 2 * time.Second
)

func TestBeliefCountsFromTheTimeOfSending(t *testing.T) {
	start := time.Now()
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	b := NewBelief(testTTL, testMargin)
	if !b.Confirm(at(0), at(3)) {
		t.Fatal("not believed after an answer in time")
	}
	if !b.Holds(at(7.9)) || b.Holds(at(8)) {
		t.Fatal("the belief does not end at sending + TTL - margin")
	}
	if !b.Confirm(at(4), at(5)) || !b.Holds(at(11.9)) || b.Holds(at(12)) {
		t.Fatal("a renewal does not move the end")
	}
	if !b.Confirm(at(1), at(6)) || !b.Holds(at(11.9)) {
		t.Fatal("an older answer moves the end back")
	}
}

func TestBeliefOnceOverStaysOver(t *testing.T) {
	start := time.Now()
	b := NewBelief(testTTL, testMargin)
	b.Confirm(start, start)
	late := start.Add(9 * time.Second)
	if b.Confirm(start.Add(7*time.Second), late) || b.Holds(late) {
		t.Fatal("an answer that came after the end was believed")
	}
	slow := NewBelief(testTTL, testMargin)
	if slow.Confirm(start, late) {
		t.Fatal("a first answer that took longer than the belief was believed")
	}
}

// keptLease runs keep in a bubble of fake time and tells when and why the lease was lost.
type keptLease struct {
	*lease
	start time.Time
	lost  chan error
	ended chan error
}

func keepForT(ctx context.Context, renew func(context.Context) (bool, error)) *keptLease {
	k := &keptLease{start: time.Now(), lost: make(chan error, 1), ended: make(chan error, 1)}
	k.lease = newLease(testTTL, testMargin, k.start, func(cause error) { k.lost <- cause })
	go func() { k.ended <- k.keep(ctx, renew) }()
	return k
}

func (k *keptLease) wantLost(t *testing.T, after time.Duration) {
	t.Helper()
	cause := <-k.lost
	if took := time.Since(k.start); took != after {
		t.Errorf("lost after %v, want %v", took, after)
	}
	if !errors.Is(cause, ErrLost) || k.holds() {
		t.Errorf("cause %v, still held: %v", cause, k.holds())
	}
}

func TestALeaseIsKeptWhileRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		renewed := 0
		k := keepForT(ctx, func(context.Context) (bool, error) { renewed++; return true, nil })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if !k.holds() || len(k.lost) > 0 {
			t.Fatal("lost")
		}
		if renewed != 90 { // every third of the TTL
			t.Errorf("renewed %d times", renewed)
		}
		cancel()
		<-k.ended
		if !k.end() {
			t.Error("not held at the end")
		}
	})
}

func TestALeaseEndsBeforeItsTTLThoughTheRenewalHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hang := make(chan struct{}) // like a socket that ignores the context
		k := keepForT(ctx, func(context.Context) (bool, error) { <-hang; return true, nil })
		k.wantLost(t, testTTL-testMargin)
		cancel()
		close(hang)
		<-k.ended
		if k.holds() {
			t.Error("the late answer revived it")
		}
	})
}

func TestALeaseEndsWhenRedisSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keepForT(t.Context(), func(context.Context) (bool, error) { return false, nil })
		k.wantLost(t, (testTTL / 3).Round(0))
		<-k.ended
	})
}

func TestALeaseSurvivesFailedRenewalsButNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broken, calls := errors.New("broken"), 0
		k := keepForT(ctx, func(context.Context) (bool, error) {
			calls++
			if calls == 2 { // the second try, a tenth of the TTL after the first
				return true, nil
			}
			return false, broken
		})
		k.wantLost(t, testTTL/3+testTTL/10+testTTL-testMargin)
		cancel()
		if err := <-k.ended; !errors.Is(err, broken) {
			t.Errorf("the last error of renewing is %v", err)
		}
	})
}

func TestALeaseThatEndedIsNotLostLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := keepForT(ctx, func(context.Context) (bool, error) { return false, nil })
		if !k.end() {
			t.Error("not held at the end")
		}
		time.Sleep(2 * testTTL)
		synctest.Wait()
		if len(k.lost) > 0 {
			t.Error("told lost after its end")
		}
		cancel()
		<-k.ended
	})
}
