package chain

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb"
)

// NamedIn finds the first block that has a name: one of Block.Names, or the hash of a transaction that was ordered in the block
// and waited for a later one. It is only known of blocks that are applied.
func (c *Chain) NamedIn(name common.Hash) (number uint64, ok bool, err error) {
	db := c.eth.ChainDb()
	if known, err := db.Has(nameKey(name)); err != nil || !known {
		return 0, false, wrapName(name, err)
	}
	raw, err := db.Get(nameKey(name))
	if err == nil && len(raw) != 8 {
		err = fmt.Errorf("%d bytes, want 8", len(raw))
	}
	if err != nil {
		return 0, false, wrapName(name, err)
	}
	number = binary.BigEndian.Uint64(raw)
	head, _, _ := c.Head()
	return number, number <= head, nil // a block lost in a crash comes again
}

func wrapName(name common.Hash, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("find block of %s: %w", name, err)
}

// newlyWaiting are the transactions that were ordered in a block and wait after it.
func (c *Chain) newlyWaiting(run *execution) (hashes []common.Hash) {
	for _, one := range run.waiting.list {
		if !c.Waits(one.hash) {
			hashes = append(hashes, one.hash)
		}
	}
	return hashes
}

// writeNames goes into the batch of the block. The first block with a name stays its block.
func (c *Chain) writeNames(w ethdb.KeyValueWriter, number uint64, names []common.Hash) error {
	for _, name := range names {
		if earlier, known, err := c.NamedIn(name); err != nil || known && earlier < number {
			if err != nil {
				return err
			}
			continue
		}
		if err := w.Put(nameKey(name), binary.BigEndian.AppendUint64(nil, number)); err != nil {
			return fmt.Errorf("write name of block %d: %w", number, err)
		}
	}
	return nil
}

func nameKey(name common.Hash) []byte { return append([]byte("\xffblindseq-name-"), name[:]...) }
