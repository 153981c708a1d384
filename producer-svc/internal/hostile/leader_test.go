package hostile

import (
	"crypto/ecdsa"
	"crypto/rand"
	"slices"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// block is one number: the leader tries what the rules forbid, then does all harm that they allow.
func (w *world) block() {
	number, head, at := w.live.Head()
	if number == 0 {
		var header types.Header
		w.must(w.rpc.Call(&header, "eth_getBlockByNumber", "latest", false))
		w.learnBaseFee(&header)
	}
	c := &preblockv1.Content{Number: number + 1, PreviousBlockHash: head[:], BaseFee: w.baseFee}
	c.Timestamp = &timestamppb.Timestamp{Seconds: int64(w.timestamp(at))}
	if w.live.UpgradeDue(uint64(c.GetTimestamp().GetSeconds())) {
		w.stats["fork"]++
	}
	d := decided{preblock: &preblockv1.Preblock{Content: c, Certificate: &preblockv1.Certificate{}}, delayed: map[content.Hash][]byte{}}
	w.lie(c)
	w.fillSealed(d.preblock)
	w.fillPlain(&d)
	for range w.rng.IntN(3) {
		w.tryForbidden(c, at)
	}
	_, err := w.checker.Check(c, w.window)
	w.must(err)
	w.must(rules.CheckTimestamp(int64(at), c.GetTimestamp().GetSeconds()))
	hash := content.HashOf(c)
	d.preblock.ContentHash = hash[:]
	w.decide(d)
}

// timestamp is at a limit, at a fork or before it, or some time later.
func (w *world) timestamp(head uint64) uint64 {
	for _, fork := range w.forks {
		if fork > head && w.rng.IntN(2) == 0 {
			return min(fork-1+w.rng.Uint64N(3)/2, head+2)
		}
	}
	return head + w.rng.Uint64N(2)
}

// lie names a wrong parent or a wrong base fee. No keyholder can check them.
func (w *world) lie(c *preblockv1.Content) {
	if w.rng.IntN(4) == 0 {
		c.PreviousBlockHash = slices.Clone(c.GetPreviousBlockHash())
		c.PreviousBlockHash[0] ^= 1
		w.stats["wrong parent"]++
	}
	if w.rng.IntN(4) == 0 {
		c.BaseFee = w.rng.Uint64N(c.GetBaseFee())
		w.stats["false base fee"]++
	}
}

func (w *world) fillSealed(p *preblockv1.Preblock) {
	c := p.GetContent()
	plan := w.window.Plan(c.GetNumber())
	for i := range uint32(w.rng.IntN(5)) {
		raw, o := w.sealedOne(c, plan)
		o.Index = i
		c.Transactions, p.Outcomes = append(c.Transactions, raw), append(p.Outcomes, o)
		w.ordered = append(w.ordered, raw)
	}
	if p.Outcomes == nil {
		p.Certificate = &preblockv1.Certificate{} // of a DSN with keyholders
	}
}

// sealedOne is a sealed transaction of the next content, and its outcome. What an honest wallet sealed earlier comes when the
// leader wants it to.
func (w *world) sealedOne(c *preblockv1.Content, plan *rules.Plan) ([]byte, *preblockv1.Outcome) {
	if w.rng.IntN(20) == 0 {
		raw := w.c.Garbage(pick(w.rng, []error{seal.ErrPayload, seal.ErrPadding, seal.ErrSeed}), func(h *seal.Header) {
			h.Fee, h.Gas, h.Expiry = c.GetBaseFee(), 21_000, c.GetNumber()
		})
		return raw, &preblockv1.Outcome{Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{
			Reason: preblockv1.UnopenableReason_UNOPENABLE_REASON_PAYLOAD}}}
	}
	inner, tx := w.inner()
	gas, fee := uint64(100_000), c.GetBaseFee()
	if tx != nil {
		gas, fee = min(tx.gas, gas), max(fee, tx.feeCap)
		if w.rng.IntN(10) == 0 {
			gas = 21_000
		}
	}
	by := w.submitterOf(tx)
	raw := w.c.SealedBy(by, plan.Take(crypto.PubkeyToAddress(by.PublicKey)), inner, func(h *seal.Header) {
		h.Gas, h.Fee, h.Expiry = gas, fee, c.GetNumber()+w.rng.Uint64N(lifetime+1)
	})
	return raw, &preblockv1.Outcome{Result: &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Transaction: inner}}}
}

// inner is what is inside: something new, something public, something opened before, or no transaction. tx is nil for the last.
func (w *world) inner() (raw []byte, tx *transaction) {
	switch n := w.rng.IntN(20); {
	case n == 0:
		raw = make([]byte, 40)
		_, _ = rand.Read(raw)
		return raw, nil
	case n == 1 && len(w.ordered) > 0:
		return pick(w.rng, w.ordered), nil
	case n < 6 && len(w.public) > 0:
		tx = w.recent(w.public)
	case n < 8 && len(w.opened) > 0:
		tx = w.recent(w.opened)
	default:
		tx = w.transfer()
	}
	w.opened = append(w.opened, tx)
	return tx.raw, tx
}

func (w *world) recent(all []*transaction) *transaction {
	return pick(w.rng, all[max(0, len(all)-12):])
}

// fillPlain puts readable transactions into a content: burners, what wallets sent in public, and what was opened.
func (w *world) fillPlain(d *decided) {
	c := d.preblock.GetContent()
	if w.live.Waiting().Gas > 3*gasLimit {
		return
	}
	var txs []*transaction
	if w.baseFee < 1e12 && w.schedule%3 == 0 {
		for range w.rng.IntN(8) {
			txs = append(txs, w.burn())
		}
	}
	for range w.rng.IntN(3) {
		tx := w.transfer()
		w.public, txs = append(w.public, tx), append(txs, tx)
	}
	if len(w.public) > 0 && w.rng.IntN(2) == 0 {
		txs = append(txs, w.recent(w.public))
	}
	for range w.rng.IntN(3) {
		if len(w.opened) > 0 {
			txs = append(txs, w.recent(w.opened))
		}
	}
	for _, tx := range txs {
		if hash := content.Hash(tx.hash); w.rng.IntN(4) == 0 && d.delayed[hash] == nil {
			d.delayed[hash] = tx.raw
			c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, tx.hash[:])
			continue
		}
		c.Transactions = append(c.Transactions, tx.raw)
	}
}

// sealedBy seals anything for the end of a content's sealed transactions. skip is how many seqs are left out.
func (w *world) sealedBy(c *preblockv1.Content, skip uint64, change func(*seal.Header)) []byte {
	by := pick(w.rng, []*ecdsa.PrivateKey{w.relay, w.strangers[0], w.accounts[4].key})
	headers, err := rules.Headers(c)
	w.must(err)
	plan := w.window.Plan(c.GetNumber())
	for _, h := range headers {
		plan.Take(h.Submitter)
	}
	return w.c.SealedBy(by, skip+plan.Take(crypto.PubkeyToAddress(by.PublicKey)), w.accounts[5].address[:], func(h *seal.Header) {
		h.Gas, h.Fee, h.Expiry = 21_000, c.GetBaseFee(), c.GetNumber()
		change(h)
	})
}
