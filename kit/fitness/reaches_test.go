package fitness

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/kit/ops"
)

func TestWhatCannotBeReachedIsNotedWithSinceWhenAndCostsNoReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		health, began := ops.NewHealth(), time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Reaches(ctx, health, Check{Part: "monitor-svc", Try: func(context.Context) error {
				if away.Load() {
					return errors.New("cannot reach monitor-svc")
				}
				return nil
			}})
		}()
		time.Sleep(10 * time.Second)
		if notes := health.Notes(); len(notes) != 0 {
			t.Errorf("notes %v while it is reached", notes)
		}
		away.Store(true)
		time.Sleep(time.Minute)
		note := health.Notes()["faults"]
		said, since, _ := strings.Cut(note, ", since ")
		at, err := time.Parse(time.RFC3339, since)
		if err != nil || said != "cannot reach monitor-svc" || at.Sub(began) < 9*time.Second || at.Sub(began) > 12*time.Second {
			t.Errorf("note %q", note)
		}
		if reasons := health.Ready(); len(reasons) != 0 {
			t.Errorf("not ready: %v", reasons)
		}
		away.Store(false)
		time.Sleep(5 * time.Second)
		if notes := health.Notes(); len(notes) != 0 {
			t.Errorf("notes %v after it was reached again", notes)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
