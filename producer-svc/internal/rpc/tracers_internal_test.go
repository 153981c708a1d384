package rpc

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Geth's tracers stop at a deadline and not when their context is canceled.
func TestATracerSeesItsDeadlinePassWhenItsClientGoes(t *testing.T) {
	s := &debugService{running: make(chan struct{}, 1)}
	client, leave := context.WithCancel(t.Context())
	_, err := s.limited(client, func(ctx context.Context) (any, error) {
		ctx, stop := context.WithTimeout(ctx, time.Hour)
		defer stop()
		leave()
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("the tracer sees %v", ctx.Err())
		}
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

func TestFewTracesRunAtOnce(t *testing.T) {
	s := &debugService{running: make(chan struct{}, 1)}
	quick := func(context.Context) (any, error) { return "done", nil }
	_, err := s.limited(t.Context(), func(ctx context.Context) (any, error) {
		_, err := s.limited(ctx, quick)
		return nil, err
	})
	if !errors.Is(err, errTracesBusy) {
		t.Errorf("one more than may run: %v", err)
	}
	if answer, err := s.limited(t.Context(), quick); err != nil || answer != "done" {
		t.Errorf("after it: %v, %v", answer, err)
	}
}
