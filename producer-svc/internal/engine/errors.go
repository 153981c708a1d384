package engine

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/ops"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/logrecord"
)

// Kind says what an error of the engine asks for.
type Kind uint8

const (
	// Alarm: what must never happen has. Production stops until a person has looked. It is the zero Kind: an error that
	// nobody foresaw is one.
	Alarm Kind = iota
	// Interrupt: the turn was lost to another holder of the lock. Nothing was written; another section may succeed.
	Interrupt
	// Refusal: a person has to supply what is missing. Nothing was written; it may succeed later.
	Refusal
	// Broken: a disk cannot be written. The process is about to end; what is on disk is found out at the next start.
	Broken
)

// Error is what every method of the engine fails with.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error: of its *Error if it has one, else Alarm. It must not be nil.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Alarm
}

// classify gives an error its kind, and ends the process when a disk failed. nil stays nil.
func (e *Engine) classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wal.ErrBroken), errors.Is(err, txstore.ErrBroken), errors.Is(err, chain.ErrBroken):
		e.End.Fail(err)
		return &Error{Broken, err}
	case errors.Is(err, logrecord.ErrStaleToken):
		return &Error{Interrupt, err}
	case errors.Is(err, logrecord.ErrUnknownDelayed):
		return &Error{Refusal, err}
	}
	return &Error{Alarm, err} // chain.ErrExecution among them: every replica meets it, at every start
}

// End is how a disk that cannot be written ends a process that serves: whatever finds out calls Fail, and Run returns the error
// to the process. No other component ends it for a disk.
type End struct {
	health *ops.Health
	failed chan error // holds the first
}

// NewEnd returns an End that reports to health.
func NewEnd(health *ops.Health) *End { return &End{health: health, failed: make(chan error, 1)} }

// Fail ends the process. Only the first error is kept: the others follow from it. It does not block.
func (e *End) Fail(err error) {
	select {
	case e.failed <- err:
	default:
	}
}

// Run waits for the first failure and returns it; nil when ctx ends before.
func (e *End) Run(ctx context.Context) error {
	select {
	case err := <-e.failed:
		e.health.Fail("disk", err.Error())
		return fmt.Errorf("a disk cannot be written: %w", err)
	case <-ctx.Done():
		return nil
	}
}
