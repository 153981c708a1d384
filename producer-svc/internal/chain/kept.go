package chain

import (
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// Kept says which states a chain has.
type Kept struct {
	States uint64 // first block whose state can be read; all after it can
	Proofs uint64 // first block of whose state proofs can be made
	Blocks uint64 // for how many last blocks this is promised, 0 for all
}

// Kept finds out which states can be read.
func (c *Chain) Kept() Kept {
	tries := c.bc.TrieDB()
	kept := Kept{
		States: c.firstWith(func(root common.Hash) error {
			_, err := tries.StateReader(root)
			if err != nil {
				_, err = tries.HistoricStateReader(root)
			}
			return err
		}),
		Proofs: c.firstWith(func(root common.Hash) error {
			_, err := tries.NodeReader(root)
			if err != nil {
				_, err = tries.HistoricNodeReader(root)
			}
			return err
		}),
	}
	switch h := c.states.History; {
	case h.Archive:
	case h.Age > 0:
		kept.Blocks = c.Number() + 1 - kept.States
	default:
		kept.Blocks = h.limit()
	}
	return kept
}

// firstWith is the first block whose state there is: what is removed is the oldest.
func (c *Chain) firstWith(read func(root common.Hash) error) uint64 {
	return uint64(sort.Search(int(c.Number()), func(number int) bool {
		header := c.bc.GetHeaderByNumber(uint64(number))
		return header != nil && read(header.Root) == nil
	}))
}

// StateInMemory reports whether the state of a block is one of the newest ones, which are read where they are: it can leave there
// while it is read.
func (c *Chain) StateInMemory(number uint64) bool {
	header := c.bc.GetHeaderByNumber(number)
	if header == nil {
		return false
	}
	_, err := c.bc.TrieDB().StateReader(header.Root)
	return err == nil
}

// Locate is the number of a block that a call names by number or hash; it is not ok for a tag of the head and for what there is not.
func (c *Chain) Locate(block rpc.BlockNumberOrHash) (number uint64, ok bool) {
	if hash, named := block.Hash(); named {
		header := c.bc.GetHeaderByHash(hash)
		if header == nil {
			return 0, false
		}
		return header.Number.Uint64(), true
	}
	named, ok := block.Number()
	if named == rpc.EarliestBlockNumber {
		return 0, ok
	}
	return uint64(named), ok && named >= 0 && uint64(named) <= c.Number()
}

// BlockWith is the number of the block that has a transaction.
func (c *Chain) BlockWith(transaction common.Hash) (number uint64, ok bool) {
	lookup, _ := c.bc.GetCanonicalTransaction(transaction)
	if lookup == nil {
		return 0, false
	}
	return lookup.BlockIndex, true
}
