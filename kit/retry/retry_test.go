package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/kit/retry"
)

var policy = retry.Policy{First: 100 * time.Millisecond, Longest: time.Second}

func TestPausesDoubleUpToTheBoundAndDiffer(t *testing.T) {
	means := []time.Duration{100, 200, 400, 800, 1000, 1000, 1000}
	seen := map[time.Duration]bool{}
	for range 50 {
		b := policy.New()
		for i, mean := range means {
			mean *= time.Millisecond
			got := b.Next()
			if got < mean/2 || got > mean*3/2 {
				t.Fatalf("pause %d is %s, want %s give or take a half", i+1, got, mean)
			}
			seen[got] = true
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d different pauses", len(seen))
	}
}

func TestResetBeginsAgain(t *testing.T) {
	b := policy.New()
	for range 5 {
		b.Next()
	}
	if b.Failures() != 5 {
		t.Errorf("counted %d failures", b.Failures())
	}
	b.Reset()
	if got := b.Next(); got > 150*time.Millisecond || b.Failures() != 1 {
		t.Errorf("after a success the pause is %s, the count %d", got, b.Failures())
	}
}

func TestPauseOfAFailureIsThatOfItsNumber(t *testing.T) {
	if got := policy.Pause(4); got < 400*time.Millisecond || got > 1200*time.Millisecond {
		t.Errorf("the fourth pause is %s", got)
	}
	if got := policy.Pause(1 << 40); got > 1500*time.Millisecond {
		t.Errorf("a late pause is %s", got)
	}
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("shutdown")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		began := time.Now()
		if err := retry.Sleep(ctx, time.Hour); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func ExampleBackoff() {
	pauses := retry.Policy{First: time.Millisecond, Longest: 10 * time.Millisecond}.New()
	ctx := context.Background()
	for attempt := 1; ; attempt++ {
		if attempt == 3 { // the call succeeds
			fmt.Println("succeeded after", pauses.Failures(), "failures")
			return
		}
		if pauses.Wait(ctx) != nil {
			return
		}
	}
	// Output: succeeded after 2 failures
}
