package history

import (
	"slices"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// ordered is what a preblock says of one number.
type ordered struct {
	hash    common.Hash // of the content as it was put in order
	content common.Hash // of the content with its sealed transactions opened, which is what is executed
	sealed  []sealed
}

// sealed is the outcome of one sealed transaction: the one inside, or a reason why there is none.
type sealed struct {
	id          common.Hash
	transaction common.Hash // zero when it is unopenable
	reason      preblockv1.UnopenableReason
}

func (s sealed) opened() bool { return s.transaction != common.Hash{} }

// idOf is a sealed transaction's identity; of bytes that are none, their hash.
func idOf(raw []byte) common.Hash {
	s, err := seal.Parse(raw)
	if err != nil {
		return content.Keccak(raw)
	}
	return common.Hash(s.ID())
}

func ofPreblock(p *preblockv1.Preblock) ordered {
	o := ordered{hash: common.BytesToHash(p.GetContentHash())}
	outcomes := map[uint32]*preblockv1.Outcome{}
	for _, one := range p.GetOutcomes() {
		outcomes[one.GetIndex()] = one
	}
	executed := proto.CloneOf(p.GetContent())
	executed.Transactions = nil
	for i, raw := range p.GetContent().GetTransactions() {
		one, ok := outcomes[uint32(i)]
		if !ok || !seal.IsSealed(raw) {
			executed.Transactions = append(executed.Transactions, raw)
			continue
		}
		s := sealed{id: idOf(raw), reason: one.GetUnopenable().GetReason()}
		if inner := one.GetOpened().GetTransaction(); inner != nil {
			s.transaction = content.Keccak(inner)
			executed.Transactions = append(executed.Transactions, inner)
		}
		o.sealed = append(o.sealed, s)
	}
	o.content = content.HashOf(executed)
	return o
}

// sealedOnes checks that a sealed transaction and the one inside are one thing. S1: the blueprint log says of each what the
// preblock says. S3: each is opened at one number, and the one inside is executed or skipped at that number.
func (c *checker) sealedOnes() {
	for _, r := range c.Records {
		o, ok := c.ordered[r.GetNumber()]
		if !ok {
			continue
		}
		var recorded []sealed
		for _, s := range r.GetSealed() {
			recorded = append(recorded, sealed{common.BytesToHash(s.GetId()), common.BytesToHash(s.GetTransactionHash()), s.GetReason()})
		}
		if !slices.Equal(recorded, o.sealed) {
			c.violated("S1", "number %d: the blueprint log has %v of its sealed transactions, the preblock %v", r.GetNumber(), recorded, o.sealed)
		}
	}
	seen := map[common.Hash]uint64{}
	for n := uint64(1); n <= c.last; n++ {
		for _, s := range c.ordered[n].sealed {
			if first, ok := seen[s.id]; ok {
				c.violated("S3", "sealed transaction %s was ordered at number %d and at %d", s.id, first, n)
			}
			seen[s.id] = n
			if s.opened() {
				c.executed(n, s)
			}
		}
	}
}

// executed checks S16: what was opened is in the block of the number, or ended there with a reason.
func (c *checker) executed(number uint64, s sealed) {
	a := c.applied[number]
	if a.skipped == nil { // only its record is known, which does not say what was skipped
		return
	}
	if _, skipped := a.skipped[s.transaction]; !skipped && !slices.Contains(a.executed, s.transaction) {
		c.violated("S16", "transaction %s of sealed transaction %s, opened at number %d, was neither executed nor ended there", s.transaction, s.id, number)
	}
}

// whereSealedAre adds the sealed transactions to where transactions are: an opened one is where the one inside is.
func (c *checker) whereSealedAre(blocks map[common.Hash][]uint64, skipped map[common.Hash]bool) {
	for n := uint64(1); n <= c.last; n++ {
		for _, s := range c.ordered[n].sealed {
			skipped[s.id] = skipped[s.id] || !s.opened() || skipped[s.transaction]
			if s.opened() && slices.Contains(blocks[s.transaction], n) && !slices.Contains(blocks[s.id], n) {
				blocks[s.id] = append(blocks[s.id], n)
			}
		}
	}
}
