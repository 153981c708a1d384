// Package feldman is Feldman's verifiable secret sharing (FOCS 1987) in ristretto255, for generating keys of package seal
// together: a dealer commits to a polynomial, gives each keyholder its value at the keyholder's place, and everybody can
// check a value against the commitments. The place of authority i is i+1; the secret is at zero.
//
// Commitments show the polynomial's degree, threshold-1, and nothing of the secret but its multiple of the generator, which
// for a sum of dealers is the public key's summand. Secrets are multiplied in constant time.
package feldman

import (
	"errors"
	"fmt"
	"io"

	"github.com/gtank/ristretto255"

	"blindseq/seal"
)

var (
	// ErrMalformed: bytes are no share or no commitments.
	ErrMalformed = errors.New("malformed secret sharing")
	// ErrShare: a share is not the one its dealer committed to.
	ErrShare = errors.New("share does not fit the commitments")
)

// Polynomial is a dealer's secret, coefficients in ascending order.
type Polynomial []*ristretto255.Scalar

// Draw draws a polynomial that any threshold of its values determine.
func Draw(rand io.Reader, threshold int) (Polynomial, error) {
	p := make(Polynomial, threshold)
	var wide [64]byte
	defer clear(wide[:])
	for i := range p {
		p[i] = ristretto255.NewScalar()
	}
	for _, c := range p {
		if _, err := io.ReadFull(rand, wide[:]); err != nil {
			p.Erase()
			return nil, fmt.Errorf("draw polynomial: %w", err)
		}
		if _, err := c.SetUniformBytes(wide[:]); err != nil { // uniform up to 2^-259
			return nil, fmt.Errorf("draw polynomial: %w", err)
		}
	}
	return p, nil
}

// Erase overwrites the polynomial.
func (p Polynomial) Erase() {
	for _, c := range p {
		c.Zero()
	}
}

// Share is the value for a keyholder. The caller overwrites it.
func (p Polynomial) Share(authority uint8) [seal.ScalarSize]byte {
	x, y := place(authority), ristretto255.NewScalar()
	defer y.Zero()
	for i := len(p) - 1; i >= 0; i-- {
		y.Add(y.Multiply(y, x), p[i])
	}
	return encode(y)
}

// Commit returns the commitments to the polynomial.
func (p Polynomial) Commit() Commitments {
	c := make(Commitments, len(p))
	for i := range p {
		c[i] = new(ristretto255.Element).ScalarBaseMult(p[i])
	}
	return c
}

// Commitments are the coefficients' multiples of the generator.
type Commitments []*ristretto255.Element

// Parse decodes commitments. It refuses another number than the threshold, encodings that are not canonical, and the
// identity: the degree would be lower than it seems, or a dealer's secret zero.
func Parse(encoded [][]byte, threshold int) (Commitments, error) {
	if len(encoded) != threshold {
		return nil, fmt.Errorf("%w: %d commitments for threshold %d", ErrMalformed, len(encoded), threshold)
	}
	c := make(Commitments, threshold)
	for i, b := range encoded {
		e, err := new(ristretto255.Element).SetCanonicalBytes(b)
		if err != nil {
			return nil, fmt.Errorf("%w: commitment %d: %w", ErrMalformed, i, err)
		}
		if e.Equal(ristretto255.NewIdentityElement()) == 1 {
			return nil, fmt.Errorf("%w: commitment %d is the identity", ErrMalformed, i)
		}
		c[i] = e
	}
	return c, nil
}

// Encode returns the encoded points.
func (c Commitments) Encode() [][]byte {
	out := make([][]byte, len(c))
	for i := range c {
		out[i] = c[i].Bytes()
	}
	return out
}

// Public is the public key of an authority's share.
func (c Commitments) Public(authority uint8) seal.Point {
	return seal.Point(c.public(authority).Bytes())
}

func (c Commitments) public(authority uint8) *ristretto255.Element {
	x, power := place(authority), one()
	powers := make([]*ristretto255.Scalar, len(c))
	for i := range powers {
		powers[i] = ristretto255.NewScalar().Set(power)
		power.Multiply(power, x)
	}
	return ristretto255.NewIdentityElement().VarTimeMultiScalarMult(powers, c)
}

// Secret is the public key of the secret.
func (c Commitments) Secret() seal.Point { return seal.Point(c[0].Bytes()) }

// Check says whether a share is the one committed to.
func (c Commitments) Check(authority uint8, share []byte) error {
	k, err := parseShare(share)
	if err != nil {
		return err
	}
	defer k.Zero()
	if new(ristretto255.Element).ScalarBaseMult(k).Equal(c.public(authority)) != 1 {
		return fmt.Errorf("%w: authority %d", ErrShare, authority)
	}
	return nil
}

// Sum adds the commitments of all dealers, which have the same length: those to the sum of their polynomials.
func Sum(all []Commitments) Commitments {
	sum := make(Commitments, len(all[0]))
	for i := range sum {
		sum[i] = ristretto255.NewIdentityElement()
		for _, c := range all {
			sum[i].Add(sum[i], c[i])
		}
	}
	return sum
}

// SumShares adds one keyholder's shares of all dealers. The caller overwrites the result.
func SumShares(shares [][]byte) (out [seal.ScalarSize]byte, err error) {
	sum := ristretto255.NewScalar()
	defer sum.Zero()
	for _, b := range shares {
		k, err := parseShare(b)
		if err != nil {
			return out, err
		}
		sum.Add(sum, k)
		k.Zero()
	}
	return encode(sum), nil
}

func parseShare(b []byte) (*ristretto255.Scalar, error) {
	k, err := ristretto255.NewScalar().SetCanonicalBytes(b)
	if err != nil { // it does not quote the share
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return k, nil
}

func encode(s *ristretto255.Scalar) (out [seal.ScalarSize]byte) {
	b := s.Bytes()
	defer clear(b)
	copy(out[:], b)
	return out
}

// place is where on the polynomial an authority's share lies.
func place(authority uint8) *ristretto255.Scalar { return small(int(authority) + 1) }

func one() *ristretto255.Scalar { return small(1) }

// small is a scalar below 2^16.
func small(n int) *ristretto255.Scalar {
	s, err := ristretto255.NewScalar().SetCanonicalBytes(append([]byte{byte(n), byte(n >> 8)}, make([]byte, seal.ScalarSize-2)...))
	if err != nil {
		panic("feldman: " + err.Error()) // a small number is reduced
	}
	return s
}
