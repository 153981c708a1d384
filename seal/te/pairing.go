package te

import (
	"runtime"
	"sync"
	"sync/atomic"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
)

type lines = [2][len(bls.LoopCounter) - 1]bls.LineEvaluationAff

// preparedG2 is a point of G2 that takes part in many pairings: its half of the Miller loop is computed once.
type preparedG2 struct {
	point bls.G2Affine
	lines lines
}

func prepareG2(q bls.G2Affine) *preparedG2 {
	return &preparedG2{point: q, lines: bls.PrecomputeLines(q)}
}

// preparedGenerator returns the generator of G2.
var preparedGenerator = sync.OnceValue(func() *preparedG2 {
	_, _, _, g := bls.Generators()
	return prepareG2(g)
})

// preparedIsOne tells whether Π e(p_i, q_i) = 1.
func preparedIsOne(p []bls.G1Affine, q []*preparedG2) bool {
	f := preparedMillerLoop(p, q)
	return isOne(&f)
}

// preparedMillerLoop returns Π e(p_i, q_i) before the final exponentiation.
func preparedMillerLoop(p []bls.G1Affine, q []*preparedG2) (f bls.GT) {
	all := make([]lines, len(q)) // a copy: the library scales the lines it is given in place
	for i := range q {
		all[i] = q[i].lines
	}
	if product, err := bls.MillerLoopFixedQ(p, all); err == nil { // else zero remains, which no check takes for one
		f = product
	}
	return f
}

// pairingIsOne tells whether Π e(p_i, q_i) = 1.
func pairingIsOne(p []bls.G1Affine, q []bls.G2Affine) bool {
	f := millerLoop(p, q)
	return isOne(&f)
}

// millerLoop returns Π e(p_i, q_i) before the final exponentiation. Each processor takes a contiguous part: inside one
// part the squarings are shared.
func millerLoop(p []bls.G1Affine, q []bls.G2Affine) bls.GT {
	const worthwhile = 8
	parts := make([]bls.GT, max(1, min(runtime.GOMAXPROCS(0), len(p)/worthwhile)))
	parallel(len(parts), func(i int) {
		from, to := len(p)*i/len(parts), len(p)*(i+1)/len(parts)
		f, err := bls.MillerLoop(p[from:to], q[from:to])
		if err == nil { // else zero remains, which no check takes for one
			parts[i] = f
		}
	})
	for i := range parts[1:] {
		parts[0].Mul(&parts[0], &parts[i+1])
	}
	return parts[0]
}

func isOne(f *bls.GT) bool {
	e := bls.FinalExponentiation(f)
	return e.IsOne()
}

// parallel calls do(i) for each i below n, on as many goroutines as there are processors to run them.
func parallel(n int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
