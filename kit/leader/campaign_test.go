package leader_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 20 * time.Second
	longTTL  = 30 * time.Second
)

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

// term is one time of leading, as the lead function saw it.
type term struct {
	ctx   context.Context
	token uint64
	end   chan error // what lead returns, unless its context ends before
}

type candidate struct {
	terms  chan term
	ended  chan error
	cancel context.CancelFunc
}

// campaignForT runs a candidate with a Redis client of its own, as in another process.
func campaignForT(t *testing.T, r redistest.Redis, ttl time.Duration, e leader.Endpoint) *candidate {
	t.Helper()
	l := lock.New(r.NewClient(t), lock.Options{Name: "producer", TTL: ttl, Margin: ttl * 2 / 5})
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{terms: make(chan term, 64), ended: make(chan error, 1), cancel: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ended <- leader.Campaign(ctx, l, e, func(ctx context.Context, token uint64) error {
			x := term{ctx, token, make(chan error, 1)}
			c.terms <- x
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-x.end:
				return err
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func TestTheNextCandidateLeadsWhenTheLeaderLeaves(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a := campaignForT(t, r, longTTL, leader.Endpoint{GRPC: "a:1"})
		first := receive(t, a.terms)
		b := campaignForT(t, r, longTTL, leader.Endpoint{GRPC: "b:1"})
		start := time.Now()
		a.cancel()
		if err := receive(t, a.ended); err != nil {
			t.Errorf("the campaign ended with %v", err)
		}
		second := receive(t, b.terms)
		if took := time.Since(start); took > longTTL/2 {
			t.Errorf("it took %v", took)
		}
		if first.ctx.Err() == nil || second.token <= first.token {
			t.Errorf("the first leads on: %v; tokens %d, %d", first.ctx.Err() == nil, first.token, second.token)
		}
		if len(a.terms) > 0 {
			t.Error("the one who left led again")
		}
	})
}

func TestNoTwoLeadAtOnceAndALostLeaseIsRegained(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const ttl = time.Second
		a := campaignForT(t, r, ttl, leader.Endpoint{GRPC: "a:1"})
		first := receive(t, a.terms)
		if err := r.Client.Del(t.Context(), redistest.Names.LockLease("producer")).Err(); err != nil {
			t.Fatal(err)
		}
		receive(t, first.ctx.Done())
		if cause := context.Cause(first.ctx); !errors.Is(cause, lock.ErrLost) {
			t.Errorf("the term ended with %v", cause)
		}
		second := receive(t, a.terms)
		if second.token <= first.token {
			t.Errorf("token %d after %d", second.token, first.token)
		}
		r.Stop(t)
		receive(t, second.ctx.Done())
		r.Start(t)
		r.FastForward(ttl) // on miniredis the old lease is still there
		third := receive(t, a.terms)
		for range 5 {
			if third.ctx.Err() == nil {
				return
			}
			third = receive(t, a.terms) // a machine that is busy for a whole TTL loses the lease once more
		}
		t.Error("no term lasts")
	})
}

func TestLeadingContinuesAfterAFailure(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a := campaignForT(t, r, longTTL, leader.Endpoint{GRPC: "a:1"})
		receive(t, a.terms).end <- errors.New("broken")
		receive(t, a.terms).end <- nil
		receive(t, a.terms)
	})
}

func TestAFailingLeaderPauses(t *testing.T) {
	r := redistest.Mini(t)
	l := lock.New(r.Client, lock.Options{Name: "producer", TTL: longTTL})
	var terms atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := leader.Campaign(ctx, l, leader.Endpoint{GRPC: "a:1"}, func(context.Context, uint64) error {
		terms.Add(1)
		return errors.New("broken")
	})
	if n := terms.Load(); err != nil || n < 2 || n > 15 {
		t.Fatalf("%d terms in half a second, %v", n, err)
	}
}

func TestAnUnusableEndpointIsRefused(t *testing.T) {
	r := redistest.Mini(t)
	l := lock.New(r.Client, lock.Options{Name: "producer"})
	for _, e := range []leader.Endpoint{{}, {RPC: "http://x"}, {GRPC: strings.Repeat("x", 5000)}} {
		err := leader.Campaign(t.Context(), l, e, func(context.Context, uint64) error { return nil })
		if !errors.Is(err, leader.ErrBadEndpoint) && !errors.Is(err, lock.ErrBadRequest) {
			t.Errorf("got %v", err)
		}
	}
}
