package producer

import (
	"sync/atomic"
	"testing"

	"blindseq/producer-svc/internal/fakes"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answered is what a ProduceBlock call came to.
type answered struct {
	response *blueprintv1.ProduceBlockResponse
	err      error
}

// ask makes a ProduceBlock call and returns when it waits at the producer, or has its answer.
func (n *node) ask(t *testing.T, id string) <-chan answered {
	t.Helper()
	done := make(chan answered, 1)
	go func() {
		response, err := n.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{RequestId: id})
		done <- answered{response, err}
	}()
	fakes.WaitFor(t, func() bool { return n.production.Callers.Waiting() == 1 || len(done) == 1 })
	return done
}

func TestAStoppedProducerTellsWhoWaitsToAskAgainAndTheNextServesTheRequestOnce(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	n := startNode(t, nil, func(o *fakes.Order) {
		o.Fail = func(method string) error {
			if method == "next" && away.Load() {
				return status.Error(codes.Unavailable, "away")
			}
			return nil
		}
	})
	waiting := n.ask(t, "in-flight")
	fakes.WaitFor(t, func() bool { return n.order.Calls("next") > 0 }) // the request is made, and its event does not come
	n.stop()
	if got := <-waiting; code(got.err) != codes.Unavailable {
		t.Fatalf("got %v, %v", got.response, got.err)
	}

	away.Store(false)
	n.start(t)
	if again := <-n.ask(t, "in-flight"); again.err != nil || again.response.GetBlock().GetNumber() != 1 {
		t.Fatalf("got %v, %v", again.response, again.err)
	}
	if s := n.status(t.Context()); s.GetHeadNumber() != 1 {
		t.Fatalf("head %d", s.GetHeadNumber())
	}
}
