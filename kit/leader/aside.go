package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/lock"
	"blindseq/kit/retry"

	"github.com/prometheus/client_golang/prometheus"
)

// Errors of Handover.
var (
	ErrNotLeading = errors.New("this replica does not lead")
	ErrNobodyElse = errors.New("no other replica says that it could lead")
)

// errAside ends a term of a leader that steps aside.
var errAside = errors.New("stepping aside")

const (
	// Patience is how long a leader puts up with a fault before it steps aside, unless Aside says otherwise.
	Patience = 5 * time.Second
	// calm is after which time without stepping aside the waits are short again; longest bounds them, in times of the first.
	calm    = 10 * time.Minute
	longest = 30
	// leaderless is how long a lease that nobody has is left to others by a replica that waits or has a fault.
	leaderless = 5 * time.Second
	// grace is how long a term that ends may finish what is under way before the lease is given back all the same: a disk that
	// hangs must not keep it. What is finished later is refused or harmless, as after the loss of a lease.
	grace = 3 * time.Second
	// asideEvery is between two looks at faults and rivals.
	asideEvery = 500 * time.Millisecond
)

// Aside has a leader that cannot do its work give the lease back when another replica could do better, and keeps it from standing
// again at once. When no other could, nothing happens.
//
// It guarantees: a fault that lasts for Patience ends the term within a second more when a rival is whole. Who stepped aside waits
// before it stands again, each time longer, unless nobody else takes the lease.
type Aside struct {
	Lease   *lock.Locker
	Fitness *fitness.Fitness
	Roster  *Roster       // of the replicas that may lead; it has to be running
	Self    string        // Endpoint.ID of this replica
	Wait    time.Duration // before it stands again; each further time within calm doubles it
	// Patience is 5 s when zero.
	Patience time.Duration

	asides *prometheus.CounterVec

	mu    sync.Mutex
	term  *asideTerm // nil while this replica does not lead
	late  <-chan struct{}
	times int
	last  time.Time // of stepping aside
	until time.Time // when it may stand again
}

// asideTerm is a term under way.
type asideTerm struct {
	end   context.CancelCauseFunc
	ended chan struct{} // closed when the lease may be given back
}

// Register registers what an operator sees of it.
func (a *Aside) Register(reg prometheus.Registerer) {
	a.asides = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "blindseq_leader_asides_total",
		Help: "Times that this replica gave the lease back because it could not do the work of a leader and another could, by what did not work; handover: an operator asked.",
	}, []string{"part"})
	reg.MustRegister(a.asides, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "blindseq_leader_fault_seconds",
		Help: "Time for which something that a leader needs has not worked at this replica, whether it leads or not; 0 when all works.",
	}, func() float64 {
		if faults := a.Fitness.Faults(0); len(faults) > 0 {
			return time.Since(faults[0].Since).Seconds()
		}
		return 0
	}))
	a.asides.WithLabelValues(handover) // shown as 0 from the start
}

// handover is the part in the metric when an operator asked.
const handover = "handover"

// Whole says whether this replica could do the work of a leader and does not wait.
func (a *Aside) Whole() bool { return a.Fitness.Whole() && !a.waits() }

// Waits is until when this replica does not stand after it stepped aside.
func (a *Aside) Waits() (until time.Time, waits bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.until, time.Now().Before(a.until)
}

// Text says for an operator that this replica waits; empty when it does not, and for a nil Aside.
func (a *Aside) Text() string {
	if a == nil {
		return ""
	}
	until, waits := a.Waits()
	if !waits {
		return ""
	}
	return fmt.Sprintf("stepped aside; stands again at %s", until.UTC().Format(time.RFC3339))
}

func (a *Aside) waits() bool { _, waits := a.Waits(); return waits }

func (a *Aside) patience() time.Duration { return cmp.Or(a.Patience, Patience) }

// rival says whether another replica could lead.
func (a *Aside) rival() bool {
	return slices.ContainsFunc(a.Roster.Current(), func(r Replica) bool { return r.MayLead && r.Whole && r.ID() != a.Self })
}

