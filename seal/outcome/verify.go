package outcome

import (
	"errors"
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"
)

// ErrWrong says that outcomes are not those of their content.
var ErrWrong = errors.New("wrong outcome")

// Lookup returns the content of an earlier number.
type Lookup func(number uint64) (*preblockv1.Content, error)

// Verify checks that a preblock has one outcome for each bundle of its content, in order, and that each is right. earlier is
// asked for the content that a repeated ciphertext is said to stand in; without it such an outcome is believed.
//
// Pairings are left to the end, one batch for all bundles that are said to be opened, so that what else is wrong costs none.
//
// A ciphertext that stands in the content more than once is opened at most at its first place there, and all others refer to
// the first place in the whole order. That a bundle said to be decrypted was not ordered in an earlier number is not looked
// for, which needs an index of all ciphertexts: keyholders refuse to open it, and its plain transactions, public by then, are
// what its sender encrypted.
func Verify(keys *te.PublicKeys, p *preblockv1.Preblock, earlier Lookup) error {
	v := &verifier{
		keys: keys, content: p.GetContent(), earlier: earlier,
		here: newPlaces(), there: map[uint64]*places{}, said: map[uint32]*preblockv1.Outcome{},
	}
	if err := v.verify(p.GetOutcomes()); err != nil {
		return fmt.Errorf("verify outcomes of number %d: %w: %w", p.GetContent().GetNumber(), ErrWrong, err)
	}
	return nil
}

type verifier struct {
	keys    *te.PublicKeys
	content *preblockv1.Content
	earlier Lookup
	here    *places
	there   map[uint64]*places             // of earlier contents
	said    map[uint32]*preblockv1.Outcome // right ones so far, by index
}

func (v *verifier) verify(outcomes []*preblockv1.Outcome) error {
	var raws [][]byte
	for i, raw := range v.content.GetTransactions() {
		if !te.IsBundle(raw) {
			continue
		}
		if n := len(raws); n >= len(outcomes) || outcomes[n].GetIndex() != uint32(i) {
			return fmt.Errorf("none of bundle %d at its place", i)
		}
		raws = append(raws, raw)
	}
	if more := len(outcomes) - len(raws); more > 0 {
		return fmt.Errorf("%d too many", more)
	}
	bundles, errs := te.DecodeBundles(raws)
	for i, b := range bundles {
		if b != nil {
			v.here.add(outcomes[i].GetIndex(), b.Payload.Ciphertext)
		}
	}
	verified, err := verifyRefused(bundles, outcomes)
	if err != nil {
		return err
	}
	opened := newOpened(bundles, outcomes)
	for i, o := range outcomes {
		if err := v.check(bundles[i], errs[i], verified[i], opened, o); err != nil {
			return fmt.Errorf("bundle %d: %w", o.GetIndex(), err)
		}
		v.said[o.GetIndex()] = o
	}
	return opened.verify(v.keys)
}

// verifyRefused verifies, as one batch, the ciphertexts of bundles that are said to be undecryptable without having been
// opened. It returns nil in the places of those that do not hold or were not verified.
func verifyRefused(bundles []*te.Bundle, outcomes []*preblockv1.Outcome) ([]*te.Verified, error) {
	var ciphertexts []*te.Ciphertext
	var places []int
	for i, b := range bundles {
		if b != nil && !isOpened(outcomes[i]) {
			ciphertexts, places = append(ciphertexts, b.Payload.Ciphertext), append(places, i)
		}
	}
	out := make([]*te.Verified, len(bundles))
	verified, err := te.VerifyCiphertexts(ciphertexts)
	if err != nil && !errors.Is(err, te.ErrCiphertext) {
		return nil, err
	}
	for i, v := range verified {
		out[places[i]] = v
	}
	return out, nil
}

// check checks one outcome of a bundle, or of bytes that are none for the reason err.
func (v *verifier) check(bundle *te.Bundle, err error, verified *te.Verified, opened *opened, o *preblockv1.Outcome) error {
	if o.GetUndecryptable().GetReason() == Malformed {
		if err == nil {
			return errors.New("it is well-formed")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.checkPlace(bundle.Payload.Ciphertext, o); err != nil {
		return err
	}
	switch reason := o.GetUndecryptable().GetReason(); {
	case o.GetResult() == nil:
		return errors.New("it has none")
	case isOpened(o):
		return opened.check(o)
	case reason == BadCiphertext:
		if verified != nil {
			return errors.New("its ciphertext holds")
		}
		return nil
	case verified == nil:
		return te.ErrCiphertext
	case reason == AlreadyOrdered:
		return v.checkRepeated(bundle.Payload, o)
	default:
		return fmt.Errorf("reason %s", reason)
	}
}

func (v *verifier) checkRepeated(p *te.Payload, o *preblockv1.Outcome) error {
	u := o.GetUndecryptable()
	earlier := Place{u.GetEarlierNumber(), u.GetEarlierIndex()}
	if !earlier.Before(Place{v.content.GetNumber(), o.GetIndex()}) {
		return fmt.Errorf("%s is not before it", earlier)
	}
	content := v.content
	if earlier.Number != content.GetNumber() {
		if v.earlier == nil {
			return nil
		}
		var err error
		if content, err = v.earlier(earlier.Number); err != nil {
			return err
		}
	}
	there := v.here
	if earlier.Number != v.content.GetNumber() {
		if there = v.there[earlier.Number]; there == nil {
			there = placesIn(content)
			v.there[earlier.Number] = there
		}
	}
	txs := content.GetTransactions()
	if uint64(earlier.Index) >= uint64(len(txs)) {
		return fmt.Errorf("there is no %s", earlier)
	}
	if first, ok := there.first(p.Ciphertext.ID()); !ok || first != earlier.Index {
		return fmt.Errorf("its ciphertext is not first at %s", earlier)
	}
	return nil
}
