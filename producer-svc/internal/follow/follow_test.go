package follow_test

import (
	"blindseq/kit/ops"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/logrecord"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// replica is a follower over a real log and a fake chain, of a DSN that a test fills.
type replica struct {
	*follow.Follower
	deps      follow.Deps
	order     *fakes.Server
	ahead     *fakes.Chain // where the DSN is
	chain     *fakes.Chain
	log       *bplog.Log
	published atomic.Uint64
	alarms    chan error
	end       *engine.End
}

func newReplica(t *testing.T, change func(r *replica)) *replica {
	t.Helper()
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(order.Stop)
	conn, err := grpc.NewClient(order.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &replica{order: order, ahead: fakes.NewChain(), chain: fakes.NewChain(), alarms: make(chan error, 8)}
	if r.log, err = bplog.Open(filepath.Join(t.TempDir(), "log"), bplog.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	r.end = engine.NewEnd(ops.NewHealth())
	r.deps = follow.Deps{
		Monitor: preblockv1.NewMonitorServiceClient(conn), Engine: r.engineOn(r.chain, r.log),
		Supply: func(context.Context, uint64) ([][]byte, error) { return nil, errors.New("nobody has it") },
		Alarm:  func(err error) { r.alarms <- err }, Slog: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(r)
	}
	r.Follower = follow.New(r.deps)
	return r
}

func (r *replica) Publish(number uint64) {
	if !r.published.CompareAndSwap(number-1, number) {
		panic(fmt.Sprintf("published %d after %d", number, r.published.Load()))
	}
}

// engineOn is a real engine over a chain and a log.
func (r *replica) engineOn(chain engine.Chain, log engine.Log) *engine.Engine {
	return engine.New(engine.Deps{Log: log, Chain: chain, Delayed: nothing{}, Publisher: r, End: r.end})
}

type nothing struct{}

func (nothing) Raw(content.Hash) ([]byte, bool, error) { return nil, false, nil }

// fix has the DSN fix n more numbers.
func (r *replica) fix(t *testing.T, n int) {
	t.Helper()
	for range n {
		head := r.ahead.Head()
		p := fakes.Preblock(head, &proposalv1.RequestProposalRequest{RequestId: fmt.Sprint("r-", head.Number)}, [][]byte{{1}}, nil)
		rec, err := logrecord.Of(p, logrecord.Parent{Hash: head.Hash}, nothing{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ahead.Apply(t.Context(), rec, nil); err != nil {
			t.Fatal(err)
		}
		r.order.Fix(p)
	}
}

func (r *replica) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func (r *replica) reach(t *testing.T) {
	t.Helper()
	fakes.WaitFor(t, func() bool { return r.published.Load() == r.ahead.Head().Number })
	if r.chain.Head() != r.ahead.Head() || r.log.Last() != r.ahead.Head().Number {
		t.Fatalf("chain %d, log %d, the DSN is at %d", r.chain.Head().Number, r.log.Last(), r.ahead.Head().Number)
	}
}

func TestWhatTheDSNFixedIsAppliedAndThenFollowed(t *testing.T) {
	r := newReplica(t, nil)
	r.fix(t, 300)
	r.run(t)
	r.reach(t)
	r.fix(t, 5)
	r.reach(t)
	if err := r.Await(t.Context()); err != nil || !r.May() {
		t.Errorf("at the head: %v, may lead %v", err, r.May())
	}
	if calls := r.order.Calls("get"); calls != 0 || r.order.Calls("stream") != 1 {
		t.Errorf("%d single calls, %d streams", calls, r.order.Calls("stream"))
	}
	rec, err := r.log.Get(300)
	if err != nil || !rec.GetFollowed() || rec.GetToken() != 0 {
		t.Errorf("record %v, %v", rec, err)
	}
}

// breaking ends every stream after some preblocks.
type breaking struct {
	follow.Monitor
	after int
	from  *[]uint64
}

func (b breaking) StreamPreblocks(ctx context.Context, r *preblockv1.StreamPreblocksRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse], error) {
	*b.from = append(*b.from, r.GetFromNumber())
	s, err := b.Monitor.StreamPreblocks(ctx, r, o...)
	return &brokenStream{ServerStreamingClient: s, left: b.after}, err
}

type brokenStream struct {
	grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse]
	left int
}

func (s *brokenStream) Recv() (*preblockv1.StreamPreblocksResponse, error) {
	if s.left == 0 {
		return nil, errors.New("cut")
	}
	s.left--
	return s.ServerStreamingClient.Recv()
}

func TestABrokenStreamIsResumedFromTheNextNumberNeeded(t *testing.T) {
	var from []uint64
	r := newReplica(t, func(r *replica) { r.deps.Monitor = breaking{r.deps.Monitor, 7, &from} })
	r.fix(t, 60)
	r.run(t)
	r.reach(t)
	fakes.WaitFor(t, func() bool { return r.May() })
	for i := 1; i < len(from); i++ {
		if from[i] < from[i-1] || from[i] > from[i-1]+7 {
			t.Fatalf("streams began at %v", from)
		}
	}
}

func TestAPreblockThatCannotFollowIsAnAlarmAndNothingIsWritten(t *testing.T) {
	r := newReplica(t, nil)
	r.fix(t, 3)
	r.order.Fix(fakes.Preblock(section.Head{Number: 3, Hash: content.Hash{9}}, &proposalv1.RequestProposalRequest{}, nil, nil))
	r.run(t)
	if err := <-r.alarms; !errors.Is(err, section.ErrBadPreblock) {
		t.Fatalf("got %v", err)
	}
	if r.log.Last() != 3 || r.published.Load() != 3 || len(r.alarms) != 0 || r.May() {
		t.Fatalf("log %d, published %d, %d more alarms", r.log.Last(), r.published.Load(), len(r.alarms))
	}
}

// failing is a log whose disk fails at the first record.
type failing struct {
	*bplog.Log
	failed *atomic.Bool
}

func (f failing) BeginFollowed(rec *blueprintv1.LogRecord, head content.Hash, token uint64) (func() error, error) {
	durable, err := f.Log.BeginFollowed(rec, head, token)
	if err != nil || !f.failed.CompareAndSwap(false, true) {
		return durable, err
	}
	return func() error { return errors.Join(wal.ErrBroken, durable()) }, nil
}

// ended is the error that the process would end with; nil if it would go on.
func (r *replica) ended() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 { // of two ready cases, one is taken at random
		if err := r.end.Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

func TestALogThatCannotBeWrittenEndsTheProcessAndIsNoAlarm(t *testing.T) {
	var failed atomic.Bool
	r := newReplica(t, func(r *replica) { r.deps.Engine = r.engineOn(r.chain, failing{r.log, &failed}) })
	r.fix(t, 2)
	r.run(t)
	r.reach(t)
	if !failed.Load() || len(r.alarms) != 0 {
		t.Fatalf("failed: %v, %d alarms", failed.Load(), len(r.alarms))
	}
	if err := r.ended(); !errors.Is(err, wal.ErrBroken) {
		t.Fatalf("the process ends with %v", err)
	}
}

// onceBroken is a chain whose database fails at the first execution.
type onceBroken struct {
	*fakes.Chain
	failed atomic.Bool
}

func (c *onceBroken) Apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	if c.failed.CompareAndSwap(false, true) {
		return section.Block{}, fmt.Errorf("%w: no space left on device", chain.ErrBroken)
	}
	return c.Chain.Apply(ctx, rec, durable)
}

// TestAChainThatCannotBeWrittenEndsTheProcessAndIsNoAlarm: a standby that takes the lead after an alarm would halt until a
// person has looked, for a disk that a restart may find in order.
func TestAChainThatCannotBeWrittenEndsTheProcessAndIsNoAlarm(t *testing.T) {
	r := newReplica(t, func(r *replica) {
		r.deps.Engine = r.engineOn(&onceBroken{Chain: r.chain}, r.log)
	})
	r.fix(t, 2)
	r.run(t)
	fakes.WaitFor(t, func() bool { now, _ := r.Progress(); return now.Err != nil })
	if err := r.ended(); !errors.Is(err, chain.ErrBroken) || len(r.alarms) != 0 || !r.May() {
		t.Fatalf("the process ends with %v; %d alarms; it may lead: %v", err, len(r.alarms), r.May())
	}
}

func TestNothingIsWrittenWhileTheLogIsHeldAndFollowingGoesOnFromTheMovedHead(t *testing.T) {
	r := newReplica(t, nil)
	r.fix(t, 20)
	r.run(t)
	r.reach(t)
	release, err := r.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.fix(t, 2)
	for n := uint64(21); n <= 22; n++ { // the holder does it
		p, err := r.order.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: n})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := logrecord.Of(p.GetPreblock(), logrecord.Parent{}, nothing{})
		if err != nil {
			t.Fatal(err)
		}
		rec.Token, rec.Holder = n, "me"
		head := r.chain.Head()
		if err := r.log.Append(rec, head.Hash); err != nil {
			t.Fatalf("while held: %v", err)
		}
		if _, err := r.chain.Apply(t.Context(), rec, nil); err != nil {
			t.Fatal(err)
		}
		r.Publish(n)
	}
	release()
	r.fix(t, 10)
	r.reach(t)
	rec, err := r.log.Get(30)
	if err != nil || rec.GetToken() != 22 || rec.GetHolder() != "me" {
		t.Errorf("a followed record after token 22: %v, %v", rec, err)
	}
}

func TestAnUnknownDelayedTransactionIsHadFromAnotherReplicaAndNoOtherIsTaken(t *testing.T) {
	raw := []byte("a delayed transaction")
	hash := content.Keccak(raw)
	var mu sync.Mutex
	given := [][]byte{[]byte("something else")}
	r := newReplica(t, func(r *replica) {
		r.deps.Supply = func(context.Context, uint64) ([][]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return given, nil
		}
	})
	r.order.Fix(fakes.Preblock(r.ahead.Head(), &proposalv1.RequestProposalRequest{}, nil, [][]byte{hash[:]}))
	r.run(t)
	fakes.WaitFor(t, func() bool { now, _ := r.Progress(); return errors.Is(now.Err, logrecord.ErrUnknownDelayed) })
	if r.log.Last() != 0 {
		t.Fatal("written without it")
	}
	mu.Lock()
	given = append(given, raw)
	mu.Unlock()
	fakes.WaitFor(t, func() bool { return r.published.Load() == 1 })
	rec, err := r.log.Get(1)
	if err != nil || string(rec.GetDelayedTransactions()[0].GetRaw()) != string(raw) {
		t.Fatalf("record %v, %v", rec, err)
	}
}

// slow is a chain whose first Apply waits.
type slow struct {
	*fakes.Chain
	next chan struct{}
}

func (s slow) Apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	<-s.next
	return s.Chain.Apply(ctx, rec, durable)
}

