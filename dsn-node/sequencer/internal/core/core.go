// Package core is the sequencer itself, whatever protocol it is spoken to by: it takes proposals, keeps them on disk
// and turns each into its preblock.
//
// It guarantees: what Submit answers is durable and never changes; a preblock shown once is shown the same for ever,
// also after a crash; a subscription misses nothing and repeats nothing, and a slow one costs the others nothing. A
// disk that fails ends Run: nothing is acknowledged any more. A proposal that breaks a rule of contents changes nothing.
//
// It asks of callers: never to change a preblock they are given; it is shared.
package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/sequencer/order"
	"blindseq/kit/content"
	"blindseq/kit/notify"
	"blindseq/kit/requestid"
	"blindseq/kit/telemetry"
	"blindseq/kit/wal"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/rules"
)

var (
	// ErrNotFixed says that the number has no preblock yet.
	ErrNotFixed = errors.New("preblock is not fixed yet")
	// ErrNotHeld says that the number is before the first this sequencer holds.
	ErrNotHeld = errors.New("preblock is before the first one held")
	// ErrTooManySubscribers says that Options.MaxSubscribers are served already.
	ErrTooManySubscribers = errors.New("too many subscribers")
	// ErrStorage says that the log could not be written or read.
	ErrStorage = errors.New("log of proposals failed")
	// ErrRounds says that the log does not fit the rounds the core is to run with.
	ErrRounds = errors.New("log and keyholders do not fit")
)

// Rounds decide what a preblock has beside its content.
type Rounds interface {
	// First is the first number that has a round.
	First() uint64
	// Decide runs the round of a content, however long it takes, and returns a preblock that has a certificate and outcomes
	// only. Repeating it after a crash must be harmless.
	Decide(ctx context.Context, c *preblockv1.Content) (*preblockv1.Preblock, error)
}

// Rules decide which contents may be accepted. One goroutine uses them at a time.
type Rules interface {
	// Restore makes them know the contents up to a number, which are accepted.
	Restore(ctx context.Context, last uint64, source ordered.Source) error
	// Check examines the content of the number after the last one added.
	Check(c *preblockv1.Content) error
	// Add notes a content that was accepted.
	Add(c *preblockv1.Content) error
}

// Options of a Core. Dir, Rules and Log are needed; a zero limit refuses everything.
type Options struct {
	Dir             string
	First           uint64        // first number of a new log
	PreblockTime    time.Duration // preblocks are fixed, or rounds begun, on this tick; 0: as soon as their proposal is stored
	Rounds          Rounds        // nil: a preblock is its proposal
	Rules           Rules
	MaxContentBytes int
	Now             func() time.Time // judges the timestamps of proposals that were never accepted; nil: nobody does
	MaxAhead        time.Duration    // how far such a timestamp may be ahead of Now
	MaxSubscribers  int
	OnAppend        func(time.Duration) // called with the time of each write and fsync; may be nil
	FS              wal.FS              // the operating system's when nil
	Log             *slog.Logger
}

// Proposal is what is proposed for the number in its content.
type Proposal struct {
	Content   *preblockv1.Content
	RequestID string // empty when it came without one
	Attempt   uint32
	// Recovered says that a quorum may have attested the content, so its timestamp was judged before.
	Recovered bool
}

// Verdict says what a submission was for its number.
type Verdict int

const (
	Accepted    Verdict = iota // the first, and so the one
	Repeated                   // the same content again
	Conflicting                // another content than was accepted
)

// Answer is what was accepted for a number, whatever was submitted.
type Answer struct {
	ContentHash []byte
	RequestID   string
	Verdict     Verdict
}

// Core is one sequencer's log and decisions. Its methods may be called from any goroutine.
type Core struct {
	o           Options
	store       *store
	feed        *feed
	first       uint64
	failed      chan error  // holds the first failure of the log
	accepted    notify.Wake // wakes Run when a proposal waits for its round
	subscribers atomic.Int64

	mu    sync.Mutex // serialises events, each with all its effects
	state order.State
	trace telemetry.Trace      // that open was submitted in
	open  *preblockv1.Preblock // the accepted proposal that waits to be fixed; with what its round decided, once it has
}

