package seal

import (
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/gtank/ristretto255"
)

// CheckBatch checks many at once, on all processors. For each transaction there is its result or its error, as Check
// would return it.
//
// The equations of all are summed, each multiplied by its own random coefficient, in one multi-scalar multiplication. Each
// transaction has TWO independent coefficients. With one for both of its equations a sender could shift w by a point and
// w̄ by its negative: the errors cancel, and a victim's u gets a new proof.
func (r *Ring) CheckBatch(txs []*Sealed) ([]*Checked, []error) {
	checked, errs := make([]*Checked, len(txs)), make([]error, len(txs))
	signatures := make([]error, len(txs))
	parallel(len(txs), func(i int) { checked[i], errs[i] = r.prepare(txs[i]) })
	var sum []int
	for i := range txs {
		if errs[i] == nil {
			sum = append(sum, i)
		}
	}
	if len(sum) > 0 {
		both(len(sum), func() { verifyAll(checked, sum, errs) }, func() { r.submitters.verifySignatures(txs, sum, signatures) })
	}
	for i, err := range errs {
		if err == nil {
			err = signatures[i]
		}
		if err != nil {
			checked[i], errs[i] = nil, fmt.Errorf("check sealed transaction %v: %w", txs[i].id, err)
		}
	}
	return checked, errs
}

// fewForBoth is up to how many transactions a second goroutine costs more than it saves.
const fewForBoth = 4

// both calls two functions about n transactions, at the same time unless there are few.
func both(n int, first, second func()) {
	if n <= fewForBoth {
		first()
		second()
		return
	}
	var wg sync.WaitGroup
	wg.Go(first)
	second()
	wg.Wait()
}

// verifyAll sets the error of each one at these indexes whose proof does not hold.
func verifyAll(all []*Checked, indexes []int, errs []error) {
	if len(indexes) == 1 || !sumIsZero(all, indexes) {
		nameBad(all, indexes, errs)
	}
}

// exactUpTo is up to how many a failing sum is followed by exact checks: halving on would cost as much for one bad
// transaction, and more for several.
const exactUpTo = 16

// nameBad finds the bad ones at these indexes, at least one of which is bad or alone.
func nameBad(all []*Checked, indexes []int, errs []error) {
	if len(indexes) <= exactUpTo {
		for _, i := range indexes {
			errs[i] = all[i].verify()
		}
		return
	}
	left, right := indexes[:len(indexes)/2], indexes[len(indexes)/2:]
	if sumIsZero(all, left) {
		nameBad(all, right, errs) // whatever makes the sum fail is there
		return
	}
	nameBad(all, left, errs)
	verifyAll(all, right, errs)
}

// sumIsZero says whether Σ a·(w + e·u - f·G) + b·(w̄ + e·ū - f·Ḡ) is the identity, with coefficients a and b drawn now.
func sumIsZero(all []*Checked, indexes []int) bool {
	scalars, points := make([]*scalar, 0, 4*len(indexes)), make([]*element, 0, 4*len(indexes))
	onG, onGBar, product := ristretto255.NewScalar(), ristretto255.NewScalar(), ristretto255.NewScalar()
	for _, i := range indexes {
		c, a, b := all[i], randomCoefficient(), randomCoefficient()
		scalars = append(scalars, a, ristretto255.NewScalar().Multiply(a, c.e), b, ristretto255.NewScalar().Multiply(b, c.e))
		points = append(points, c.w, c.u, c.wBar, c.uBar)
		onG.Add(onG, product.Multiply(a, c.f))
		onGBar.Add(onGBar, product.Multiply(b, c.f))
	}
	right := generatorTable().mul(onG)
	right.Add(right, secondGeneratorTable().mul(onGBar))
	return multiScalar(scalars, points).Equal(right) == 1
}

// randomCoefficient is a nonzero number of 128 bits.
func randomCoefficient() *scalar {
	var wide [64]byte
	for isZero(wide[:16]) {
		_, _ = rand.Read(wide[:16]) // crypto/rand does not fail
	}
	return reduce(&wide)
}

// Shares makes the shares of many transactions, in their order, on all processors.
func (s Secret) Shares(cs []*Checked) ([]Share, error) {
	shares, errs := make([]Share, len(cs)), make([]error, len(cs))
	parallel(len(cs), func(i int) { shares[i], errs[i] = s.Share(cs[i]) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return shares, nil
}

// OpenBatch combines the shares of each transaction and opens it, on all processors. For each there is its opening or its
// error, as Combine and Open would return it.
func (k *Keys) OpenBatch(cs []*Checked, shares [][]Share) ([]Opening, []error) {
	openings, errs := make([]Opening, len(cs)), make([]error, len(cs))
	parallel(len(cs), func(i int) {
		var z Point
		if z, errs[i] = k.Combine(shares[i]); errs[i] == nil {
			openings[i], errs[i] = cs[i].Open(z)
		}
	})
	return openings, errs
}

// VerifyBatch checks the opening of each transaction, on all processors. For each there is the error that Verify would
// return.
func VerifyBatch(cs []*Checked, openings []Opening) []error {
	errs := make([]error, len(cs))
	parallel(len(cs), func(i int) { errs[i] = cs[i].Verify(openings[i]) })
	return errs
}
