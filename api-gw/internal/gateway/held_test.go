package gateway_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/hold"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type unrecorded struct{}

func (unrecorded) Held(string, int)                        {}
func (unrecorded) Repeat(string, string)                   {}
func (unrecorded) HoldEnded(string, string, time.Duration) {}

// holding is a server that holds calls for so long at most, and the services behind it.
func holding(t *testing.T, timeout time.Duration) (*gateway.Server, *fakes.Services) {
	t.Helper()
	f := fakes.Start(t)
	room := hold.New(hold.Config{Timeout: timeout, Max: 8, Recorder: unrecorded{}, Log: slog.New(slog.DiscardHandler)})
	line := func(name string) *hold.Line { return room.Line(t.Context(), hold.Backend{Name: name}) }
	return gateway.New(f.Backends(t), gateway.Timeouts{Produce: 20 * time.Second, Call: 2 * time.Second, Status: time.Second},
		gateway.Lines{Leader: line("leader"), Proposer: line("proposer"), Monitor: line("monitor")}, slog.New(slog.DiscardHandler)), f
}

func TestAHeldProduceBlockIsRepeatedWithTheSameIdAndGivesOneBlock(t *testing.T) {
	s, f := holding(t, 20*time.Second)
	var made atomic.Pointer[blueprintv1.ProduceBlockResponse]
	var tries atomic.Int64
	f.OnProduce(func(_ context.Context, r *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
		switch tries.Add(1) {
		case 1:
			return nil, status.Error(codes.Unavailable, "not the leading producer")
		case 2: // the block is made, and its answer lost
			made.Store(&blueprintv1.ProduceBlockResponse{RequestId: r.GetRequestId(), Result: &blueprintv1.ProduceBlockResponse_Block{
				Block: &blueprintv1.ProducedBlock{Number: 7, Hash: fakes.Hash(7)},
			}})
			return nil, status.Error(codes.Unavailable, "the connection broke")
		case 3: // a server that stopped in the middle
			return nil, status.Error(codes.Canceled, "context canceled")
		}
		return made.Load(), nil
	})
	res, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{})
	if err != nil || res.GetBlock().GetNumber() != 7 {
		t.Fatalf("got %v, %v", res, err)
	}
	calls := f.Calls()
	for _, c := range calls {
		if !proto.Equal(c, calls[0]) || c.GetRequestId() != res.RequestId {
			t.Errorf("asked %v, then %v", calls[0], c)
		}
	}
	if len(calls) != 4 {
		t.Errorf("asked %d times", len(calls))
	}
}

func TestWhatIsTheSameWhoeverIsAskedIsNotRepeated(t *testing.T) {
	for _, code := range []codes.Code{
		codes.InvalidArgument, codes.FailedPrecondition, codes.ResourceExhausted, codes.AlreadyExists, codes.Internal, codes.Unauthenticated, codes.PermissionDenied,
	} {
		s, f := holding(t, 20*time.Second)
		var tries atomic.Int64
		f.OnProduce(func(context.Context, *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
			tries.Add(1)
			return nil, status.Error(code, "because")
		})
		if _, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{}); err == nil || tries.Load() != 1 {
			t.Errorf("%s: asked %d times, %v", code, tries.Load(), err)
		}
	}
}

func TestACallHeldInVainSaysSo(t *testing.T) {
	s, f := holding(t, 200*time.Millisecond)
	f.Fail("producer", status.Error(codes.Unavailable, "not the leading producer"))
	_, err := s.ProduceBlock(withKey(t.Context(), "k1"), &gatewayv1.ProduceBlockRequest{})
	st := status.Convert(err)
	if st.Code() != codes.Unavailable || !strings.HasPrefix(st.Message(), "produce block (request k1): not the leading producer; held for ") ||
		!strings.HasSuffix(st.Message(), " times") {
		t.Errorf("got %v", err)
	}
}

// away is a producer that serves nothing, and takes no time to say so.
type away struct {
	blueprintv1.ProducerServiceClient
}

func (away) ProduceBlock(context.Context, *blueprintv1.ProduceBlockRequest, ...grpc.CallOption) (*blueprintv1.ProduceBlockResponse, error) {
	return nil, status.Error(codes.Unavailable, "away")
}

func TestTheEndOfProduceTimeoutWhileHeldIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in real time it could end in the middle of a repeat
		room := hold.New(hold.Config{Timeout: time.Minute, Max: 8, Recorder: unrecorded{}, Log: slog.New(slog.DiscardHandler)})
		s := gateway.New(gateway.Backends{Producer: away{}}, gateway.Timeouts{Produce: 5 * time.Second, Call: time.Second, Status: time.Second},
			gateway.Lines{Leader: room.Line(t.Context(), hold.Backend{Name: "leader"})}, slog.New(slog.DiscardHandler))
		began := time.Now()
		if _, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{}); status.Code(err) != codes.Unavailable || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

func TestEveryCallIsHeldWhileItsServiceIsAway(t *testing.T) {
	s, f := holding(t, 20*time.Second)
	f.Advance(3)
	for name, c := range map[string]struct {
		part string
		call func() error
	}{
		"blueprint": {"producer", func() error {
			_, err := s.GetBlueprint(t.Context(), &gatewayv1.GetBlueprintRequest{Number: 1})
			return err
		}},
		"preblock": {"monitor", func() error {
			_, err := s.GetPreblock(t.Context(), &gatewayv1.GetPreblockRequest{Number: 1})
			return err
		}},
		"proposals": {"proposer", func() error { _, err := s.ListProposals(t.Context(), &gatewayv1.ListProposalsRequest{}); return err }},
		"lock":      {"producer", func() error { _, err := s.LockPool(t.Context(), nil); return err }},
		"unlock":    {"producer", func() error { _, err := s.UnlockPool(t.Context(), nil); return err }},
		"delayed": {"producer", func() error {
			_, err := s.AddDelayedTransaction(t.Context(), &gatewayv1.AddDelayedTransactionRequest{Raw: "0x01"})
			return err
		}},
	} {
		f.Fail(c.part, status.Error(codes.Unavailable, "away"))
		before, done := f.Asked(c.part), make(chan error, 1)
		go func() { done <- c.call() }()
		until(t, func() bool { return f.Asked(c.part) >= before+2 || len(done) == 1 })
		f.Fail(c.part, nil)
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// until polls for what comes by itself.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(10 * time.Second); !ok(); {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("it did not come to that")
		}
	}
}

func TestADelayedTransactionWhoseFirstTryGotIntoABlockIsASuccess(t *testing.T) {
	s, f := holding(t, 20*time.Second)
	f.Fail("producer", status.Error(codes.Unavailable, "the connection broke"))
	done := make(chan error, 1)
	var res *gatewayv1.AddDelayedTransactionResponse
	go func() {
		var err error
		res, err = s.AddDelayedTransaction(t.Context(), &gatewayv1.AddDelayedTransactionRequest{Raw: "0x68656c6c6f"})
		done <- err
	}()
	until(t, func() bool { return f.Asked("producer") > 0 })
	f.Fail("producer", status.Error(codes.AlreadyExists, "transaction is in a block already: 3"))
	if err := <-done; err != nil || res.Hash != "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8" {
		t.Errorf("got %v, %v", res, err)
	}
	if _, err := s.AddDelayedTransaction(t.Context(), &gatewayv1.AddDelayedTransactionRequest{Raw: "0x01"}); status.Code(err) != codes.AlreadyExists {
		t.Errorf("the first try: %v", err)
	}
}
