// Package vss is Feldman's verifiable secret sharing in G1 of BLS12-381: a dealer commits to a polynomial, gives everyone
// its value at a place of his own, and everyone can check the value against the commitments. Keyholder i's place is i+1, as
// in package te; the secret is at zero.
//
// Commitments show threshold-1 as the polynomial's degree and nothing of the secret but its image in G1, which for a sum of
// dealers is the master public key's summand.
package vss

import (
	"errors"
	"fmt"
	"io"
	"math/big"

	"blindseq/seal/te"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

var (
	// ErrMalformed says that bytes are no share or no commitments.
	ErrMalformed = errors.New("malformed secret sharing")
	// ErrShare says that a share is not the one its dealer committed to.
	ErrShare = errors.New("share does not fit the commitments")
)

// Polynomial is a dealer's secret, coefficients in ascending order.
type Polynomial []fr.Element

// Draw draws a polynomial that any threshold of its values determine.
func Draw(rand io.Reader, threshold int) (Polynomial, error) {
	p := make(Polynomial, threshold)
	var seed [64]byte
	defer clear(seed[:])
	for i := range p {
		if _, err := io.ReadFull(rand, seed[:]); err != nil {
			p.Erase()
			return nil, fmt.Errorf("draw polynomial: %w", err)
		}
		p[i].SetBytes(seed[:]) // reduced from 512 bits: uniform up to 2^-256
	}
	return p, nil
}

// Erase overwrites the polynomial.
func (p Polynomial) Erase() { clear(p) }

// Share is the value for a keyholder. The caller overwrites it.
func (p Polynomial) Share(authority uint8) [te.ScalarSize]byte {
	x, y := place(authority), fr.Element{}
	for i := len(p) - 1; i >= 0; i-- {
		y.Mul(&y, &x)
		y.Add(&y, &p[i])
	}
	defer y.SetZero()
	return y.Bytes()
}

// Commit returns the commitments to the polynomial. The library multiplies in variable time; each coefficient is
// multiplied once in its life, so there is no second sample of the time it took.
func (p Polynomial) Commit() Commitments {
	c := make(Commitments, len(p))
	for i := range p {
		var n big.Int
		c[i].ScalarMultiplicationBase(p[i].BigInt(&n))
		clear(n.Bits())
	}
	return c
}

// Commitments are the images of a polynomial's coefficients in G1.
type Commitments []bls.G1Affine

// Parse decodes commitments and checks that there are as many as the threshold and that each is in the group and not its
// identity.
func Parse(encoded [][]byte, threshold int) (Commitments, error) {
	if len(encoded) != threshold {
		return nil, fmt.Errorf("%w: %d commitments for threshold %d", ErrMalformed, len(encoded), threshold)
	}
	c := make(Commitments, threshold)
	for i, b := range encoded {
		if len(b) != te.G1Size {
			return nil, fmt.Errorf("%w: commitment %d has %d bytes", ErrMalformed, i, len(b))
		}
		if _, err := c[i].SetBytes(b); err != nil { // with the subgroup check
			return nil, fmt.Errorf("%w: commitment %d: %w", ErrMalformed, i, err)
		}
		if c[i].IsInfinity() {
			return nil, fmt.Errorf("%w: commitment %d is the identity", ErrMalformed, i)
		}
	}
	return c, nil
}

// Encode returns the compressed points.
func (c Commitments) Encode() [][]byte {
	out := make([][]byte, len(c))
	for i := range c {
		b := c[i].Bytes()
		out[i] = b[:]
	}
	return out
}

// Public is the image in G1 of an authority's share.
func (c Commitments) Public(authority uint8) bls.G1Affine {
	var acc bls.G1Jac
	x := big.NewInt(int64(authority) + 1)
	for i := len(c) - 1; i >= 0; i-- {
		acc.ScalarMultiplication(&acc, x)
		acc.AddMixed(&c[i])
	}
	var out bls.G1Affine
	return *out.FromJacobian(&acc)
}

// Secret is the image in G1 of the secret.
func (c Commitments) Secret() bls.G1Affine { return c[0] }

// Check tells whether a share is the one committed to.
func (c Commitments) Check(authority uint8, share []byte) error {
	k, err := parseShare(share)
	defer k.SetZero()
	if err != nil {
		return err
	}
	var n big.Int
	var got bls.G1Affine
	got.ScalarMultiplicationBase(k.BigInt(&n)) // once for each share, as in Commit
	clear(n.Bits())
	if want := c.Public(authority); !got.Equal(&want) {
		return fmt.Errorf("%w: authority %d", ErrShare, authority)
	}
	return nil
}

// Sum adds the commitments of all dealers, which have the same length: those to the sum of their polynomials.
func Sum(all []Commitments) Commitments {
	sum := make(Commitments, len(all[0]))
	for _, c := range all {
		for i := range sum {
			sum[i].Add(&sum[i], &c[i])
		}
	}
	return sum
}

// SumShares adds one keyholder's shares of all dealers. The caller overwrites the result.
func SumShares(shares [][]byte) (out [te.ScalarSize]byte, err error) {
	var sum fr.Element
	defer sum.SetZero()
	for _, b := range shares {
		k, err := parseShare(b)
		if err != nil {
			return out, err
		}
		sum.Add(&sum, &k)
		k.SetZero()
	}
	return sum.Bytes(), nil
}

func parseShare(b []byte) (k fr.Element, err error) {
	if len(b) != te.ScalarSize {
		return k, fmt.Errorf("%w: a share of %d bytes", ErrMalformed, len(b))
	}
	if k.SetBytesCanonical(b) != nil { // its error could quote the share
		return k, fmt.Errorf("%w: share out of range", ErrMalformed)
	}
	return k, nil
}

// place is where on the polynomial an authority's share lies.
func place(authority uint8) fr.Element { return fr.NewElement(uint64(authority) + 1) }
