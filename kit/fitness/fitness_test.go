package fitness

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFaultIsAsOldAsItsFirstReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(Fitness)
		f.Set("disk", "slow")
		time.Sleep(3 * time.Second)
		f.Set("disk", "slower")
		f.Set("clock", "ahead")
		if got := f.Faults(2 * time.Second); len(got) != 1 || got[0].Reason != "slower" || time.Since(got[0].Since) != 3*time.Second {
			t.Errorf("got %v", got)
		}
		if got := f.Faults(0); len(got) != 2 || got[0].Part != "disk" {
			t.Errorf("got %v, the oldest is to be first", got)
		}
		f.Set("disk", "")
		f.Set("disk", "slow")
		if got := f.Faults(time.Second); len(got) != 0 || f.Whole() {
			t.Errorf("got %v; whole: %v", got, f.Whole())
		}
		f.Set("disk", "")
		f.Set("clock", "")
		if !f.Whole() {
			t.Error("not whole")
		}
	})
}

func TestAPartWorksAfterItsFirstTryThatDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(Fitness)
		var broken atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = f.Watch(ctx,
				Check{Part: "a", Try: func(context.Context) error {
					if broken.Load() {
						return errors.New("no")
					}
					return nil
				}},
				Check{Part: "hangs", Try: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		}()
		synctest.Wait()
		if got := f.Faults(0); len(got) != 1 || got[0].Reason != untried {
			t.Errorf("at first: %v", got)
		}
		broken.Store(true)
		time.Sleep(2*tryTimeout + time.Millisecond)
		synctest.Wait()
		if got := f.Faults(tryTimeout); len(got) != 2 {
			t.Errorf("later: %v", got)
		}
		broken.Store(false)
		time.Sleep(tryEvery)
		synctest.Wait()
		if got := f.Faults(0); len(got) != 1 || got[0].Part != "hangs" {
			t.Errorf("at last: %v", got)
		}
		cancel()
		<-done
	})
}
