package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"blindseq/producer-svc/internal/dbwrite"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Block is what a preblock decides.
type Block struct {
	Number       uint64
	ParentHash   common.Hash
	Timestamp    uint64   // seconds; may equal the parent's
	Delayed      [][]byte // executed first
	Transactions [][]byte
	Names        []common.Hash // by which NamedIn finds it, besides its transactions' hashes; no part of its content
}

// Skipped is a transaction of a block that could not be executed in it. That is its end, unless it was Early.
type Skipped struct {
	Hash   common.Hash
	Reason string
	// Early says that only transactions before it are missing: it may be executed in a later block.
	Early bool
}

// Result is what became of a Block.
type Result struct {
	Number    uint64
	Hash      common.Hash
	Root      common.Hash
	GasUsed   uint64
	Timestamp uint64
	Included  []common.Hash // in the order of execution, delayed ones first
	Skipped   []Skipped
	// Carried are the plain transactions that wait for the front of a next proposal after this block, because a block's
	// gas was used up: those of this block, after those of earlier blocks that are not in it.
	Carried [][]byte
	// DelayedCarried are delayed transactions of the Block that did not fit; they stay delayed.
	DelayedCarried []common.Hash
}

// Apply executes a block and makes it the head. The same Block again gives the same Result.
func (c *Chain) Apply(ctx context.Context, b Block) (Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return Result{}, fmt.Errorf("apply block %d: %w", b.Number, err)
	}
	result, err := c.apply(ctx, b)
	if err != nil {
		return Result{}, fmt.Errorf("apply block %d: %w", b.Number, err)
	}
	return result, nil
}

func (c *Chain) apply(ctx context.Context, b Block) (Result, error) {
	parent := c.bc.CurrentBlock()
	head := parent.Number.Uint64()
	if b.Number > head+1 {
		return Result{}, fmt.Errorf("%w: head is %d", ErrGap, head)
	}
	all := c.candidates(b)
	input := digest(b, all)
	switch {
	case b.Number <= head:
		return c.repeated(b.Number, input)
	case b.ParentHash != parent.Hash():
		return Result{}, fmt.Errorf("%w: head %d is %s, parent is %s", ErrParent, head, parent.Hash(), b.ParentHash)
	case b.Timestamp < parent.Time:
		return Result{}, fmt.Errorf("%w: %d, head has %d", ErrTimestampDecreased, b.Timestamp, parent.Time)
	}
	// From here on a context that ends must not leave half a block.
	run, block, err := c.execute(context.WithoutCancel(ctx), parent, b, all)
	switch {
	case errors.Is(err, ErrExecution):
		return Result{}, err
	case err != nil: // the database cannot be read
		return Result{}, c.breakDown(err)
	}
	rec := record{Input: input, Skipped: run.skipped, Delayed: run.delayed}
	carried := stillCarried(*c.carried.Load(), run)
	rec.setCarried(carried)
	// gofail: var blockExecuted struct{}
	if err := dbwrite.Do(func() error { return c.commit(run, block, rec, b.Names) }); err != nil {
		return Result{}, c.breakDown(err)
	}
	c.carried.Store(&carried)
	c.countRetries(run)
	c.flush.applied(block.NumberU64(), block.GasUsed())
	return rec.result(block), nil
}

// commit stores the block with its receipts and record, then its state, then moves the head. Geth announces the head
// from within: when this returns every reader has the block.
func (c *Chain) commit(run *execution, block *types.Block, rec record, names []common.Hash) error {
	db := c.eth.ChainDb()
	batch := db.NewBatch()
	defer batch.Close()
	rawdb.WriteBlock(batch, block)
	rawdb.WriteReceipts(batch, block.Hash(), block.NumberU64(), run.receipts)
	if err := writeRecord(batch, block.NumberU64(), rec); err != nil {
		return err
	}
	if err := c.writeNames(batch, block.NumberU64(), names); err != nil {
		return err
	}
	if err := batch.Write(); err != nil {
		return fmt.Errorf("write block: %w", err)
	}
	// gofail: var blockWritten struct{}
	if _, err := run.state.Commit(run.evm.GetRules(), block.NumberU64()); err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	// gofail: var stateCommitted struct{}
	c.rememberSenders(block)
	if _, err := c.bc.SetCanonical(block); err != nil {
		return fmt.Errorf("set head: %w", err)
	}
	// gofail: var headMoved struct{}
	c.settle(block.Header())
	return nil
}

// settle answers the block tags "safe" and "finalized" with the head: what a preblock decided is never taken back. Geth's
// mark on disk is cleared again, because it would move blocks into its ancient store, below which it cannot go back
// after a crash.
func (c *Chain) settle(head *types.Header) {
	c.bc.SetSafe(head)
	c.bc.SetFinalized(head)
	rawdb.WriteFinalizedBlockHash(c.eth.ChainDb(), common.Hash{})
}

// digest is the identity of a Block's content.
func digest(b Block, all []candidate) common.Hash {
	hasher := crypto.NewKeccakState()
	var fixed [32]byte
	binary.BigEndian.PutUint64(fixed[0:], b.Number)
	binary.BigEndian.PutUint64(fixed[8:], b.Timestamp)
	binary.BigEndian.PutUint64(fixed[16:], uint64(len(b.Delayed)))
	binary.BigEndian.PutUint64(fixed[24:], uint64(len(b.Transactions)))
	hasher.Write(fixed[:])
	hasher.Write(b.ParentHash[:])
	for i := range all {
		hasher.Write(all[i].hash[:])
	}
	var sum common.Hash
	hasher.Read(sum[:]) //nolint:errcheck // a hash state does not fail
	return sum
}
