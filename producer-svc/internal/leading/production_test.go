package leading

import (
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/logrecord"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"blindseq/kit/lock"
	"blindseq/kit/redistest"
	"blindseq/producer-svc/internal/demand"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/section"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// go-ethereum's, one for each process, and those of the database of its unused p2p, which linger after a close.
		goleak.IgnoreAnyFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"),
	)
}

func TestForceMakesAnEmptyBlock(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	w.run(t)
	result, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
	if err != nil || result.Number != 1 || result.Transactions != 0 {
		t.Fatalf("got %+v, %v", result, err)
	}
	w.checkHistory(t)
}

func TestARepeatedRequestIsAnsweredWithItsFirstBlock(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	stop := w.run(t)
	first, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil || again != first {
			t.Fatalf("got %+v, %v, want %+v", again, err, first)
		}
	}
	stop()
	if again, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil || again != first {
		t.Fatalf("while not leading: got %+v, %v", again, err)
	}
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "b"}); !errors.Is(err, demand.ErrNotServing) {
		t.Fatalf("a new one while not leading: %v", err)
	}
}

func TestTimeBetweenBlocksNoneMakesNoBlockByItself(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{ready: func() bool { return true }})
	w.order.Content = func() (txs, delayed [][]byte) { return [][]byte{{1}}, nil }
	w.run(t)
	w.changed <- struct{}{}
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if served := w.order.Served(); len(served) != 1 || served[0] != "a" {
		t.Fatalf("requests made: %v", served)
	}
}

// The callers' and the loop's sections run over the real lock, in two Lockers as after a change of leader.
func TestProduceBlockNeverLosesItsEventToTheLoopNorTheLoopToIt(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, t.TempDir(), nil, nil, options{
			lock: func(w *world) sections.Lock {
				return sections.ConsumptionLock{
					Locker:  lock.New(r.Client, lock.Options{Name: "consumption", TTL: 3 * time.Second, Holder: "p"}),
					Written: w.log.LastToken, Known: func() uint64 { return 0 },
				}
			},
			between: time.Millisecond,
			ready:   func() bool { return true },
		})
		var mu sync.Mutex
		proposals := 0
		w.order.Content = func() (txs, delayed [][]byte) { // every other proposal is empty
			mu.Lock()
			defer mu.Unlock()
			if proposals++; proposals%2 == 0 {
				return [][]byte{fmt.Append(nil, proposals)}, nil
			}
			return nil, nil
		}
		stop := w.run(t)
		const callers, rounds = 16, 4
		results := map[string]demand.Result{}
		for k := range rounds {
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					id := fmt.Sprintf("call-%d-%d", i, k)
					result, err := w.Callers.Produce(t.Context(), demand.Request{ID: id})
					mu.Lock()
					defer mu.Unlock()
					if results[id] = result; err != nil {
						t.Errorf("%s: %v", id, err)
					}
				})
			}
			wg.Wait()
			served := len(w.order.Served())
			fakes.WaitFor(t, func() bool { return len(w.order.Served()) > served }) // the loop's turn: as long as callers wait it has none
		}
		stop()
		w.checkHistory(t)
		for id, result := range results {
			rec, err := w.log.Get(result.Number)
			if err != nil || rec.GetRequestId() != id {
				t.Errorf("%s was answered with blueprint %d, which is %s's", id, result.Number, rec.GetRequestId())
			}
		}
		events := map[string]int{}
		for _, id := range w.order.Served() {
			if events[id]++; events[id] > 1 {
				t.Errorf("request %s was served twice", id)
			}
		}
		if loops := len(events) - callers*rounds; loops < rounds {
			t.Errorf("the loop got in %d times", loops)
		}
	})
}

