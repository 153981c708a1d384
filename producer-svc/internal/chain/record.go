package chain

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
)

// record is what geth does not store about a block and a repeat or a restart needs. It is written in one batch with
// the block, under a key that starts with a byte none of geth's keys starts with.
type record struct {
	Input   common.Hash // digest of the Block
	Skipped []Skipped
	Delayed []common.Hash // delayed transactions that did not fit
	Carried [][]byte      // all that wait after this block
}

// carriedTx is a transaction that waits for the front of the next proposal.
type carriedTx struct {
	hash common.Hash
	raw  []byte
	gas  uint64
}

func (r *record) setCarried(carried []carriedTx) {
	for _, one := range carried {
		r.Carried = append(r.Carried, one.raw)
	}
}

func (r *record) result(block *types.Block) Result {
	included := make([]common.Hash, 0, len(block.Transactions()))
	for _, tx := range block.Transactions() {
		included = append(included, tx.Hash())
	}
	return Result{
		Number: block.NumberU64(), Hash: block.Hash(), Root: block.Root(),
		GasUsed: block.GasUsed(), Timestamp: block.Time(),
		Included: included, Skipped: r.Skipped, Carried: r.Carried, DelayedCarried: r.Delayed,
	}
}

// repeated answers for a block that is applied already.
func (c *Chain) repeated(number uint64, input common.Hash) (Result, error) {
	block := c.bc.GetBlockByNumber(number)
	if block == nil {
		return Result{}, fmt.Errorf("read block %d: it is not in the database", number)
	}
	if number == 0 {
		return Result{}, fmt.Errorf("%w: the genesis %s", ErrConflict, block.Hash())
	}
	rec, err := c.readRecord(number)
	if err != nil {
		return Result{}, err
	}
	if rec.Input != input {
		return Result{}, fmt.Errorf("%w: %s", ErrConflict, block.Hash())
	}
	return rec.result(block), nil
}

// loadCarried finds what waits after the head that geth came back with.
func (c *Chain) loadCarried() error {
	var carried []carriedTx
	defer func() { c.carried.Store(&carried) }()
	head := c.bc.CurrentBlock().Number.Uint64()
	if head == 0 {
		return nil
	}
	rec, err := c.readRecord(head)
	if err != nil {
		return err
	}
	for _, raw := range rec.Carried {
		tx, err := c.decode(raw)
		if err != nil {
			return fmt.Errorf("read record of block %d: %w", head, err)
		}
		carried = append(carried, carriedTx{hash: crypto.Keccak256Hash(raw), raw: raw, gas: tx.Gas()})
	}
	return nil
}

// stillCarried is what waits after a block: what waited before and is not in it, then what it had no room for.
func stillCarried(before []carriedTx, run *execution) []carriedTx {
	if len(before) == 0 {
		return run.carried
	}
	ended := make(map[common.Hash]bool, len(run.txs)+len(run.skipped)+len(run.carried))
	for _, tx := range run.txs {
		ended[tx.Hash()] = true
	}
	for _, one := range run.skipped {
		ended[one.Hash] = true
	}
	for _, one := range run.carried {
		ended[one.hash] = true
	}
	var after []carriedTx
	for _, one := range before {
		if !ended[one.hash] {
			after = append(after, one)
		}
	}
	return append(after, run.carried...)
}

func (c *Chain) readRecord(number uint64) (record, error) {
	raw, err := c.eth.ChainDb().Get(recordKey(number))
	if err != nil {
		return record{}, fmt.Errorf("read record of block %d: %w", number, err)
	}
	var rec record
	if err := rlp.DecodeBytes(raw, &rec); err != nil {
		return record{}, fmt.Errorf("decode record of block %d: %w", number, err)
	}
	return rec, nil
}

func writeRecord(w ethdb.KeyValueWriter, number uint64, rec record) error {
	raw, err := rlp.EncodeToBytes(&rec)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := w.Put(recordKey(number), raw); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

func recordKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("\xffblindseq-block-"), number)
}
