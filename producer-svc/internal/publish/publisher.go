package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Blueprints are the applied ones.
type Blueprints interface {
	// Watch is the last applied number, and a channel that is closed when there is another.
	Watch() (head uint64, changed <-chan struct{})
	// Messages are those of layer 1 that carry a blueprint, in hex.
	Messages(number uint64) ([]string, error)
}

// Rollup is the rollup node.
type Rollup interface {
	// Inject hands messages over for layer 1. A repeat is a success.
	Inject(ctx context.Context, messages []string) error
	// Look tells the last blueprint that the rollup has executed, at the last level of layer 1 it knows.
	Look(ctx context.Context) (Seen, error)
}

// Deps is what a Publisher works with.
type Deps struct {
	Blueprints Blueprints
	Rollup     Rollup
	Limits     Limits
	LookEvery  time.Duration
	Unlocked   func() // called when the pool needs to be locked no more
	Log        *slog.Logger
}

// Publisher pushes while Run runs.
type Publisher struct {
	Deps

	mu     sync.Mutex
	active bool // between Begin and the end of Run
	state  State
}

// New returns a publisher that does nothing and locks nothing yet.
func New(d Deps) *Publisher { return &Publisher{Deps: d} }

// Locked says whether the rollup is too far behind for another block.
func (p *Publisher) Locked() bool { return p.State().Locked }

// State is what the publisher knows, and it knows the head: a block that was just applied counts, whether Run has come to
// it or not.
func (p *Publisher) State() State {
	head, _ := p.Blueprints.Watch()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active {
		return State{}
	}
	now, _ := p.state.Step(Applied{Number: head}, p.Limits)
	return now
}

// Begin is called before the first block is made, and Run after it: from here on Locked counts.
func (p *Publisher) Begin() {
	head, _ := p.Blueprints.Watch()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active, p.state = true, Begin(head, p.Limits)
}

func (p *Publisher) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active, p.state = false, State{}
}

// Run pushes blueprints until ctx ends. Afterwards nothing is locked.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.end()
	g, ctx := errgroup.WithContext(ctx)
	events := make(chan Event)
	pushes := make(chan Push, 1) // at most one is under way
	g.Go(func() error { p.steps(ctx, events, pushes); return nil })
	g.Go(func() error { p.looks(ctx, events); return nil })
	g.Go(func() error {
		for {
			select {
			case push := <-pushes:
				tell(ctx, events, p.push(ctx, push))
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}

func tell(ctx context.Context, events chan<- Event, e Event) {
	select {
	case events <- e:
	case <-ctx.Done():
	}
}

// steps is the only one who changes the state meanwhile.
func (p *Publisher) steps(ctx context.Context, events <-chan Event, pushes chan<- Push) {
	for {
		head, changed := p.Blueprints.Watch()
		p.step(ctx, Applied{Number: head}, pushes)
		select {
		case <-changed:
		case e := <-events:
			p.step(ctx, e, pushes)
		case <-ctx.Done():
			return
		}
	}
}

func (p *Publisher) step(ctx context.Context, e Event, pushes chan<- Push) {
	p.mu.Lock()
	before := p.state
	after, push := before.Step(e, p.Limits)
	p.state = after
	p.mu.Unlock()
	if push != nil {
		if push.From <= before.Accepted {
			p.Log.InfoContext(ctx, "pushing blueprints again", "from", push.From, "to", push.To, "confirmed", after.Confirmed)
		}
		pushes <- *push
	}
	switch {
	case after.Locked && !before.Locked:
		p.Log.WarnContext(ctx, "pool locked by back-pressure", "applied", after.Applied, "confirmed", after.Confirmed)
	case before.Locked && !after.Locked:
		p.Log.InfoContext(ctx, "pool unlocked by back-pressure", "applied", after.Applied, "confirmed", after.Confirmed)
		p.Unlocked()
	}
}

// push hands blueprints over until one is refused.
func (p *Publisher) push(ctx context.Context, push Push) Event {
	for n := push.From; n <= push.To; n++ {
		if err := p.pushOne(ctx, n); err != nil {
			if ctx.Err() == nil {
				p.Log.WarnContext(ctx, "blueprint not pushed, trying again", "number", n, "error", err)
			}
			return Refused{To: n - 1}
		}
	}
	return Accepted{To: push.To}
}

func (p *Publisher) pushOne(ctx context.Context, number uint64) error {
	messages, err := p.Blueprints.Messages(number)
	if err != nil {
		return err
	}
	if err := p.Rollup.Inject(ctx, messages); err != nil {
		return fmt.Errorf("push blueprint %d: %w", number, err)
	}
	p.Log.DebugContext(ctx, "blueprint pushed", "number", number, "messages", len(messages))
	return nil
}

// looks tells of each look that succeeds, and logs when they begin and cease to fail.
func (p *Publisher) looks(ctx context.Context, events chan<- Event) {
	tick := time.NewTicker(p.LookEvery)
	defer tick.Stop()
	for away := false; ; {
		seen, err := p.Rollup.Look(ctx)
		switch {
		case err == nil:
			if away {
				p.Log.InfoContext(ctx, "rollup node is back", "level", seen.Level, "confirmed", seen.Confirmed)
			}
			away = false
			tell(ctx, events, seen)
		case ctx.Err() == nil && !away:
			away = true
			p.Log.WarnContext(ctx, "rollup node is away", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
