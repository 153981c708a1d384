package history

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// transactions checks S3: each acknowledged transaction is in exactly one block, still pending, or ended with a reason;
// and S4: after its acknowledgement no service reported it as unknown.
func (c *checker) transactions() {
	blocks, skipped := c.whereTransactionsAre()
	c.whereSealedAre(blocks, skipped)
	for tx, numbers := range blocks {
		if len(numbers) > 1 {
			c.violated("S3", "transaction %s is in blocks %v", tx, numbers)
		}
	}
	pending := map[common.Hash]bool{}
	for _, tx := range c.Pending {
		pending[tx] = true
	}
	acked := map[common.Hash]time.Duration{}
	for _, a := range c.Acks {
		if at, ok := acked[a.Tx]; !ok || a.At < at {
			acked[a.Tx] = a.At
		}
		_, ended := c.Ended[a.Tx]
		if len(blocks[a.Tx]) == 0 && !pending[a.Tx] && !ended && !skipped[a.Tx] {
			c.violated("S3", "transaction %s, acknowledged to %s, is nowhere", a.Tx, a.By)
		}
	}
	for _, l := range c.Lookups {
		at, ok := acked[l.Tx]
		_, ended := c.Ended[l.Tx]
		if ok && l.Started > at && !l.Found && !ended && !skipped[l.Tx] {
			c.violated("S4", "transaction %s was unknown %s after its acknowledgement", l.Tx, l.Started-at)
		}
	}
}

// whereTransactionsAre goes by the blueprints, which name what they skipped, and by blocks where there are none.
func (c *checker) whereTransactionsAre() (blocks map[common.Hash][]uint64, skipped map[common.Hash]bool) {
	blocks, skipped = map[common.Hash][]uint64{}, map[common.Hash]bool{}
	known := map[uint64]bool{}
	for n := uint64(1); n <= c.last; n++ {
		a := c.applied[n]
		known[n] = a.block != common.Hash{}
		for _, tx := range a.executed {
			blocks[tx] = append(blocks[tx], n)
		}
		for tx := range a.skipped {
			skipped[tx] = true
		}
	}
	for _, b := range c.Blocks {
		if known[b.Value.Number] {
			continue
		}
		known[b.Value.Number] = true
		for _, tx := range b.Value.Transactions {
			blocks[tx] = append(blocks[tx], b.Value.Number)
		}
	}
	return blocks, skipped
}
