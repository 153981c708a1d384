package seal

import (
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"github.com/gtank/ristretto255"
)

// Combine returns z = x·u from the shares of at least Threshold keyholders: Lagrange interpolation at 0. A wrong share gives
// a wrong point, with which nothing opens; only then are proofs worth their price.
func (k *Keys) Combine(shares []Share) (Point, error) {
	if len(shares) < k.threshold {
		return Point{}, fmt.Errorf("combine shares: %w: %d, want %d", ErrTooFewShares, len(shares), k.threshold)
	}
	var seen [256]bool
	for _, s := range shares {
		switch {
		case int(s.Authority) >= len(k.points):
			return Point{}, fmt.Errorf("combine shares: %w: %d", ErrUnknownAuthority, s.Authority)
		case seen[s.Authority]:
			return Point{}, fmt.Errorf("combine shares: %w: %d", ErrDuplicateShare, s.Authority)
		}
		seen[s.Authority] = true
	}
	shares = shares[:k.threshold]
	points := make([]*element, len(shares))
	for i, s := range shares {
		var err error
		if points[i], err = decodePoint(s.Point[:]); err != nil {
			return Point{}, fmt.Errorf("combine shares: authority %d: %w: %w", s.Authority, ErrShare, err)
		}
	}
	return encodePoint(k.weightsOf(shares).sum(points)), nil
}

// weights are the Lagrange coefficients at 0 of a set of authorities: λ_i = Π x_j / (x_j - x_i) with x_i = authority + 1.
// Those of a small committee are fractions of small numbers. Written as numerators[i] / denominator, they cost a few
// additions and at most one multiplication of a point, not one for each share.
type weights struct {
	authorities []uint8
	numerators  []int64
	inverse     *scalar   // of the denominator; nil when it is 1
	full        []*scalar // the coefficients; used instead when the numerators are large
}

// weightsOf computes the weights of some shares, or takes those of the last call: most transactions of a content are opened
// with the shares of the same authorities.
func (k *Keys) weightsOf(shares []Share) *weights {
	last := k.lastWeights.Load()
	if last != nil && slices.EqualFunc(last.authorities, shares, func(a uint8, s Share) bool { return a == s.Authority }) {
		return last
	}
	authorities := make([]uint8, len(shares))
	for i, s := range shares {
		authorities[i] = s.Authority
	}
	w := newWeights(authorities)
	k.lastWeights.Store(w)
	return w
}

// Up to smallWeights bits, a sum by the bits of the numerators costs less than one of full scalars. The fractions of more than
// smallSet authorities are longer, so they are not tried.
const (
	smallWeights = 32
	smallSet     = 16
)

func newWeights(authorities []uint8) *weights {
	w := &weights{authorities: authorities}
	if len(authorities) <= smallSet && w.setFractions() {
		return w
	}
	w.full = lagrange(authorities)
	return w
}

// setFractions sets numerators and inverse, if the numerators are small.
func (w *weights) setFractions() bool {
	fractions, denominator := make([]*big.Rat, len(w.authorities)), big.NewInt(1)
	for i, a := range w.authorities {
		f := big.NewRat(1, 1)
		for j, other := range w.authorities {
			if j != i {
				f.Mul(f, big.NewRat(int64(other)+1, int64(other)-int64(a)))
			}
		}
		fractions[i] = f
		common := new(big.Int).GCD(nil, nil, denominator, f.Denom())
		denominator.Mul(denominator, new(big.Int).Div(f.Denom(), common))
	}
	for _, f := range fractions {
		n := new(big.Int).Mul(f.Num(), new(big.Int).Div(denominator, f.Denom()))
		if n.BitLen() > smallWeights || denominator.BitLen() > smallWeights {
			return false
		}
		w.numerators = append(w.numerators, n.Int64())
	}
	if denominator.Cmp(big.NewInt(1)) != 0 {
		d := smallScalar(int(denominator.Uint64()))
		w.inverse = d.Invert(d)
	}
	return true
}

// sum returns Σ λ_i·points[i] in variable time: the weights are public, and the points are with the next message.
func (w *weights) sum(points []*element) *element {
	if w.full != nil {
		return multiScalar(w.full, points)
	}
	sum := smallSum(w.numerators, points)
	if w.inverse == nil {
		return sum
	}
	return multiScalar([]*scalar{w.inverse}, []*element{sum})
}

// smallSum returns Σ numbers[i]·points[i], by the bits of all numbers at once.
func smallSum(numbers []int64, points []*element) *element {
	longest := 0
	for _, n := range numbers {
		longest = max(longest, bits.Len64(uint64(max(n, -n))))
	}
	sum := ristretto255.NewIdentityElement()
	for bit := longest - 1; bit >= 0; bit-- {
		sum.Add(sum, sum)
		for i, n := range numbers {
			switch {
			case n > 0 && n>>bit&1 == 1:
				sum.Add(sum, points[i])
			case n < 0 && -n>>bit&1 == 1:
				sum.Subtract(sum, points[i])
			}
		}
	}
	return sum
}

// lagrange returns the coefficients of any set of authorities as scalars.
func lagrange(authorities []uint8) []*scalar {
	out := make([]*scalar, len(authorities))
	for i, a := range authorities {
		above, below := smallScalar(1), smallScalar(1)
		for j, other := range authorities {
			if j != i {
				above.Multiply(above, smallScalar(int(other)+1))
				below.Multiply(below, difference(int(other), int(a)))
			}
		}
		out[i] = above.Multiply(above, below.Invert(below))
	}
	return out
}
