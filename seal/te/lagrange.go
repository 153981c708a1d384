package te

import "github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

// abscissa is where on the secret polynomial an authority's share lies. The secret itself is at zero.
func abscissa(authority uint8) fr.Element { return fr.NewElement(uint64(authority) + 1) }

func firstAuthorities(n int) []uint8 {
	out := make([]uint8, n)
	for i := range out {
		out[i] = uint8(i)
	}
	return out
}

// lagrange returns the coefficients that interpolate the polynomial at x from its values at distinct authorities.
func lagrange(authorities []uint8, x fr.Element) []fr.Element {
	over := make([]fr.Element, len(authorities))
	under := make([]fr.Element, len(authorities))
	for i, a := range authorities {
		over[i].SetOne()
		under[i].SetOne()
		xa := abscissa(a)
		for j, b := range authorities {
			if i == j {
				continue
			}
			var d fr.Element
			xb := abscissa(b)
			over[i].Mul(&over[i], d.Sub(&x, &xb))
			under[i].Mul(&under[i], d.Sub(&xa, &xb))
		}
	}
	under = fr.BatchInvert(under)
	for i := range over {
		over[i].Mul(&over[i], &under[i])
	}
	return over
}
