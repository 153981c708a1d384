package leader_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"blindseq/kit/fitness"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/redistest"
)

// replica is a candidate that steps aside.
type replica struct {
	*leader.Aside
	terms chan term
	runs  atomic.Int64 // leads under way
	stop  func()
}

// options of a replica.
type options struct {
	wait  time.Duration
	hangs bool // the first term does not end with its context
}

// replicaForT runs a candidate that says in the roster whether it is whole.
func replicaForT(t *testing.T, r redistest.Redis, name string, o options) *replica {
	t.Helper()
	rdb := r.NewClient(t)
	e := leader.Endpoint{GRPC: name}
	one := &replica{terms: make(chan term, 64), Aside: &leader.Aside{
		Lease: lock.New(rdb, lock.Options{Name: "producer", TTL: longTTL}), Fitness: new(fitness.Fitness),
		Roster: leader.NewRoster(rdb, "producer"), Self: e.ID(), Wait: o.wait, Patience: 100 * time.Millisecond,
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var tasks errgroup.Group
	tasks.Go(func() error { return one.Roster.Run(ctx) })
	tasks.Go(func() error {
		return leader.Enroll(ctx, rdb, "producer", func() (leader.Replica, bool) {
			return leader.Replica{Endpoint: e, MayLead: true, Whole: one.Whole()}, true
		})
	})
	tasks.Go(func() error {
		return one.Campaign(ctx, e, func(ctx context.Context, token uint64) error {
			if one.runs.Add(1) > 1 {
				t.Errorf("%s leads twice", name)
			}
			defer one.runs.Add(-1)
			x := term{ctx, token, make(chan error, 1)}
			one.terms <- x
			if o.hangs {
				o.hangs = false
				return <-x.end
			}
			<-ctx.Done()
			return ctx.Err()
		})
	})
	one.stop = func() {
		cancel()
		if err := tasks.Wait(); err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	}
	t.Cleanup(one.stop)
	return one
}

// knows waits until a replica has another in its roster, whole or not.
func (one *replica) knows(t *testing.T, name string, whole bool) {
	t.Helper()
	until(t, func() bool {
		for _, r := range one.Roster.Current() {
			if r.ID() == name && r.Whole == whole {
				return true
			}
		}
		return false
	})
}

func TestALeaderWithAFaultStepsAsideForAWholeRivalAndLeadsAgainLater(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a := replicaForT(t, r, "a:1", options{wait: 100 * time.Millisecond})
		first := receive(t, a.terms)
		b := replicaForT(t, r, "b:1", options{wait: 100 * time.Millisecond})
		a.Fitness.Set("disk", "it is slow")
		second := receive(t, b.terms)
		if first.ctx.Err() == nil || second.token <= first.token || a.Whole() {
			t.Errorf("the first leads still: %v; tokens %d, %d; the first is whole: %v", first.ctx.Err() == nil, first.token, second.token, a.Whole())
		}
		b.knows(t, "a:1", false)
		b.Fitness.Set("clock", "it is ahead")
		a.Fitness.Set("disk", "")
		receive(t, a.terms)
		if second.ctx.Err() == nil {
			t.Error("two lead")
		}
	})
}

func TestNothingMovesWhileNobodyCouldDoBetter(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		a := replicaForT(t, r, "a:1", options{wait: time.Hour})
		first := receive(t, a.terms)
		b := replicaForT(t, r, "b:1", options{wait: time.Hour})
		b.Fitness.Set("monitor-svc", "cannot reach it")
		a.knows(t, "b:1", false)
		a.Fitness.Set("monitor-svc", "cannot reach it")
		select {
		case <-first.ctx.Done():
			t.Fatalf("the leader left: %v", context.Cause(first.ctx))
		case <-time.After(2 * time.Second): // four looks
		}
		b.Fitness.Set("monitor-svc", "")
		receive(t, b.terms)
	})
}

func TestWhoSteppedAsideLeadsWhenNobodyElseDoes(t *testing.T) {
	r := redistest.Mini(t)
	a := replicaForT(t, r, "a:1", options{wait: time.Hour})
	receive(t, a.terms)
	b := replicaForT(t, r, "b:1", options{wait: time.Hour})
	a.knows(t, "b:1", true)
	if err := a.Handover(t.Context()); err != nil {
		t.Fatal(err)
	}
	receive(t, b.terms)
	b.stop()
	receive(t, a.terms)
}

func TestAHandoverNeedsALeaderAndAnother(t *testing.T) {
	r := redistest.Mini(t)
	ask := func(a *leader.Aside) int {
		answer := httptest.NewRecorder()
		leader.HandoverHandler(func() *leader.Aside { return a }).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
		return answer.Code
	}
	if got := ask(nil); got != http.StatusConflict {
		t.Errorf("without a candidacy: %d", got)
	}
	a := replicaForT(t, r, "a:1", options{wait: time.Hour})
	first := receive(t, a.terms)
	if err := a.Handover(t.Context()); !errors.Is(err, leader.ErrNobodyElse) || first.ctx.Err() != nil {
		t.Errorf("alone: %v", err)
	}
	b := replicaForT(t, r, "b:1", options{wait: time.Hour})
	if err := b.Handover(t.Context()); !errors.Is(err, leader.ErrNotLeading) {
		t.Errorf("not leading: %v", err)
	}
	a.knows(t, "b:1", true)
	if got := ask(a.Aside); got != http.StatusNoContent {
		t.Errorf("with another: %d", got)
	}
	receive(t, b.terms)
	if _, waits := a.Waits(); !waits || !strings.Contains(a.Text(), "stands again at") {
		t.Errorf("it waits: %v, %q", waits, a.Text())
	}
}

func TestATermThatHangsDoesNotKeepTheLease(t *testing.T) {
	r := redistest.Mini(t)
	a := replicaForT(t, r, "a:1", options{wait: time.Millisecond, hangs: true})
	hanging := receive(t, a.terms)
	b := replicaForT(t, r, "b:1", options{wait: time.Millisecond})
	a.knows(t, "b:1", true)
	a.Fitness.Set("disk", "it hangs")
	second := receive(t, b.terms)
	a.Fitness.Set("disk", "")
	b.Fitness.Set("clock", "it is ahead")
	b.knows(t, "a:1", true)
	select { // it may not lead before the first term has ended; replicaForT checks that too
	case <-a.terms:
		t.Error("it leads while the term before hangs")
	case <-second.ctx.Done(): // b stepped aside for it
	case <-time.After(patience):
		t.Error("the other did not step aside")
	}
	hanging.end <- nil
	receive(t, a.terms)
}

func TestWaitsGrowAndAreBounded(t *testing.T) {
	r := redistest.Mini(t)
	a := replicaForT(t, r, "a:1", options{wait: time.Minute})
	receive(t, a.terms)
	replicaForT(t, r, "b:1", options{wait: time.Minute})
	a.knows(t, "b:1", true)
	last := time.Duration(0)
	for i := range 8 {
		if err := a.AsideForT(); err != nil {
			t.Fatal(err)
		}
		at, _ := a.Waits()
		wait := time.Until(at).Round(time.Second)
		if i < 5 && wait < 2*last || wait < last || wait > 30*time.Minute {
			t.Errorf("wait %d is %s after %s", i, wait, last)
		}
		last = wait
	}
}
