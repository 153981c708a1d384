package producer

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"blindseq/kit/leader"
	"blindseq/kit/ops"
	"blindseq/producer-svc/internal/demand"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/publish"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/section"

	"golang.org/x/sync/errgroup"
)

// catchUpPause is between tries to catch up while something is away or missing.
const catchUpPause = 500 * time.Millisecond

// production is what makes blocks while this producer leads: the loop for itself, the desk for those who ask. Both
// run sections, and the consumption lock orders them.
type production struct {
	sections sections.Sections
	known    func(requestID string) (section.Block, bool)
	halted   func() error       // why sections are not run any more; may be nil
	publish  *publish.Publisher // nil: to nobody
	follow   *follow.Follower   // has the log while nobody leads here; nil in tests of production alone
	keep     *txstore.Keeper    // the same
	standbys *replicate.Hub     // the same
	health   *ops.Health
	log      *slog.Logger

	loop    *loop.Loop
	desk    *demand.Desk
	leading atomic.Bool
	stance  *stance
}

// newProduction connects loop and desk to the sections. The loop's Try is set here.
func newProduction(p *production, l loop.Deps, maxWaiting int) *production {
	l.Try = p.try
	p.loop = loop.New(l)
	p.desk = demand.NewDesk(demand.Deps{Make: p.make, Known: p.served, Halted: p.halted, MaxWaiting: maxWaiting})
	p.stance = newStance()
	return p
}

// lead runs while this producer holds the lease: first everything that the DSN has fixed is applied, then blocks are
// made until ctx ends.
func (p *production) lead(ctx context.Context, _ uint64) error {
	p.stance.set(taking)
	defer p.stance.set(standing)
	release, err := p.takeLog(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := p.catchUp(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	// gofail: var producerCaughtUp struct{}
	if p.keep != nil {
		if err := p.keep.Recover(ctx); err != nil {
			return fatal(ctx, err)
		}
	}
	return p.produce(ctx)
}

// produce makes blocks until ctx ends.
func (p *production) produce(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if p.publish != nil {
		p.publish.Begin()
		g.Go(func() error { return p.publish.Run(ctx) })
	}
	if p.keep != nil {
		g.Go(func() error { return fatal(ctx, p.keep.Run(ctx)) })
	}
	p.desk.Open() // who is told below that this producer leads may ask at once
	p.leading.Store(true)
	defer p.leading.Store(false)
	stop := context.AfterFunc(ctx, func() { p.leading.Store(false) }) // at once, not when the last section has ended
	defer stop()
	if p.standbys != nil {
		defer p.standbys.Lead(ctx)()
	}
	p.stance.set(leads)
	g.Go(func() error { return p.loop.Run(ctx) })
	g.Go(func() error { return p.desk.Serve(ctx) })
	return g.Wait()
}

// takeTimeout is how long a replica may have the lease and not come to the head. Then it gives the lease back: another may
// reach the monitor when this one cannot.
const takeTimeout = 15 * time.Second

// takeLog follows until only a few preblocks are missing, which sections fetch, and then writes the log alone.
func (p *production) takeLog(ctx context.Context) (release func(), err error) {
	if p.follow == nil {
		return func() {}, nil
	}
	near, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	if err := p.follow.Await(near); err != nil {
		return nil, err
	}
	return p.follow.Hold(ctx)
}

// fatal ends the process with an error of the transaction store: what is on disk is in doubt. One that comes from the end
// of ctx is none.
func fatal(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%w: %w", leader.ErrFinal, err)
}

// catchUp tells the proposer what is applied and applies what it missed, and repeats that until it has worked.
func (p *production) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		o := p.sections.Run(ctx, section.Request{Sync: true, Priority: true})
		switch o.Kind {
		case section.Synced:
			return nil
		case section.Refused:
			return fmt.Errorf("catch up with the DSN: %w", o.Err)
		case section.Halted:
			<-ctx.Done() // readiness says why; restarting by itself would change nothing
			return nil
		}
		pause(ctx, catchUpPause)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// try runs a section of the loop.
func (p *production) try(ctx context.Context, requestID string, force bool) loop.Verdict {
	switch p.sections.Run(ctx, section.Request{ID: requestID, Force: force, WithDelayed: true}).Kind {
	case section.Produced:
		return loop.Made
	case section.Interrupted:
		return loop.Again
	case section.Stalled, section.Halted:
		return loop.Stuck
	}
	return loop.Nothing
}

// make runs a section for someone who asked.
func (p *production) make(ctx context.Context, r demand.Request) (demand.Result, error) {
	o := p.sections.Run(ctx, section.Request{
		ID: r.ID, Timestamp: r.Timestamp, Force: true, WithDelayed: r.WithDelayed, Priority: true,
	})
	switch o.Kind {
	case section.Produced:
		return resultOf(o.Block), nil
	case section.Empty:
		return demand.Result{Reason: o.Reason}, nil
	case section.Interrupted:
		return demand.Result{}, fmt.Errorf("produce block for request %s: %w: %w", r.ID, demand.ErrAgain, o.Err)
	}
	return demand.Result{}, fmt.Errorf("produce block for request %s: %w", r.ID, o.Err)
}

func (p *production) served(requestID string) (demand.Result, bool) {
	block, ok := p.known(requestID)
	return resultOf(block), ok
}

func resultOf(b section.Block) demand.Result {
	return demand.Result{Number: b.Number, Hash: b.Hash, Time: b.Time, Transactions: b.Transactions}
}
