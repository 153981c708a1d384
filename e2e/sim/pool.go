package sim

import (
	"slices"

	"blindseq/kit/content"
)

// transaction is one of the pool's.
type transaction struct {
	raw  []byte
	hash content.Hash
}

// submitTx is eth_sendRawTransaction: acknowledged when it is stored.
func (p *producerNode) submitTx(raw []byte, answer func(bool, error)) {
	hash := content.Keccak(raw)
	if len(raw) < 4 { // refused before anything is stored
		before := p.digest()
		p.w.refused(p.process, "a transaction that cannot be read", before, p.spoilRefusal(raw))
		answer(false, errNotFound)
		return
	}
	if p.has(hash) {
		answer(true, nil)
		return
	}
	if p.w.bug(AcknowledgesBeforeStoring) {
		answer(true, nil)
	}
	p.step(TransactionStored, func() {
		p.txs.append(transaction{raw, hash})
		if !p.w.bug(TransactionNotSynced) {
			p.txs.sync()
		}
	}, func() {
		answer(true, nil)
		p.nudge()
	})
}

// has says whether a transaction is pending here, or in a block.
func (p *producerNode) has(hash content.Hash) bool {
	if _, ok := p.chain.done[hash]; ok {
		return true
	}
	return !p.removed[hash] && slices.ContainsFunc(p.txs.recs, func(t transaction) bool { return t.hash == hash })
}

// executable are the pending transactions that can go on top of the head and of what waits for it: at most 8, more than a
// block executes.
func (p *producerNode) executable() (txs [][]byte) {
	if p.chain.again && len(p.txs.recs) > 0 && p.w.rng.IntN(8) == 0 {
		return [][]byte{p.txs.recs[0].raw}
	}
	picked := &pick{p: p, next: map[byte]uint16{}, waits: map[content.Hash]bool{}}
	for account, nonce := range p.chain.nonces {
		picked.next[account] = nonce
	}
	waiting := map[byte]bool{}
	for _, raw := range p.chain.waiting {
		waiting[accountOf(raw)], picked.waits[content.Keccak(raw)] = true, true
	}
	// What is sealed is executed first. It would end if transactions before it were not executed yet.
	picked.all(func(raw []byte) bool { return isSealed(raw) && !waiting[accountOf(raw)] })
	for _, raw := range p.chain.waiting {
		picked.next[accountOf(raw)] = max(picked.next[accountOf(raw)], nonceOf(raw)+1)
	}
	picked.all(func(raw []byte) bool { return !isSealed(raw) })
	return picked.txs
}

// pick is a content being put together.
type pick struct {
	p     *producerNode
	next  map[byte]uint16 // nonces
	waits map[content.Hash]bool
	txs   [][]byte
}

// all picks those of a kind that are next, while there is room.
func (k *pick) all(kind func(raw []byte) bool) {
	for again := true; again; {
		again = false
		for _, t := range k.p.txs.recs {
			if !kind(t.raw) || len(k.txs) >= 8-len(k.waits) || nonceOf(t.raw) != k.next[accountOf(t.raw)] || k.p.removed[t.hash] || k.waits[t.hash] {
				continue
			}
			k.next[accountOf(t.raw)]++
			k.txs = append(k.txs, t.raw)
			again = true
			if k.p.w.bug(PopsBeforeApply) {
				k.p.removed[t.hash], k.p.popped[t.hash] = true, true
				k.p.w.left(k.p.process, t.hash)
			}
		}
	}
}

// removeExecuted removes the transactions of an applied blueprint from the pool.
func (p *producerNode) removeExecuted(number uint64, txs [][]byte) {
	for _, raw := range txs {
		hash := content.Keccak(raw)
		if p.chain.done[hash] == number && !p.w.bug(KeepsWhatIsExecuted) {
			p.removed[hash] = true
			p.w.left(p.process, hash)
		}
	}
}
