// Package vote decides what a keyholder may sign and adopt: pure functions of what it has signed and adopted before, which
// the simulator runs too. A keyholder signs one content for a number, and each after the one before. There are no events and
// effects here: a decision is one call, and what it decides is stored before it is shown.
package vote

import (
	"errors"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrPredecessor is a certificate whose content does not follow what is final here for the number before.
	ErrPredecessor = errors.New("the number before has to be adopted first")
	// ErrContradiction is a certificate that contradicts another one adopted here.
	ErrContradiction = errors.New("certificate contradicts the one that was adopted")
)

// Granted is the absence of a refusal.
const Granted = keyholderv1.AttestRefusal_ATTEST_REFUSAL_UNSPECIFIED

// Position is where the next statement has to stand: its number, and the hash of the one before, zero for the first. It is
// void while what was attested does not follow what was adopted before it.
type Position struct {
	Next     uint64
	Previous common.Hash
	Void     bool
}

// Follow decides whether a statement about a number that was not attested yet may be signed.
func Follow(p Position, s attest.Statement) keyholderv1.AttestRefusal {
	switch {
	case s.Number != p.Next:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	case p.Void || s.Previous != p.Previous:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
	}
	return Granted
}

// Again decides about a number that was attested, and for which perhaps something else was adopted.
func Again(signed, adopted, s attest.Statement) keyholderv1.AttestRefusal {
	switch s {
	case signed:
		return Granted
	case adopted:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED
	}
	return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
}

// Adoptable is what stands for a number when a certificate over it is shown.
type Adoptable struct {
	Signed   attest.Statement // by this keyholder
	Adopted  attest.Statement // instead, zero when there is none
	Previous common.Hash      // hash of what is final for the number before
	Last     uint64           // last number adopted, 0 for none
	Void     bool             // what was signed after it does not follow it
}

// Adopt decides whether a certified statement is adopted now. It is not when it is the final one already. Adoptions only go
// forward: each certificate is one over everything before it too, so another one below would contradict it.
func (a Adoptable) Adopt(s attest.Statement) (changes bool, err error) {
	switch {
	case s == a.Adopted:
		return false, nil
	case a.Adopted != (attest.Statement{}):
		return false, ErrContradiction
	case a.Void && s.Number > a.Last+1:
		return false, ErrPredecessor
	case s == a.Signed:
		return false, nil
	case s.Number < a.Last:
		return false, ErrContradiction
	case s.Previous != a.Previous:
		return false, ErrPredecessor
	}
	return true, nil
}