// Handover steps aside by the wish of an operator. It returns when the lease is about to be given back.
func (a *Aside) Handover(ctx context.Context) error {
	if err := a.Roster.Look(ctx); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	a.mu.Lock()
	term := a.term
	a.mu.Unlock()
	switch {
	case term == nil:
		return fmt.Errorf("hand over: %w", ErrNotLeading)
	case !a.rival():
		return fmt.Errorf("hand over: %w", ErrNobodyElse)
	}
	a.step(term, fitness.Fault{Part: handover, Reason: "an operator asked", Since: time.Now()})
	select {
	case <-term.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hand over: %w", context.Cause(ctx))
	}
}

// step ends a term, once, and begins the time of waiting.
func (a *Aside) step(term *asideTerm, why fitness.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.term != term {
		return
	}
	a.term = nil
	now := time.Now()
	if now.Sub(a.last) > calm {
		a.times = 0
	}
	wait := a.Wait * time.Duration(min(1<<min(a.times, longest), longest))
	a.times, a.last, a.until = a.times+1, now, now.Add(wait)
	if a.asides != nil {
		a.asides.WithLabelValues(why.Part).Inc()
	}
	o := a.Lease.Options()
	o.Log.Warn("stepping aside", "lease", o.Name, "part", why.Part, "reason", why.Reason, "since", why.Since, "stands_again_in", wait)
	term.end(fmt.Errorf("%w: %s", errAside, why.Reason))
}

// during runs a term until it ends by itself, or this replica steps aside. Then lead may still be at work, for a disk that hangs.
func (a *Aside) during(ctx context.Context, token uint64, lead func(context.Context, uint64) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	result, late := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(late)
		result <- lead(ctx, token)
	}()
	term := &asideTerm{end: end, ended: make(chan struct{})}
	defer close(term.ended)
	a.began(term, late)
	defer a.over(term)
	tick := time.NewTicker(asideEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-ctx.Done():
			return a.finish(ctx, result)
		case <-tick.C:
			if faults := a.Fitness.Faults(a.patience()); len(faults) > 0 && a.rival() {
				a.step(term, faults[0])
			}
		}
	}
}

func (a *Aside) began(term *asideTerm, late <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.term, a.late = term, late
}

func (a *Aside) over(term *asideTerm) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.term == term {
		a.term = nil
	}
}

// finish waits for what is under way when a term has ended. For one that ended with the process, or with the lease, it waits as long
// as it takes.
func (a *Aside) finish(ctx context.Context, result <-chan error) error {
	if !errors.Is(context.Cause(ctx), errAside) {
		return <-result
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return fmt.Errorf("%w, and what was under way has not ended within %s", context.Cause(ctx), grace)
	}
}

// holdsBack says whether this replica leaves the lease to others.
func (a *Aside) holdsBack() bool {
	return a.waits() || len(a.Fitness.Faults(a.patience())) > 0 && a.rival()
}

// stand waits until this replica may stand, and returns a context that ends when it no longer may, until elected is called, or when
// end is. When nobody takes the lease it stands all the same, for a while.
func (a *Aside) stand(ctx context.Context) (standing context.Context, elected, end func()) {
	a.settled(ctx)
	var allowed time.Duration
	if a.yield(ctx) {
		allowed = leaderless
	}
	began := time.Now()
	standing, end = context.WithCancel(ctx)
	watching, elected := context.WithCancel(standing)
	go func() {
		for retry.Sleep(watching, asideEvery) == nil {
			if a.holdsBack() && time.Since(began) > allowed {
				end()
			}
		}
	}()
	return standing, elected, end
}

// yield waits while this replica leaves the lease to others. It says whether nobody took it.
func (a *Aside) yield(ctx context.Context) (unled bool) {
	var free time.Time // since when nobody has the lease
	for ctx.Err() == nil && a.holdsBack() {
		led, err := a.Lease.Inspect(ctx)
		switch {
		case err != nil || led.Holder != "":
			free = time.Time{}
		case free.IsZero():
			free = time.Now()
		case time.Since(free) > leaderless:
			return true
		}
		_ = retry.Sleep(ctx, asideEvery) // the loop looks at ctx
	}
	return false
}

// settled waits until the last term has ended wholly.
func (a *Aside) settled(ctx context.Context) {
	a.mu.Lock()
	late := a.late
	a.mu.Unlock()
	if late == nil {
		return
	}
	select {
	case <-late:
	case <-ctx.Done():
	}
}
