package proposer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/dsntest"
	"blindseq/kit/grpckit"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	"blindseq/kit/testaddr"
	"blindseq/proposer-svc/internal/fakes"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// childConfig, in the environment, makes the test binary a proposer that a test can kill: redis, DSN, monitor, address.
const childConfig = "PROPOSER_TEST_CHILD"

func TestMain(m *testing.M) {
	otel.SetTextMapPropagator(propagation.TraceContext{}) // as telemetry.Start does
	if c := os.Getenv(childConfig); c != "" {
		f := strings.Fields(c)
		cfg := testConfig(f[0], f[1], f[2])
		cfg.GRPCAddress = f[3]
		if err := Run(context.Background(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func testConfig(redisURL, dsn, monitor string) Config {
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		panic(err)
	}
	cfg.GRPCAddress, cfg.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
	cfg.RedisURL, cfg.DSN, cfg.Monitor = redisURL, dsn, monitor
	cfg.LeaseTTL, cfg.AttemptTimeout = 500*time.Millisecond, 300*time.Millisecond
	return cfg
}

// world is everything around a proposer: Redis, and the other services faked and served over gRPC.
type world struct {
	t            testing.TB
	redis        redistest.Redis
	producer     *fakes.Producer
	dsn          *dsntest.DSN
	monitor      *fakes.Monitor
	dsnAddress   string
	monitorAddr  string
	traceparents chan string
}

func newWorld(t testing.TB, r redistest.Redis) *world {
	w := &world{
		t: t, redis: r, producer: &fakes.Producer{}, dsn: dsntest.New(), monitor: fakes.NewMonitor(), traceparents: make(chan string, 64),
	}
	producer := serve(t, func(s grpc.ServiceRegistrar) { blueprintv1.RegisterProducerServiceServer(s, w.producer) })
	w.dsnAddress = serve(t, func(s grpc.ServiceRegistrar) { dsnv1.RegisterSequencerServiceServer(s, w.dsn) }, w.recordTrace)
	w.monitorAddr = serve(t, func(s grpc.ServiceRegistrar) { preblockv1.RegisterMonitorServiceServer(s, w.monitor) })
	locker := lock.New(r.NewClient(t), lock.Options{Name: rediskeys.ProducerLease, TTL: time.Minute})
	background(t, func(ctx context.Context) error {
		return leader.Campaign(ctx, locker, leader.Endpoint{GRPC: producer}, func(ctx context.Context, _ uint64) error {
			<-ctx.Done()
			return nil
		})
	})
	return w
}

func (w *world) recordTrace(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if md, _ := metadata.FromIncomingContext(ctx); strings.HasSuffix(info.FullMethod, "SubmitProposal") {
		select {
		case w.traceparents <- strings.Join(md.Get("traceparent"), ","):
		default: // nobody asks for so many
		}
	}
	return next(ctx, req)
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

func serve(t testing.TB, register func(grpc.ServiceRegistrar), interceptors ...grpc.UnaryServerInterceptor) string {
	t.Helper()
	s, err := grpckit.NewServer(grpckit.ServerConfig{Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Unary: interceptors})
	if err != nil {
		t.Fatal(err)
	}
	register(s.Registrar())
	background(t, s.Run)
	return s.Addr()
}

// replica starts a proposer in this process.
func (w *world) replica() (c proposalv1.ProposerServiceClient, stop func()) {
	w.t.Helper()
	s, err := New(w.t.Context(), testConfig(w.redis.URL, w.dsnAddress, w.monitorAddr), slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	address, _ := s.Addresses()
	stop = background(w.t, s.Run)
	return w.client(address), stop
}

func (w *world) client(address string) proposalv1.ProposerServiceClient {
	w.t.Helper()
	conn, err := grpckit.Dial(address, config.TLS{}, grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return proposalv1.NewProposerServiceClient(conn)
}

func (w *world) request(c proposalv1.ProposerServiceClient, id string, force bool) proposalv1.RequestState {
	w.t.Helper()
	ctx := metadata.AppendToOutgoingContext(w.t.Context(), "traceparent", traceOf(id))
	res, err := c.RequestProposal(ctx, &proposalv1.RequestProposalRequest{
		RequestId: id, Timestamp: &timestamppb.Timestamp{Seconds: 100}, Force: force, Token: 1,
	})
	if err != nil {
		w.t.Fatalf("request %s: %v", id, err)
	}
	return res.State
}

func traceOf(id string) string {
	return "00-" + strings.Repeat("ab", 15) + "0" + id[len(id)-1:] + "-1112131415161718-01"
}

func (w *world) applied(c proposalv1.ProposerServiceClient, id string, number uint64) {
	w.t.Helper()
	w.producer.Change(func(c *fakes.Chain) { c.Head = number })
	if _, err := c.NotifyProcessed(w.t.Context(), &proposalv1.NotifyProcessedRequest{RequestId: id, Number: number}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) expectSubmission(id string, number uint64) *dsnv1.SubmitProposalRequest {
	w.t.Helper()
	s := receive(w.t, w.dsn.Submitted, "submission of "+id)
	if s.RequestId != id || s.Content.Number != number {
		w.t.Fatalf("submission %v, want request %s, number %d", s, id, number)
	}
	return s
}

func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

func TestARequestBecomesAProposalAndItsTraceGoesOn(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		c, _ := w.replica()
		if s := w.request(c, "r1", true); s != proposalv1.RequestState_REQUEST_STATE_QUEUED {
			t.Errorf("answered %s", s)
		}
		w.expectSubmission("r1", 1)
		if got := receive(t, w.traceparents, "trace"); !strings.HasPrefix(got, traceOf("r1")[:35]) {
			t.Errorf("the submission's trace is %q, the request's was %q", got, traceOf("r1"))
		}
		w.applied(c, "r1", 1)
		w.request(c, "r2", false)
		n := receive(t, w.monitor.Notices, "notice")
		if n.RequestId != "r2" || n.Reason != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY {
			t.Errorf("notice %v", n)
		}
		if s := w.request(c, "r1", true); s != proposalv1.RequestState_REQUEST_STATE_PROCESSED {
			t.Errorf("a repeat of r1 is answered %s", s)
		}
	})
}

func TestAnyReplicaTakesRequestsAndOneSubmits(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a, _ := w.replica()
		b, _ := w.replica()
		for n, c := range []proposalv1.ProposerServiceClient{a, b, b, a} {
			id := string(rune('a' + n))
			w.request(c, "r"+id, true)
			w.expectSubmission("r"+id, uint64(n+1))
			w.applied(b, "r"+id, uint64(n+1))
		}
		list, err := b.ListProposals(t.Context(), &proposalv1.ListProposalsRequest{Limit: 3})
		if err != nil || len(list.Requests) != 3 || list.Requests[0].RequestId != "rd" || list.Requests[0].Number != 4 {
			t.Errorf("list %v, %v", list, err)
		}
		active := 0
		for _, c := range []proposalv1.ProposerServiceClient{a, b} {
			s, err := c.GetStatus(t.Context(), &proposalv1.GetStatusRequest{})
			if err != nil || s.Queued != 0 || s.InFlight != nil {
				t.Errorf("status %v, %v", s, err)
			}
			if s.GetActive() {
				active++
			}
		}
		if active != 1 {
			t.Errorf("%d replicas are active", active)
		}
	})
}

func TestTakeoverOfAnActiveProposerThatStopped(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		a, stop := w.replica()
		w.request(a, "r1", true)
		w.expectSubmission("r1", 1)
		b, _ := w.replica()
		w.request(b, "r2", true)
		stop()
		w.applied(b, "r1", 1)
		w.expectSubmission("r2", 2)
	})
}

func TestTakeoverOfAKilledActiveProposer(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		address := testaddr.Next(t)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childConfig+"="+strings.Join([]string{r.URL, w.dsnAddress, w.monitorAddr, address}, " "))
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		w.dsn.Lose(100) // whatever it submits is lost
		w.request(w.client(address), "r1", true)
		first := w.expectSubmission("r1", 1)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		for len(w.dsn.Submitted) > 0 {
			first = <-w.dsn.Submitted
		}
		w.dsn.Lose(0)
		c, _ := w.replica()
		w.request(c, "r2", true)
		r.FastForward(600 * time.Millisecond) // the lease of the dead
		again := w.expectSubmission("r1", 1)
		if again.Attempt <= first.Attempt {
			t.Errorf("attempt %d after attempt %d", again.Attempt, first.Attempt)
		}
		w.applied(c, "r1", 1)
		w.expectSubmission("r2", 2)
	})
}

