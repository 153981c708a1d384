package lock

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/kit/redistest"
)

// reports collects what a guard says.
type reports struct {
	mu   sync.Mutex
	said []string
}

func (r *reports) take(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, reason)
}

func (r *reports) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

func (r *reports) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.said) == 0 {
		return "nothing"
	}
	return r.said[len(r.said)-1]
}

func TestALockThatTooFewReplicasConfirmIsGivenBackAndTriedAgain(t *testing.T) {
	s := redistest.NewSentinels(t)
	var said reports
	guarded := New(s.Open(t), Options{Name: "test", TTL: longTTL, Guard: Guard{Replicas: 2, Timeout: 250 * time.Millisecond, Report: said.take}})
	release(t, acquire(t, guarded, Request{}))
	if got := said.last(); got != "nothing" {
		t.Fatalf("with both replicas the guard said %q", got)
	}

	s.CutReplicas(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := guarded.Acquire(ctx, Request{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without replicas: %v", err)
	}
	if got := said.all(); !strings.Contains(got, "0 of 2 within 250ms") {
		t.Fatalf("the guard said %q", got)
	}
	if st, err := guarded.Inspect(t.Context()); err != nil || st.Holder != "" {
		t.Fatalf("it is held by %q all the same, %v", st.Holder, err)
	}

	got := make(chan result, 1)
	acquireSoon(contextForT(t), guarded, "again", Request{}, got)
	s.Heal(t)
	held := receive(t, got)
	if held.err != nil {
		t.Fatal(held.err)
	}
	release(t, held.held)
	if got := said.last(); got != "" {
		t.Fatalf("with both replicas again the guard said %q", got)
	}
}

// Without the guard a token is minted twice when a replica that was cut off is promoted: this is why the blueprint log
// refuses a token from another holder. With it the first holder never believes in a token that only the master knows.
func TestAStaleReplicaMintsATokenTwiceUnlessGuarded(t *testing.T) {
	s := redistest.NewSentinels(t)
	s.CutReplicas(t)
	before := New(s.Open(t), Options{Name: "test", TTL: longTTL})
	guarded := New(s.Open(t), Options{Name: "guarded", TTL: longTTL, Guard: Guard{Replicas: 1, Timeout: 50 * time.Millisecond}})
	first := acquire(t, before, Request{Floor: 7})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if h, err := guarded.Acquire(ctx, Request{Floor: 7}); err == nil {
		t.Fatalf("the guarded lock was had, with token %d", h.Token())
	}
	s.Failover(t)
	second := acquire(t, New(s.Open(t), Options{Name: "test", TTL: longTTL}), Request{Floor: 7})
	if first.Check() != nil || first.Token() != second.Token() || first.Holder() == second.Holder() {
		t.Fatalf("%s with %d, then %s with %d: no token was minted twice", first.Holder(), first.Token(), second.Holder(), second.Token())
	}
	release(t, second)
	_ = first.Release(t.Context()) // lost, as it should be
}
