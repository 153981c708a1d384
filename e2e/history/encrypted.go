package history

import (
	"slices"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// ordered is what a preblock says of one number.
type ordered struct {
	hash    common.Hash // of the content as it was put in order
	content common.Hash // of the content with its bundles opened, which is what is executed
	bundles []bundle
}

// bundle is the outcome of one bundle: transactions, or the reason why there are none.
type bundle struct {
	hash         common.Hash
	transactions []common.Hash
	reason       preblockv1.UndecryptableReason
}

func ofPreblock(p *preblockv1.Preblock) ordered {
	o := ordered{hash: common.BytesToHash(p.GetContentHash())}
	outcomes := map[uint32]*preblockv1.Outcome{}
	for _, one := range p.GetOutcomes() {
		outcomes[one.GetIndex()] = one
	}
	opened := proto.CloneOf(p.GetContent())
	opened.Transactions = nil
	for i, raw := range p.GetContent().GetTransactions() {
		one, ok := outcomes[uint32(i)]
		if !ok || !te.IsBundle(raw) {
			opened.Transactions = append(opened.Transactions, raw)
			continue
		}
		b := bundle{hash: content.Keccak(raw), reason: one.GetUndecryptable().GetReason()}
		for _, tx := range one.GetDecrypted().GetTransactions() {
			b.transactions = append(b.transactions, content.Keccak(tx))
		}
		opened.Transactions, o.bundles = append(opened.Transactions, one.GetDecrypted().GetTransactions()...), append(o.bundles, b)
	}
	o.content = content.HashOf(opened)
	return o
}

// encrypted checks that bundle and transaction are one thing. S1: the blueprint log says of each bundle what the preblock
// says. S3: a bundle is opened at one number, and what was in it is executed or skipped at that number.
func (c *checker) encrypted() {
	for _, r := range c.Records {
		o, ok := c.ordered[r.GetNumber()]
		if !ok {
			continue
		}
		var recorded []bundle
		for _, b := range r.GetBundles() {
			one := bundle{hash: common.BytesToHash(b.GetHash()), reason: b.GetReason()}
			for _, tx := range b.GetTransactionHashes() {
				one.transactions = append(one.transactions, common.BytesToHash(tx))
			}
			recorded = append(recorded, one)
		}
		if !slices.EqualFunc(recorded, o.bundles, bundle.equal) {
			c.violated("S1", "number %d: the blueprint log has %v of its bundles, the preblock %v", r.GetNumber(), recorded, o.bundles)
		}
	}
	opened := map[common.Hash]uint64{}
	for n := uint64(1); n <= c.last; n++ {
		for _, b := range c.ordered[n].bundles {
			if len(b.transactions) == 0 {
				continue
			}
			if first, ok := opened[b.hash]; ok {
				c.violated("S3", "bundle %s was opened at number %d and at %d", b.hash, first, n)
			}
			opened[b.hash] = n
			c.executed(n, b)
		}
	}
}

func (b bundle) equal(other bundle) bool {
	return b.hash == other.hash && b.reason == other.reason && slices.Equal(b.transactions, other.transactions)
}

// executed: what was opened is in the block of the number, or was skipped there with a reason.
func (c *checker) executed(number uint64, b bundle) {
	a := c.applied[number]
	if a.skipped == nil { // only its record is known, which does not say what was skipped
		return
	}
	for _, tx := range b.transactions {
		if _, skipped := a.skipped[tx]; !skipped && !slices.Contains(a.executed, tx) {
			c.violated("S3", "transaction %s of bundle %s, opened at number %d, was neither executed nor skipped there", tx, b.hash, number)
		}
	}
}

// whereBundlesAre adds the bundles to where transactions are: an opened one is where what was in it is.
func (c *checker) whereBundlesAre(blocks map[common.Hash][]uint64, skipped map[common.Hash]bool) {
	for n := uint64(1); n <= c.last; n++ {
		for _, b := range c.ordered[n].bundles {
			if len(b.transactions) == 0 {
				skipped[b.hash] = true
				continue
			}
			for _, tx := range b.transactions {
				skipped[b.hash] = skipped[b.hash] || skipped[tx]
				if slices.Contains(blocks[tx], n) && !slices.Contains(blocks[b.hash], n) {
					blocks[b.hash] = append(blocks[b.hash], n)
				}
			}
		}
	}
}
