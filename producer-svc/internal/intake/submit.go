package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/leader"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// forwardTimeout bounds one call that hands transactions to the leader, its wait for standbys included.
const forwardTimeout = 10 * time.Second

// errNoLeader refuses a transaction while no replica can accept it.
var errNoLeader = errors.New("no producer leads now; try again")

// Lead says who leads; package leading's Candidate does.
type Lead interface {
	HoldsLease() bool
	Other() (leader.Endpoint, bool)
	Last() bool
}

// Intake is Transactions whose Submit reaches the leader from every replica.
type Intake struct {
	Transactions
	Standbys *replicate.Standbys
	Lead     Lead
	Peers    replicationv1.ReplicationServiceClient // of the leader
	Stopping func() bool
}

// Submit accepts transactions here when this replica leads, or was the last leader and knows of no other: they are durable
// here, and are handed over if another replica leads. Otherwise it forwards them to the leader. A stopping replica that no
// longer leads accepts none: they would have to wait until it is back.
func (n *Intake) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	other, led := n.Lead.Other()
	switch {
	case n.Lead.HoldsLease() || !led && n.Lead.Last() && !n.Stopping():
		return n.admitted(ctx, raws)
	case led:
		return n.forward(ctx, other.ID(), raws)
	}
	return refused(raws, unavailable{errNoLeader})
}

// admitted is Submit at the leader. It changes nothing before enough standbys are connected.
func (n *Intake) admitted(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	if err := n.Standbys.Admit(ctx); err != nil {
		return refused(raws, unavailable{err})
	}
	hashes, errs := n.Transactions.Submit(ctx, raws)
	for i, err := range errs {
		switch {
		case err == nil:
		case passes(err):
			errs[i] = unavailable{err}
		case n.has(hashes[i], err):
			errs[i] = alreadyHere{err}
		}
	}
	return hashes, errs
}

// passes says of an error that the same transaction may be taken soon, or by another producer.
func passes(err error) bool {
	for _, one := range []error{replicate.ErrUnreplicated, sealedpool.ErrBusy, txstore.ErrBroken, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// has says whether a transaction that was refused is on this producer's disk or in a block.
func (n *Intake) has(hash common.Hash, err error) bool {
	_, included := n.Chain.Included(hash)
	return included || errors.Is(err, txpool.ErrAlreadyKnown) || errors.Is(err, sealedpool.ErrOrdered) || errors.Is(err, txstore.ErrEnded)
}

// forward has the leader take transactions.
func (n *Intake) forward(ctx context.Context, to string, raws [][]byte) ([]common.Hash, []error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	request := new(replicationv1.SubmitRequest)
	for _, raw := range raws {
		request.Entries = append(request.Entries, &replicationv1.Entry{Kind: replicationv1.Kind_KIND_TRANSACTION, Raw: raw})
	}
	answer, err := n.Peers.Submit(ctx, request)
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
			errs[i] = saidByLeader{text: r.GetError(), code: int(r.GetCode()), known: r.GetKnown()}
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

func (unavailable) ErrorCode() int  { return CodeUnavailable }
func (e unavailable) Unwrap() error { return e.error }

// JSON-RPC codes of refused transactions.
const (
	CodeUnavailable = -32002 // the gateway's, of what another attempt may change
	CodeRefused     = -32000 // geth's, of an error without its own
)

// alreadyHere refuses a transaction that is on disk or in a block. Its data say so: a gateway that sends one again, because
// an answer was lost, goes by them and not by the text.
type alreadyHere struct{ error }

func (e alreadyHere) ErrorCode() int { return codeOf(e.error) }
func (alreadyHere) ErrorData() any   { return map[string]bool{"known": true} }
func (e alreadyHere) Unwrap() error  { return e.error }

// saidByLeader is an error in the leader's words.
type saidByLeader struct {
	text  string
	code  int
	known bool
}

func (e saidByLeader) Error() string  { return e.text }
func (e saidByLeader) ErrorCode() int { return e.code }

// ErrorData is that of alreadyHere.
func (e saidByLeader) ErrorData() any {
	if e.known {
		return alreadyHere{}.ErrorData()
	}
	return nil
}

func codeOf(err error) int {
	if coded := gethrpc.Error(nil); errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return CodeRefused
}
