package history

import (
	"strings"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// applied is what is known of one applied number, from whichever observer came first.
type applied struct {
	content   common.Hash // hash of what is executed: the ordered content with its sealed transactions opened
	block     common.Hash // zero when only the log's record is known
	parent    common.Hash
	timestamp int64
	request   string
	executed  []common.Hash // transactions of the block, in its order; nil for a record
	skipped   map[common.Hash]string
	times     map[common.Hash]int // how often each was skipped: one that was ordered twice may be executed once
	delayed   []common.Hash       // what was ordered: delayed transactions
	ordered   []common.Hash       // and the others, those that were sealed first
	sealed    []common.Hash       // of ordered, those that History.Sealed says
	total     int                 // all transactions of the blueprint, sealed ones that could not be opened included
}

func newChecker(h *History) *checker {
	c := &checker{History: h, applied: map[uint64]applied{}, ordered: map[uint64]ordered{}}
	for _, p := range h.Preblocks {
		if _, ok := c.ordered[p.Value.GetContent().GetNumber()]; !ok {
			c.ordered[p.Value.GetContent().GetNumber()] = ofPreblock(p.Value)
		}
	}
	for _, b := range h.Blueprints {
		a := ofBlueprint(b.Value)
		for i, raw := range b.Value.GetTransactions() {
			if h.Sealed != nil && h.Sealed(raw) {
				a.sealed = append(a.sealed, a.ordered[i])
			}
		}
		c.note(b.Value.GetNumber(), a)
	}
	for _, r := range h.Records {
		c.note(r.GetNumber(), ofRecord(r))
	}
	return c
}

func (c *checker) note(number uint64, a applied) {
	if _, ok := c.applied[number]; !ok {
		c.applied[number] = a
	}
	c.last = max(c.last, number)
}

func ofBlueprint(b *blueprintv1.Blueprint) applied {
	a := applied{
		content:   contentHash(b.GetNumber(), b.GetBaseFee(), b.GetParentHash(), b.GetTimestamp(), b.GetDelayedTransactions(), b.GetTransactions()),
		block:     common.BytesToHash(b.GetBlockHash()),
		parent:    common.BytesToHash(b.GetParentHash()),
		timestamp: b.GetTimestamp().GetSeconds(),
		request:   b.GetRequestId(),
		skipped:   map[common.Hash]string{},
		times:     map[common.Hash]int{},
	}
	for _, s := range b.GetSkipped() {
		hash := common.BytesToHash(s.GetHash())
		a.skipped[hash] = s.GetReason()
		a.times[hash]++
	}
	for _, d := range b.GetDelayedTransactions() {
		a.delayed = append(a.delayed, common.BytesToHash(d.GetHash()))
	}
	for _, raw := range b.GetTransactions() {
		a.ordered = append(a.ordered, content.Keccak(raw))
	}
	for _, one := range b.GetExecuted() {
		a.executed = append(a.executed, content.Keccak(one.GetRaw()))
	}
	a.total = len(a.delayed) + len(a.ordered)
	for _, one := range b.GetSkipped() {
		if strings.HasPrefix(one.GetReason(), "unopenable: ") {
			a.total++
		}
	}
	return a
}

func ofRecord(r *blueprintv1.LogRecord) applied {
	a := applied{
		content:   contentHash(r.GetNumber(), r.GetBaseFee(), r.GetParentHash(), r.GetTimestamp(), r.GetDelayedTransactions(), r.GetTransactions()),
		parent:    common.BytesToHash(r.GetParentHash()),
		timestamp: r.GetTimestamp().GetSeconds(),
		request:   r.GetRequestId(),
		total:     len(r.GetDelayedTransactions()) + len(r.GetTransactions()),
	}
	for _, s := range r.GetSealed() {
		if s.GetReason() != 0 {
			a.total++
		}
	}
	return a
}

func contentHash(number, baseFee uint64, parent []byte, ts *timestamppb.Timestamp, delayed []*blueprintv1.DelayedTransaction, txs [][]byte) common.Hash {
	c := &preblockv1.Content{Number: number, BaseFee: baseFee, PreviousBlockHash: parent, Timestamp: ts, Transactions: txs}
	for _, d := range delayed {
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, d.GetHash())
	}
	return content.HashOf(c)
}
