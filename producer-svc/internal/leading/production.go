package leading

import (
	"context"
	"fmt"
	"time"

	"blindseq/kit/retry"
	"blindseq/producer-svc/internal/demand"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/publish"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/section"

	"golang.org/x/sync/errgroup"
)

// catchUpPause is between attempts to catch up while something is away or missing.
const catchUpPause = 500 * time.Millisecond

// Deps is what a Production works with.
type Deps struct {
	Sections   sections.Sections
	Known      func(requestID string) (section.Block, bool)
	Halted     func() error        // why sections are not run any more; nil: never
	Publisher  *publish.Publisher  // nil without a rollup node
	Follower   *follow.Follower    // has the log while this replica does not lead; nil in tests of production alone
	Keeper     *txstore.Keeper     // the same
	Sealed     *sealedpool.Pool    // nil when nothing is sealed
	Standbys   *replicate.Standbys // the same
	End        *engine.End
	Loop       loop.Deps // Try is set by New
	MaxWaiting int       // callers of ProduceBlock
}

// Production makes blocks while this replica leads: the loop without being asked, Callers on request. Both run sections, and
// the consumption lock orders them.
type Production struct {
	Deps
	Callers *demand.Callers
	Stance  *Stance
	loop    *loop.Loop
}

// New connects loop and callers to the sections.
func New(d Deps) *Production {
	p := &Production{Deps: d, Stance: new(Stance)}
	d.Loop.Try = p.try
	p.loop = loop.New(d.Loop)
	p.Callers = demand.New(demand.Deps{Make: p.make, Known: p.served, Halted: d.Halted, MaxWaiting: d.MaxWaiting})
	return p
}

// Lead runs while this replica holds the lease: first everything that the DSN has fixed is applied, then blocks are made
// until ctx ends.
func (p *Production) Lead(ctx context.Context, _ uint64) error {
	p.Stance.Set(Taking)
	defer p.Stance.Set(Following)
	release, err := p.takeLog(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := p.catchUp(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	// gofail: var producerCaughtUp struct{}
	if p.Sealed != nil {
		if err := p.stored(ctx, p.Sealed.Verify()); err != nil {
			return err
		}
	}
	if p.Keeper != nil {
		if err := p.stored(ctx, p.Keeper.Recover(ctx)); err != nil {
			return err
		}
	}
	return p.produce(ctx)
}

// produce makes blocks until ctx ends.
func (p *Production) produce(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if p.Publisher != nil {
		p.Publisher.Begin()
		g.Go(func() error { return p.Publisher.Run(ctx) })
	}
	if p.Keeper != nil {
		g.Go(func() error { return p.stored(ctx, p.Keeper.Run(ctx)) })
	}
	p.Callers.Open() // before anybody can learn that this replica leads, and call
	if p.Standbys != nil {
		defer p.Standbys.Lead(ctx)()
	}
	p.Stance.Set(Leading)
	stop := context.AfterFunc(ctx, p.Stance.cede) // at once, not when the last section has ended
	defer stop()
	g.Go(func() error { return p.loop.Run(ctx) })
	g.Go(func() error { return p.Callers.Serve(ctx) })
	return g.Wait()
}

// takeTimeout is how long a replica may have the lease and not come to the head. Then it gives the lease back: another may
// reach the monitor when this one cannot.
const takeTimeout = 15 * time.Second

// takeLog follows until only a few preblocks are missing, which sections fetch, and then writes the log alone.
func (p *Production) takeLog(ctx context.Context) (release func(), err error) {
	if p.Follower == nil {
		return func() {}, nil
	}
	near, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	if err := p.Follower.Await(near); err != nil {
		return nil, err
	}
	return p.Follower.Hold(ctx)
}

// stored ends the process with an error of the transaction store: what is on disk is in doubt. An error that comes from the
// end of ctx is none.
func (p *Production) stored(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return nil
	}
	p.End.Fail(err)
	return err
}

// catchUp notifies the proposer of what is applied and applies what it missed, and repeats that until it has worked.
func (p *Production) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		o := p.Sections.Run(ctx, section.Request{Sync: true, Priority: true})
		switch o.Kind {
		case section.Synced:
			return nil
		case section.Refused:
			return fmt.Errorf("catch up with the DSN: %w", o.Err)
		case section.Halted:
			<-ctx.Done() // readiness says why; a restart would change nothing
			return nil
		}
		_ = retry.Sleep(ctx, catchUpPause) // the loop looks at ctx
	}
	return nil
}

// try runs a section of the loop.
func (p *Production) try(ctx context.Context, requestID string, force bool) loop.Verdict {
	switch p.Sections.Run(ctx, section.Request{ID: requestID, Force: force, WithDelayed: true}).Kind {
	case section.Produced:
		return loop.Made
	case section.Interrupted:
		return loop.Again
	case section.Stalled, section.Halted:
		return loop.Stuck
	}
	return loop.Nothing
}

// make runs a section for a caller.
func (p *Production) make(ctx context.Context, r demand.Request) (demand.Result, error) {
	o := p.Sections.Run(ctx, section.Request{
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

func (p *Production) served(requestID string) (demand.Result, bool) {
	block, ok := p.Known(requestID)
	return resultOf(block), ok
}

func resultOf(b section.Block) demand.Result {
	return demand.Result{Number: b.Number, Hash: b.Hash, Time: b.Time, Transactions: b.Transactions}
}
