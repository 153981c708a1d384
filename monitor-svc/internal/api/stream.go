package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/monitor-svc/internal/source"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// StreamPreblocks implements the service. A subscriber is a number and nothing else: what it needs next is taken from
// the preblocks kept, or replayed from the DSN when it is further behind, so a slow one costs no memory.
func (s *Service) StreamPreblocks(req *preblockv1.StreamPreblocksRequest, out grpc.ServerStreamingServer[preblockv1.StreamPreblocksResponse]) error {
	if req.GetFromNumber() == 0 {
		return fmt.Errorf("stream preblocks: %w: number 0, the first is 1", ErrBadRequest)
	}
	f := feed{s: s, out: out, number: req.GetFromNumber()}
	for {
		if err := f.step(out.Context()); err != nil {
			return fmt.Errorf("stream preblocks, at %d: %w", f.number, err)
		}
	}
}

type feed struct {
	s      *Service
	out    grpc.ServerStreamingServer[preblockv1.StreamPreblocksResponse]
	number uint64 // needed next
}

func (f *feed) step(ctx context.Context) error {
	p, next, moved, err := f.s.Waiters.At(f.number)
	switch {
	case err != nil:
		return err
	case p != nil:
		return f.send(p)
	case next == 0:
		return awaitDSN(ctx, moved)
	case f.number < next:
		return f.replay(ctx)
	}
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// firstReach is how long a stream that begins together with its monitor waits for the DSN. After it the subscriber may try another
// monitor.
const firstReach = 2 * time.Second

// awaitDSN waits until the DSN is reached for the first time.
func awaitDSN(ctx context.Context, moved <-chan struct{}) error {
	timer := time.NewTimer(firstReach)
	defer timer.Stop()
	select {
	case <-moved:
		return nil
	case <-timer.C:
		return status.Error(codes.Unavailable, "the DSN was not reached yet")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *feed) send(p *preblockv1.Preblock) error {
	if err := f.out.Send(&preblockv1.StreamPreblocksResponse{Preblock: p}); err != nil {
		return err
	}
	f.number++
	return nil
}

// replay sends from the DSN's log until the next one is among those kept.
func (f *feed) replay(ctx context.Context) error {
	var ours error // what is wrong with us or the caller, not with the DSN
	err := source.Replay(ctx, f.s.Source, f.number, func(a merge.Arrived) (enough bool, err error) {
		f.s.Waiters.Do(a) // it is compared with what was seen of this number
		kept, next, _, halted := f.s.Waiters.At(f.number)
		if ours = halted; ours != nil || kept != nil {
			return true, ours
		}
		if ours = f.send(a.Preblock); ours != nil {
			return true, ours
		}
		return f.number >= next, nil
	})
	switch {
	case ours != nil:
		return ours
	case err == nil, errors.Is(err, merge.ErrForged):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return viaDSN(err)
}
