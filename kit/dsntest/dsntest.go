// Package dsntest holds a scriptable DSN in one process, for the tests of every service that talks to one.
//
// It fixes the first content of each number at once, as a DSN does, and serves what it fixed, singly and as streams. A test
// can have it fail (Fail, Down), answer late or refuse one method (Before), forget submissions (Lose), break streams (Break),
// leave a number undecided (Accept), hide it from streams (FixHidden), and lie (Put, Send).
//
// It is safe for concurrent use. It asks of callers: set Before before the first call.
package dsntest

import (
	"bytes"
	"context"
	"sync"

	"blindseq/kit/content"
	"blindseq/kit/notify"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// DSN implements dsnv1.SequencerServiceServer. New makes one.
type DSN struct {
	dsnv1.UnimplementedSequencerServiceServer

	// Before, when set, is called with the method's name before each call is answered: it may block, and its error is the
	// answer.
	Before func(ctx context.Context, method string) error
	// Submitted gets each submission, refused ones too.
	Submitted chan *dsnv1.SubmitProposalRequest
	// From gets the number that each stream begins with.
	From chan uint64

	changed notify.Broadcast // something was fixed
	broken  notify.Broadcast // streams break
	sent    chan *preblockv1.Preblock

	mu     sync.Mutex
	fixed  map[uint64]*preblockv1.Preblock
	open   uint64 // accepted, and not fixed yet
	hidden uint64 // streams do not send the numbers up to this one by themselves
	lose   int
	err    error
	waits  string
}

// New returns a DSN that has fixed nothing.
func New() *DSN {
	return &DSN{
		fixed: map[uint64]*preblockv1.Preblock{}, sent: make(chan *preblockv1.Preblock, 16),
		Submitted: make(chan *dsnv1.SubmitProposalRequest, 1024), From: make(chan uint64, 1024),
	}
}

// Preblock makes the preblock of a number with one transaction, or none.
func Preblock(number uint64, requestID string, tx ...byte) *preblockv1.Preblock {
	c := &preblockv1.Content{
		Number: number, PreviousBlockHash: bytes.Repeat([]byte{byte(number)}, 32), Timestamp: &timestamppb.Timestamp{Seconds: int64(number)},
	}
	if len(tx) > 0 {
		c.Transactions = [][]byte{tx}
	}
	return Of(c, requestID)
}

// Of makes the preblock of a content that was proposed once.
func Of(c *preblockv1.Content, requestID string) *preblockv1.Preblock {
	hash := content.HashOf(c)
	return &preblockv1.Preblock{Content: c, ContentHash: hash[:], RequestId: requestID, Attempt: 1}
}

// SubmitProposal implements the service.
func (d *DSN) SubmitProposal(ctx context.Context, r *dsnv1.SubmitProposalRequest) (*dsnv1.SubmitProposalResponse, error) {
	d.Submitted <- r
	if err := d.called(ctx, "SubmitProposal"); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.fix(r)
	return &dsnv1.SubmitProposalResponse{ContentHash: p.ContentHash, RequestId: p.RequestId}, nil
}

// fix fixes what was submitted, unless the number is fixed or the submission is to be lost. The caller holds mu.
func (d *DSN) fix(r *dsnv1.SubmitProposalRequest) *preblockv1.Preblock {
	if p, ok := d.fixed[r.GetContent().GetNumber()]; ok {
		return p
	}
	p := Of(proto.CloneOf(r.GetContent()), r.GetRequestId())
	p.Attempt = r.GetAttempt()
	if d.lose > 0 {
		d.lose--
		return p
	}
	d.put(p)
	return p
}

func (d *DSN) put(p *preblockv1.Preblock) {
	d.fixed[p.GetContent().GetNumber()] = p
	d.changed.Notify()
}

// GetPreblock implements the service.
func (d *DSN) GetPreblock(ctx context.Context, r *dsnv1.GetPreblockRequest) (*dsnv1.GetPreblockResponse, error) {
	if err := d.called(ctx, "GetPreblock"); err != nil {
		return nil, err
	}
	if p := d.Get(r.GetNumber()); p != nil {
		return &dsnv1.GetPreblockResponse{Preblock: p}, nil
	}
	return nil, status.Errorf(codes.NotFound, "preblock %d is not fixed yet", r.GetNumber())
}

// GetStatus implements the service.
func (d *DSN) GetStatus(ctx context.Context, _ *dsnv1.GetStatusRequest) (*dsnv1.GetStatusResponse, error) {
	if err := d.called(ctx, "GetStatus"); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	res := &dsnv1.GetStatusResponse{AcceptedNumber: d.last(), Waiting: d.waits}
	for number := range d.fixed {
		if number != d.open {
			res.LastNumber = max(res.GetLastNumber(), number)
		}
	}
	return res, nil
}

// last is the highest number fixed or accepted. The caller holds mu.
func (d *DSN) last() (last uint64) {
	for number := range d.fixed {
		last = max(last, number)
	}
	return last
}

// called is what every call begins with.
func (d *DSN) called(ctx context.Context, method string) error {
	if d.Before != nil {
		if err := d.Before(ctx, method); err != nil {
			return err
		}
	}
	return d.failure()
}

func (d *DSN) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
