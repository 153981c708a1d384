// Package publish pushes applied blueprints to the rollup node and holds production back while the rollup falls behind.
//
// It guarantees: blueprints are pushed in order, each as soon as it is applied; what the rollup does not show within a
// bounded number of blueprints, or of blocks of layer 1 when no other blueprint follows, is pushed again; and while the
// rollup is further behind than allowed, Locked is true. That is back-pressure: without it the chain would run far ahead of
// what the rollup confirms. Package backpressure decides; the Publisher performs its effects.
package publish

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/producer-svc/backpressure"

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
	Look(ctx context.Context) (backpressure.Seen, error)
}

// Deps is what a Publisher works with.
type Deps struct {
	Blueprints Blueprints
	Rollup     Rollup
	Limits     backpressure.Limits
	LookEvery  time.Duration
	Unlocked   func() // called when the pool needs to be locked no more
	Log        *slog.Logger
}

// Publisher pushes while Run runs.
type Publisher struct {
	Deps

	mu     sync.Mutex
	active bool // between Begin and the end of Run
	state  backpressure.State
}

// New returns a publisher that does nothing and locks nothing yet.
func New(d Deps) *Publisher { return &Publisher{Deps: d} }

// State is what the publisher knows, and it knows the head: a block that was just applied counts, whether Run has come to
// it or not.
func (p *Publisher) State() backpressure.State {
	head, _ := p.Blueprints.Watch()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active {
		return backpressure.State{}
	}
	now, _, _ := backpressure.Next(p.state, backpressure.Applied{Number: head}) // never refused
	return now
}

// Begin is called before the first block is made, and Run after it: from here on State().Locked counts.
func (p *Publisher) Begin() {
	head, _ := p.Blueprints.Watch()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active, p.state = true, backpressure.Begin(head, p.Limits)
}

func (p *Publisher) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active, p.state = false, backpressure.State{}
}

// Run pushes blueprints until ctx ends. Afterwards nothing is locked.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.end()
	g, ctx := errgroup.WithContext(ctx)
	events := make(chan backpressure.Event)
	pushes := make(chan backpressure.Push, 1) // at most one is under way
	g.Go(func() error { return p.steps(ctx, events, pushes) })
	g.Go(func() error { p.looks(ctx, events); return nil })
	g.Go(func() error {
		for {
			select {
			case push := <-pushes:
				send(ctx, events, p.push(ctx, push))
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}

func send(ctx context.Context, events chan<- backpressure.Event, e backpressure.Event) {
	select {
	case events <- e:
	case <-ctx.Done():
	}
}

// Only steps changes the state meanwhile.
func (p *Publisher) steps(ctx context.Context, events <-chan backpressure.Event, pushes chan<- backpressure.Push) error {
	for {
		head, changed := p.Blueprints.Watch()
		if err := p.step(ctx, backpressure.Applied{Number: head}, pushes); err != nil {
			return err
		}
		select {
		case <-changed:
		case e := <-events:
			if err := p.step(ctx, e, pushes); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Publisher) step(ctx context.Context, e backpressure.Event, pushes chan<- backpressure.Push) error {
	p.mu.Lock()
	before := p.state
	after, effects, err := backpressure.Next(before, e)
	p.state = after
	p.mu.Unlock()
	if err != nil {
		return err
	}
	for _, effect := range effects {
		push := effect.(backpressure.Push)
		if push.From <= before.Accepted {
			p.Log.InfoContext(ctx, "pushing blueprints again", "from", push.From, "to", push.To, "confirmed", after.Confirmed)
		}
		pushes <- push
	}
	switch {
	case after.Locked && !before.Locked:
		p.Log.WarnContext(ctx, "pool locked by back-pressure", "applied", after.Applied, "confirmed", after.Confirmed)
	case before.Locked && !after.Locked:
		p.Log.InfoContext(ctx, "pool unlocked by back-pressure", "applied", after.Applied, "confirmed", after.Confirmed)
		p.Unlocked()
	}
	return nil
}

// push hands blueprints over until one is refused.
func (p *Publisher) push(ctx context.Context, push backpressure.Push) backpressure.Event {
	for n := push.From; n <= push.To; n++ {
		if err := p.pushOne(ctx, n); err != nil {
			if ctx.Err() == nil {
				p.Log.WarnContext(ctx, "blueprint not pushed, trying again", "number", n, "error", err)
			}
			return backpressure.Refused{To: n - 1}
		}
	}
	return backpressure.Accepted{To: push.To}
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

// looks reports each look that succeeds, and logs when they begin and cease to fail.
func (p *Publisher) looks(ctx context.Context, events chan<- backpressure.Event) {
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
			send(ctx, events, seen)
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
