package te

import (
	"crypto/rand"
	"math/bits"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// The pairing library multiplies in variable time, so a secret that is multiplied often has its own multiplication here:
// fixed windows of four bits, every table entry read every time, and the complete addition formulas of Renes, Costello
// and Batina (eprint 2015/1060, for curves y² = x³ + b), which need no case for equal points or the identity.
//
// Field multiplication is the library's: without branches in assembly on amd64 (with ADX) and arm64. Elsewhere it ends in
// a conditional subtraction. Against that, the point's projective coordinates are scaled by a random factor for each
// multiplication, so that what the condition sees is not a function of the secret.

// projG1 is a point (X:Y:Z) of G1 in homogeneous coordinates; the identity is (0:1:0).
type projG1 struct{ x, y, z fp.Element }

// mulSecret returns k·p in time that depends on neither. p is in the group.
func mulSecret(p *bls.G1Affine, k *fr.Element) bls.G1Affine {
	var table [16]projG1
	table[0].y.SetOne()
	table[1] = scaled(p)
	for i := 2; i < len(table); i++ {
		table[i].add(&table[i-1], &table[1])
	}

	scalar := k.Bits()
	var acc, entry projG1
	acc.y.SetOne()
	for window := 63; window >= 0; window-- {
		for range 4 {
			acc.double(&acc)
		}
		entry.pick(&table, scalar[window/16]>>(window%16*4)&15)
		acc.add(&acc, &entry)
	}
	out := acc.affine()
	clear(scalar[:])
	clear(table[:])
	acc, entry = projG1{}, projG1{}
	return out
}

// scaled is p with random projective coordinates.
func scaled(p *bls.G1Affine) projG1 {
	var out projG1
	var seed [64]byte
	for out.z.IsZero() {
		_, _ = rand.Read(seed[:]) // ends the program rather than fail
		out.z.SetBytes(seed[:])
	}
	out.x.Mul(&p.X, &out.z)
	out.y.Mul(&p.Y, &out.z)
	return out
}

// pick sets p to table[index], reading all entries.
func (p *projG1) pick(table *[16]projG1, index uint64) {
	*p = projG1{}
	for i := range table {
		mask := -(((uint64(i) ^ index) - 1) >> 63) // all ones when i is the index
		for l := range p.x {
			p.x[l] |= table[i].x[l] & mask
			p.y[l] |= table[i].y[l] & mask
			p.z[l] |= table[i].z[l] & mask
		}
	}
}

// affine divides by Z. The inversion takes variable time, on a Z that the random scaling made independent of the secret.
func (p *projG1) affine() bls.G1Affine {
	var out bls.G1Affine
	var inverse fp.Element
	inverse.Inverse(&p.z)
	out.X.Mul(&p.x, &inverse)
	out.Y.Mul(&p.y, &inverse)
	return out
}

// add sets p = a + b (algorithm 7 of the paper).
func (p *projG1) add(a, b *projG1) {
	var t0, t1, t2, t3, t4, x, y, z fp.Element
	t0.Mul(&a.x, &b.x)
	t1.Mul(&a.y, &b.y)
	t2.Mul(&a.z, &b.z)
	crossSum(&t3, &a.x, &a.y, &b.x, &b.y, &t0, &t1)
	crossSum(&t4, &a.y, &a.z, &b.y, &b.z, &t1, &t2)
	crossSum(&y, &a.x, &a.z, &b.x, &b.z, &t0, &t2)
	fpAdd(&x, &t0, &t0)
	fpAdd(&t0, &x, &t0)
	timesB3(&t2, &t2)
	fpAdd(&z, &t1, &t2)
	fpSub(&t1, &t1, &t2)
	timesB3(&y, &y)
	x.Mul(&t4, &y)
	t2.Mul(&t3, &t1)
	fpSub(&p.x, &t2, &x)
	y.Mul(&y, &t0)
	t1.Mul(&t1, &z)
	fpAdd(&p.y, &t1, &y)
	t0.Mul(&t0, &t3)
	z.Mul(&z, &t4)
	fpAdd(&p.z, &z, &t0)
}

// crossSum sets out = a0·b1 + a1·b0, given the products p0 = a0·b0 and p1 = a1·b1.
func crossSum(out, a0, a1, b0, b1, p0, p1 *fp.Element) {
	var s, t fp.Element
	fpAdd(&s, a0, a1)
	fpAdd(&t, b0, b1)
	s.Mul(&s, &t)
	fpAdd(&t, p0, p1)
	fpSub(out, &s, &t)
}

// double sets p = 2a (algorithm 9 of the paper).
func (p *projG1) double(a *projG1) {
	var t0, t1, t2, x, y, z fp.Element
	t0.Square(&a.y)
	fpAdd(&z, &t0, &t0)
	fpAdd(&z, &z, &z)
	fpAdd(&z, &z, &z)
	t1.Mul(&a.y, &a.z)
	t2.Square(&a.z)
	timesB3(&t2, &t2)
	x.Mul(&t2, &z)
	fpAdd(&y, &t0, &t2)
	z.Mul(&t1, &z)
	fpAdd(&t1, &t2, &t2)
	fpAdd(&t2, &t1, &t2)
	fpSub(&t0, &t0, &t2)
	y.Mul(&t0, &y)
	t1.Mul(&a.x, &a.y)
	fpAdd(&p.y, &x, &y)
	x.Mul(&t0, &t1)
	fpAdd(&p.x, &x, &x)
	p.z = z
}

// timesB3 sets z = 3b·x, and b is 4.
func timesB3(z, x *fp.Element) {
	var t fp.Element
	fpAdd(&t, x, x)
	fpAdd(&t, &t, x)
	fpAdd(&t, &t, &t)
	fpAdd(z, &t, &t)
}

// fpAdd sets z = x + y. The library's Add branches on the reduction. Loops would take twice the time.
func fpAdd(z, x, y *fp.Element) {
	s0, c := bits.Add64(x[0], y[0], 0)
	s1, c := bits.Add64(x[1], y[1], c)
	s2, c := bits.Add64(x[2], y[2], c)
	s3, c := bits.Add64(x[3], y[3], c)
	s4, c := bits.Add64(x[4], y[4], c)
	s5, _ := bits.Add64(x[5], y[5], c) // the modulus has three spare bits
	r0, b := bits.Sub64(s0, q0, 0)
	r1, b := bits.Sub64(s1, q1, b)
	r2, b := bits.Sub64(s2, q2, b)
	r3, b := bits.Sub64(s3, q3, b)
	r4, b := bits.Sub64(s4, q4, b)
	r5, b := bits.Sub64(s5, q5, b)
	keep := -b // all ones if the sum was below the modulus
	z[0] = r0 ^ keep&(r0^s0)
	z[1] = r1 ^ keep&(r1^s1)
	z[2] = r2 ^ keep&(r2^s2)
	z[3] = r3 ^ keep&(r3^s3)
	z[4] = r4 ^ keep&(r4^s4)
	z[5] = r5 ^ keep&(r5^s5)
}

// fpSub sets z = x - y. The library's Sub branches on the reduction.
func fpSub(z, x, y *fp.Element) {
	d0, b := bits.Sub64(x[0], y[0], 0)
	d1, b := bits.Sub64(x[1], y[1], b)
	d2, b := bits.Sub64(x[2], y[2], b)
	d3, b := bits.Sub64(x[3], y[3], b)
	d4, b := bits.Sub64(x[4], y[4], b)
	d5, b := bits.Sub64(x[5], y[5], b)
	back := -b // all ones if the difference is negative
	var c uint64
	z[0], c = bits.Add64(d0, q0&back, 0)
	z[1], c = bits.Add64(d1, q1&back, c)
	z[2], c = bits.Add64(d2, q2&back, c)
	z[3], c = bits.Add64(d3, q3&back, c)
	z[4], c = bits.Add64(d4, q4&back, c)
	z[5], _ = bits.Add64(d5, q5&back, c)
}

// The field's modulus, from the lowest word.
const (
	q0 uint64 = 0xb9feffffffffaaab
	q1 uint64 = 0x1eabfffeb153ffff
	q2 uint64 = 0x6730d2a0f6b0f624
	q3 uint64 = 0x64774b84f38512bf
	q4 uint64 = 0x4b1ba7b6434bacd7
	q5 uint64 = 0x1a0111ea397fe69a
)
