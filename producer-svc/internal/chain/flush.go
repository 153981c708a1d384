package chain

import (
	"fmt"
	"sync"

	"blindseq/producer-svc/internal/dbwrite"
)

// FlushPolicy bounds what a crash can make geth forget, and so how long the replay of the blueprint log takes.
//
// Left alone, geth keeps the states of the last 128 blocks in memory and writes older ones as they leave it (recentStates
// in node.go sees to it that they are written). For small blocks that is a replay of a few hundred blocks, well under a
// second, and nothing needs to be done. Full blocks are another matter: 128 of them are half a million transfers. So
// after so much gas everything up to the head is written out, which costs the states before it where no history is kept (calls to
// and traces of those blocks answer that the state is not available) and a standstill of 0.3 to 0.7 s, most of which is fsyncs of
// geth's history files. The default is 47,000 transfers, three seconds of replay.
type FlushPolicy struct {
	Gas    uint64 // write out the whole state after this much gas; default 1,000,000,000
	Blocks uint64 // make what is written durable against power loss after so many blocks; default 128
}

const (
	defaultFlushGas    = 1_000_000_000
	defaultFlushBlocks = 128
)

// flusher writes in the background, between two blocks.
type flusher struct {
	chain  *Chain
	policy FlushPolicy
	sync   func() error // makes what the database was given durable

	gas    uint64 // since the last full write; under chain.mu
	synced uint64 // number of the last block made durable; under chain.mu

	wake chan bool // true: the whole state
	quit chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func newFlusher(c *Chain, policy FlushPolicy) *flusher {
	if policy.Gas == 0 {
		policy.Gas = defaultFlushGas
	}
	if policy.Blocks == 0 {
		policy.Blocks = defaultFlushBlocks
	}
	f := &flusher{chain: c, policy: policy, sync: c.eth.ChainDb().SyncKeyValue, wake: make(chan bool, 1), quit: make(chan struct{})}
	f.synced, _, _ = c.Head()
	f.done.Go(f.run)
	return f
}

func (f *flusher) stop() {
	f.once.Do(func() { close(f.quit) })
	f.done.Wait()
}

// applied counts a block. The caller holds chain.mu.
func (f *flusher) applied(number, gas uint64) {
	f.gas += gas
	switch {
	case f.gas >= f.policy.Gas:
		f.request(true)
	case number >= f.synced+f.policy.Blocks:
		f.synced = number
		f.request(false)
	}
}

// request never blocks: when one is waiting already, the next block asks again.
func (f *flusher) request(state bool) {
	select {
	case f.wake <- state:
	default:
	}
}

func (f *flusher) run() {
	for {
		select {
		case <-f.quit:
			return
		case state := <-f.wake:
			if err := dbwrite.Do(func() error { return f.write(state) }); err != nil {
				f.chain.mu.Lock()
				_ = f.chain.breakDown(fmt.Errorf("write chain to disk: %w", err)) // the engine reports it when it ends the process
				f.chain.mu.Unlock()
			}
		}
	}
}

func (f *flusher) write(state bool) error {
	// gofail: var chainFlushing struct{}
	if state {
		if err := f.writeState(); err != nil {
			return err
		}
	}
	// gofail: var chainFlushFails string
	// return fmt.Errorf("%s", chainFlushFails)
	err := f.sync()
	// gofail: var chainFlushed struct{}
	return err
}

// writeState runs between two blocks, with geth's pool on the head's state: writing makes older states unreadable, and
// a pool that reads balances of nothing drops everybody's transactions.
func (f *flusher) writeState() error {
	c := f.chain
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != nil || f.gas < f.policy.Gas {
		return nil
	}
	if err := c.eth.TxPool().Sync(); err != nil {
		return err
	}
	f.gas = 0
	f.synced = c.bc.CurrentBlock().Number.Uint64()
	return c.bc.TrieDB().Commit(c.bc.CurrentBlock().Root, false)
}
