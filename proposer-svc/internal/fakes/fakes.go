// Package fakes holds scriptable stand-ins for the services the proposer talks to, for its tests. Each can be served
// over gRPC, and can be told to fail.
package fakes

import (
	"bytes"
	"context"
	"sync"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Chain is what a producer has.
type Chain struct {
	Head         uint64
	HeadTime     int64
	Transactions [][]byte
	Locked       bool
	UpgradeDue   bool
	Served       map[string]uint64 // blocks that requests gave already
	Err          error             // answered instead
}

// Producer is a leading producer.
type Producer struct {
	blueprintv1.UnimplementedProducerServiceServer
	mu    sync.Mutex
	chain Chain
}

// Change changes what the producer has.
func (p *Producer) Change(f func(*Chain)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.chain)
}

// GetProposalContent implements the service.
func (p *Producer) GetProposalContent(_ context.Context, r *blueprintv1.GetProposalContentRequest) (*blueprintv1.GetProposalContentResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chain.Err != nil {
		return nil, p.chain.Err
	}
	if number, ok := p.chain.Served[r.GetRequestId()]; ok {
		return &blueprintv1.GetProposalContentResponse{ServedNumber: number}, nil
	}
	parent := bytes.Repeat([]byte{byte(p.chain.Head)}, 32)
	return &blueprintv1.GetProposalContentResponse{
		PoolLocked: p.chain.Locked, UpgradeDue: p.chain.UpgradeDue,
		HeadTimestamp: &timestamppb.Timestamp{Seconds: p.chain.HeadTime},
		Content: &preblockv1.Content{
			Number: p.chain.Head + 1, PreviousBlockHash: parent, Transactions: p.chain.Transactions,
			Timestamp: &timestamppb.Timestamp{Seconds: max(p.chain.HeadTime, r.GetTimestamp().GetSeconds())},
		},
	}, nil
}

// DSN fixes the first content of each number at once, unless it is told otherwise.
type DSN struct {
	dsnv1.UnimplementedSequencerServiceServer
	mu    sync.Mutex
	fixed map[uint64]*preblockv1.Preblock
	open  uint64 // accepted, and not fixed yet
	lose  int
	err   error
	// Submitted gets each submission, refused ones too.
	Submitted chan *dsnv1.SubmitProposalRequest
}

// NewDSN returns a DSN that has fixed nothing.
func NewDSN() *DSN {
	return &DSN{fixed: map[uint64]*preblockv1.Preblock{}, Submitted: make(chan *dsnv1.SubmitProposalRequest, 1024)}
}

// Fail makes every call end in err; nil ends that.
func (d *DSN) Fail(err error) { d.locked(func() { d.err = err }) }

// Lose makes the next n submissions be answered and forgotten.
func (d *DSN) Lose(n int) { d.locked(func() { d.lose = n }) }

// Fix fixes a content for a request, as if it had come another way.
func (d *DSN) Fix(c *preblockv1.Content, requestID string) {
	d.locked(func() { d.fix(&dsnv1.SubmitProposalRequest{Content: c, RequestId: requestID, Attempt: 1}) })
}

// Accept is Fix, but the preblock is not decided yet.
func (d *DSN) Accept(c *preblockv1.Content, requestID string) {
	d.Fix(c, requestID)
	d.locked(func() { d.open = c.GetNumber() })
}

func (d *DSN) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *DSN) fix(r *dsnv1.SubmitProposalRequest) *preblockv1.Preblock {
	n := r.GetContent().GetNumber()
	if p, ok := d.fixed[n]; ok {
		return p
	}
	hash := content.HashOf(r.GetContent())
	p := &preblockv1.Preblock{
		Content: proto.CloneOf(r.GetContent()), ContentHash: hash[:], RequestId: r.GetRequestId(), Attempt: r.GetAttempt(),
	}
	if d.lose > 0 {
		d.lose--
		return p
	}
	d.fixed[n] = p
	return p
}

// SubmitProposal implements the service.
func (d *DSN) SubmitProposal(_ context.Context, r *dsnv1.SubmitProposalRequest) (*dsnv1.SubmitProposalResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Submitted <- r
	if d.err != nil {
		return nil, d.err
	}
	p := d.fix(r)
	return &dsnv1.SubmitProposalResponse{ContentHash: p.ContentHash, RequestId: p.RequestId}, nil
}

// GetPreblock implements the service.
func (d *DSN) GetPreblock(_ context.Context, r *dsnv1.GetPreblockRequest) (*dsnv1.GetPreblockResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	if p, ok := d.fixed[r.GetNumber()]; ok && r.GetNumber() != d.open {
		return &dsnv1.GetPreblockResponse{Preblock: p}, nil
	}
	return nil, status.Errorf(codes.NotFound, "preblock %d is not fixed yet", r.GetNumber())
}

// GetStatus implements the service.
func (d *DSN) GetStatus(context.Context, *dsnv1.GetStatusRequest) (*dsnv1.GetStatusResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	res := &dsnv1.GetStatusResponse{}
	for number := range d.fixed {
		if res.AcceptedNumber = max(res.GetAcceptedNumber(), number); number != d.open {
			res.LastNumber = max(res.GetLastNumber(), number)
		}
	}
	return res, nil
}

// Monitor takes notices.
type Monitor struct {
	preblockv1.UnimplementedMonitorServiceServer
	mu  sync.Mutex
	err error
	// Notices gets each notice that was taken.
	Notices chan *preblockv1.NotifyNoPreblockRequest
}

// NewMonitor returns a monitor that takes every notice.
func NewMonitor() *Monitor {
	return &Monitor{Notices: make(chan *preblockv1.NotifyNoPreblockRequest, 1024)}
}

// Fail makes every call end in err; nil ends that.
func (m *Monitor) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// NotifyNoPreblock implements the service.
func (m *Monitor) NotifyNoPreblock(_ context.Context, r *preblockv1.NotifyNoPreblockRequest) (*preblockv1.NotifyNoPreblockResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.Notices <- r
	return &preblockv1.NotifyNoPreblockResponse{}, nil
}
