// Package demand serves callers that ask for a block now. Each request id is served once: a repeat joins the section that
// runs, or gets the stored result. Requests are served first in, first out. A caller that leaves loses only the answer: a
// section that has begun continues, and its result is found by the request's id.
package demand

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/notify"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

var (
	// ErrNotServing is returned while this producer does not lead.
	ErrNotServing = errors.New("not the leading producer")
	// ErrTooMany is returned when too many callers wait.
	ErrTooMany = errors.New("too many callers wait for a block")
	// ErrOtherBody is returned for a request with the id of another one.
	ErrOtherBody = errors.New("the request id was used with another timestamp or choice of delayed transactions: choose a new one")
	// ErrAgain is what Make returns for a section that was interrupted; the request is retried.
	ErrAgain = errors.New("interrupted")
)

// Request asks for a block.
type Request struct {
	ID          string
	Timestamp   time.Time // zero: now
	WithDelayed bool
}

// Result is what a request gave: a block, or the reason why there is none.
type Result struct {
	Number       uint64 // 0: no block
	Hash         content.Hash
	Time         int64
	Transactions int
	Reason       preblockv1.NoPreblockReason
}

// Deps is what Callers needs.
type Deps struct {
	// Make runs the section of a request.
	Make func(ctx context.Context, r Request) (Result, error)
	// Known finds what a request gave earlier.
	Known func(id string) (Result, bool)
	// Halted is the reason why no caller is served until an operator has acted, nil when there is none. It may be nil.
	Halted func() error
	// MaxWaiting bounds the callers that wait.
	MaxWaiting int
}

// call is one request id that is being served, and everyone who waits for it.
type call struct {
	request Request
	waiters int
	done    chan struct{} // closed when result and err are set
	result  Result
	err     error
}

// Callers takes requests from Open until Serve ends.
type Callers struct {
	Deps

	mu      sync.Mutex
	serving bool
	waiting int
	calls   map[string]*call
	queue   []*call
	arrived notify.Wake // the queue is not empty
}

// New returns Callers that refuses every caller until Open or Serve.
func New(d Deps) *Callers {
	return &Callers{Deps: d, calls: make(map[string]*call), arrived: notify.NewWake()}
}

// Produce waits for the result of a request.
func (d *Callers) Produce(ctx context.Context, r Request) (Result, error) {
	if result, ok := d.Known(r.ID); ok {
		if !r.Timestamp.IsZero() && r.Timestamp.Unix() != result.Time {
			return Result{}, fmt.Errorf("produce block for request %s: %w", r.ID, ErrOtherBody)
		}
		return result, nil
	}
	c, err := d.join(r)
	if err != nil {
		return Result{}, fmt.Errorf("produce block for request %s: %w", r.ID, err)
	}
	defer d.leave(c)
	select {
	case <-c.done:
		return c.result, c.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("produce block for request %s: %w", r.ID, ctx.Err())
	}
}

// Waiting is how many callers wait now.
func (d *Callers) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting
}

func (d *Callers) join(r Request) (*call, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.serving:
		return nil, d.whyNot()
	case d.waiting >= d.MaxWaiting:
		return nil, fmt.Errorf("%w: %d", ErrTooMany, d.waiting)
	}
	c := d.calls[r.ID]
	if c == nil {
		c = &call{request: r, done: make(chan struct{})}
		d.calls[r.ID] = c
		d.queue = append(d.queue, c)
		d.arrived.Notify()
	}
	if !c.request.Timestamp.Equal(r.Timestamp) || c.request.WithDelayed != r.WithDelayed {
		return nil, ErrOtherBody
	}
	c.waiters++
	d.waiting++
	return c, nil
}

// whyNot distinguishes a caller that may be served soon, or at another replica, from one that will not be served.
func (d *Callers) whyNot() error {
	if d.Halted != nil {
		if err := d.Halted(); err != nil {
			return err
		}
	}
	return ErrNotServing
}

func (d *Callers) leave(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.waiters--
	d.waiting--
}

// atTheLock is how many sections are begun at once: one that holds the lock, and one that waits for it, so that the
// lock knows of a waiter who goes before the loop when it is released. More would change nothing.
const atTheLock = 2

// Open lets requests in, before Serve serves them. Serve must follow: it ends what Open began.
func (d *Callers) Open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serving = true
}

// Serve takes callers and runs the sections of the requests, oldest first, until ctx ends. Whoever waits then gets
// ErrNotServing.
func (d *Callers) Serve(ctx context.Context) error {
	d.Open()
	defer d.close()
	var workers sync.WaitGroup
	for range atTheLock {
		workers.Go(func() { d.work(ctx) })
	}
	workers.Wait()
	return nil
}

func (d *Callers) work(ctx context.Context) {
	for ctx.Err() == nil {
		if c := d.next(); c != nil {
			d.serve(ctx, c)
			continue
		}
		select {
		case <-d.arrived.C():
		case <-ctx.Done():
		}
	}
}

// next takes the oldest call that someone still waits for.
func (d *Callers) next() *call {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > 0 {
		c := d.queue[0]
		d.queue = d.queue[1:]
		if len(d.queue) > 0 {
			d.arrived.Notify() // another worker may sleep
		}
		if c.waiters > 0 {
			return c
		}
		delete(d.calls, c.request.ID)
	}
	d.queue = nil
	return nil
}

func (d *Callers) serve(ctx context.Context, c *call) {
	result, err := d.Make(ctx, c.request)
	for errors.Is(err, ErrAgain) && ctx.Err() == nil && d.wanted(c) {
		result, err = d.Make(ctx, c.request)
	}
	if errors.Is(err, ErrAgain) {
		err = fmt.Errorf("%w: %w", ErrNotServing, err)
	}
	d.finish(c, result, err)
}

func (d *Callers) wanted(c *call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return c.waiters > 0
}

func (d *Callers) finish(c *call, result Result, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, c.request.ID)
	c.result, c.err = result, err
	close(c.done)
}

func (d *Callers) close() {
	d.mu.Lock()
	queue := d.queue
	d.queue, d.serving = nil, false
	d.mu.Unlock()
	for _, c := range queue {
		d.finish(c, Result{}, ErrNotServing)
	}
}
