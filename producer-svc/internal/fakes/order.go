// Package fakes holds in-process stand-ins for the parties a producer works with, for tests: the proposer and the
// monitor with a DSN behind them, and a chain without an EVM. They keep the contracts the real ones keep (one event
// for each request, one proposal in flight, one preblock for each number), and say so when a caller does not.
package fakes

import (
	"context"
	"slices"
	"sync"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/dsntest"
	"blindseq/kit/notify"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Order is proposer, DSN and monitor in one. It serves requests first in first out and has one in flight.
type Order struct {
	// Head is the leading producer's head, asked when a proposal is made.
	Head func() section.Head
	// Content gives a proposal's transactions and delayed hashes.
	Content func() (txs, delayed [][]byte)
	// Ask asks a producer for both instead, when set. On an error the proposal is made later.
	Ask func(at int64, withDelayed bool) (*blueprintv1.GetProposalContentResponse, error)
	// Certify makes a preblock of a content as keyholders would, when set.
	Certify func(*preblockv1.Content) *preblockv1.Preblock
	// Fail is asked before each call; a non-nil error is its answer.
	Fail func(method string) error

	mu       sync.Mutex
	queue    []*proposalv1.RequestProposalRequest
	states   map[string]proposalv1.RequestState
	inFlight uint64
	dsn      *dsntest.DSN
	denied   map[string]preblockv1.NoPreblockReason
	served   []string // request ids in the order of their events
	next     map[string]int
	changed  notify.Broadcast
}

// NewOrder returns an Order with nothing to include.
func NewOrder(head func() section.Head) *Order {
	o := &Order{
		Head:    head,
		Content: func() (txs, delayed [][]byte) { return nil, nil },
		Fail:    func(string) error { return nil },
		dsn:     dsntest.New(),
		next:    make(map[string]int),
	}
	o.Wipe()
	return o
}

// Wipe forgets what is in Redis: queue, states, the one in flight, notices. What the DSN fixed stays.
func (o *Order) Wipe() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue, o.inFlight = nil, 0
	o.states = make(map[string]proposalv1.RequestState)
	o.denied = make(map[string]preblockv1.NoPreblockReason)
	o.changed.Notify()
}

// Served lists the request ids that got an event, in order.
func (o *Order) Served() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.served)
}

// Calls counts the calls of a method.
func (o *Order) Calls(method string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next[method]
}

// Fix puts a preblock into the DSN as a stranger would.
func (o *Order) Fix(p *preblockv1.Preblock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dsn.Put(p)
	o.changed.Notify()
}

