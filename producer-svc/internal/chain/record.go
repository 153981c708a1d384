package chain

import (
	"encoding/binary"
	"fmt"
	"slices"

	"blindseq/producer-svc/blueprint"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/rlp"
)

// record is what geth does not store about a block and a repeat or a restart needs. It is written in one batch with
// the block, under a key that starts with a byte none of geth's keys starts with.
type record struct {
	Input   common.Hash // digest of the Block
	Skipped []Skipped
	Delayed []common.Hash // delayed transactions that it executed
	Waiting []waiting     // all that wait after this block
}

func (c *Chain) recordOf(run *execution, input common.Hash, barredUntil uint64) record {
	rec := record{Input: input, Delayed: run.delayed, Waiting: run.waiting.stored()}
	for i := range run.ended {
		ended := Skipped{Hash: run.ended[i].hash, Reason: run.ended[i].err.Error()}
		if begins(&run.ended[i], c.signer) {
			ended.BarredUntil = barredUntil
		}
		rec.Skipped = append(rec.Skipped, ended)
	}
	return rec
}

// barred are the transactions that are barred because of the block.
func (r *record) barred() (hashes []common.Hash) {
	for _, one := range r.Skipped {
		if one.BarredUntil > 0 {
			hashes = append(hashes, one.Hash)
		}
	}
	return hashes
}

func (r *record) result(block *types.Block) Result {
	included := make([]common.Hash, 0, len(block.Transactions()))
	for _, tx := range block.Transactions() {
		included = append(included, tx.Hash())
	}
	var waiting []common.Hash
	for _, one := range r.Waiting {
		waiting = append(waiting, HashTransaction(one.Raw))
	}
	return Result{
		Number: block.NumberU64(), Hash: block.Hash(), Root: block.Root(),
		GasUsed: block.GasUsed(), Timestamp: block.Time(),
		Included: included, Skipped: r.Skipped, Waiting: waiting,
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

// checkRecord refuses a chain that was made under other rules, whose blocks have records of another kind.
func (c *Chain) checkRecord() error {
	head := c.bc.CurrentBlock().Number.Uint64()
	if head == 0 {
		return nil
	}
	db := c.eth.ChainDb()
	if known, err := db.Has(recordKey(head)); err != nil || known {
		return err
	}
	if old, err := db.Has(numberKey(oldRecordPrefix, head)); err != nil || !old {
		return err
	}
	return ErrOldChain
}

// ExecutedIn are the transactions of an applied block, in the order of execution.
func (c *Chain) ExecutedIn(number uint64) ([]blueprint.Executed, error) {
	block := c.bc.GetBlockByNumber(number)
	if block == nil {
		return nil, fmt.Errorf("read block %d: it is not in the database", number)
	}
	rec, err := c.readRecord(number)
	if err != nil {
		return nil, err
	}
	var all []blueprint.Executed
	for _, tx := range block.Transactions() {
		raw, err := tx.MarshalBinary()
		if err != nil {
			return nil, fmt.Errorf("encode transaction %s of block %d: %w", tx.Hash(), number, err)
		}
		all = append(all, blueprint.Executed{Raw: raw, Delayed: slices.Contains(rec.Delayed, tx.Hash())})
	}
	return all, nil
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

const (
	recordPrefix    = "\xffblindseq-block-2-"
	oldRecordPrefix = "\xffblindseq-block-" // of v0.1.0
)

func recordKey(number uint64) []byte { return numberKey(recordPrefix, number) }

func numberKey(prefix string, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefix), number)
}
