package sections

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"blindseq/producer-svc/section"
)

// ErrHalted is why a section is not begun: an earlier one raised an alarm. Only a restart, after a person has looked,
// ends it.
var ErrHalted = errors.New("production is halted")

// Sections runs sections; a Runner does.
type Sections interface {
	Run(ctx context.Context, r section.Request) section.Result
}

// Guard keeps sections from being run after an alarm, and knows why production stands still.
type Guard struct {
	next   Sections
	report func(reason string)

	mu     sync.Mutex
	halted bool
	reason string // "" while blocks are produced
}

// NewGuard returns a Guard over next. report is called whenever the reason changes, "" when there is none any more.
func NewGuard(next Sections, report func(reason string)) *Guard {
	return &Guard{next: next, report: report}
}

// Run runs a section unless production is halted.
func (g *Guard) Run(ctx context.Context, r section.Request) section.Result {
	if err := g.Halted(); err != nil {
		return section.Result{Kind: section.Halted, Err: err}
	}
	o := g.next.Run(ctx, r)
	switch o.Kind {
	case section.Halted:
		g.set(true, o.Err.Error())
		o.Err = fmt.Errorf("%w: %w", ErrHalted, o.Err)
	case section.Stalled:
		g.set(false, o.Err.Error())
	case section.Produced, section.Empty, section.Synced:
		g.set(false, "")
	}
	return o
}

// Halt keeps sections from being run, after an alarm that was raised outside of them.
func (g *Guard) Halt(err error) { g.set(true, err.Error()) }

// Halted is the error of every section from now on; nil when they are run.
func (g *Guard) Halted() error {
	if reason, halted := g.state(); halted {
		return fmt.Errorf("%w: %s", ErrHalted, reason)
	}
	return nil
}

// Reason says why production stands still; "" when it does not.
func (g *Guard) Reason() string {
	reason, _ := g.state()
	return reason
}

func (g *Guard) state() (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason, g.halted
}

func (g *Guard) set(halted bool, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.halted || g.reason == reason {
		return
	}
	g.halted, g.reason = halted, reason
	g.report(reason)
}
