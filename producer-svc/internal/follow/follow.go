// Package follow keeps a replica at the head of what the DSN has fixed, without the consumption lock: it reads the
// monitor's stream from the next number needed, writes each preblock to the blueprint log, applies and publishes it.
//
// It guarantees: numbers are applied in order, without a gap and each once; a preblock that cannot follow the head is an
// alarm, and nothing is written after it; what is received and not yet applied is bounded in number and bytes, the stream
// waiting meanwhile. Killed at any point, it continues from the end of the log.
//
// It asks of callers: others write to the log only between Hold and its release.
package follow

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/retry"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/section"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

const callTimeout = 5 * time.Second

// pauses are between attempts to follow.
var pauses = retry.Policy{First: 20 * time.Millisecond, Longest: time.Second}

// Monitor is the part of the monitor's API that is followed; its gRPC client is one.
type Monitor interface {
	StreamPreblocks(context.Context, *preblockv1.StreamPreblocksRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse], error)
	GetStatus(context.Context, *preblockv1.GetStatusRequest, ...grpc.CallOption) (*preblockv1.GetStatusResponse, error)
}

// Engine makes blocks; package engine has it.
type Engine interface {
	Head() section.Head
	// Follow appends, applies and publishes a preblock, with delayed transactions besides those known here.
	Follow(ctx context.Context, p *preblockv1.Preblock, given map[content.Hash][]byte) (section.Block, error)
}

// Deps is what a Follower works with.
type Deps struct {
	Monitor Monitor
	Engine  Engine
	// Supply gets the delayed transactions of a number from another replica, when one is not known here.
	Supply func(ctx context.Context, number uint64) ([][]byte, error)
	// Behind is called when this replica has come to be far behind what is fixed, and when it is near again; nil for nothing.
	Behind func(far bool)
	// Alarm is called once with what must never happen; nothing is followed after it.
	Alarm func(error)
	Slog  *slog.Logger
}

// Follower follows while Run runs, except between Hold and its release.
type Follower struct {
	Deps
	progress

	far  bool          // what Behind was called with; of the goroutine of Run
	slot chan struct{} // full while a session or a holder writes

	mu      sync.Mutex
	holders int                // that have the slot or wait for it
	end     context.CancelFunc // of the session under way
}

// New returns a Follower; Run runs it.
func New(d Deps) *Follower {
	return &Follower{Deps: d, slot: make(chan struct{}, 1), progress: newProgress()}
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	pause := pauses.New()
	for ctx.Err() == nil && !f.halted() {
		applied, err := f.turn(ctx)
		if err != nil && engine.KindOf(err) == engine.Alarm {
			f.Halt(ctx, err)
			continue
		}
		if applied > 0 {
			pause.Reset()
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		f.failed(err)
		f.Slog.Log(ctx, pause.Level(), "following is interrupted", "head", f.Engine.Head().Number, "failures", pause.Failures()+1, "error", err)
		_ = pause.Wait(ctx) // the loop looks at ctx
	}
	<-ctx.Done()
	return nil
}

// Halt raises an alarm: nothing is followed from now on, and this replica does not lead. Call it before Run; within Run the
// Follower does it itself.
func (f *Follower) Halt(ctx context.Context, err error) {
	f.Slog.ErrorContext(ctx, "following halts", "error", err)
	f.halt()
	f.Alarm(err)
}

// Hold ends the session under way, waits until nothing of it is being written, and keeps another from beginning until
// release is called.
func (f *Follower) Hold(ctx context.Context) (release func(), err error) {
	f.mu.Lock()
	f.holders++
	if f.end != nil {
		f.end()
	}
	f.mu.Unlock()
	select {
	case f.slot <- struct{}{}:
		f.holding(true)
		return func() { f.holding(false); f.leave(); <-f.slot }, nil
	case <-ctx.Done():
		f.leave()
		return nil, fmt.Errorf("stop following: %w", context.Cause(ctx))
	}
}

func (f *Follower) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holders--
}

// turn is one session, when it is this goroutine's turn to write. It ends without an error for a holder.
func (f *Follower) turn(ctx context.Context) (applied uint64, err error) {
	select {
	case f.slot <- struct{}{}:
	case <-ctx.Done():
		return 0, nil
	}
	defer func() { <-f.slot }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.end = cancel
	wanted := f.holders > 0
	f.mu.Unlock()
	if wanted {
		return 0, nil
	}
	from := f.Engine.Head().Number
	err = f.session(ctx, from)
	if ctx.Err() != nil && err != nil && engine.KindOf(err) != engine.Alarm {
		err = nil
	}
	return f.Engine.Head().Number - from, err
}
