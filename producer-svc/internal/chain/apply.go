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
	ContentHash  common.Hash // of the ordered content
	Timestamp    uint64      // seconds; may equal the parent's
	Sealed       []Sealed    // executed first, each at its place or never
	Delayed      [][]byte    // executed after those that wait since earlier blocks
	Transactions [][]byte
	// BarredUntil is the last number from whose content a transaction is barred that its own sender, or a relay, has sealed and
	// that ends in this block; 0 bars nothing.
	BarredUntil uint64
	Names       []common.Hash // by which NamedIn finds it; no part of its content
	// Durable waits until what decides the block is on a disk. Nothing of the block is written before it has returned, or after it has
	// failed. nil when there is nothing to wait for.
	Durable func() error
}

// Skipped is a transaction that has ended in a block without being executed.
type Skipped struct {
	Hash        common.Hash
	Reason      string
	BarredUntil uint64 // last number from whose content it is barred; 0 when it is not
}

// Result is what became of a Block.
type Result struct {
	Number    uint64
	Hash      common.Hash
	Root      common.Hash
	GasUsed   uint64
	Timestamp uint64
	Included  []common.Hash // in the order of execution
	Skipped   []Skipped
	Waiting   []common.Hash // for gas in a later block, in order: of this block and of earlier ones
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
	own, err := c.candidates(b)
	if err != nil { // the database cannot be read
		return Result{}, c.breakDown(err)
	}
	input := digest(b, own)
	switch {
	case b.Number <= head:
		return c.repeated(b.Number, input)
	case b.ParentHash != parent.Hash():
		return Result{}, fmt.Errorf("%w: head %d is %s, parent is %s", ErrParent, head, parent.Hash(), b.ParentHash)
	case b.Timestamp < parent.Time:
		return Result{}, fmt.Errorf("%w: %d, head has %d", ErrTimestampDecreased, b.Timestamp, parent.Time)
	}
	// From here on a context that ends must not leave half a block.
	run, block, err := c.execute(context.WithoutCancel(ctx), parent, b, inOrder(own, c.room.Load().list, len(b.Sealed)))
	switch {
	case errors.Is(err, ErrExecution):
		return Result{}, err
	case err != nil: // the database cannot be read
		return Result{}, c.breakDown(err)
	}
	if b.Durable != nil {
		if err := b.Durable(); err != nil {
			return Result{}, err
		}
	}
	rec := c.recordOf(run, input, b.BarredUntil)
	// gofail: var blockExecuted struct{}
	if err := dbwrite.Do(func() error { return c.commit(run, block, rec, b) }); err != nil {
		return Result{}, c.breakDown(err)
	}
	c.room.Store(&run.waiting)
	c.countRetries(run)
	c.flush.applied(block.NumberU64(), block.GasUsed())
	return rec.result(block), nil
}

// commit stores the block with its receipts and record, then its state, then moves the head. Geth announces the head
// from within: when this returns every reader has the block.
func (c *Chain) commit(run *execution, block *types.Block, rec record, b Block) error {
	db := c.eth.ChainDb()
	batch := db.NewBatch()
	defer batch.Close()
	rawdb.WriteBlock(batch, block)
	rawdb.WriteReceipts(batch, block.Hash(), block.NumberU64(), run.receipts)
	if err := writeRecord(batch, block.NumberU64(), rec); err != nil {
		return err
	}
	if err := c.writeNames(batch, b.Number, append(c.newlyWaiting(run), b.Names...)); err != nil {
		return err
	}
	if b.BarredUntil > 0 {
		if err := c.bars.write(batch, b.Number, b.BarredUntil, rec.barred()); err != nil {
			return err
		}
	}
	if err := batch.Write(); err != nil {
		return fmt.Errorf("write block: %w", err)
	}
	// gofail: var blockWritten struct{}
	if err := c.states.before(block.Header()); err != nil {
		return err
	}
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
	return c.states.after(block.Header())
}

// SkippedIn returns the transactions that ended in a block without being executed.
func (c *Chain) SkippedIn(number uint64) ([]Skipped, error) {
	rec, err := c.readRecord(number)
	return rec.Skipped, err
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
func digest(b Block, own []candidate) common.Hash {
	hasher := crypto.NewKeccakState()
	number := func(n uint64) { hasher.Write(binary.BigEndian.AppendUint64(nil, n)) }
	for _, n := range []uint64{b.Number, b.Timestamp, b.BarredUntil, uint64(len(b.Sealed)), uint64(len(b.Delayed)), uint64(len(b.Transactions))} {
		number(n)
	}
	hasher.Write(b.ParentHash[:])
	hasher.Write(b.ContentHash[:])
	for i := range own {
		hasher.Write(own[i].hash[:])
		if s := own[i].sealed; s != nil {
			hasher.Write(s.Submitter[:])
			number(flag(s.Relay))
			number(s.Gas)
			number(s.Fee)
		}
	}
	var sum common.Hash
	hasher.Read(sum[:]) //nolint:errcheck // a hash state does not fail
	return sum
}

func flag(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}