// Open opens the log in Options.Dir, and finishes the proposal that a crash left without its preblock.
func Open(ctx context.Context, o Options) (*Core, error) {
	s, err := openStore(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Core{o: o, store: s, failed: make(chan error, 1), accepted: notify.NewWake()}
	if err := c.resume(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return c, nil
}

// content is that of an accepted number.
func (c *Core) content(number uint64) (*preblockv1.Content, error) {
	p, err := c.store.read(number)
	return p.GetContent(), err
}

// resume continues from the last proposal in the log. With rounds, the log of decisions says which preblocks had been shown,
// and Run decides the one that is left. Without rounds that is not recorded and need not be: all before the last had been
// shown, since n + 1 is only taken after preblock n, and the last becomes a preblock now, before anyone can ask, so that
// one that had been shown is not taken back.
func (c *Core) resume(ctx context.Context) error {
	last := c.store.last()
	if err := c.o.Rules.Restore(ctx, last, c.content); err != nil {
		return err
	}
	if last == 0 {
		c.state, c.first = order.New(c.o.First), c.o.First
		c.feed = newFeed(c.state.Fixed())
		return nil
	}
	var err error
	c.first = c.store.first()
	fixed := last - 1
	if c.o.Rounds != nil {
		fixed = c.store.decided()
	}
	if c.state, err = order.Recovered(c.first, last, fixed); err != nil {
		return fmt.Errorf("%w: %w", ErrRounds, err)
	}
	c.feed = newFeed(fixed)
	if c.o.Rounds != nil && fixed >= c.first {
		p, err := c.store.preblock(fixed)
		if err != nil {
			return err
		}
		c.feed.publish(fixed, p)
	}
	if fixed == last {
		return nil
	}
	if c.open, err = c.store.read(last); err != nil {
		return err
	}
	if c.o.Rounds != nil {
		c.wake()
		return nil
	}
	return c.step(ctx, order.Due{}, nil)
}

// wake makes Run look for a proposal that waits for its round.
func (c *Core) wake() {
	c.accepted.Notify()
}

// Submit proposes the content of a number and returns when what was accepted for it is durable.
func (c *Core) Submit(ctx context.Context, p Proposal) (Answer, error) {
	number := p.Content.GetNumber()
	if err := c.check(p); err != nil {
		return Answer{}, fmt.Errorf("submit proposal %d: %w", number, err)
	}
	hash := content.HashOf(p.Content)
	proposal := &preblockv1.Preblock{Content: p.Content, ContentHash: hash[:], RequestId: p.RequestID, Attempt: p.Attempt}
	accepted, err := c.submit(ctx, proposal, p.Recovered)
	if err != nil {
		return Answer{}, fmt.Errorf("submit proposal %d: %w", number, err)
	}
	answer := Answer{ContentHash: accepted.GetContentHash(), RequestID: accepted.GetRequestId(), Verdict: Accepted}
	switch {
	case accepted == proposal:
		return answer, nil
	case bytes.Equal(answer.ContentHash, hash[:]):
		answer.Verdict = Repeated
	default:
		answer.Verdict = Conflicting
		c.o.Log.WarnContext(ctx, "proposal differs from what was accepted", "number", number, "request_id", p.RequestID,
			"attempt", p.Attempt, "accepted_request_id", answer.RequestID)
	}
	return answer, nil
}

// Check examines the content of the next number by the rules, and changes nothing.
func (c *Core) Check(p *preblockv1.Content) error {
	if err := c.check(Proposal{Content: p}); err != nil {
		return fmt.Errorf("check proposal %d: %w", p.GetNumber(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.o.Rules.Check(p); err != nil {
		return fmt.Errorf("check proposal %d: %w", p.GetNumber(), err)
	}
	return nil
}

func (c *Core) check(p Proposal) error {
	if err := content.Check(p.Content); err != nil {
		return err
	}
	if size := content.Size(p.Content); size > c.o.MaxContentBytes {
		return fmt.Errorf("%w: %d bytes, this sequencer takes %d", content.ErrTooLarge, size, c.o.MaxContentBytes)
	}
	if p.RequestID == "" {
		return nil
	}
	return requestid.Valid(p.RequestID)
}

// submit returns what is accepted for the proposal's number: the proposal itself or an earlier one.
func (c *Core) submit(ctx context.Context, proposal *preblockv1.Preblock, recovered bool) (*preblockv1.Preblock, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err // nobody waits for the answer any more
	}
	number := proposal.GetContent().GetNumber()
	known := number <= c.state.Accepted()
	if number == c.state.Accepted()+1 && !recovered {
		if err := c.checkClock(proposal); err != nil {
			c.o.Log.WarnContext(ctx, "proposal is ahead of the clock and is refused", "number", number,
				"request_id", proposal.GetRequestId(), "attempt", proposal.GetAttempt(), "error", err)
			return nil, err
		}
	}
	if err := c.step(ctx, order.Submitted{Number: number}, proposal); err != nil {
		return nil, err
	}
	if known {
		return c.store.read(number)
	}
	switch {
	case c.o.PreblockTime > 0:
		return proposal, nil
	case c.o.Rounds != nil:
		c.wake()
		return proposal, nil
	}
	return proposal, c.step(ctx, order.Due{}, nil)
}

// checkClock refuses a timestamp far ahead of the clock. It runs once, before the content is accepted: an accepted content is final for
// its number, and the chain would stand until the keyholders' clocks had caught up.
func (c *Core) checkClock(proposal *preblockv1.Preblock) error {
	if c.o.Now == nil {
		return nil
	}
	now, at := c.o.Now(), time.Unix(proposal.GetContent().GetTimestamp().GetSeconds(), 0)
	if at.Sub(now) > c.o.MaxAhead {
		return fmt.Errorf("%w: %s is more than %s after %s", rules.ErrClock, at.UTC().Format(time.RFC3339), c.o.MaxAhead, now.UTC().Format(time.RFC3339))
	}
	return nil
}

// step gives the state machine an event and carries out the effects. The caller holds mu, or is alone.
func (c *Core) step(ctx context.Context, e order.Event, proposal *preblockv1.Preblock) error {
	state, effects, err := order.Next(c.state, e)
	if err != nil {
		return err
	}
	c.state = state
	for _, effect := range effects {
		if err := c.carryOut(ctx, effect, proposal); err != nil {
			return err
		}
	}
	return nil
}

func (c *Core) carryOut(ctx context.Context, e order.Effect, proposal *preblockv1.Preblock) error {
	switch e := e.(type) {
	case order.StoreProposal:
		if err := c.o.Rules.Check(proposal.GetContent()); err != nil {
			c.o.Log.WarnContext(ctx, "proposal breaks a rule and is refused", "number", e.Number,
				"request_id", proposal.GetRequestId(), "attempt", proposal.GetAttempt(), "error", err)
			return err
		}
		// gofail: var proposalStoring struct{}
		if err := c.store.append(proposal); err != nil {
			c.fail(err)
			return err
		}
		// gofail: var proposalStored struct{}
		if err := c.o.Rules.Add(proposal.GetContent()); err != nil {
			c.fail(err) // it is durable, and was checked: what is known here does not fit the log
			return err
		}
		c.open, c.trace = proposal, telemetry.TraceOf(ctx)
		c.o.Log.InfoContext(ctx, "proposal accepted", "number", e.Number, "request_id", proposal.GetRequestId(), "attempt", proposal.GetAttempt())
		return c.step(ctx, order.ProposalStored(e), nil)
	case order.StorePreblock:
		// With no round between them nothing is written: the preblock is the accepted proposal itself, which is
		// durable, and recovery arrives at the same preblock from it. So one fsync decides, not two. The result of
		// a round is no function of the proposal and has its own record.
		if c.o.Rounds != nil {
			// gofail: var preblockDeciding struct{}
			if err := c.store.decide(c.open); err != nil {
				c.fail(err)
				return err
			}
		}
		// gofail: var preblockFixed struct{}
		return c.step(ctx, order.PreblockStored(e), nil)
	case order.Publish:
		p := c.open
		c.open = nil
		// gofail: var preblockPublishing struct{}
		c.feed.publish(e.Number, p)
		// gofail: var preblockPublished struct{}
		c.o.Log.InfoContext(ctx, "preblock fixed", "number", e.Number, "request_id", p.GetRequestId(), "attempt", p.GetAttempt(),
			"transactions", len(p.GetContent().GetTransactions()), "delayed", len(p.GetContent().GetDelayedTransactionHashes()))
	case order.AnswerAccepted:
		// the answer is the return value of submit
	}
	return nil
}

// fail ends Run. Only the first failure is kept: the others follow from it.
func (c *Core) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// Run fixes preblocks on the tick when there is a PreblockTime, and runs the rounds when there are any. It returns when
// ctx ends, or with the error of a failed log, and closes the log.
func (c *Core) Run(ctx context.Context) error {
	var tick <-chan time.Time
	if c.o.PreblockTime > 0 {
		ticker := time.NewTicker(c.o.PreblockTime)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return c.Close()
		case err = <-c.failed:
		case <-tick:
			err = c.due(ctx)
		case <-c.accepted.C():
			err = c.due(ctx)
		}
		if err != nil {
			return errors.Join(err, c.Close())
		}
	}
}

// due fixes the preblock of the accepted proposal, if there is one, after its round.
func (c *Core) due(ctx context.Context) error {
	open, trace := c.waiting()
	if open == nil {
		return nil
	}
	ctx = trace.Continue(ctx)
	decided := open
	if c.o.Rounds != nil {
		round, err := c.o.Rounds.Decide(ctx, open.GetContent())
		if ctx.Err() != nil {
			return nil // the round is run again after the next start
		}
		if err != nil {
			return err
		}
		decided = withDecision(open, round)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = decided
	return c.step(ctx, order.Due{}, nil)
}

// waiting is the accepted proposal that waits to be fixed. Only Run fixes one when there are rounds or a tick, so it stays.
func (c *Core) waiting() (*preblockv1.Preblock, telemetry.Trace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.trace
}

// withDecision is a proposal's preblock. The proposal itself stays as it is: others may be reading it.
func withDecision(p, round *preblockv1.Preblock) *preblockv1.Preblock {
	return &preblockv1.Preblock{
		Content: p.GetContent(), ContentHash: p.GetContentHash(), RequestId: p.GetRequestId(), Attempt: p.GetAttempt(),
		Certificate: round.GetCertificate(), Outcomes: round.GetOutcomes(),
	}
}

// Close closes the log. Run does it too; Close is for a Core that is never run.
func (c *Core) Close() error { return c.store.close() }