// RequestProposal implements the proposer.
func (o *Order) RequestProposal(_ context.Context, r *proposalv1.RequestProposalRequest, _ ...grpc.CallOption) (*proposalv1.RequestProposalResponse, error) {
	if err := o.called("request"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.states[r.GetRequestId()]; !known {
		o.states[r.GetRequestId()] = proposalv1.RequestState_REQUEST_STATE_QUEUED
		o.queue = append(o.queue, r)
	}
	o.pump()
	return &proposalv1.RequestProposalResponse{State: o.states[r.GetRequestId()]}, nil
}

// NotifyProcessed implements the proposer.
func (o *Order) NotifyProcessed(_ context.Context, r *proposalv1.NotifyProcessedRequest, _ ...grpc.CallOption) (*proposalv1.NotifyProcessedResponse, error) {
	if err := o.called("notify"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inFlight != 0 && o.inFlight <= r.GetNumber() {
		o.states[o.dsn.Get(o.inFlight).GetRequestId()] = proposalv1.RequestState_REQUEST_STATE_PROCESSED
		o.inFlight = 0
		o.pump()
	}
	return &proposalv1.NotifyProcessedResponse{}, nil
}

// pump serves the queue while nothing is in flight. The caller holds mu.
func (o *Order) pump() {
	defer o.changed.Notify()
	for o.inFlight == 0 && len(o.queue) > 0 {
		head, r := o.Head(), o.queue[0]
		proposal, err := o.propose(head, r)
		if err != nil {
			return
		}
		head.Number = proposal.preblock.GetContent().GetNumber() - 1
		if o.dsn.Get(head.Number+1) != nil { // fixed by someone else: the request waits until that is processed
			o.inFlight = head.Number + 1
			return
		}
		o.queue = o.queue[1:]
		c := proposal.preblock.GetContent()
		if proposal.locked || !r.GetForce() && !proposal.waiting && len(c.GetTransactions())+len(c.GetDelayedTransactionHashes()) == 0 {
			o.denied[r.GetRequestId()] = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY
			if proposal.locked {
				o.denied[r.GetRequestId()] = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED
			}
			o.states[r.GetRequestId()] = proposalv1.RequestState_REQUEST_STATE_PROCESSED
			o.served = append(o.served, r.GetRequestId())
			continue
		}
		o.inFlight = head.Number + 1
		o.states[r.GetRequestId()] = proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT
		o.dsn.Put(proposal.preblock)
		o.served = append(o.served, r.GetRequestId())
	}
}

// proposal is what a producer answers when it is asked for a content.
type proposal struct {
	locked   bool
	waiting  bool // what was ordered before needs a block
	preblock *preblockv1.Preblock
}

func (o *Order) propose(head section.Head, r *proposalv1.RequestProposalRequest) (proposal, error) {
	if o.Ask == nil {
		txs, delayed := o.Content()
		return proposal{preblock: Preblock(head, r, txs, delayed)}, nil
	}
	answer, err := o.Ask(r.GetTimestamp().GetSeconds(), r.GetWithDelayedTransactions())
	if err != nil {
		return proposal{}, err
	}
	hash := content.HashOf(answer.GetContent())
	p := &preblockv1.Preblock{Content: answer.GetContent(), ContentHash: hash[:]}
	if o.Certify != nil {
		p = o.Certify(answer.GetContent())
	}
	p.RequestId, p.Attempt = r.GetRequestId(), 1
	return proposal{locked: answer.GetPoolLocked(), waiting: answer.GetWaiting(), preblock: p}, nil
}

// Preblock makes the preblock of a proposal on top of head.
func Preblock(head section.Head, r *proposalv1.RequestProposalRequest, txs, delayed [][]byte) *preblockv1.Preblock {
	c := &preblockv1.Content{
		Number: head.Number + 1, PreviousBlockHash: head.Hash[:], Transactions: txs, DelayedTransactionHashes: delayed,
		Timestamp: &timestamppb.Timestamp{Seconds: max(head.Time, r.GetTimestamp().GetSeconds())},
	}
	hash := content.HashOf(c)
	return &preblockv1.Preblock{Content: c, ContentHash: hash[:], RequestId: r.GetRequestId(), Attempt: 1}
}

// Next implements the monitor.
func (o *Order) Next(ctx context.Context, r *preblockv1.NextRequest, _ ...grpc.CallOption) (*preblockv1.NextResponse, error) {
	if err := o.called("next"); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(r.GetTimeout().AsDuration())
	defer timeout.Stop()
	for {
		event, changed := o.event(r)
		if event != nil {
			return &preblockv1.NextResponse{Event: event}, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, status.Errorf(codes.DeadlineExceeded, "no event for %s", r.GetRequestId())
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

func (o *Order) event(r *preblockv1.NextRequest) (*preblockv1.Event, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.dsn.Get(r.GetNumber()); p != nil {
		return &preblockv1.Event{Event: &preblockv1.Event_Preblock{Preblock: p}}, nil
	}
	if reason, ok := o.denied[r.GetRequestId()]; ok {
		no := &preblockv1.NoPreblock{RequestId: r.GetRequestId(), Reason: reason}
		return &preblockv1.Event{Event: &preblockv1.Event_NoPreblock{NoPreblock: no}}, nil
	}
	return nil, o.changed.Changed()
}

// GetPreblock implements the monitor.
func (o *Order) GetPreblock(_ context.Context, r *preblockv1.GetPreblockRequest, _ ...grpc.CallOption) (*preblockv1.GetPreblockResponse, error) {
	if err := o.called("get"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.dsn.Get(r.GetNumber()); p != nil {
		return &preblockv1.GetPreblockResponse{Preblock: p}, nil
	}
	return nil, status.Errorf(codes.NotFound, "preblock %d is not fixed yet", r.GetNumber())
}

// Fixed is the last number that is fixed without a gap before it.
func (o *Order) Fixed() uint64 { return o.dsn.Fixed() }

// Stream gives every preblock from a number on, and those to come, until ctx ends or send fails.
func (o *Order) Stream(ctx context.Context, from uint64, send func(*preblockv1.Preblock) error) error {
	if err := o.called("stream"); err != nil {
		return err
	}
	return o.dsn.Stream(ctx, from, send)
}

func (o *Order) called(method string) error {
	o.mu.Lock()
	o.next[method]++
	o.mu.Unlock()
	return o.Fail(method)
}
