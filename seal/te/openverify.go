package te

import (
	"fmt"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
)

// With PK the master key in G2, s·G2, a point Y is the opening of a ciphertext if and only if
//
//	e(U_j, H_j)·e(-G1, W_j) = 1   the proof: its maker knew how U was made
//	e(Y_j, G2)·e(-U_j, PK) = 1    the opening: Y_j = s·U_j
//
// given that all points are in their groups, which decoding checks point by point. The pairing does not see what is added to a
// point from outside of the group, so without that check of Y, s·U + T would pass too, and give another key; and since the
// cofactors have small factors, a random combination of points would not find it. Within the group Y is the only one: the
// pairing of a point with a generator determines the point. The proof cannot be left out either. A ciphertext without one is
// never opened, but its maker knows the r in U = r·G1, and with it s·U = r·(s·G1).

// VerifyOpenings checks that each ciphertext's proof holds and that the opening in its place is the one it has. With random
// b_j and c all the equations above are one,
//
//	Π e(b_j·U_j, H_j) · e(-G1, Σ b_j·W_j) · e(c·Σ b_j·Y_j, G2) · e(-c·Σ b_j·U_j, PK) = 1
//
// which takes for n ciphertexts n hashes to G2, n+3 Miller loops and one final exponentiation: an opening costs its part of
// Σ b_j·Y_j, and the sum of the U costs n additions, as their multiples are there for the proofs. The b_j may serve both
// equations of a ciphertext because of c. Without it, a W and a Y that are off by the same multiple of the generators would
// cancel. If some do not hold the error is a *BadOpenings.
func (k *PublicKeys) VerifyOpenings(ciphertexts []*Ciphertext, openings []*Opening) error {
	if len(ciphertexts) != len(openings) {
		return fmt.Errorf("verify openings: %w: %d of %d ciphertexts", ErrOpening, len(openings), len(ciphertexts))
	}
	if len(ciphertexts) == 0 {
		return nil
	}
	b, err := k.newOpeningBatch(ciphertexts, openings)
	if err != nil {
		return fmt.Errorf("verify openings: %w", err)
	}
	if b.holds() {
		return nil
	}
	return b.search()
}

// openingBatch has the parts of the batch equation.
type openingBatch struct {
	keys   *PublicKeys
	proofs *proofBatch
	y      []bls.G1Affine // Y_j
	sumY   bls.G1Affine   // Σ b_j·Y_j
	sumU   bls.G1Affine   // Σ b_j·U_j
}

func (k *PublicKeys) newOpeningBatch(ciphertexts []*Ciphertext, openings []*Opening) (*openingBatch, error) {
	for i, c := range ciphertexts {
		if c == nil || c.u.IsInfinity() || openings[i] == nil { // not decoded: for the identity anything holds
			return nil, fmt.Errorf("%w: ciphertext or opening %d is missing", ErrMalformed, i)
		}
	}
	proofs, err := newProofBatch(ciphertexts)
	if err != nil {
		return nil, err
	}
	b := &openingBatch{keys: k, proofs: proofs, y: make([]bls.G1Affine, len(openings))}
	for i, o := range openings {
		b.y[i] = o.point
	}
	b.sumY = sumG1(b.y, proofs.b)
	b.sumU = addG1(proofs.u)
	return b, nil
}

// holds checks all proofs and openings at once.
func (b *openingBatch) holds() bool {
	c := randomCoefficient()
	y, u := mulG1(&b.sumY, &c), mulG1(&b.sumU, &c)
	u.Neg(&u)
	f := millerLoop(b.proofs.pairs())
	g := preparedMillerLoop([]bls.G1Affine{y, u}, []*preparedG2{preparedGenerator(), b.keys.master2})
	f.Mul(&f, &g)
	return isOne(&f)
}

// search looks for those that do not hold, among proofs and among openings.
func (b *openingBatch) search() error {
	bad := new(BadOpenings)
	if !b.proofs.holds() {
		bad.Proofs = b.proofs.search()
	}
	if !isMultiple(b.keys.master2, b.sumU, b.sumY) {
		bad.Openings = findBad(len(b.y), MaxNamedOpenings, func(from, to int) bool {
			return isMultiple(b.keys.master2, addG1(b.proofs.u[from:to]), sumG1(b.y[from:to], b.proofs.b[from:to]))
		})
	}
	if len(bad.Proofs)+len(bad.Openings) == 0 {
		return nil
	}
	return bad
}

// addG1 returns Σ P_i.
func addG1(points []bls.G1Affine) (out bls.G1Affine) {
	var sum bls.G1Jac
	sum.FromAffine(&out)
	for i := range points {
		sum.AddMixed(&points[i])
	}
	return *out.FromJacobian(&sum)
}
