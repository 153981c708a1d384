package seal

import (
	"errors"
	"fmt"
)

// ProvenShare is a share and its proof.
type ProvenShare struct {
	Share
	Proof ShareProof
}

// ErrOpens: a transaction that is said to be unopenable opens.
var ErrOpens = errors.New("the transaction opens")

// VerifyUnopenable checks, as anybody can, that a transaction is unopenable: shares of Threshold different authorities, each
// proven, combine to a point that does not open it. It returns the reason, one of ErrPayload, ErrPadding and ErrSeed. The
// error says why nothing is shown: a share does not hold, they are not of Threshold authorities, or the transaction opens.
func (k *Keys) VerifyUnopenable(c *Checked, proven []ProvenShare) (reason, err error) {
	if len(proven) != k.threshold {
		return nil, fmt.Errorf("verify that %v is unopenable: %w: %d, want exactly %d", c.id, ErrTooFewShares, len(proven), k.threshold)
	}
	shares := make([]Share, len(proven))
	for i := range proven {
		if err := k.VerifyShare(c, proven[i].Share, &proven[i].Proof); err != nil {
			return nil, err
		}
		shares[i] = proven[i].Share
	}
	z, err := k.Combine(shares)
	if err != nil {
		return nil, err
	}
	if _, reason = c.Open(z); reason == nil {
		return nil, fmt.Errorf("verify that %v is unopenable: %w", c.id, ErrOpens)
	}
	return reason, nil
}
