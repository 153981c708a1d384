package apigw

import (
	"context"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/kit/leader"
	"blindseq/kit/redistest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// heldNow is how many calls wait for the leader.
func heldNow(t *testing.T, s *Service) (n float64) {
	t.Helper()
	families, err := s.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "blindseq_gateway_held_calls" {
			n = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return n
}

// The leader tells its callers that it leads no more and goes; the next one has the block of the request.
func TestCallsUnderWayWhenTheLeaderGoesAreAnsweredByTheNext(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		one, two := fakes.Start(t), fakes.Start(t)
		rpcOne, rpcTwo := fakes.StartRPC(t, "one"), fakes.StartRPC(t, "two")
		leaving := make(chan struct{})
		one.OnProduce(func(ctx context.Context, _ *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
			<-leaving
			return nil, status.Error(codes.Unavailable, "not the leading producer")
		})
		cfg := cfgFor(t, r.URL, one)
		cfg.HoldTimeout = 20 * time.Second
		s, _ := run(t, cfg)
		end := lead(t, r, leader.Endpoint{GRPC: one.Addr, RPC: rpcOne.Addr()})
		until(t, "a leader", ready(s))

		type answer struct {
			code int
			text string
		}
		produced, sent := make(chan answer, 1), make(chan answer, 1)
		go func() {
			code, text := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", "", "Idempotency-Key", "k1")
			produced <- answer{code, text}
		}()
		until(t, "the call at the leader", func() bool { return len(one.Calls()) == 1 })
		close(leaving)
		end()
		one.Stop()
		rpcOne.Stop()
		go func() {
			code, text := post(t, "http://"+s.RPCAddr(), `{"id":1}`)
			sent <- answer{code, text}
		}()
		until(t, "held calls", func() bool { return heldNow(t, s) == 2 })
		lead(t, r, leader.Endpoint{GRPC: two.Addr, RPC: rpcTwo.Addr()})
		if a := <-produced; a.code != 200 || !strings.Contains(a.text, `"k1"`) || len(two.Calls()) != 1 || two.Calls()[0].GetRequestId() != "k1" {
			t.Errorf("produce_block: %d %s, the next was asked %v", a.code, a.text, two.Calls())
		}
		if a := <-sent; a.code != 200 || !strings.Contains(a.text, "two") {
			t.Errorf("JSON-RPC: %d %s", a.code, a.text)
		}
		if held := heldNow(t, s); held != 0 {
			t.Errorf("%v calls are held", held)
		}
	})
}

func TestAStopAnswersWhatIsHeld(t *testing.T) {
	r, f := redistest.Mini(t), fakes.Start(t)
	cfg := cfgFor(t, r.URL, f)
	cfg.HoldTimeout = time.Hour
	s, stop := run(t, cfg)
	code := make(chan int, 1)
	go func() {
		c, _ := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", "")
		code <- c
	}()
	until(t, "a held call", func() bool { return heldNow(t, s) == 1 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if c := <-code; c != 503 {
		t.Errorf("got %d", c)
	}
}
