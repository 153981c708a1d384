// Package service starts and stops what a process consists of, in order.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// StopTimeout bounds the stop of a whole process.
const StopTimeout = 10 * time.Second

// ErrStopTimeout is returned when a component did not stop in time.
var ErrStopTimeout = errors.New("did not stop in time")

// Group runs the components of a service. They are started in the order they were added and stopped in the reverse
// order, each waited for before the next is stopped: what a component needs is added before it.
type Group struct {
	log        *slog.Logger
	components []*component
}

type component struct {
	name string
	run  func(context.Context) error
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// NewGroup returns an empty group.
func NewGroup(log *slog.Logger) *Group { return &Group{log: log} }

// Add adds a component. run blocks until its context ends, and returns nil then; a component that returns earlier,
// with an error or without, stops the whole group.
func (g *Group) Add(name string, run func(context.Context) error) {
	g.components = append(g.components, &component{name: name, run: run, done: make(chan struct{})})
}

// Run starts the components and returns when all have stopped: nil when ctx ended and all stopped cleanly, else what
// went wrong first. A component that does not stop in time is left behind and named in ErrStopTimeout.
func (g *Group) Run(ctx context.Context) error {
	ended := make(chan *component, len(g.components))
	for _, c := range g.components {
		g.start(context.WithoutCancel(ctx), c, ended)
	}
	var first error
	var blamed *component
	select {
	case <-ctx.Done():
		g.log.InfoContext(ctx, "stopping")
	case c := <-ended:
		blamed = c
		first = fmt.Errorf("%s: ended early", c.name)
		if c.err != nil {
			first = fmt.Errorf("%s: %w", c.name, c.err)
		}
		g.log.ErrorContext(ctx, "stopping: a component ended", "component", c.name, "error", c.err)
	}
	return errors.Join(first, g.stopAll(ctx, blamed))
}

func (g *Group) start(ctx context.Context, c *component, ended chan<- *component) {
	ctx, c.stop = context.WithCancel(ctx)
	go func() {
		defer func() { close(c.done); ended <- c }()
		c.err = c.run(ctx)
	}()
}

func (g *Group) stopAll(ctx context.Context, blamed *component) error {
	var failed error
	timeout := time.After(StopTimeout)
	for _, c := range slices.Backward(g.components) {
		c.stop()
		select {
		case <-c.done:
			if c.err != nil && c != blamed && !errors.Is(c.err, context.Canceled) {
				failed = errors.Join(failed, fmt.Errorf("stop %s: %w", c.name, c.err))
			}
		case <-timeout:
			g.log.ErrorContext(ctx, "component did not stop in time", "component", c.name)
			return errors.Join(failed, fmt.Errorf("stop %s: %w (%s)", c.name, ErrStopTimeout, StopTimeout))
		}
	}
	return failed
}
