package dsntest

import (
	"context"

	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StreamPreblocks implements the service.
func (d *DSN) StreamPreblocks(r *dsnv1.StreamPreblocksRequest, out grpc.ServerStreamingServer[dsnv1.StreamPreblocksResponse]) error {
	d.From <- r.GetFromNumber()
	if err := d.called(out.Context(), "StreamPreblocks"); err != nil {
		return err
	}
	return d.Stream(out.Context(), r.GetFromNumber(), func(p *preblockv1.Preblock) error {
		return out.Send(&dsnv1.StreamPreblocksResponse{Preblock: p})
	})
}

// Stream gives every preblock from a number on, and those to come, until ctx ends, streams break, or send fails.
func (d *DSN) Stream(ctx context.Context, number uint64, send func(*preblockv1.Preblock) error) error {
	broken := d.broken.Changed()
	for {
		changed := d.changed.Changed()
		if err := d.failure(); err != nil {
			return err
		}
		if p := d.visible(number); p != nil {
			if err := send(p); err != nil {
				return err
			}
			number++
			continue
		}
		select {
		case <-changed:
		case p := <-d.sent:
			if err := send(p); err != nil {
				return err
			}
			number = max(number, p.GetContent().GetNumber()+1)
		case <-broken:
			return status.Error(codes.Unavailable, "broken")
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// visible is what a stream sends unless a test interferes.
func (d *DSN) visible(number uint64) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number <= d.hidden || number == d.open {
		return nil
	}
	return d.fixed[number]
}