// counting counts what was taken from the stream.
type counting struct {
	follow.Monitor
	received *atomic.Int64
}

func (c counting) StreamPreblocks(ctx context.Context, r *preblockv1.StreamPreblocksRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse], error) {
	s, err := c.Monitor.StreamPreblocks(ctx, r, o...)
	return countedStream{s, c.received}, err
}

type countedStream struct {
	grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse]
	received *atomic.Int64
}

func (s countedStream) Recv() (*preblockv1.StreamPreblocksResponse, error) {
	answer, err := s.ServerStreamingClient.Recv()
	if err == nil {
		s.received.Add(1)
	}
	return answer, err
}

func TestAStreamWaitsForASlowChainAndSaysHowFarItIs(t *testing.T) {
	var received atomic.Int64
	held := make(chan struct{})
	r := newReplica(t, func(r *replica) {
		r.deps.Engine, r.deps.Monitor = r.engineOn(slow{r.chain, held}, r.log), counting{r.deps.Monitor, &received}
	})
	const fixed = 1200
	r.fix(t, fixed)
	r.run(t)
	fakes.WaitFor(t, func() bool { return received.Load() > 256 })
	now, _ := r.Progress()
	if now.Reason() != "catching up: 0 of 1,200" || r.May() {
		t.Errorf("%q, may lead %v", now.Reason(), r.May())
	}
	held <- struct{}{}
	fakes.WaitFor(t, func() bool { now, _ := r.Progress(); return now.Reason() == "catching up: 1 of 1,200" })
	if n := received.Load(); n > 256+4 {
		t.Errorf("%d were taken from the stream ahead of the chain", n)
	}
	close(held)
	r.reach(t)
	if now, _ := r.Progress(); now.Reason() != "" {
		t.Errorf("at the head: %q", now.Reason())
	}
}
