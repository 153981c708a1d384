package history

import (
	"maps"
	"slices"

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
	executed  []common.Hash // transactions without the skipped ones, delayed ones first; nil for a record
	skipped   map[common.Hash]string
	ordered   []common.Hash       // the transactions with the skipped ones
	times     map[common.Hash]int // how often each was skipped: one that is there twice may be executed once
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
		c.note(b.Value.GetNumber(), ofBlueprint(b.Value))
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
		content:   contentHash(b.GetNumber(), b.GetParentHash(), b.GetTimestamp(), b.GetDelayedTransactions(), b.GetTransactions()),
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
	var all []common.Hash
	for _, d := range b.GetDelayedTransactions() {
		all = append(all, common.BytesToHash(d.GetHash()))
	}
	for _, raw := range b.GetTransactions() {
		all = append(all, content.Keccak(raw))
	}
	a.total = len(all) + unopened(b, all)
	a.ordered = all
	left := maps.Clone(a.times)
	for _, tx := range all {
		if left[tx] > 0 {
			left[tx]--
			continue
		}
		a.executed = append(a.executed, tx)
	}
	return a
}

// gives says whether a block with these transactions is what was ordered without what was skipped.
func (a applied) gives(block []common.Hash) bool {
	left := maps.Clone(a.times)
	for _, tx := range a.ordered {
		switch {
		case len(block) > 0 && block[0] == tx:
			block = block[1:]
		case left[tx] > 0:
			left[tx]--
		default:
			return false
		}
	}
	for _, tx := range a.ordered {
		if left[tx] > 0 { // executed, and said to be skipped
			return false
		}
	}
	return len(block) == 0
}

// unopened counts the skipped that are none of the transactions: sealed ones that could not be opened.
func unopened(b *blueprintv1.Blueprint, transactions []common.Hash) (n int) {
	for _, s := range b.GetSkipped() {
		if !slices.Contains(transactions, common.BytesToHash(s.GetHash())) {
			n++
		}
	}
	return n
}

func ofRecord(r *blueprintv1.LogRecord) applied {
	a := applied{
		content:   contentHash(r.GetNumber(), r.GetParentHash(), r.GetTimestamp(), r.GetDelayedTransactions(), r.GetTransactions()),
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

func contentHash(number uint64, parent []byte, ts *timestamppb.Timestamp, delayed []*blueprintv1.DelayedTransaction, txs [][]byte) common.Hash {
	c := &preblockv1.Content{Number: number, PreviousBlockHash: parent, Timestamp: ts, Transactions: txs}
	for _, d := range delayed {
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, d.GetHash())
	}
	return content.HashOf(c)
}
