package seal

import (
	"sync"

	"github.com/gtank/ristretto255"
)

// A table multiplies one fixed point by PUBLIC scalars: about 43 additions instead of 250 doublings and 43 additions. Its
// memory accesses depend on the scalar. It costs 220 KB and a quarter of a millisecond to build.
type table [tableDigits][tableHalf]element

const (
	tableBits   = 6
	tableDigits = 43 // 43 · 6 bits hold a reduced scalar (253 bits) and the last carry
	tableHalf   = 1 << (tableBits - 1)
)

// newTable holds k · 2^(6i) · p at [i][k-1].
func newTable(p *element) *table {
	t := new(table)
	base := new(element).Set(p)
	for i := range t {
		t[i][0].Set(base)
		for k := 1; k < tableHalf; k++ {
			t[i][k].Add(&t[i][k-1], base)
		}
		base.Add(&t[i][tableHalf-1], &t[i][tableHalf-1]) // 2 · 32 · base = 2^6 · base
	}
	return t
}

// mul returns s·p in variable time.
func (t *table) mul(s *scalar) *element {
	sum := ristretto255.NewIdentityElement()
	for i, d := range signedDigits(s, tableBits) {
		switch {
		case d > 0:
			sum.Add(sum, &t[i][d-1])
		case d < 0:
			sum.Subtract(sum, &t[i][-d-1])
		}
	}
	return sum
}

// signedDigits writes a scalar as Σ d_i · 2^(width·i) with -2^(width-1) ≤ d_i ≤ 2^(width-1), for widths from 2 to 12.
func signedDigits(s *scalar, width int) []int {
	b := s.Bytes()
	digits := make([]int, (254+width-1)/width) // a bit more than 253, for the last carry
	carry := 0
	for i := range digits {
		d := window(b, i*width, width) + carry
		carry = 0
		if d > 1<<(width-1) {
			d, carry = d-1<<width, 1
		}
		digits[i] = d
	}
	return digits
}

// window returns the width bits from bit at; bits beyond the end are zero.
func window(b []byte, at, width int) int {
	var v int
	for k, i := 0, at/8; k < 3 && i < len(b); k, i = k+1, i+1 {
		v |= int(b[i]) << (8 * k)
	}
	return v >> (at % 8) & (1<<width - 1)
}

// The tables of the two generators.
var (
	generatorTable       = sync.OnceValue(func() *table { return newTable(ristretto255.NewGeneratorElement()) })
	secondGeneratorTable = sync.OnceValue(func() *table { return newTable(secondGenerator()) })
)
