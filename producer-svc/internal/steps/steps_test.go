package steps

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"blindseq/producer-svc/internal/rpc"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc"
)

// world is what a tracker asks, as a test sets it.
type world struct {
	mu      sync.Mutex
	at      map[common.Hash]rpc.Standing
	ordered map[common.Hash]*preblockv1.Final
	fails   error // of Ordered, once
	streams chan *stream
}

func (w *world) set(hash common.Hash, at rpc.Standing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[hash] = at
}

func (w *world) Status(hash common.Hash) (rpc.Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, known := w.at[hash]
	if !known {
		at.State = "unknown"
	}
	return at, nil
}

func (w *world) Ordered(_ context.Context, hash common.Hash, _ uint64) (*preblockv1.Final, int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.fails
	w.fails = nil
	return w.ordered[hash], 0, err
}

// stream is one that the tracker has open.
type stream struct {
	grpc.ClientStream
	ctx    context.Context
	finals chan *preblockv1.Final
}

func (s *stream) Recv() (*preblockv1.StreamFinalResponse, error) {
	select {
	case f, open := <-s.finals:
		if !open {
			return nil, io.EOF
		}
		return &preblockv1.StreamFinalResponse{Final: f}, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (w *world) StreamFinal(ctx context.Context, _ *preblockv1.StreamFinalRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[preblockv1.StreamFinalResponse], error) {
	s := &stream{ctx: ctx, finals: make(chan *preblockv1.Final)}
	w.streams <- s
	return s, nil
}

func newWorld(t *testing.T) (*world, *Tracker) {
	t.Helper()
	w := &world{at: map[common.Hash]rpc.Standing{}, ordered: map[common.Hash]*preblockv1.Final{}, streams: make(chan *stream, 1)}
	tracker := New(Deps{
		Status: w.Status, Ordered: w.Ordered, Index: func(common.Hash) (uint32, bool) { return 5, true }, Monitor: w, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = tracker.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return w, tracker
}

// finalOf is a content that has a transaction at index 1.
func finalOf(number uint64, raw []byte) *preblockv1.Final {
	return &preblockv1.Final{
		Content:     &preblockv1.Content{Number: number, Transactions: [][]byte{{1}, raw}},
		ContentHash: crypto.Keccak256(raw), Certificate: &preblockv1.Certificate{Number: number},
	}
}

// follower gathers the steps of a transaction.
type follower struct {
	mu    sync.Mutex
	steps []*blueprintv1.TransactionStep
	ended chan error
}

func follow(ctx context.Context, tracker *Tracker, hash common.Hash) *follower {
	f := &follower{ended: make(chan error, 1)}
	go func() {
		f.ended <- tracker.Follow(ctx, hash, func(one *blueprintv1.TransactionStep) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.steps = append(f.steps, one)
			return nil
		})
	}()
	return f
}

// got are the names of the steps so far, once everything has come to rest.
func (f *follower) got() (names []string) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.steps {
		names = append(names, strings.ToLower(strings.TrimPrefix(one.GetKind().String(), "STEP_KIND_")))
	}
	return names
}

func (f *follower) require(t *testing.T, want ...string) {
	t.Helper()
	if got := f.got(); !slices.Equal(got, want) {
		t.Fatalf("steps %v, not %v", got, want)
	}
}

func TestEachStepIsToldOnceAndInOrderAsItHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, tracker := newWorld(t)
		raw := []byte{0x5e, 7}
		id, inside := crypto.Keccak256Hash(raw), common.Hash{8}
		f := follow(t.Context(), tracker, id)
		finals := (<-w.streams).finals
		f.require(t)
		w.set(id, rpc.Standing{State: "sealed"})
		tracker.Changed(id)
		tracker.Changed(id, id) // nothing new
		f.require(t, "sealed")
		finals <- finalOf(4, []byte{9}) // another's
		f.require(t, "sealed")
		finals <- finalOf(5, raw) // its status is not changed by this
		f.require(t, "sealed", "final")
		w.set(id, rpc.Standing{State: "opened", Number: 5, Transaction: inside})
		tracker.Decided(&blueprintv1.LogRecord{Sealed: []*blueprintv1.SealedRecord{{Id: id[:], TransactionHash: inside[:]}}})
		tracker.Final(finalOf(5, raw))
		f.require(t, "sealed", "final", "opened")
		w.set(id, rpc.Standing{State: "executed", Number: 5, Transaction: inside})
		tracker.Changed(id)
		f.require(t, "sealed", "final", "opened", "executed")
		if err := <-f.ended; err != nil {
			t.Error(err)
		}
		if final := f.steps[1]; final.GetNumber() != 5 || final.GetPosition() != 1 || final.GetFinal().GetCertificate() == nil {
			t.Errorf("final: %v", final)
		}
		if executed := f.steps[3]; executed.GetIndex() != 5 || common.Hash(executed.GetTransactionHash()) != inside {
			t.Errorf("executed: %v", executed)
		}
	})
}

func TestWhoComesLateIsToldWhatHasHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, tracker := newWorld(t)
		for i, c := range []struct {
			at   rpc.Standing
			want []string
		}{
			{rpc.Standing{State: "included", Number: 3}, []string{"pending", "final", "executed"}},
			{rpc.Standing{State: "skipped", Number: 3}, []string{"pending", "final", "ended"}},
			{rpc.Standing{State: "dropped"}, []string{"pending", "ended"}},
			{rpc.Standing{State: "ended"}, []string{"sealed", "ended"}},
			{rpc.Standing{State: "ended", Number: 3}, []string{"sealed", "final", "ended"}},
			{rpc.Standing{State: "ended", Number: 3, Transaction: common.Hash{1}}, []string{"sealed", "final", "opened", "ended"}},
			{rpc.Standing{State: "executed", Number: 3, Transaction: common.Hash{1}}, []string{"sealed", "final", "opened", "executed"}},
		} {
			hash := common.Hash{byte(i)}
			w.set(hash, c.at)
			w.ordered[hash] = finalOf(3, []byte{byte(i)})
			w.fails = errors.New("the monitor does not answer") // once
			f := follow(t.Context(), tracker, hash)
			if err := <-f.ended; err != nil {
				t.Error(err)
			}
			f.require(t, c.want...)
			w.fails = nil
		}
	})
}

func TestAnInnerHashIsFollowedAsASealedTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, tracker := newWorld(t)
		inside := common.Hash{8}
		w.ordered[inside] = &preblockv1.Final{Content: &preblockv1.Content{Number: 3, Transactions: [][]byte{{0x5e, 1}}}, Certificate: &preblockv1.Certificate{}}
		f := follow(t.Context(), tracker, inside)
		f.require(t)
		w.set(inside, rpc.Standing{State: "included", Number: 3})
		tracker.Decided(&blueprintv1.LogRecord{Sealed: []*blueprintv1.SealedRecord{{Id: []byte{1}, TransactionHash: inside[:]}}})
		f.require(t, "sealed", "final", "executed")
	})
}

func TestTheStreamIsOpenWhileSomebodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, tracker := newWorld(t)
		synctest.Wait()
		if len(w.streams) > 0 {
			t.Error("it is open though nobody follows")
		}
		ctx, cancel := context.WithCancel(t.Context())
		f := follow(ctx, tracker, common.Hash{1})
		first := <-w.streams
		close(first.finals) // it breaks
		second := <-w.streams
		cancel()
		if err := <-f.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if tracker.Count() != 0 {
			t.Errorf("%d follow", tracker.Count())
		}
		<-second.ctx.Done() // after a while
		g := follow(t.Context(), tracker, common.Hash{1})
		third := <-w.streams
		third.finals <- finalOf(1, []byte{1})
		g.require(t)
	})
}

func TestNoMoreFollowThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, tracker := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		for i := range Followers {
			follow(ctx, tracker, common.Hash{byte(i)})
		}
		synctest.Wait()
		if err := <-follow(ctx, tracker, common.Hash{1}).ended; !errors.Is(err, ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
		cancel()
		synctest.Wait()
		if len(tracker.followed) != 0 {
			t.Errorf("%d are kept though nobody follows", len(tracker.followed))
		}
	})
}
