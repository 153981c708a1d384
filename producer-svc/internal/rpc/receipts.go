package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/notify"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/event"
)

// receipts lets calls wait for the block of a transaction. One goroutine reads the chain's blocks; a block costs one look for
// each of its transactions, however many wait.
type receipts struct {
	sub    event.Subscription
	closed chan struct{}
	places *places // of calls that wait though they need not

	mu     sync.Mutex
	byHash map[common.Hash]*waiters
	blocks notify.Broadcast // for those who do not know the hash of what they wait for
}

// waiters are the calls that wait for one transaction.
type waiters struct {
	calls   int
	arrived chan struct{}
}

func newReceipts(chain Chain, held int) *receipts {
	r := &receipts{closed: make(chan struct{}), places: newPlaces(held), byHash: map[common.Hash]*waiters{}}
	blocks := make(chan core.ChainEvent, blockBuffer)
	r.sub = chain.SubscribeBlocks(blocks)
	go r.run(blocks)
	return r
}

func (r *receipts) run(blocks <-chan core.ChainEvent) {
	defer close(r.closed)
	for {
		select {
		case block := <-blocks:
			r.applied(block)
		case <-r.sub.Err():
			return
		}
	}
}

func (r *receipts) applied(block core.ChainEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tx := range block.Transactions {
		if w := r.byHash[tx.Hash()]; w != nil {
			close(w.arrived)
			delete(r.byHash, tx.Hash())
		}
	}
	r.blocks.Notify()
}

func (r *receipts) close() { r.sub.Unsubscribe() }

// watch returns a channel that is closed when a transaction is in a block, and what to call when nobody waits for it any more.
func (r *receipts) watch(hash common.Hash) (arrived <-chan struct{}, forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.byHash[hash]
	if w == nil {
		w = &waiters{arrived: make(chan struct{})}
		r.byHash[hash] = w
	}
	w.calls++
	return w.arrived, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if w.calls--; w.calls == 0 && r.byHash[hash] == w {
			delete(r.byHash, hash)
		}
	}
}

// next returns a channel that is closed when there is another block.
func (r *receipts) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blocks.Changed()
}

// holdReceipt is awaitReceipt for a call that needs no wait: when too many wait already, or its request has waited long enough, it
// is answered at once.
func (s *ethService) holdReceipt(ctx context.Context, name common.Hash, limit time.Duration) (json.RawMessage, error) {
	limit, spent := patienceOf(ctx).spend(limit)
	defer spent()
	if release, ok := s.receipts.places.take(ctx); ok {
		defer release()
	} else {
		limit = 0
	}
	return s.awaitReceipt(ctx, name, limit)
}

// awaitReceipt returns the receipt of a transaction, or of the one inside a sealed one, once it is in a block; null when it is
// not within the limit.
func (s *ethService) awaitReceipt(ctx context.Context, name common.Hash, limit time.Duration) (json.RawMessage, error) {
	deadline := time.Now().Add(limit)
	for {
		receipt, wait, err := s.look(ctx, name)
		if err != nil || !isNull(receipt) {
			return receipt, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			wait.forget()
			return receipt, nil
		}
		if err := s.receipts.until(ctx, wait, left); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", name, err)
		}
	}
}

// waiting is for a block that may have a transaction.
type waiting struct {
	arrived <-chan struct{}
	forget  func() // nobody waits any more
}

// until waits, at most so long.
func (r *receipts) until(ctx context.Context, w waiting, long time.Duration) error {
	defer w.forget()
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-w.arrived:
	case <-timer.C:
	case <-r.closed:
		return errClosing
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// look returns the receipt if there is one, and else what to wait for.
func (s *ethService) look(ctx context.Context, name common.Hash) (receipt json.RawMessage, w waiting, err error) {
	next := s.receipts.next() // both before the look: nothing is missed in between
	w.arrived, w.forget = s.receipts.watch(name)
	hash, err := s.txs.Resolve(name)
	if err == nil {
		receipt, err = s.receipt(ctx, hash)
	}
	var at Standing
	if err == nil && isNull(receipt) {
		at, err = s.txs.Status(name)
	}
	if err != nil || !isNull(receipt) {
		w.forget()
	} else if hash != name || at.unopened() {
		w.arrived = next // the hash that the block will have is not known
	}
	return receipt, w, err
}

// pending says whether a transaction is here and may come into a block.
func (at Standing) pending() bool {
	return at.State == "queued" || at.State == "pending" || at.unopened()
}

// unopened says that this is a sealed transaction whose inner one is not executed.
func (at Standing) unopened() bool {
	return at.State == "sealed" || at.State == "ordered" || at.State == "opened"
}

func isNull(answer json.RawMessage) bool {
	return len(answer) == 0 || bytes.Equal(answer, []byte("null"))
}
