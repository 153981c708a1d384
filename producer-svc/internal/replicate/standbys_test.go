package replicate

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	never = time.Hour
	soon  = 20 * time.Millisecond
)

func newHub(t *testing.T, p Policy) (h *Standbys, degraded *atomic.Int64, end func()) {
	t.Helper()
	degraded = new(atomic.Int64)
	h = NewStandbys(p, func() { degraded.Add(1) }, slog.New(slog.DiscardHandler))
	end = h.Lead(t.Context())
	t.Cleanup(end)
	return h, degraded, end
}

func join(t *testing.T, h *Standbys, replica string) *session {
	t.Helper()
	s, err := h.join(t.Context(), replica)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.leave(s) })
	h.sends(s, 10)
	return s
}

func has(t *testing.T, h *Standbys, s *session, position uint64) {
	t.Helper()
	if err := h.has(s, position); err != nil {
		t.Fatal(err)
	}
}

func TestAConfirmationWaitsForSoManyReplicasAndCountsEachOnce(t *testing.T) {
	h, _, _ := newHub(t, Policy{Replicas: 2, Timeout: never})
	confirmed := make(chan error, 1)
	go func() { confirmed <- h.Confirm(7) }()
	halfOpen, a, b := join(t, h, "a"), join(t, h, "a"), join(t, h, "b")
	if halfOpen.ctx.Err() == nil || !errors.Is(context.Cause(halfOpen.ctx), errReplaced) {
		t.Error("the earlier stream of a replica goes on")
	}
	has(t, h, halfOpen, 9)
	has(t, h, a, 9)
	has(t, h, b, 6)
	select {
	case err := <-confirmed:
		t.Fatalf("confirmed by one replica: %v", err)
	case <-time.After(soon):
	}
	has(t, h, b, 7)
	if err := <-confirmed; err != nil {
		t.Fatal(err)
	}
	if n, _ := h.Standbys(); n != 2 || h.Behind(10) != 3 {
		t.Errorf("%d standbys, %d behind", n, h.Behind(10))
	}
	if got, want := h.Text(10), "a is 1 changes behind; b is 3 changes behind"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	h.leave(b)
	if n, _ := h.Standbys(); n != 1 {
		t.Errorf("%d standbys after one left", n)
	}
	if got, want := h.Text(10), "a is 1 changes behind; 1 of 2 are missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWithTooFewReplicasAConfirmationIsRefused(t *testing.T) {
	h, degraded, _ := newHub(t, Policy{Replicas: 1, Timeout: soon})
	if err := h.Admit(t.Context()); !errors.Is(err, ErrUnreplicated) {
		t.Errorf("admitted with nobody there: %v", err)
	}
	s := join(t, h, "a")
	if err := h.Admit(t.Context()); err != nil {
		t.Errorf("not admitted with one there: %v", err)
	}
	has(t, h, s, 4)
	if err := h.Confirm(5); !errors.Is(err, ErrUnreplicated) {
		t.Errorf("confirmed what it does not have: %v", err)
	}
	if err := h.Confirm(4); err != nil || degraded.Load() != 0 {
		t.Errorf("what it has: %v; %d degraded", err, degraded.Load())
	}
}

func TestADegradedHubWaitsOnceUntilAReplicaIsBack(t *testing.T) {
	h, degraded, _ := newHub(t, Policy{Replicas: 1, Timeout: 5 * soon, Degrade: true})
	began := time.Now()
	for range 50 {
		if err := h.Confirm(1); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 50*soon || degraded.Load() != 50 {
		t.Errorf("50 confirmations took %s, %d were degraded", took, degraded.Load())
	}
	if _, short := h.Standbys(); !short {
		t.Error("no alarm")
	}
	has(t, h, join(t, h, "a"), 1)
	if err := h.Confirm(1); err != nil {
		t.Fatal(err)
	}
	if _, short := h.Standbys(); short || degraded.Load() != 50 {
		t.Errorf("still short: %v, %d degraded", short, degraded.Load())
	}
}

func TestTheEndOfATermEndsItsStreams(t *testing.T) {
	h, _, end := newHub(t, Policy{})
	s := join(t, h, "a")
	end()
	<-s.ctx.Done()
	if cause := context.Cause(s.ctx); !errors.Is(cause, ErrNotLeading) {
		t.Errorf("it ended with %v", cause)
	}
	if _, err := h.join(t.Context(), "b"); !errors.Is(err, ErrNotLeading) {
		t.Errorf("joined after the term: %v", err)
	}
	if err := h.Confirm(1); err != nil {
		t.Errorf("with nobody to wait for: %v", err)
	}
}
