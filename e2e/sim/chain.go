package sim

import (
	"context"
	"encoding/binary"
	"slices"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// blockGas is how many transactions a block executes besides those that were sealed, less than a content may have: the rest
// waits for the next.
const blockGas = 2

// chain stands for the EVM: a fold of the log's records, deterministic like it. A transaction is one byte for its account,
// two for its nonce, and anything after; one whose nonce is not the next is skipped. It keeps nothing through a crash, so
// everything is replayed from the log.
type chain struct {
	again    bool           // a defect: nonces are not looked at
	overtake bool           // a defect: what waits goes last
	equal    bool           // a defect: what was sealed is executed like the rest
	patient  bool           // a defect: what was sealed waits until its nonce is due
	barsAll  bool           // a defect: what ended is barred whoever sealed it
	heads    []section.Head // of block 0 on
	roots    []content.Hash
	executed map[uint64][][]byte
	skipped  map[uint64][]*blueprintv1.SkippedTransaction
	waiting  [][]byte // for gas in the next block, after the head
	nonces   map[byte]uint16
	done     map[content.Hash]uint64 // executed transactions and their blocks
	bars     map[content.Hash]bar    // by the transaction inside
}

// bar keeps a transaction out of the contents after one, up to another.
type bar struct{ after, last uint64 }

var genesis = section.Head{Hash: content.Keccak([]byte("genesis")), Time: 1_600_000_000}

func newChain() *chain {
	return &chain{
		heads: []section.Head{genesis}, roots: []content.Hash{{}}, nonces: map[byte]uint16{},
		executed: map[uint64][][]byte{}, skipped: map[uint64][]*blueprintv1.SkippedTransaction{}, done: map[content.Hash]uint64{},
		bars: map[content.Hash]bar{},
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
	all, first := c.order(rec.GetTransactions())
	waited := len(c.waiting)
	c.waiting = nil
	var early [][]byte // those that wait because of a defect
	for i, raw := range all {
		if i >= first && len(c.executed[n]) >= first+blockGas {
			c.waiting = all[i:]
			break
		}
		if c.patient && i < first && nonceOf(raw) > c.nonces[accountOf(raw)] {
			early = append(early, raw)
			continue
		}
		hash := content.Keccak(raw)
		if reason := c.refusal(raw, n, i < first || i >= first+waited); reason != "" {
			c.skipped[n] = append(c.skipped[n], &blueprintv1.SkippedTransaction{Hash: hash[:], Reason: reason})
			continue
		}
		c.nonces[accountOf(raw)] = nonceOf(raw) + 1
		c.done[hash] = n
		c.executed[n] = append(c.executed[n], raw)
		state = append(state, hash[:]...)
	}
	c.waiting = append(early, c.waiting...)
	root := content.Keccak(state)
	header := binary.BigEndian.AppendUint64(append(rec.GetParentHash(), root[:]...), uint64(rec.GetTimestamp().GetSeconds()))
	head := section.Head{Number: n, Hash: content.Keccak(header), Time: rec.GetTimestamp().GetSeconds()}
	c.heads, c.roots = append(c.heads, head), append(c.roots, root)
	return section.BlockOf(rec, head.Hash)
}

// refusal is why a transaction ends, "" when it is executed. What its own sender has sealed is barred when it ends, as in E4 of the
// rules, from the contents after.
func (c *chain) refusal(raw []byte, number uint64, own bool) string {
	inner := content.Keccak(raw[:min(len(raw), innerSize)])
	if b := c.bars[inner]; own && b.after < number && number <= b.last {
		return "barred"
	}
	if nonceOf(raw) == c.nonces[accountOf(raw)] || c.again {
		return ""
	}
	if bySubmitter(raw) && (submitterOf(raw) == accountOf(raw) || c.barsAll) {
		c.bars[inner] = bar{number, number + shortLifetime}
	}
	return "nonce"
}

// order is that of execution, and how many go first: what was sealed, which never waits.
func (c *chain) order(txs [][]byte) (all [][]byte, first int) {
	var sealed, plain [][]byte
	for _, raw := range txs {
		if isSealed(raw) && !c.equal {
			sealed = append(sealed, raw)
		} else {
			plain = append(plain, raw)
		}
	}
	if c.overtake {
		return slices.Concat(sealed, plain, c.waiting), len(sealed)
	}
	return slices.Concat(sealed, c.waiting, plain), len(sealed)
}

// BlockHash makes a chain what blueprints are published from.
func (c *chain) BlockHash(number uint64) (content.Hash, bool) {
	if number >= uint64(len(c.heads)) {
		return content.Hash{}, false
	}
	return c.heads[number].Hash, true
}

// Skipped is another part of that.
func (c *chain) Skipped(number uint64) ([]*blueprintv1.SkippedTransaction, error) {
	return c.skipped[number], nil
}

// sealed are the sealed transactions that were executed.
func (c *chain) sealed() (all [][]byte) {
	for n := range uint64(len(c.heads)) {
		for _, raw := range c.executed[n] {
			if isSealed(raw) {
				all = append(all, raw)
			}
		}
	}
	return all
}

// Executed is the rest of it.
func (c *chain) Executed(number uint64) (all []blueprint.Executed, err error) {
	for _, raw := range c.executed[number] {
		all = append(all, blueprint.Executed{Raw: raw})
	}
	return all, nil
}

func accountOf(raw []byte) byte { return raw[0] }

func nonceOf(raw []byte) uint16 { return binary.BigEndian.Uint16(raw[1:]) }

// onTop shows the producer's chain and pool to producer-svc's Contents.
type onTop struct{ p *producerNode }

func (t onTop) Head() (number uint64, hash content.Hash, timestamp int64) {
	h := t.p.chain.head()
	return h.Number, h.Hash, h.Time
}

func (t onTop) UpgradeDue(int64) bool { return false }

func (t onTop) BaseFee() uint64 { return baseFee }

func (t onTop) Gas() uint64 { return blockGas }

func (t onTop) WaitingBytes() uint64 { return 0 }

func (t onTop) Waiting() bool { return len(t.p.chain.waiting) > 0 }

func (t onTop) Pending() ([]contents.DelayedTransaction, error) { return nil, nil }

func (t onTop) Transactions(context.Context, uint64, uint64) ([][]byte, error) {
	return t.p.executable(), nil
}