func TestRedisRestartedOrWipedIsSurvived(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		w := newWorld(t, r)
		c, _ := w.replica()
		w.request(c, "r1", true)
		w.expectSubmission("r1", 1)
		r.Stop(t)
		_, err := c.RequestProposal(t.Context(), &proposalv1.RequestProposalRequest{RequestId: "r2", Timestamp: &timestamppb.Timestamp{}})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("without Redis: %v", err)
		}
		r.Start(t)
		r.FastForward(time.Second)
		w.applied(c, "r1", 1)
		w.request(c, "r2", true)
		w.expectSubmission("r2", 2)
	})
}

func TestBadArgumentsAreRefusedAndChangeNothing(t *testing.T) {
	r := redistest.Mini(t)
	w := newWorld(t, r)
	c, _ := w.replica()
	now := &timestamppb.Timestamp{Seconds: 1}
	for name, req := range map[string]*proposalv1.RequestProposalRequest{
		"no id":            {Timestamp: now},
		"bad id":           {RequestId: "a b", Timestamp: now},
		"overlong id":      {RequestId: strings.Repeat("x", 129), Timestamp: now},
		"no timestamp":     {RequestId: "a"},
		"fraction":         {RequestId: "a", Timestamp: &timestamppb.Timestamp{Nanos: 1}},
		"before 1970":      {RequestId: "a", Timestamp: &timestamppb.Timestamp{Seconds: -1}},
		"after year 9999":  {RequestId: "a", Timestamp: &timestamppb.Timestamp{Seconds: 1 << 40}},
		"newline in an id": {RequestId: "a\n", Timestamp: now},
	} {
		if _, err := c.RequestProposal(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, req := range []*proposalv1.NotifyProcessedRequest{{RequestId: "a"}, {}, {RequestId: "a b", Number: 1}} {
		if _, err := c.NotifyProcessed(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: got %v", req, err)
		}
	}
	list, err := c.ListProposals(t.Context(), &proposalv1.ListProposalsRequest{Limit: 1 << 31})
	if err != nil || len(list.Requests) != 0 {
		t.Errorf("afterwards %v, %v", list, err)
	}
}

func TestAFullFIFORefusesOneMore(t *testing.T) {
	r := redistest.Mini(t)
	w := newWorld(t, r)
	w.producer.Change(func(c *fakes.Chain) { c.Err = status.Error(codes.Unavailable, "away") })
	cfg := testConfig(r.URL, w.dsnAddress, w.monitorAddr)
	cfg.MaxQueue = 2
	s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	background(t, s.Run)
	address, _ := s.Addresses()
	c := w.client(address)
	w.request(c, "r1", true)
	w.request(c, "r2", true)
	_, err = c.RequestProposal(t.Context(), &proposalv1.RequestProposalRequest{RequestId: "r3", Timestamp: &timestamppb.Timestamp{}})
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("got %v", err)
	}
	if got := w.request(c, "r1", true); got != proposalv1.RequestState_REQUEST_STATE_QUEUED {
		t.Errorf("a repeat with a full FIFO is answered %s", got)
	}
}

// BenchmarkRequestToDSN is the time from a caller's RequestProposal to the proposal's arrival at the DSN, on the active
// replica with a real Redis.
func BenchmarkRequestToDSN(b *testing.B) {
	r := redistest.Real(b)
	w := newWorld(b, r)
	c, _ := w.replica()
	n := uint64(0)
	for b.Loop() {
		n++
		id := "r" + strconv.FormatUint(n, 10)
		w.request(c, id, true)
		w.expectSubmission(id, n)
		b.StopTimer()
		w.applied(c, id, n)
		b.StartTimer()
	}
}
