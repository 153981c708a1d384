package submit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/kit/dsntest"
	"blindseq/kit/notify"
	"blindseq/kit/retry"
	"blindseq/proposer-svc/internal/fakes"
	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// memory is the state machine's own store, shared by goroutines.
type memory struct {
	mu   sync.Mutex
	m    *queuetest.Memory
	wake notify.Wake
}

func (q *memory) View(context.Context) (queue.State, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.m.View(""), nil
}

func (q *memory) Apply(_ context.Context, e queue.Event) (queue.Request, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, err := q.m.Apply(e)
	q.wake.Notify()
	return r, err
}

func (q *memory) locked(f func(*queuetest.Memory)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f(q.m)
}

func (q *memory) Refresh()              {}
func (q *memory) Wake() <-chan struct{} { return q.wake.C() }

// The fakes as clients, without a connection.
type (
	producerClient struct{ *fakes.Producer }
	monitorClient  struct{ *fakes.Monitor }
)

func (c producerClient) GetProposalContent(ctx context.Context, r *blueprintv1.GetProposalContentRequest, _ ...grpc.CallOption) (*blueprintv1.GetProposalContentResponse, error) {
	return c.Producer.GetProposalContent(ctx, r)
}

func (c monitorClient) NotifyNoPreblock(ctx context.Context, r *preblockv1.NotifyNoPreblockRequest, _ ...grpc.CallOption) (*preblockv1.NotifyNoPreblockResponse, error) {
	return c.Monitor.NotifyNoPreblock(ctx, r)
}

type deaf struct{}

func (deaf) Leading(bool)                         {}
func (deaf) Submitted(uint32, time.Duration)      {}
func (deaf) Displaced()                           {}
func (deaf) Declined(preblockv1.NoPreblockReason) {}
func (deaf) Failed(string)                        {}

// rig is a loop that leads, with everything around it faked, in a bubble of fake time.
type rig struct {
	t        *testing.T
	queue    *memory
	producer *fakes.Producer
	dsn      *dsntest.DSN
	monitor  *fakes.Monitor
	token    uint64
	stop     func()
	ended    error // what Lead is to return
}

func bubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			t: t, queue: &memory{m: queuetest.NewMemory(queue.Limits{Queued: 8}), wake: notify.NewWake()},
			producer: &fakes.Producer{}, dsn: dsntest.New(), monitor: fakes.NewMonitor(),
		}
		r.lead()
		test(r)
		r.stop()
	})
}

// lead starts a loop under the next lease, as a replica that takes over does.
func (r *rig) lead() {
	r.token++
	r.queue.locked(func(m *queuetest.Memory) { m.SetLease(r.token) })
	l := New(Deps{
		Queue: r.queue, Producer: producerClient{r.producer}, DSN: dsntest.Client{DSN: r.dsn}, Monitor: monitorClient{r.monitor},
		Observer: deaf{}, Log: slog.New(slog.DiscardHandler),
	}, Config{AttemptTimeout: 2 * time.Second, CallTimeout: time.Second, Retry: retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Lead(ctx, r.token) }()
	r.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, r.ended) {
			r.t.Errorf("lead: got %v, want %v", err, r.ended)
		}
	}
	synctest.Wait()
}

func (r *rig) stopWants(err error) { r.ended = err }

func (r *rig) request(id string, force bool) {
	r.t.Helper()
	if _, err := r.queue.Apply(r.t.Context(), queue.Enqueue{Request: queue.Request{ID: id, Timestamp: 100, Force: force}}); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// applied is the producer having applied a blueprint.
func (r *rig) applied(id string, number uint64) {
	r.t.Helper()
	r.producer.Change(func(c *fakes.Chain) { c.Head = number })
	if _, err := r.queue.Apply(r.t.Context(), queue.Applied{ID: id, Number: number}); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func (r *rig) submission() *dsnv1.SubmitProposalRequest {
	select {
	case s := <-r.dsn.Submitted:
		return s
	default:
		return nil
	}
}

func (r *rig) expectSubmission(id string, number uint64, attempt uint32) *dsnv1.SubmitProposalRequest {
	r.t.Helper()
	s := r.submission()
	if s.GetRequestId() != id || s.GetContent().GetNumber() != number || s.GetAttempt() != attempt {
		r.t.Fatalf("submission %v, want request %s, number %d, attempt %d", s, id, number, attempt)
	}
	return s
}

func (r *rig) expectQuiet() {
	r.t.Helper()
	if s := r.submission(); s != nil {
		r.t.Fatalf("unexpected submission %v", s)
	}
	if len(r.monitor.Notices) > 0 {
		r.t.Fatalf("unexpected notice %v", <-r.monitor.Notices)
	}
}

func (r *rig) expectNotice(id string, reason preblockv1.NoPreblockReason) {
	r.t.Helper()
	select {
	case n := <-r.monitor.Notices:
		if n.RequestId != id || n.Reason != reason {
			r.t.Fatalf("notice %v, want %s for %s", n, reason, id)
		}
	default:
		r.t.Fatalf("no notice for %s", id)
	}
}

func (r *rig) state(id string) queue.Phase {
	var s queue.Phase
	r.queue.locked(func(m *queuetest.Memory) {
		if known := m.View(id).Known; known != nil {
			s = known.Phase
		}
	})
	return s
}

func pass(d time.Duration) {
	time.Sleep(d) // of the bubble's time
	synctest.Wait()
}
