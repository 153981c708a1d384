package hostile

import (
	"errors"
	"maps"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/rules"

	"google.golang.org/protobuf/proto"
)

// forbidden are the ways to break a rule. Each changes a content that keeps them, and names the reason of the refusal; with none,
// it has nothing to work on. Keyholders ask the same functions.
var forbidden = map[string]func(w *world, c *preblockv1.Content) error{
	"a copy with one byte changed": func(w *world, c *preblockv1.Content) error {
		raw := w.sealedBy(c, 0, func(*seal.Header) {})
		raw[len(raw)-100-w.rng.IntN(200)] ^= 1
		w.last(c, raw)
		return seal.ErrProof
	},
	"ordered before": func(w *world, c *preblockv1.Content) error {
		before := w.ordered[:len(w.ordered)-sealedOf(c)]
		if len(before) == 0 {
			return nil
		}
		w.last(c, pick(w.rng, before[max(0, len(before)-6):]))
		return rules.ErrContent // its seq is used up, it expired, or it does not pay the base fee
	},
	"a seq skipped": func(w *world, c *preblockv1.Content) error {
		w.last(c, w.sealedBy(c, 1, func(*seal.Header) {}))
		return rules.ErrSeq
	},
	"expired": func(w *world, c *preblockv1.Content) error {
		w.last(c, w.sealedBy(c, 0, func(h *seal.Header) { h.Expiry-- }))
		return rules.ErrExpiry
	},
	"expires too late": func(w *world, c *preblockv1.Content) error {
		w.last(c, w.sealedBy(c, 0, func(h *seal.Header) { h.Expiry += lifetime + 1 }))
		return rules.ErrExpiry
	},
	"fee below the base fee": func(w *world, c *preblockv1.Content) error {
		if c.GetBaseFee() == 0 {
			return nil
		}
		w.last(c, w.sealedBy(c, 0, func(h *seal.Header) { h.Fee-- }))
		return rules.ErrFee
	},
	"too much gas": func(w *world, c *preblockv1.Content) error {
		w.last(c, w.sealedBy(c, 0, func(h *seal.Header) { h.Gas = sealedGas + 1 }))
		return rules.ErrGas
	},
	"too little gas": func(w *world, c *preblockv1.Content) error {
		w.last(c, w.sealedBy(c, 0, func(h *seal.Header) { h.Gas-- }))
		return rules.ErrGas
	},
	"sealed after plain": func(w *world, c *preblockv1.Content) error {
		raw := w.sealedBy(c, 0, func(*seal.Header) {})
		c.Transactions = append(c.Transactions, w.transfer().raw, raw)
		return rules.ErrPlace
	},
	"timestamp before the last": func(w *world, c *preblockv1.Content) error {
		c.Timestamp.Seconds = -1 // before that of the head, whatever it is
		return rules.ErrTimestamp
	},
}

func sealedOf(c *preblockv1.Content) (n int) {
	for _, raw := range c.GetTransactions() {
		if seal.IsSealed(raw) {
			n++
		}
	}
	return n
}

// last puts a sealed transaction behind the others.
func (w *world) last(c *preblockv1.Content, raw []byte) {
	c.Transactions = slices.Insert(c.GetTransactions(), sealedOf(c), raw)
}

// tryForbidden proposes a content that breaks a rule.
func (w *world) tryForbidden(honest *preblockv1.Content, head uint64) {
	name := pick(w.rng, slices.Sorted(maps.Keys(forbidden)))
	c := proto.CloneOf(honest)
	want := forbidden[name](w, c)
	if want == nil {
		return
	}
	_, err := w.checker.Check(c, w.window)
	if errors.Is(want, rules.ErrTimestamp) {
		c.Timestamp.Seconds += int64(head)
		err = rules.CheckTimestamp(int64(head), c.GetTimestamp().GetSeconds())
	}
	if !errors.Is(err, want) || !errors.Is(err, rules.ErrContent) {
		w.failf("%s: %v, want %v", name, err, want)
	}
	w.stats["refused: "+name]++
}
