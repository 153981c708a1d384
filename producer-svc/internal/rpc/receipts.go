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

	mu     sync.Mutex
	byHash map[common.Hash]*waiters
	blocks notify.Broadcast // for those who do not know the hash of what they wait for
}

// waiters are the calls that wait for one transaction.
type waiters struct {
	calls   int
	arrived chan struct{}
}

func newReceipts(chain Chain) *receipts {
	r := &receipts{closed: make(chan struct{}), byHash: map[common.Hash]*waiters{}}
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

// awaitReceipt returns the receipt of a transaction, or of the one inside a sealed one, once it is in a block; null when it is
// not within the limit.
func (s *ethService) awaitReceipt(ctx context.Context, name common.Hash, limit time.Duration) (json.RawMessage, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		receipt, arrived, forget, err := s.look(ctx, name)
		if err != nil || !isNull(receipt) {
			return receipt, err
		}
		select {
		case <-arrived:
			forget()
		case <-deadline.C:
			forget()
			return receipt, nil
		case <-s.receipts.closed:
			forget()
			return nil, fmt.Errorf("wait for %s: %w", name, errClosing)
		case <-ctx.Done():
			forget()
			return nil, ctx.Err()
		}
	}
}

// look returns the receipt if there is one, and else a channel that is closed when there may be.
func (s *ethService) look(ctx context.Context, name common.Hash) (_ json.RawMessage, arrived <-chan struct{}, forget func(), err error) {
	next := s.receipts.next() // before the look: nothing is missed in between
	arrived, forget = s.receipts.watch(name)
	hash, err := s.txs.Resolve(name)
	var receipt json.RawMessage
	if err == nil {
		receipt, err = s.receipt(ctx, hash)
	}
	var at Standing
	if err == nil && isNull(receipt) {
		at, err = s.txs.Status(name)
	}
	switch {
	case err != nil || !isNull(receipt):
		forget()
		return receipt, nil, nil, err
	case hash != name || at.unopened():
		return receipt, next, forget, nil
	}
	return receipt, arrived, forget, nil
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
