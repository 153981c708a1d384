package sim

import (
	"context"
	"encoding/binary"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// chain stands for the EVM: a fold of the log's records, deterministic like it. A transaction is one byte for its account,
// two for its nonce, and anything after; one whose nonce is not the next is skipped. It keeps nothing through a crash, so
// everything is replayed from the log.
type chain struct {
	again   bool           // a defect: nonces are not looked at
	heads   []section.Head // of block 0 on
	roots   []content.Hash
	skipped map[uint64][]*blueprintv1.SkippedTransaction
	ran     map[uint64][]blueprint.Executed
	nonces  map[byte]uint16
	done    map[content.Hash]uint64 // executed transactions and their blocks
}

var genesis = section.Head{Hash: content.Keccak([]byte("genesis")), Time: 1_600_000_000}

func newChain() *chain {
	return &chain{
		heads: []section.Head{genesis}, roots: []content.Hash{{}}, nonces: map[byte]uint16{},
		skipped: map[uint64][]*blueprintv1.SkippedTransaction{}, ran: map[uint64][]blueprint.Executed{}, done: map[content.Hash]uint64{},
	}
}

func (c *chain) head() section.Head { return c.heads[len(c.heads)-1] }

// apply executes a record; a repeat of one that was applied is a success.
func (c *chain) apply(rec *blueprintv1.LogRecord) section.Block {
	n := rec.GetNumber()
	if n < uint64(len(c.heads)) {
		return section.BlockOf(rec, c.heads[n].Hash)
	}
	state := append([]byte(nil), c.roots[len(c.roots)-1][:]...)
	for _, raw := range rec.GetTransactions() {
		hash := content.Keccak(raw)
		if account, nonce := accountOf(raw), nonceOf(raw); nonce != c.nonces[account] && !c.again {
			c.skipped[n] = append(c.skipped[n], &blueprintv1.SkippedTransaction{Hash: hash[:], Reason: "nonce"})
			continue
		}
		c.nonces[accountOf(raw)] = nonceOf(raw) + 1
		c.done[hash] = n
		c.ran[n] = append(c.ran[n], blueprint.Executed{Raw: raw})
		state = append(state, hash[:]...)
	}
	root := content.Keccak(state)
	header := binary.BigEndian.AppendUint64(append(rec.GetParentHash(), root[:]...), uint64(rec.GetTimestamp().GetSeconds()))
	head := section.Head{Number: n, Hash: content.Keccak(header), Time: rec.GetTimestamp().GetSeconds()}
	c.heads, c.roots = append(c.heads, head), append(c.roots, root)
	return section.BlockOf(rec, head.Hash)
}

// BlockHash makes a chain what blueprints are published from.
func (c *chain) BlockHash(number uint64) (content.Hash, bool) {
	if number >= uint64(len(c.heads)) {
		return content.Hash{}, false
	}
	return c.heads[number].Hash, true
}

// Skipped is the other half of that.
func (c *chain) Skipped(number uint64) ([]*blueprintv1.SkippedTransaction, error) {
	return c.skipped[number], nil
}

// sealed are the sealed transactions that were executed.
func (c *chain) sealed() (all [][]byte) {
	for n := range uint64(len(c.heads)) {
		for _, one := range c.ran[n] {
			if isSealed(one.Raw) {
				all = append(all, one.Raw)
			}
		}
	}
	return all
}

// Executed is what a block executed.
func (c *chain) Executed(number uint64) ([]blueprint.Executed, error) { return c.ran[number], nil }

func accountOf(raw []byte) byte { return raw[0] }

func nonceOf(raw []byte) uint16 { return binary.BigEndian.Uint16(raw[1:]) }

// onTop shows the producer's chain and pool to producer-svc's Contents.
type onTop struct{ p *producerNode }

func (t onTop) Head() (number uint64, hash content.Hash, timestamp int64) {
	h := t.p.chain.head()
	return h.Number, h.Hash, h.Time
}

func (t onTop) UpgradeDue(int64) bool { return false }

func (t onTop) Pending() ([]content.Hash, error) { return nil, nil }

func (t onTop) Transactions(context.Context, uint64, uint64) ([][]byte, error) {
	return t.p.executable(), nil
}
