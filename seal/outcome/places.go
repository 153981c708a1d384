package outcome

import (
	"errors"
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
)

// places are where the ciphertexts of a content stand in it.
type places struct {
	all    map[common.Hash][]standing // by the ciphertext's id, in order
	firsts map[common.Hash]standing   // the first whose proof holds, once it was looked for
}

type standing struct {
	index      uint32
	ciphertext *te.Ciphertext
}

func newPlaces() *places {
	return &places{all: map[common.Hash][]standing{}, firsts: map[common.Hash]standing{}}
}

// placesIn decodes a content's bundles, which is what it takes.
func placesIn(c *preblockv1.Content) *places {
	p := newPlaces()
	for i, raw := range c.GetTransactions() {
		if !te.IsBundle(raw) {
			continue
		}
		if b, err := te.DecodeBundle(raw); err == nil {
			p.add(uint32(i), b.Payload.Ciphertext)
		}
	}
	return p
}

// add adds a ciphertext that stands after those added before.
func (p *places) add(index uint32, c *te.Ciphertext) {
	id := c.ID()
	p.all[id] = append(p.all[id], standing{index, c})
}

// first is the place of the first ciphertext with this id whose proof holds. Others are never opened, and bar nobody.
func (p *places) first(id common.Hash) (uint32, bool) {
	if s, ok := p.firsts[id]; ok {
		return s.index, true
	}
	for _, s := range p.all[id] {
		if _, err := s.ciphertext.Verify(); err == nil {
			p.firsts[id] = s
			return s.index, true
		}
	}
	return 0, false
}

// checkPlace checks what follows for a bundle from others in its content that have its ciphertext: those with a proof that
// holds are, but for the first, refused with the place that is first in the whole order.
func (v *verifier) checkPlace(c *te.Ciphertext, o *preblockv1.Outcome) error {
	if len(v.here.all[c.ID()]) < 2 || o.GetUndecryptable().GetReason() == BadCiphertext {
		return nil
	}
	if _, err := c.Verify(); err != nil {
		return err
	}
	first, ok := v.here.first(c.ID())
	if !ok || first == o.GetIndex() {
		return nil
	}
	want := Place{v.content.GetNumber(), first}
	if u := v.said[first].GetUndecryptable(); u.GetReason() == AlreadyOrdered {
		want = Place{u.GetEarlierNumber(), u.GetEarlierIndex()}
	}
	u := o.GetUndecryptable()
	if u.GetReason() != AlreadyOrdered {
		return errors.New("its ciphertext stands in this content before")
	}
	if got := (Place{u.GetEarlierNumber(), u.GetEarlierIndex()}); got != want {
		return fmt.Errorf("its ciphertext is first at %s, not at %s", want, got)
	}
	return nil
}
