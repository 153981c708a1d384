package te

import (
	"crypto/rand"
	"math/bits"
	"runtime"

	"github.com/consensys/gnark-crypto/ecc"
	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// bucketsFrom is how many points make the library's multi-exponentiation, which sorts points into buckets, faster than one
// chain of doublings for all (Straus' way). Measured with 128-bit scalars in both groups: BenchmarkSum. With a few points,
// as in most blocks, the chain takes a third of the time.
const bucketsFrom = 64

// sumG1 returns Σ k_i·P_i in variable time.
func sumG1(points []bls.G1Affine, k []fr.Element) (out bls.G1Affine) {
	var sum bls.G1Jac
	if len(points) < bucketsFrom {
		sum = straus[bls.G1Affine, bls.G1Jac](points, k, bls.BatchJacobianToAffineG1)
	} else {
		_, _ = sum.MultiExp(points, k, tasks()) // fails only for unequal lengths
	}
	return *out.FromJacobian(&sum)
}

// sumG2 returns Σ k_i·Q_i in variable time.
func sumG2(points []bls.G2Affine, k []fr.Element) (out bls.G2Affine) {
	var sum bls.G2Jac
	if len(points) < bucketsFrom {
		sum = straus[bls.G2Affine, bls.G2Jac](points, k, batchAffineG2)
	} else {
		_, _ = sum.MultiExp(points, k, tasks())
	}
	return *out.FromJacobian(&sum)
}

func tasks() ecc.MultiExpConfig { return ecc.MultiExpConfig{NbTasks: runtime.GOMAXPROCS(0)} }

// affine and jacobian are what straus asks of the library's points.
type affine[A any] interface {
	*A
	Neg(*A) *A
}

type jacobian[A, J any] interface {
	*J
	FromAffine(*A) *J
	Set(*J) *J
	Double(*J) *J
	DoubleAssign() *J
	AddAssign(*J) *J
	AddMixed(*A) *J
}

// oddMultiples is how many multiples a point's table has: 1, 3, 5 and 7.
const oddMultiples = 4

// straus adds up multiples of points with one chain of doublings for all. Scalars are written with signed odd digits
// below 8, so that one digit in five is not zero.
func straus[A, J any, PA affine[A], PJ jacobian[A, J]](points []A, k []fr.Element, toAffine func([]J) []A) J {
	multiples := make([]J, 0, oddMultiples*len(points))
	digits := make([][fr.Bits + 1]int8, len(points))
	length := 0
	for i := range points {
		multiples = appendOddMultiples[A, J, PJ](multiples, &points[i])
		length = max(length, shortDigits(&digits[i], &k[i]))
	}
	table := toAffine(multiples)
	var zero, negated A
	var sum J
	PJ(&sum).FromAffine(&zero)
	for bit := length - 1; bit >= 0; bit-- {
		PJ(&sum).DoubleAssign()
		for i := range points {
			switch d := int(digits[i][bit]); {
			case d > 0:
				PJ(&sum).AddMixed(&table[oddMultiples*i+d/2])
			case d < 0:
				PA(&negated).Neg(&table[oddMultiples*i-d/2])
				PJ(&sum).AddMixed(&negated)
			}
		}
	}
	return sum
}

// appendOddMultiples appends p, 3p, 5p and 7p.
func appendOddMultiples[A, J any, PJ jacobian[A, J]](multiples []J, p *A) []J {
	var next, twice J
	PJ(&next).FromAffine(p)
	PJ(&twice).Double(&next)
	for range oddMultiples - 1 {
		multiples = append(multiples, next)
		PJ(&next).AddAssign(&twice)
	}
	return append(multiples, next)
}

// batchAffineG2 divides all points by their Z at the price of one inversion. The library has it for G1 only.
func batchAffineG2(points []bls.G2Jac) []bls.G2Affine {
	out := make([]bls.G2Affine, len(points))
	products := make([]bls.E2, len(points)) // of all Z before
	var all bls.E2
	all.SetOne()
	for i := range points {
		products[i] = all
		if !points[i].Z.IsZero() {
			all.Mul(&all, &points[i].Z)
		}
	}
	all.Inverse(&all)
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		if p.Z.IsZero() {
			continue
		}
		var inverse, square bls.E2
		inverse.Mul(&all, &products[i])
		all.Mul(&all, &p.Z)
		square.Square(&inverse)
		out[i].X.Mul(&p.X, &square)
		out[i].Y.Mul(&p.Y, &square).Mul(&out[i].Y, &inverse)
	}
	return out
}

// shortDigits writes k, or -k with its digits' signs changed, whichever is shorter. Lagrange coefficients are mostly a few bits
// long one way or the other.
func shortDigits(digits *[fr.Bits + 1]int8, k *fr.Element) int {
	var minus fr.Element
	if minus.Neg(k).Cmp(k) >= 0 {
		return signedDigits(digits, k.Bits())
	}
	n := signedDigits(digits, minus.Bits())
	for i := range digits[:n] {
		digits[i] = -digits[i]
	}
	return n
}

// signedDigits writes k as digits of 0, ±1, ±3, ±5, ±7, no two within four places, and returns how many there are.
func signedDigits(digits *[fr.Bits + 1]int8, k [4]uint64) int {
	length := 0
	for i := 0; k != [4]uint64{}; i++ {
		if k[0]&1 == 1 {
			d := int8(k[0] & 15)
			if d > 7 {
				d -= 16
			}
			digits[i], length = d, i+1
			var carry uint64
			if d > 0 {
				k[0] -= uint64(d) // the low bits, no borrow
			} else {
				k[0], carry = bits.Add64(k[0], uint64(-d), 0)
				k[1], carry = bits.Add64(k[1], 0, carry)
				k[2], carry = bits.Add64(k[2], 0, carry)
				k[3] += carry
			}
		}
		k = [4]uint64{k[0]>>1 | k[1]<<63, k[1]>>1 | k[2]<<63, k[2]>>1 | k[3]<<63, k[3] >> 1}
	}
	return length
}

// randomCoefficients returns 1 and then n-1 random numbers of 128 bits. One of a random linear combination's
// coefficients may be fixed: what must cancel is then still hit with a probability of 2^-128.
func randomCoefficients(n int) []fr.Element {
	out := make([]fr.Element, n)
	out[0].SetOne()
	for i := 1; i < n; i++ {
		out[i] = randomCoefficient()
	}
	return out
}

// randomCoefficient returns a random number of 128 bits.
func randomCoefficient() (k fr.Element) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // ends the program rather than fail
	k.SetBytes(b[:])
	return k
}
