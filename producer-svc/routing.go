package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/producer-svc/internal/replicate"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// forwardTimeout bounds one call that hands transactions to the leader, its wait for standbys included.
const forwardTimeout = 10 * time.Second

// errNoLeader refuses a transaction that nobody can take.
var errNoLeader = errors.New("no producer leads now; try again")

// admitted is Submit at the leader: nothing is touched before there are standbys enough.
func (t transactions) admitted(ctx context.Context, hub *replicate.Hub, raws [][]byte) ([]common.Hash, []error) {
	if err := hub.Admit(ctx); err != nil {
		return refused(raws, unavailable{err})
	}
	hashes, errs := t.Submit(ctx, raws)
	for i, err := range errs {
		if errors.Is(err, replicate.ErrUnreplicated) {
			errs[i] = unavailable{err}
		}
	}
	return hashes, errs
}

// routed is transactions whose Submit reaches the leader from whatever replica it is called at.
type routed struct {
	transactions
	s *Service
}

// Submit takes transactions here when this replica leads, or has led last and nobody knows of another: it is durable
// here, and handed over should another turn out to lead. Else they go to who leads.
func (r routed) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	other, led := r.s.otherLeads()
	last, known := r.s.directory.Current(r.s.lease.Options().Name)
	switch {
	case r.s.holdsLease() || known && !led && last.ID() == r.s.endpoint.ID():
		return r.admitted(ctx, r.s.hub, raws)
	case led:
		return r.s.forward(ctx, other.ID(), raws)
	}
	return refused(raws, unavailable{errNoLeader})
}

// forward has the leader take transactions.
func (s *Service) forward(ctx context.Context, to string, raws [][]byte) ([]common.Hash, []error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	request := new(replicationv1.SubmitRequest)
	for _, raw := range raws {
		request.Entries = append(request.Entries, &replicationv1.Entry{Kind: replicationv1.Kind_KIND_TRANSACTION, Raw: raw})
	}
	answer, err := s.peers.Submit(ctx, request)
	if err == nil && len(answer.GetResults()) != len(raws) {
		err = fmt.Errorf("%d answers for %d transactions", len(answer.GetResults()), len(raws))
	}
	if err != nil {
		return refused(raws, unavailable{fmt.Errorf("the leading producer %s does not take it: %w; it may have been taken", to, err)})
	}
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	for i, r := range answer.GetResults() {
		hashes[i] = common.BytesToHash(r.GetHash())
		if r.GetError() != "" {
			errs[i] = saidByLeader{text: r.GetError(), code: int(r.GetCode())}
		}
	}
	return hashes, errs
}

func refused(raws [][]byte, err error) ([]common.Hash, []error) {
	errs := make([]error, len(raws))
	for i := range errs {
		errs[i] = err
	}
	return make([]common.Hash, len(raws)), errs
}

// unavailable is an error that passes, with the gateway's JSON-RPC code for it.
type unavailable struct{ error }

func (unavailable) ErrorCode() int  { return codeUnavailable }
func (e unavailable) Unwrap() error { return e.error }

const (
	codeUnavailable = -32002
	codeRefused     = -32000 // geth's, of an error without its own
)

// saidByLeader is an error in the leader's words.
type saidByLeader struct {
	text string
	code int
}

func (e saidByLeader) Error() string  { return e.text }
func (e saidByLeader) ErrorCode() int { return e.code }

func codeOf(err error) int {
	if coded := gethrpc.Error(nil); errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return codeRefused
}
