package outcome

import (
	"errors"
	"fmt"
	"slices"

	"blindseq/dsn-node/te"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// VerifyOpenings checks what Verify leaves out, of a preblock that Verify accepts: that each bundle said to be decrypted has a
// ciphertext whose proof holds, that its opening is the one the committee's key gives, and that it decrypts the bundle to the
// transactions shown. It takes a pairing check for each bundle, about four times what Verify takes.
func VerifyOpenings(keys *te.PublicKeys, p *preblockv1.Preblock) error {
	if err := verifyOpenings(keys, p); err != nil {
		return fmt.Errorf("verify openings of number %d: %w: %w", p.GetContent().GetNumber(), ErrWrong, err)
	}
	return nil
}

func verifyOpenings(keys *te.PublicKeys, p *preblockv1.Preblock) error {
	var decrypted []*preblockv1.Outcome
	var payloads []*te.Payload
	var ciphertexts []*te.Ciphertext
	for _, o := range p.GetOutcomes() {
		if o.GetDecrypted() == nil {
			continue
		}
		txs := p.GetContent().GetTransactions()
		if uint64(o.GetIndex()) >= uint64(len(txs)) {
			return fmt.Errorf("there is no bundle %d", o.GetIndex())
		}
		b, err := te.DecodeBundle(txs[o.GetIndex()])
		if err != nil {
			return fmt.Errorf("bundle %d: %w", o.GetIndex(), err)
		}
		decrypted, payloads, ciphertexts = append(decrypted, o), append(payloads, b.Payload), append(ciphertexts, b.Payload.Ciphertext)
	}
	verified, err := te.VerifyCiphertexts(ciphertexts)
	if err != nil {
		return err
	}
	for i, o := range decrypted {
		if err := verifyOpening(keys, payloads[i], verified[i], o); err != nil {
			return fmt.Errorf("bundle %d: %w", o.GetIndex(), err)
		}
	}
	return nil
}

func verifyOpening(keys *te.PublicKeys, p *te.Payload, v *te.Verified, o *preblockv1.Outcome) error {
	opening, err := te.DecodeOpening(o.GetOpening())
	if err != nil {
		return err
	}
	if err := keys.VerifyOpening(v, opening); err != nil {
		return err
	}
	txs, err := p.Decrypt(opening)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(txs, o.GetDecrypted().GetTransactions(), slices.Equal) {
		return errors.New("it decrypts to other transactions")
	}
	return nil
}
