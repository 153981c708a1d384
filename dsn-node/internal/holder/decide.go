package holder

import (
	"blindseq/dsn-node/attest"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"

	"github.com/ethereum/go-ethereum/common"
)

// attested is the absence of a refusal.
const attested = keyholderv1.AttestRefusal_ATTEST_REFUSAL_UNSPECIFIED

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
	return attested
}

// Again decides about a number that was attested, and for which perhaps something else was adopted.
func Again(signed, adopted, s attest.Statement) keyholderv1.AttestRefusal {
	switch s {
	case signed:
		return attested
	case adopted:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED
	}
	return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
}

// adoptable is what stands for a number when a certificate over it is shown.
type adoptable struct {
	signed   attest.Statement // by this keyholder
	adopted  attest.Statement // instead, zero when there is none
	previous common.Hash      // hash of what is final for the number before
	last     uint64           // last number adopted, 0 for none
	void     bool             // what was signed after it does not follow it
}

// adopt decides whether a certified statement is adopted now. It is not when it is the final one already. Adoptions only go
// forward: each certificate is one over everything before it too, so another one below would contradict it.
func (a adoptable) adopt(s attest.Statement) (anew bool, err error) {
	switch {
	case s == a.adopted:
		return false, nil
	case a.adopted != (attest.Statement{}):
		return false, ErrContradiction
	case a.void && s.Number > a.last+1:
		return false, ErrPredecessor
	case s == a.signed:
		return false, nil
	case s.Number < a.last:
		return false, ErrContradiction
	case s.Previous != a.previous:
		return false, ErrPredecessor
	}
	return true, nil
}
