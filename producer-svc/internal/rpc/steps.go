package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// endedOfClient is how many subscriptions to transactions that have ended by themselves a client may leave without eth_unsubscribe.
// geth keeps a few hundred bytes for each until the socket closes.
const endedOfClient = 512

// Follow sends the steps of a transaction until the last one, an error of send, or the end of ctx.
type Follow func(ctx context.Context, hash common.Hash, send func(*blueprintv1.TransactionStep) error) error

// Step is what the subscription "transaction" of te_subscribe notifies of.
type Step struct {
	// Step is pending, sealed, final, opened, executed or ended. The last two are the last step.
	Step string `json:"step"`
	// Hash is what was subscribed to.
	Hash        common.Hash     `json:"hash"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber,omitempty"`
	// TransactionHash is that of the transaction inside a sealed one, from opened on.
	TransactionHash  *common.Hash    `json:"transactionHash,omitempty"`
	TransactionIndex *hexutil.Uint64 `json:"transactionIndex,omitempty"` // of executed
	Reason           string          `json:"reason,omitempty"`           // of ended
	Barred           bool            `json:"barred,omitempty"`           // of ended
	// Proof shows that the place is final, as te_getOrderProof does; without its list when that is longer than blueprint.ShortList, and
	// absent when nothing is certified.
	Proof *orderproof.Proof `json:"proof,omitempty"`
}

// StepOf is a step as JSON-RPC shows it.
func StepOf(hash common.Hash, s *blueprintv1.TransactionStep) (Step, error) {
	name := strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "STEP_KIND_"))
	out := Step{Step: name, Hash: hash, Reason: s.GetReason(), Barred: s.GetBarred()}
	if number := hexutil.Uint64(s.GetNumber()); number > 0 {
		out.BlockNumber = &number
	}
	if inside := s.GetTransactionHash(); len(inside) > 0 {
		hash := common.BytesToHash(inside)
		out.TransactionHash = &hash
	}
	if s.GetKind() == blueprintv1.StepKind_STEP_KIND_EXECUTED {
		index := hexutil.Uint64(s.GetIndex())
		out.TransactionIndex = &index
	}
	if f := s.GetFinal(); f != nil {
		p := &preblockv1.Preblock{Content: f.GetContent(), ContentHash: f.GetContentHash(), Certificate: f.GetCertificate()}
		proof, err := orderproof.Of(p, int(s.GetPosition()))
		if err != nil {
			return Step{}, err
		}
		if !blueprint.ListIsShort(f.GetContent()) {
			proof.Transactions = nil
		}
		out.Proof = proof
	}
	return out, nil
}

var errNoSteps = errors.New("transactions cannot be followed here")

// stepsService is te_subscribe("transaction", hash).
type stepsService struct {
	follow Follow
	count  *subscribers
	ended  endedOnes
}

// Transaction is the subscription to the steps of a transaction.
func (s *stepsService) Transaction(ctx context.Context, hash common.Hash) (*gethrpc.Subscription, error) {
	notifier, ok := gethrpc.NotifierFromContext(ctx)
	switch {
	case !ok:
		return nil, gethrpc.ErrNotificationsUnsupported
	case s.follow == nil:
		return nil, errNoSteps
	}
	client, factor := clientOf(ctx)
	if s.ended.of(client) >= endedOfClient*factor {
		return nil, limitExceeded(fmt.Sprintf("%d subscriptions that have ended are still open: end them with te_unsubscribe, or connect again", endedOfClient*factor))
	}
	taken, err := s.count.take(ctx, 1)
	if err != nil {
		return nil, err
	}
	sub := notifier.CreateSubscription()
	go s.run(context.WithoutCancel(ctx), notifier, sub, stepsOf{hash: hash, client: client, place: taken})
	return sub, nil
}

// stepsOf is one subscription: to what, and who is counted for it.
type stepsOf struct {
	hash   common.Hash
	client string
	place  place
}

// run notifies of the steps, and counts the subscription while it does; then among those that ended, until its client ends it.
func (s *stepsService) run(ctx context.Context, notifier *gethrpc.Notifier, sub *gethrpc.Subscription, of stepsOf) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-sub.Err(): // by te_unsubscribe, or with the connection
		case <-ctx.Done():
		}
	}()
	_ = s.follow(ctx, of.hash, func(one *blueprintv1.TransactionStep) error { // the connection is what can fail
		step, err := StepOf(of.hash, one)
		if err != nil {
			return err
		}
		return notifier.Notify(sub.ID, step)
	})
	cancel()
	s.count.release(of.place)
	s.ended.add(of.client, 1)
	<-sub.Err()
	s.ended.add(of.client, -1)
}

// endedOnes counts what has ended and is not forgotten, by client. The zero value counts none.
type endedOnes struct {
	mu  sync.Mutex
	all map[string]int
}

func (e *endedOnes) of(client string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[client]
}

func (e *endedOnes) add(client string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[string]int{}
	}
	if e.all[client] += n; e.all[client] == 0 {
		delete(e.all, client)
	}
}