// A stopped lead releases the lock: the next section does not wait for the lease to end.
func TestAnEndedLeadLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	block := make(chan struct{})
	w.order.Fail = func(method string) error {
		if method == "next" {
			close(block)
			w.order.Fail = func(string) error { return status.Error(codes.Unavailable, "away") }
		}
		return nil
	}
	stop := w.run(t)
	answer := make(chan error, 1)
	w.order.Head = func() section.Head { return section.Head{Number: 41} } // its preblock never comes
	go func() {
		_, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
		answer <- err
	}()
	<-block
	stop()
	if err := <-answer; !errors.Is(err, demand.ErrNotServing) {
		t.Fatalf("got %v", err)
	}
	held, err := w.lock.Acquire(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestALostLockIsRegainedAndTheRequestServedOnce(t *testing.T) {
	var w *world
	losses := map[string]int{"request": 1, "await": 2, "append": 1, "apply": 1, "notify": 1}
	w = newWorld(t, t.TempDir(), nil, nil, options{wrap: func(next sections.Performer) sections.Performer {
		return performerFunc(func(ctx context.Context, s *sections.Session, e section.Effect) section.Event {
			if losses[e.Name()] > 0 {
				losses[e.Name()]--
				w.lock.Lose()
			}
			return next.Perform(ctx, s, e)
		})
	}})
	w.run(t)
	for i := range 6 {
		id := fmt.Sprint("r-", i)
		result, err := w.Callers.Produce(t.Context(), demand.Request{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := w.log.Get(result.Number); err != nil || rec.GetRequestId() != id {
			t.Fatalf("%s was answered with blueprint %d", id, result.Number)
		}
	}
	for name, left := range losses {
		if left != 0 {
			t.Errorf("the lock was not lost before %s", name)
		}
	}
	w.checkHistory(t)
}

type performerFunc func(ctx context.Context, s *sections.Session, e section.Effect) section.Event

func (f performerFunc) Perform(ctx context.Context, s *sections.Session, e section.Effect) section.Event {
	return f(ctx, s, e)
}

func TestAWipedRedisCostsTimeOnly(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	w.run(t)
	var once sync.Once
	w.order.Fail = func(method string) error {
		if method == "next" {
			once.Do(w.order.Wipe) // the request, and what is in flight, are forgotten
		}
		return nil
	}
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	w.checkHistory(t)
}

func TestUnreachableServicesAreRetriedUntilTheyAreBack(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	var mu sync.Mutex
	left := map[string]int{"request": 3, "next": 3, "notify": 3, "get": 3}
	w.order.Fail = func(method string) error {
		mu.Lock()
		defer mu.Unlock()
		if left[method] > 0 {
			left[method]--
			return status.Error(codes.Unavailable, "away")
		}
		return nil
	}
	w.run(t)
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	w.checkHistory(t)
}

func TestAConflictHaltsProductionUntilARestart(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	w.run(t)
	w.order.Fail = func(method string) error {
		if method == "next" {
			return status.Error(codes.FailedPrecondition, "two contents for number 1")
		}
		return nil
	}
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); !errors.Is(err, sections.ErrHalted) {
		t.Fatalf("got %v", err)
	}
	calls := w.order.Calls("request")
	w.order.Fail = func(string) error { return nil }
	if _, err := w.Callers.Produce(t.Context(), demand.Request{ID: "b"}); !errors.Is(err, sections.ErrHalted) {
		t.Fatalf("after it: got %v", err)
	}
	if w.order.Calls("request") != calls || w.health.Ready()["production"] == "" || w.guard.Reason() == "" {
		t.Fatal("production was not halted")
	}
}

func TestDelayedTransactionsStallProductionUntilTheyAreKnown(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	w.run(t)
	raw := []byte("a delayed transaction")
	hash := (&delayedTxs{raw: map[[32]byte][]byte{}}).add(raw)
	w.order.Fix(fakes.Preblock(w.chain.Head(), &proposalv1.RequestProposalRequest{}, [][]byte{{1}}, [][]byte{hash[:]}))
	_, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
	if !errors.Is(err, logrecord.ErrUnknownDelayed) || w.health.Ready()["production"] == "" || w.log.Last() != 0 {
		t.Fatalf("got %v", err)
	}
	w.delayed.add(raw)
	result, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
	if err != nil || result.Number != 2 || w.health.Ready()["production"] != "" {
		t.Fatalf("got %+v, %v, %v", result, err, w.health.Ready())
	}
	rec, err := w.log.Get(1)
	if err != nil || len(rec.GetDelayedTransactions()) != 1 || string(rec.GetDelayedTransactions()[0].GetRaw()) != string(raw) {
		t.Fatalf("record %v, %v", rec, err)
	}
}

func TestMissedPreblocksAreAppliedBeforeLeading(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	ahead := fakes.NewChain()
	const missed = 50
	for range missed {
		p := fakes.Preblock(ahead.Head(), &proposalv1.RequestProposalRequest{RequestId: fmt.Sprint("old-", ahead.Head().Number)}, [][]byte{{1}}, nil)
		w.order.Fix(p)
		if _, err := ahead.Apply(t.Context(), recordOf(p), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.run(t)
	if head := w.chain.Head(); head != ahead.Head() {
		t.Fatalf("caught up to %d, want %d", head.Number, missed)
	}
	if got := w.order.Calls("notify"); got != 1 {
		t.Errorf("the proposer was told %d times, once is enough", got)
	}
	if result, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"}); err != nil || result.Number != missed+1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	w.checkHistory(t)
}

func TestNoPreblockReasonReachesTheCaller(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	w.run(t)
	w.Sections = sectionsFunc(func(context.Context, section.Request) section.Result {
		return section.Result{Kind: section.Empty, Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED}
	})
	result, err := w.Callers.Produce(t.Context(), demand.Request{ID: "a"})
	if err != nil || result.Number != 0 || result.Reason != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED {
		t.Fatalf("got %+v, %v", result, err)
	}
}

type sectionsFunc func(ctx context.Context, r section.Request) section.Result

func (f sectionsFunc) Run(ctx context.Context, r section.Request) section.Result { return f(ctx, r) }
