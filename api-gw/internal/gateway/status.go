package gateway

import (
	"context"
	"strings"
	"sync"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/grpc/status"
)

// parts is what the services answered; a part that did not answer is nil and has an error at its place.
type parts struct {
	producer *blueprintv1.GetStatusResponse
	proposer *proposalv1.GetStatusResponse
	monitor  *preblockv1.GetStatusResponse
	errs     [3]error
}

// GetStatus asks all parts at once and returns what they answered. It does not fail when a part does.
func (s *Server) GetStatus(ctx context.Context, _ *gatewayv1.GetStatusRequest) (*gatewayv1.GetStatusResponse, error) {
	p := s.ask(ctx)
	out := &gatewayv1.GetStatusResponse{}
	var halted []string
	if r := p.producer; r != nil {
		describeProducer(out, r)
		halted = append(halted, r.Halted)
	}
	if r := p.proposer; r != nil {
		out.Queue = &gatewayv1.Queue{Queued: r.Queued}
		if r.InFlight != nil {
			out.Queue.InFlight = proposal(r.InFlight)
		}
	}
	if r := p.monitor; r != nil {
		out.Dsn = &gatewayv1.Dsn{Connected: r.DsnConnected, LastPreblockNumber: r.LastPreblockNumber, Waiting: r.DsnWaiting, AcceptedNumber: r.DsnAcceptedNumber}
		halted = append(halted, r.Halted)
	}
	out.Halted = joinNonEmpty(halted)
	for i, name := range [...]string{"producer", "proposer", "monitor"} {
		if err := p.errs[i]; err != nil {
			out.Errors = append(out.Errors, &gatewayv1.PartError{Part: name, Error: status.Convert(err).Message()})
		}
	}
	return out, nil
}

// Standstill is the reason why no block can be made now, as monitor-svc sees it; "" when no reason is known.
func (s *Server) Standstill(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Status)
	defer cancel()
	r, err := s.backends.Monitor.GetStatus(ctx, &preblockv1.GetStatusRequest{})
	switch {
	case err != nil:
		return "monitor-svc does not answer: " + status.Convert(err).Message()
	case r.GetHalted() != "":
		return "halted: " + r.GetHalted()
	case !r.GetDsnConnected():
		return "monitor-svc has no stream from the DSN"
	}
	return r.GetDsnWaiting()
}

func (s *Server) ask(ctx context.Context) (p parts) {
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Status)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		p.producer, p.errs[0] = s.backends.Producer.GetStatus(ctx, &blueprintv1.GetStatusRequest{})
	})
	wg.Go(func() {
		p.proposer, p.errs[1] = s.backends.Proposer.GetStatus(ctx, &proposalv1.GetStatusRequest{})
	})
	wg.Go(func() {
		p.monitor, p.errs[2] = s.backends.Monitor.GetStatus(ctx, &preblockv1.GetStatusRequest{})
	})
	wg.Wait()
	return p
}

func describeProducer(out *gatewayv1.GetStatusResponse, r *blueprintv1.GetStatusResponse) {
	out.ChainId = r.ChainId
	out.Head = &gatewayv1.Head{Number: r.HeadNumber, Hash: hexBytes(r.HeadHash), Timestamp: r.HeadTimestamp}
	out.Pool = &gatewayv1.Pool{
		Locked: r.PoolLocked, Pending: r.PoolPending, Queued: r.PoolQueued, DelayedTransactions: r.DelayedTransactions,
	}
	for _, lock := range r.PoolLocks {
		out.Pool.LockedBy = append(out.Pool.LockedBy, enumName(lock.String(), "POOL_LOCK_"))
	}
	if p := r.Publication; p != nil {
		out.Rollup = &gatewayv1.Rollup{PushedNumber: p.PushedNumber, ConfirmedNumber: p.ConfirmedNumber}
	}
	out.Lock = &gatewayv1.Lock{Holder: r.LockHolder, Token: r.LockToken}
}

// joinNonEmpty joins the reasons that there are, each once.
func joinNonEmpty(reasons []string) string {
	var out []string
	seen := map[string]bool{"": true}
	for _, r := range reasons {
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return strings.Join(out, "; ")
}
