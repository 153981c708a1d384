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
	next, waits := map[byte]uint16{}, map[content.Hash]bool{}
	for account, nonce := range p.chain.nonces {
		next[account] = nonce
	}
	for _, raw := range p.chain.waiting {
		next[accountOf(raw)] = max(next[accountOf(raw)], nonceOf(raw)+1)
		waits[content.Keccak(raw)] = true
	}
	for again := true; again; {
		again = false
		for _, t := range p.txs.recs {
			if len(txs) < 8-len(waits) && nonceOf(t.raw) == next[accountOf(t.raw)] && !p.removed[t.hash] && !waits[t.hash] {
				next[accountOf(t.raw)]++
				txs = append(txs, t.raw)
				again = true
				if p.w.bug(PopsBeforeApply) {
					p.removed[t.hash], p.popped[t.hash] = true, true
					p.w.left(p.process, t.hash)
				}
			}
		}
	}
	return txs
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
