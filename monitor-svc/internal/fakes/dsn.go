// Package fakes holds a scriptable stand-in for the DSN, for the monitor's tests.
package fakes

import (
	"bytes"
	"context"
	"sync"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Preblock makes a preblock of one transaction.
func Preblock(number uint64, requestID string, tx ...byte) *preblockv1.Preblock {
	c := &preblockv1.Content{
		Number: number, PreviousBlockHash: bytes.Repeat([]byte{byte(number)}, 32), Timestamp: &timestamppb.Timestamp{Seconds: int64(number)},
	}
	if len(tx) > 0 {
		c.Transactions = [][]byte{tx}
	}
	hash := content.HashOf(c)
	return &preblockv1.Preblock{Content: c, ContentHash: hash[:], RequestId: requestID, Attempt: 1}
}

// DSN sends what it is told to.
type DSN struct {
	dsnv1.UnimplementedSequencerServiceServer
	mu     sync.Mutex
	fixed  []*preblockv1.Preblock // number 1 first
	broken chan struct{}          // closed when streams break
	change chan struct{}          // closed when something was fixed
	raw    chan *preblockv1.Preblock
	down   bool
	waits  string
	hidden uint64 // streams do not send the numbers up to this one by themselves
	// From gets the number each stream begins with.
	From chan uint64
}

// NewDSN returns a DSN that has fixed nothing.
func NewDSN() *DSN {
	return &DSN{
		broken: make(chan struct{}), change: make(chan struct{}), raw: make(chan *preblockv1.Preblock, 16), From: make(chan uint64, 1024),
	}
}

// Fix fixes the next preblock for a request.
func (d *DSN) Fix(requestID string, tx ...byte) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := Preblock(uint64(len(d.fixed)+1), requestID, tx...)
	d.put(p)
	return p
}

// Put fixes a preblock as it is, whatever it holds: its number is to be the next one.
func (d *DSN) Put(p *preblockv1.Preblock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(p)
}

// Replace shows another preblock for a number that is fixed.
func (d *DSN) Replace(p *preblockv1.Preblock) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fixed[p.GetContent().GetNumber()-1] = p
}

func (d *DSN) put(p *preblockv1.Preblock) {
	d.fixed = append(d.fixed, p)
	close(d.change)
	d.change = make(chan struct{})
}

// FixHidden fixes the next preblock, but streams skip it: it is to be had by GetPreblock, or by Send.
func (d *DSN) FixHidden(requestID string) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := Preblock(uint64(len(d.fixed)+1), requestID)
	d.fixed = append(d.fixed, p)
	d.hidden = p.Content.Number
	return p
}

// Send puts a preblock on one stream, out of turn; the stream goes on behind it.
func (d *DSN) Send(p *preblockv1.Preblock) { d.raw <- p }

// Break ends every stream; Down also refuses calls, until Up.
func (d *DSN) Break() { d.set(d.down) }

// Down makes the DSN unreachable.
func (d *DSN) Down() { d.set(true) }

// Up makes it reachable again.
func (d *DSN) Up() { d.set(false) }

func (d *DSN) set(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
	close(d.broken)
	d.broken = make(chan struct{})
}

// Wait makes the DSN say why it fixes nothing; "" that nothing is in the way.
func (d *DSN) Wait(reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = reason
}

// visible is what a stream sends by itself.
func (d *DSN) visible(number uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return number > d.hidden
}

func (d *DSN) get(number uint64) (p *preblockv1.Preblock, broken, change chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, nil, nil, status.Error(codes.Unavailable, "down")
	}
	if number >= 1 && number <= uint64(len(d.fixed)) {
		p = d.fixed[number-1]
	}
	return p, d.broken, d.change, nil
}

// GetStatus implements the service.
func (d *DSN) GetStatus(context.Context, *dsnv1.GetStatusRequest) (*dsnv1.GetStatusResponse, error) {
	if _, _, _, err := d.get(0); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	last := uint64(len(d.fixed))
	return &dsnv1.GetStatusResponse{LastNumber: last, AcceptedNumber: last, Waiting: d.waits}, nil
}

// GetPreblock implements the service.
func (d *DSN) GetPreblock(_ context.Context, r *dsnv1.GetPreblockRequest) (*dsnv1.GetPreblockResponse, error) {
	p, _, _, err := d.get(r.GetNumber())
	if err == nil && p == nil {
		err = status.Errorf(codes.NotFound, "preblock %d is not fixed yet", r.GetNumber())
	}
	return &dsnv1.GetPreblockResponse{Preblock: p}, err
}

// StreamPreblocks implements the service.
func (d *DSN) StreamPreblocks(r *dsnv1.StreamPreblocksRequest, out grpc.ServerStreamingServer[dsnv1.StreamPreblocksResponse]) error {
	d.From <- r.GetFromNumber()
	_, broken, _, err := d.get(0)
	for number := r.GetFromNumber(); err == nil; {
		var p *preblockv1.Preblock
		var change chan struct{}
		if p, _, change, err = d.get(number); err != nil {
			break
		}
		if p != nil && d.visible(number) {
			err = out.Send(&dsnv1.StreamPreblocksResponse{Preblock: p})
			number++
			continue
		}
		select {
		case <-change:
		case p := <-d.raw:
			err = out.Send(&dsnv1.StreamPreblocksResponse{Preblock: p})
			number = max(number, p.GetContent().GetNumber()+1)
		case <-broken:
			err = status.Error(codes.Unavailable, "broken")
		case <-out.Context().Done():
			err = out.Context().Err()
		}
	}
	return err
}
