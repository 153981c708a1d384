package seal

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"

	"github.com/gtank/ristretto255"
)

// MaxAuthorities is the largest number of keyholders. Authorities count from 0; authority i has the secret p(i+1).
const MaxAuthorities = 255

// Quorum is how many of n keyholders must sign: n - ⌊(n+1)/4⌋.
func Quorum(n int) int { return n - (n+1)/4 }

// Weakness says what a committee of n keyholders does not protect from that one of four does; empty from four on.
func Weakness(n int) string {
	switch n {
	case 1:
		return "one keyholder reads every sealed transaction and fixes the order alone"
	case 2:
		return "each of two keyholders stops the chain alone"
	case 3:
		return "one of three keyholders that lies can have two contents certified for a number"
	}
	return ""
}

// Keys are the public keys of a committee: its Key and each keyholder's share of it. They are consistent: all lie on one
// polynomial, so every set of Threshold shares opens a transaction to the same.
type Keys struct {
	*Key
	threshold int
	points    []Point // Y_i
	shares    []*element

	lastWeights atomic.Pointer[weights]
}

// NewKeys decodes a committee's keys and checks all that the scheme needs: at most MaxAuthorities keyholders,
// n - Quorum(n) < threshold ≤ Quorum(n), no identity, no key twice, and all on one polynomial of exactly
// degree threshold - 1.
func NewKeys(chainID uint64, threshold int, key Point, shares []Point) (*Keys, error) {
	n := len(shares)
	if n < 1 || n > MaxAuthorities {
		return nil, fmt.Errorf("decode keys: %w: %d keyholders", ErrKeys, n)
	}
	if threshold <= n-Quorum(n) || threshold > Quorum(n) {
		return nil, fmt.Errorf("decode keys: %w: threshold %d of %d keyholders, must be over %d and at most %d",
			ErrKeys, threshold, n, n-Quorum(n), Quorum(n))
	}
	y, err := NewKey(chainID, key)
	if err != nil {
		return nil, err
	}
	k := &Keys{Key: y, threshold: threshold, points: append([]Point(nil), shares...), shares: make([]*element, n)}
	seen := make(map[Point]int, n)
	for i, p := range shares {
		if first, twice := seen[p]; twice {
			return nil, fmt.Errorf("decode keys: %w: authorities %d and %d have the same key", ErrKeys, first, i)
		}
		seen[p] = i
		if k.shares[i], err = decodePoint(p[:]); err != nil {
			return nil, fmt.Errorf("decode keys: %w: authority %d: %w", ErrKeys, i, err)
		}
	}
	if !k.lieOn(threshold-1) || k.lieOn(threshold-2) {
		return nil, fmt.Errorf("decode keys: %w: not on one polynomial of degree %d", ErrKeys, threshold-1)
	}
	return k, nil
}

// Threshold is how many shares open a transaction.
func (k *Keys) Threshold() int { return k.threshold }

// Keyholders is how many keyholders there are.
func (k *Keys) Keyholders() int { return len(k.points) }

// Share returns a keyholder's public key Y_i.
func (k *Keys) Share(authority uint8) (Point, error) {
	if int(authority) >= len(k.points) {
		return Point{}, fmt.Errorf("get public share: %w: %d", ErrUnknownAuthority, authority)
	}
	return k.points[authority], nil
}

// lieOn says whether the n+1 keys at 0, 1, …, n lie on a polynomial of at most this degree. On a lower one than the
// threshold asks for, fewer shares would open. Values of polynomials are a Reed-Solomon code, and every word of its dual
// code is orthogonal to them: the words m(j) / Π_{l≠j}(j-l) for polynomials m of degree n - degree - 1. A random m finds
// other values with a probability of 1 - 1/ℓ (SCRAPE, section 2.1).
func (k *Keys) lieOn(degree int) bool {
	if degree < 0 {
		return false // only the identities, which are no keys
	}
	n := len(k.shares)
	m := make([]*scalar, n-degree)
	for i := range m {
		m[i] = randomScalar()
	}
	points := append([]*element{k.y}, k.shares...)
	scalars := make([]*scalar, n+1)
	for j := range scalars {
		scalars[j] = evaluate(m, j)
		scalars[j].Multiply(scalars[j], inverseDifferences(j, n))
	}
	return isIdentity(multiScalar(scalars, points))
}

// inverseDifferences is 1 / Π (j-l) over all l from 0 to n except j.
func inverseDifferences(j, n int) *scalar {
	product := smallScalar(1)
	for l := 0; l <= n; l++ {
		if l != j {
			product.Multiply(product, difference(j, l))
		}
	}
	return product.Invert(product)
}

func difference(a, b int) *scalar {
	return ristretto255.NewScalar().Subtract(smallScalar(a), smallScalar(b))
}

// evaluate returns the value at x of the polynomial with these coefficients, lowest first.
func evaluate(coefficients []*scalar, x int) *scalar {
	at, y := smallScalar(x), ristretto255.NewScalar()
	for i := len(coefficients) - 1; i >= 0; i-- {
		y.Multiply(y, at)
		y.Add(y, coefficients[i])
	}
	return y
}

// randomScalar is uniform up to 2^-259.
func randomScalar() *scalar {
	var wide [64]byte
	defer clear(wide[:])
	_, _ = rand.Read(wide[:]) // crypto/rand does not fail
	return reduce(&wide)
}
