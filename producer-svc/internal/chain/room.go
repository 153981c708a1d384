package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
)

const (
	// maxTxGas is the largest gas limit of a transaction under every fork, so that whatever waits can run in the next block
	// beside sealed transactions. Osaka has the same limit.
	maxTxGas = params.MaxTxGas
	// maxTxBytes bounds a transaction's bytes for the same reason. The pool has the same limit.
	maxTxBytes = 128 << 10
	// maxRoomBytes and maxRoomBlocks, in blocks of gas, bound what waits. A leader that counts what waits never comes near.
	maxRoomBytes  = 2 << 20
	maxRoomBlocks = 16
)

// maxGas is the largest gas limit of a transaction on this chain.
func (c *Chain) maxGas() uint64 { return min(maxTxGas, c.GasLimit()) }

var errRoomFull = errors.New("no gas left in the block, and too many transactions wait for the next")

// Waiting measures the waiting room: delayed and plain transactions that were ordered and did not fit their block. They
// are executed in later blocks, in order, without being ordered again. The room is a function of the blocks so far.
type Waiting struct {
	Transactions int
	Bytes, Gas   uint64 // of all of them; Gas is the sum of their gas limits
}

// room is the waiting room after a block.
type room struct {
	list   []candidate
	hashes map[common.Hash]bool
	size   Waiting
}

// put appends a transaction.
func (r *room) put(one candidate) {
	if r.hashes == nil {
		r.hashes = make(map[common.Hash]bool)
	}
	r.list = append(r.list, one)
	r.hashes[one.hash] = true
	r.size.Transactions++
	r.size.Bytes += uint64(len(one.raw))
	r.size.Gas += one.tx.Gas()
}

// takes says whether there is a place for one that has not waited before.
func (r *room) takes(one *candidate, blockGas uint64) bool {
	return r.size.Bytes+uint64(len(one.raw)) <= maxRoomBytes && r.size.Gas+one.tx.Gas() <= maxRoomBlocks*blockGas
}

// waiting is a transaction of the room as a record stores it.
type waiting struct {
	Raw     []byte
	Delayed bool
}

func (r *room) stored() (all []waiting) {
	for _, one := range r.list {
		all = append(all, waiting{Raw: one.raw, Delayed: one.delayed})
	}
	return all
}

// Waiting measures what waits for gas after the head; after Open too.
func (c *Chain) Waiting() Waiting { return c.room.Load().size }

// Waits says whether a transaction waits for gas after the head.
func (c *Chain) Waits(hash common.Hash) bool { return c.room.Load().hashes[hash] }

// loadRoom finds what waits after the head that geth came back with.
func (c *Chain) loadRoom() error {
	loaded := new(room)
	defer func() { c.room.Store(loaded) }()
	head := c.bc.CurrentBlock().Number.Uint64()
	if head == 0 {
		return nil
	}
	rec, err := c.readRecord(head)
	if err != nil {
		return err
	}
	for _, one := range rec.Waiting {
		entry := candidate{hash: HashTransaction(one.Raw), raw: one.Raw, delayed: one.Delayed, waited: true}
		if entry.tx, err = c.decode(one.Raw); err != nil {
			return fmt.Errorf("read record of block %d: %w", head, err)
		}
		loaded.put(entry)
	}
	return nil
}
