package voter

import (
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

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
