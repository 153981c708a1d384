package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/engine"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// What may wait between the stream and the chain.
const (
	waitingPreblocks = 256
	waitingBytes     = 16 << 20
)

// errGap is a stream that leaves numbers out; it is reopened.
var errGap = errors.New("the stream left a preblock out")

// received is a preblock on its way to the chain.
type received struct {
	preblock *preblockv1.Preblock
	bytes    int64
}

// session follows one stream until it breaks.
func (f *Follower) session(ctx context.Context, head uint64) error {
	last, err := f.lastFixed(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx) // the stream ends with the first of the three that does
	stream, err := f.Monitor.StreamPreblocks(ctx, &preblockv1.StreamPreblocksRequest{FromNumber: head + 1})
	if err != nil {
		return interruption(fmt.Errorf("stream preblocks from %d: %w", head+1, err))
	}
	f.began(head, last)
	f.lookBehind()
	f.Slog.DebugContext(ctx, "following", "from", head+1, "fixed", last)
	in := &inlet{waiting: make(chan received, waitingPreblocks), budget: semaphore.NewWeighted(waitingBytes)}
	g.Go(func() error { in.fill(ctx, stream); return nil })
	g.Go(func() error { return f.drain(ctx, in) })
	g.Go(func() error { return f.watch(ctx) })
	return g.Wait()
}

// inlet is what has been received and is not yet applied.
type inlet struct {
	waiting chan received
	budget  *semaphore.Weighted
	broken  error // why waiting was closed
}

// fill receives until the stream breaks.
func (in *inlet) fill(ctx context.Context, stream grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse]) {
	defer close(in.waiting)
	for {
		answer, err := stream.Recv()
		if err != nil {
			in.broken = classify(fmt.Errorf("stream preblocks: %w", err))
			return
		}
		one := received{preblock: answer.GetPreblock(), bytes: min(int64(proto.Size(answer)), waitingBytes)}
		if in.broken = interruption(in.budget.Acquire(ctx, one.bytes)); in.broken != nil {
			return
		}
		select {
		case in.waiting <- one:
		case <-ctx.Done():
			in.broken = interruption(ctx.Err())
			return
		}
	}
}

// drain applies what is received, to the last of it also when the stream has broken: a stream that breaks often still
// brings this replica on.
func (f *Follower) drain(ctx context.Context, in *inlet) error {
	reported := time.Now()
	for one := range in.waiting {
		if err := f.take(ctx, one.preblock); err != nil {
			return err
		}
		in.budget.Release(one.bytes)
		f.lookBehind()
		if time.Since(reported) >= tellEvery {
			reported = time.Now()
			f.tell(ctx)
		}
	}
	return in.broken
}

// lookBehind notices that this replica is far behind, or near again.
func (f *Follower) lookBehind() {
	lag := f.lag()
	if f.Behind == nil || f.far == (lag > far) || (f.far && lag > near) {
		return
	}
	f.far = !f.far
	f.Behind(f.far)
}

// lastFixed asks how far the DSN is.
func (f *Follower) lastFixed(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := f.Monitor.GetStatus(ctx, &preblockv1.GetStatusRequest{})
	if err != nil {
		return 0, interruption(fmt.Errorf("ask the monitor for the last preblock: %w", err))
	}
	if answer.GetHalted() != "" {
		return 0, &engine.Error{Kind: engine.Alarm, Err: fmt.Errorf("ask the monitor for the last preblock: %s", answer.GetHalted())}
	}
	return answer.GetLastPreblockNumber(), nil
}

// watch asks again how far the DSN is while this replica is behind: the DSN advances meanwhile.
func (f *Follower) watch(ctx context.Context) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if f.lag() <= near {
			continue
		}
		last, err := f.lastFixed(ctx)
		if err != nil {
			return err
		}
		f.reached(last)
	}
}

// classify tells an alarm of the monitor from an interruption.
func classify(err error) error {
	if status.Code(err) == codes.FailedPrecondition { // two contents for one number
		return &engine.Error{Kind: engine.Alarm, Err: err}
	}
	return interruption(err)
}

// take makes a preblock the head. Once the log has it, it is applied even if ctx ends.
func (f *Follower) take(ctx context.Context, p *preblockv1.Preblock) error {
	if err := ctx.Err(); err != nil {
		return interruption(err)
	}
	head, number := f.Engine.Head(), p.GetContent().GetNumber()
	switch {
	case number != 0 && number <= head.Number:
		return nil
	case number > head.Number+1:
		return interruption(fmt.Errorf("%w: %d after %d", errGap, number, head.Number))
	}
	block, err := f.Engine.Follow(ctx, p, nil)
	if err != nil && engine.KindOf(err) == engine.Refusal { // a delayed transaction is not known here
		raws, failed := f.Supply(ctx, number)
		if failed != nil {
			return interruption(fmt.Errorf("%w (%w)", err, failed))
		}
		given := make(map[content.Hash][]byte, len(raws))
		for _, raw := range raws {
			given[content.Keccak(raw)] = raw
		}
		block, err = f.Engine.Follow(ctx, p, given)
	}
	if err != nil {
		return err
	}
	f.applied(number)
	f.Slog.DebugContext(ctx, "block followed", "number", number, "request_id", p.GetRequestId(), "transactions", block.Transactions)
	return nil
}

// interruption is an error after which following begins again.
func interruption(err error) error {
	if err == nil {
		return nil
	}
	return &engine.Error{Kind: engine.Interrupt, Err: err}
}
