// Package fakes holds scriptable stand-ins for the producer and the monitor that the proposer talks to, for its tests. Each
// can be served over gRPC, and can be made to fail. The DSN is kit/dsntest.
package fakes

import (
	"bytes"
	"context"
	"sync"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Chain is what a producer has.
type Chain struct {
	Head         uint64
	HeadTime     int64
	Transactions [][]byte
	Locked       bool
	UpgradeDue   bool
	Waiting      bool              // transactions wait that were ordered before
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
		PoolLocked: p.chain.Locked, UpgradeDue: p.chain.UpgradeDue, Waiting: p.chain.Waiting,
		HeadTimestamp: &timestamppb.Timestamp{Seconds: p.chain.HeadTime},
		Content: &preblockv1.Content{
			Number: p.chain.Head + 1, PreviousBlockHash: parent, Transactions: p.chain.Transactions,
			Timestamp: &timestamppb.Timestamp{Seconds: max(p.chain.HeadTime, r.GetTimestamp().GetSeconds())},
		},
	}, nil
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
