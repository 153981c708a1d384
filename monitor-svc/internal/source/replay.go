package source

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"blindseq/monitor-svc/merge"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// Replay calls each with the DSN's preblocks from a number on, in order, until each says that it has enough or fails.
// Signatures and openings, which cost most, are verified some preblocks ahead on all processors. A slow each slows the stream.
func Replay(ctx context.Context, cfg Config, from uint64, each func(merge.Arrived) (enough bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &replay{cfg: cfg, next: from, ahead: make(chan *lookedAt, 4*runtime.GOMAXPROCS(0)), work: make(chan *lookedAt)}
	defer r.running.Wait()
	defer cancel()
	stream, err := cfg.DSN.StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: from})
	if err != nil {
		return fmt.Errorf("replay preblocks from %d: %w", from, err)
	}
	r.running.Go(func() { r.receive(ctx, stream) })
	for range runtime.GOMAXPROCS(0) {
		r.running.Go(func() { r.examine(ctx) })
	}
	for one := range r.ahead {
		select {
		case <-one.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if one.err != nil {
			return one.err
		}
		a, err := link(ctx, cfg, one.examined)
		if err != nil {
			return err
		}
		a.Asked = true
		if enough, err := each(a); enough || err != nil {
			return err
		}
	}
	return fmt.Errorf("replay preblocks from %d: %w", from, r.broken)
}

// replay is a stream whose preblocks are examined ahead.
type replay struct {
	cfg     Config
	next    uint64
	ahead   chan *lookedAt // in order
	work    chan *lookedAt
	broken  error // why ahead was closed
	running sync.WaitGroup
}

// lookedAt is a preblock that is being examined; err and examined are there when done is closed.
type lookedAt struct {
	preblock *preblockv1.Preblock
	number   uint64
	done     chan struct{}
	examined examined
	err      error
}

// receive hands out what comes until the stream breaks.
func (r *replay) receive(ctx context.Context, stream grpc.ServerStreamingClient[dsnv1.StreamPreblocksResponse]) {
	defer close(r.ahead)
	defer close(r.work)
	for ; ; r.next++ {
		res, err := stream.Recv()
		if err != nil {
			r.broken = err
			return
		}
		one := &lookedAt{preblock: res.GetPreblock(), number: r.next, done: make(chan struct{})}
		for _, to := range []chan *lookedAt{r.ahead, r.work} {
			select {
			case to <- one:
			case <-ctx.Done():
				return // no caller waits for it any more
			}
		}
	}
}

func (r *replay) examine(ctx context.Context) {
	for one := range r.work {
		if one.err = is(one.preblock, one.number); one.err == nil {
			one.examined, one.err = examine(r.cfg, one.preblock)
		}
		close(one.done)
	}
}
