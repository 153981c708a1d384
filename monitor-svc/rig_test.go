package monitor

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/dsntest"
	"blindseq/kit/grpckit"
	"blindseq/kit/redistest"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	empty  = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY
	locked = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED

	patience = 20 * time.Second
)

// world is a DSN, faked and served over gRPC, and a Redis.
type world struct {
	t     testing.TB
	redis redistest.Redis
	dsn   *dsntest.DSN
	// committee is the file that replicas check preblocks with; none when empty
	committee string
	address   string
}

func newWorld(t testing.TB, r redistest.Redis) *world {
	t.Helper()
	w := &world{t: t, redis: r, dsn: dsntest.New()}
	s, err := grpckit.NewServer(grpckit.ServerConfig{Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	dsnv1.RegisterSequencerServiceServer(s.Registrar(), w.dsn)
	background(t, s.Run)
	w.address = s.Addr()
	return w
}

// background runs f until the test ends, or the returned function is called.
func background(t testing.TB, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stopped with: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// replica is a monitor in this process, and a client of it.
type replica struct {
	preblockv1.MonitorServiceClient
	t    testing.TB
	s    *Service
	stop func()
}

func (w *world) replica() *replica {
	w.t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		w.t.Fatal(err)
	}
	cfg.GRPCAddress, cfg.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
	cfg.RedisURL, cfg.DSN = w.redis.URL, w.address
	cfg.NextTimeout, cfg.CommitteeFile = patience, w.committee
	s, err := New(w.t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	stop := background(w.t, s.Run)
	address, _ := s.Addresses()
	conn, err := grpckit.Dial(address, config.TLS{}, grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return &replica{MonitorServiceClient: preblockv1.NewMonitorServiceClient(conn), t: w.t, s: s, stop: stop}
}

// following waits until a stream from the DSN was made, and returns where it begins.
func (w *world) following() uint64 { return receive(w.t, w.dsn.From, "stream from the DSN") }

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

type answer struct {
	event *preblockv1.Event
	err   error
}

// next calls Next in the background and returns when it is waiting, or has its answer.
func (r *replica) next(request string, number uint64) <-chan answer {
	r.t.Helper()
	before := r.waiters()
	out := make(chan answer, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := r.Next(r.t.Context(), &preblockv1.NextRequest{RequestId: request, Number: number})
		out <- answer{res.GetEvent(), err}
	}()
	r.eventually("a waiter", func() bool {
		select {
		case <-done:
			return true
		default:
			return r.waiters() > before
		}
	})
	return out
}

func (r *replica) waiters() uint32 {
	r.t.Helper()
	return r.status().GetWaiters()
}

func (r *replica) status() *preblockv1.GetStatusResponse {
	r.t.Helper()
	res, err := r.GetStatus(r.t.Context(), &preblockv1.GetStatusRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *replica) eventually(what string, cond func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (r *replica) notify(request string, reason preblockv1.NoPreblockReason) error {
	_, err := r.NotifyNoPreblock(r.t.Context(), &preblockv1.NotifyNoPreblockRequest{RequestId: request, Reason: reason})
	return err
}

func (r *replica) expectPreblock(from <-chan answer, number uint64, request string) {
	r.t.Helper()
	a := receive(r.t, from, "event")
	if p := a.event.GetPreblock(); a.err != nil || p.GetContent().GetNumber() != number || p.GetRequestId() != request {
		r.t.Fatalf("got %v, want preblock %d of %s", a, number, request)
	}
}

func (r *replica) expectNoPreblock(from <-chan answer, request string, reason preblockv1.NoPreblockReason) {
	r.t.Helper()
	a := receive(r.t, from, "event")
	if n := a.event.GetNoPreblock(); a.err != nil || n.GetRequestId() != request || n.GetReason() != reason {
		r.t.Fatalf("got %v, want %s for %s", a, reason, request)
	}
}

func (r *replica) stream(from uint64) grpc.ServerStreamingClient[preblockv1.StreamPreblocksResponse] {
	r.t.Helper()
	s, err := r.StreamPreblocks(r.t.Context(), &preblockv1.StreamPreblocksRequest{FromNumber: from})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func seconds(s float64) *durationpb.Duration {
	return durationpb.New(time.Duration(s * float64(time.Second)))
}
