package outcome

import (
	"errors"
	"fmt"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"
)

// isOpened tells whether an outcome says that the bundle was opened: to its transactions, or to nothing that it promised.
func isOpened(o *preblockv1.Outcome) bool {
	reason := o.GetUndecryptable().GetReason()
	return o.GetDecrypted() != nil || reason == KeyHash || reason == TxHash
}

// opened are the bundles of a content that are said to have been opened.
type opened struct {
	indexes     []uint32 // in the content, ascending
	payloads    []*te.Payload
	ciphertexts []*te.Ciphertext
	openings    []*te.Opening
	errs        []error // of the openings
}

func newOpened(bundles []*te.Bundle, outcomes []*preblockv1.Outcome) *opened {
	s := new(opened)
	var raws [][]byte
	for i, b := range bundles {
		if b != nil && isOpened(outcomes[i]) {
			s.indexes, raws = append(s.indexes, outcomes[i].GetIndex()), append(raws, outcomes[i].GetOpening())
			s.payloads, s.ciphertexts = append(s.payloads, b.Payload), append(s.ciphertexts, b.Payload.Ciphertext)
		}
	}
	s.openings, s.errs = te.DecodeOpenings(raws)
	return s
}

// check checks that what is said of a bundle follows from its opening. Whether that is its opening, verify checks.
func (s *opened) check(o *preblockv1.Outcome) error {
	i, _ := slices.BinarySearch(s.indexes, o.GetIndex())
	if s.errs[i] != nil {
		return s.errs[i]
	}
	right := Open(o.GetIndex(), s.payloads[i], s.openings[i])
	if got := right.GetUndecryptable().GetReason(); got != o.GetUndecryptable().GetReason() {
		return fmt.Errorf("its opening gives reason %s", got)
	}
	if !slices.EqualFunc(right.GetDecrypted().GetTransactions(), o.GetDecrypted().GetTransactions(), slices.Equal) {
		return errors.New("it decrypts to other transactions")
	}
	return nil
}

// verify checks that all were to be opened, and that the openings are theirs.
func (s *opened) verify(keys *te.PublicKeys) error {
	err := keys.VerifyOpenings(s.ciphertexts, s.openings)
	var bad *te.BadOpenings
	if !errors.As(err, &bad) {
		return err
	}
	if len(bad.Proofs) > 0 {
		return fmt.Errorf("bundles %d: %w", s.at(bad.Proofs), te.ErrCiphertext)
	}
	return fmt.Errorf("bundles %d: %w", s.at(bad.Openings), te.ErrOpening)
}

func (s *opened) at(places []int) []uint32 {
	out := make([]uint32, len(places))
	for i, place := range places {
		out[i] = s.indexes[place]
	}
	return out
}
