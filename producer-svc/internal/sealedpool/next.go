package sealedpool

import (
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/rlp"
)

// Next gives the transactions for a content whose number and base fee are set, as the rules of contents want them: each
// submitter's by seq without a gap, in turns by arrival, as much gas as a content may hold. They take at most share bytes of
// RLP, but the first one also when it takes more and fits in room, or a large one would wait for ever. None overtakes another,
// but one whose fee is below the base fee waits, and its submitter's later ones with it. A number that is fixed, or that the
// committee does not attest, has none.
func (p *Pool) Next(to *preblockv1.Content, share, room uint64) (raws [][]byte, size, gas uint64) {
	number := to.GetNumber()
	p.mu.Lock()
	defer p.mu.Unlock()
	if number <= p.cfg.Window.Last() {
		return nil, 0, 0
	}
	plan := p.cfg.Window.Plan(number)
	for _, turn := range p.order {
		// Each arrival is a turn of its submitter, whose next one may have arrived later than this one.
		submitter := turn.header.Submitter
		e := p.byPlace[place{submitter, plan.Next(submitter)}]
		if e == nil || e.raw == nil || rules.Admissible(e.header, number, to.GetBaseFee(), p.cfg.Chain) != nil {
			continue
		}
		next := size + rlp.BytesSize(e.raw)
		if gas+e.header.Gas > p.cfg.Chain.SealedGas || next > room || len(raws) > 0 && next > share {
			break
		}
		plan.Take(submitter)
		raws, size, gas = append(raws, e.raw), next, gas+e.header.Gas
	}
	return raws, size, gas
}
