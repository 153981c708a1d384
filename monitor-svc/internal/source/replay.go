package source

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"blindseq/monitor-svc/merge"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// What a replay has received and not given out yet.
const (
	replayAhead = 256
	replayBytes = 16 << 20
	longestRun  = 64 // preblocks that are examined together
)

// Replay calls each with the DSN's preblocks from a number on, in order, until each says that it has enough or fails.
// Signatures and openings, which cost most, are verified some preblocks ahead on all processors; those that have come already are
// examined together, which needs the signatures of one of them only. A slow each slows the stream.
func Replay(ctx context.Context, cfg Config, from uint64, each func(merge.Arrived) (enough bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &replay{
		cfg: cfg, next: from, ahead: make(chan *lookedAt, replayAhead), work: make(chan *lookedAt, longestRun),
		budget: semaphore.NewWeighted(replayBytes),
	}
	defer r.running.Wait()
	defer cancel()
	stream, err := cfg.DSN.StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: from})
	if err != nil {
		return fmt.Errorf("replay preblocks from %d: %w", from, err)
	}
	r.running.Go(func() { r.receive(ctx, stream) })
	for range runtime.GOMAXPROCS(0) {
		r.running.Go(r.examine)
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
		r.budget.Release(one.bytes)
	}
	return fmt.Errorf("replay preblocks from %d: %w", from, r.broken)
}

// replay hands preblocks to examiners and keeps their order.
type replay struct {
	cfg     Config
	next    uint64
	ahead   chan *lookedAt // in order
	work    chan *lookedAt // in order
	taking  sync.Mutex     // of one examiner: what it takes from work is consecutive
	budget  *semaphore.Weighted
	broken  error // why ahead was closed
	running sync.WaitGroup
}

// lookedAt is a preblock that is being examined.
type lookedAt struct {
	preblock *preblockv1.Preblock
	number   uint64
	bytes    int64
	done     chan struct{}
	examined examined
	err      error
}

func (r *replay) receive(ctx context.Context, stream grpc.ServerStreamingClient[dsnv1.StreamPreblocksResponse]) {
	defer close(r.ahead)
	defer close(r.work)
	for ; ; r.next++ {
		res, err := stream.Recv()
		if err != nil {
			r.broken = err
			return
		}
		one := &lookedAt{
			preblock: res.GetPreblock(), number: r.next, done: make(chan struct{}), bytes: min(int64(proto.Size(res)), replayBytes),
		}
		if r.broken = r.budget.Acquire(ctx, one.bytes); r.broken != nil {
			return // no caller waits for it any more
		}
		for _, to := range []chan *lookedAt{r.ahead, r.work} {
			select {
			case to <- one:
			case <-ctx.Done():
				return // no caller waits for it any more
			}
		}
	}
}

func (r *replay) examine() {
	for {
		run := r.take()
		if len(run) == 0 {
			return
		}
		if !r.together(run) {
			for _, one := range run {
				r.alone(one)
			}
		}
		for _, one := range run {
			close(one.done)
		}
	}
}

// take waits for a preblock, and takes those after it that are there already. There is none when the stream has ended.
func (r *replay) take() (run []*lookedAt) {
	r.taking.Lock()
	defer r.taking.Unlock()
	one, ok := <-r.work
	for ok {
		if run = append(run, one); len(run) == longestRun {
			break
		}
		select {
		case one, ok = <-r.work:
		default:
			return run
		}
	}
	return run
}

// together examines a run at once. It reports whether all of it is sound.
func (r *replay) together(run []*lookedAt) bool {
	preblocks := make([]*preblockv1.Preblock, len(run))
	for i, one := range run {
		preblocks[i] = one.preblock
		if one.err = is(one.preblock, one.number); one.err != nil {
			return false
		}
		if one.examined.Arrived, one.err = merge.Verify(one.preblock); one.err != nil {
			return false
		}
	}
	statements, err := r.cfg.Check.ExamineRun(preblocks)
	if err != nil {
		return false
	}
	for i, one := range run {
		one.examined.statement = statements[i]
	}
	return true
}

// alone examines one of a run of which something is not sound.
func (r *replay) alone(one *lookedAt) {
	if one.err = is(one.preblock, one.number); one.err == nil {
		one.examined, one.err = examine(r.cfg, one.preblock)
	}
}
