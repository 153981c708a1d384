package te

import (
	"fmt"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// Verified is a ciphertext whose proof holds. Only verification makes one.
type Verified struct {
	ciphertext *Ciphertext
	h          bls.G2Affine // what the proof is a multiple of
}

// Ciphertext returns what was verified.
func (v *Verified) Ciphertext() *Ciphertext { return v.ciphertext }

// point is U, or the identity for a Verified that verification did not make: nothing holds for that one.
func (v *Verified) point() bls.G1Affine {
	if v == nil || v.ciphertext == nil {
		return bls.G1Affine{}
	}
	return v.ciphertext.u
}

// Verify checks the proof: e(-G1, W)·e(U, H) = 1.
func (c *Ciphertext) Verify() (*Verified, error) {
	h, err := c.proofBase()
	if err != nil {
		return nil, fmt.Errorf("verify ciphertext: %w", err)
	}
	g := generatorG1()
	g.Neg(&g)
	if !pairingIsOne([]bls.G1Affine{g, c.u}, []bls.G2Affine{c.w, h}) {
		return nil, fmt.Errorf("verify ciphertext: %w", ErrCiphertext)
	}
	return &Verified{c, h}, nil
}

// VerifyCiphertexts checks many proofs with one Miller loop and one hash to G2 for each and one more Miller loop and one
// final exponentiation for all: with random b_j, e(-G1, Σ b_j·W_j)·Π e(b_j·U_j, H_j) = 1. If some do not hold the error is
// a *BadCiphertexts with all of them, and the result has nil in their places.
func VerifyCiphertexts(ciphertexts []*Ciphertext) ([]*Verified, error) {
	if len(ciphertexts) == 0 {
		return nil, nil
	}
	b, err := newProofBatch(ciphertexts)
	if err != nil {
		return nil, fmt.Errorf("verify ciphertexts: %w", err)
	}
	var bad []int
	if !b.holds() {
		bad = b.search()
	}
	out := make([]*Verified, len(ciphertexts))
	for i, c := range ciphertexts {
		out[i] = &Verified{c, b.h[i]}
	}
	for _, i := range bad {
		out[i] = nil
	}
	if len(bad) > 0 {
		return out, &BadCiphertexts{bad}
	}
	return out, nil
}

// proofBatch has the parts of the batch equation.
type proofBatch struct {
	b       []fr.Element
	u       []bls.G1Affine // b_j·U_j
	h, w    []bls.G2Affine // H_j, W_j
	minusG1 bls.G1Affine
}

func newProofBatch(ciphertexts []*Ciphertext) (*proofBatch, error) {
	n := len(ciphertexts)
	b := &proofBatch{
		b: randomCoefficients(n),
		u: make([]bls.G1Affine, n), h: make([]bls.G2Affine, n), w: make([]bls.G2Affine, n),
		minusG1: generatorG1(),
	}
	b.minusG1.Neg(&b.minusG1)
	failed := make([]error, n)
	parallel(n, func(i int) {
		c := ciphertexts[i]
		b.w[i] = c.w
		b.u[i] = c.u
		if i > 0 { // the first coefficient is one
			b.u[i] = mulG1(&c.u, &b.b[i])
		}
		b.h[i], failed[i] = c.proofBase()
	})
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *proofBatch) holds() bool { return pairingIsOne(b.pairs()) }

// pairs are what is paired, for others to add to.
func (b *proofBatch) pairs() ([]bls.G1Affine, []bls.G2Affine) {
	return append([]bls.G1Affine{b.minusG1}, b.u...), append([]bls.G2Affine{sumG2(b.w, b.b)}, b.h...)
}

// search returns the indexes of the proofs that do not hold, of a batch in which some do not. Each proof's Miller loop is
// computed once; after that a range costs one multiplication a member and one final exponentiation.
func (b *proofBatch) search() []int {
	proofs := make([]bls.GT, len(b.u))
	parallel(len(proofs), func(i int) {
		w := mulG2(&b.w[i], &b.b[i])
		proofs[i] = millerLoop([]bls.G1Affine{b.minusG1, b.u[i]}, []bls.G2Affine{w, b.h[i]})
	})
	return findBad(len(proofs), len(proofs), func(from, to int) bool {
		product := proofs[from]
		for i := from + 1; i < to; i++ {
			product.Mul(&product, &proofs[i])
		}
		return isOne(&product)
	})
}

// findBad returns at most limit indexes below n of members that are bad, ascending, given that there is one; holds tells
// whether a range has none.
func findBad(n, limit int, holds func(from, to int) bool) []int {
	var bad []int
	var search func(from, to int)
	search = func(from, to int) { // there is a bad one in the range
		if len(bad) >= limit {
			return
		}
		if to-from == 1 {
			bad = append(bad, from)
			return
		}
		middle := (from + to) / 2
		leftHolds := holds(from, middle)
		if !leftHolds {
			search(from, middle)
		}
		if leftHolds || len(bad) < limit && !holds(middle, to) {
			search(middle, to)
		}
	}
	search(0, n)
	return bad
}
