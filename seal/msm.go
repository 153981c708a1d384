package seal

import "github.com/gtank/ristretto255"

// bucketsFrom is from how many points on the buckets need fewer additions than the library's tables. Measured.
const bucketsFrom = 250

// multiScalar returns Σ scalars[i]·points[i] in variable time, of public values only.
func multiScalar(scalars []*scalar, points []*element) *element {
	if len(points) < bucketsFrom {
		return ristretto255.NewIdentityElement().VarTimeMultiScalarMult(scalars, points)
	}
	return bucketSum(scalars, points, bucketWidth(len(points)))
}

// bucketWidth is about log2(n) - 2, which balances the additions into buckets against those of the buckets.
func bucketWidth(n int) int {
	width := 5
	for n > 1<<(width+2) && width < 11 {
		width++
	}
	return width
}

// bucketSum is Pippenger's method: for each window of the scalars, every point is added to the bucket of its digit, and the
// buckets are summed with their digits as weights.
func bucketSum(scalars []*scalar, points []*element, width int) *element {
	digits := make([][]int, len(scalars))
	for i, s := range scalars {
		digits[i] = signedDigits(s, width)
	}
	sum := ristretto255.NewIdentityElement()
	buckets := make([]element, 1<<(width-1))
	used := make([]bool, len(buckets))
	for w := len(digits[0]) - 1; w >= 0; w-- {
		for range width {
			sum.Add(sum, sum)
		}
		clear(used)
		for i, p := range points {
			fill(buckets, used, digits[i][w], p)
		}
		sum.Add(sum, weigh(buckets, used))
	}
	return sum
}

// fill adds a point to the bucket of its digit, or subtracts it from that of the digit's negative.
func fill(buckets []element, used []bool, digit int, p *element) {
	if digit == 0 {
		return
	}
	at := max(digit, -digit) - 1
	b := &buckets[at]
	switch {
	case !used[at] && digit > 0:
		b.Set(p)
	case !used[at]:
		b.Negate(p)
	case digit > 0:
		b.Add(b, p)
	default:
		b.Subtract(b, p)
	}
	used[at] = true
}

// weigh returns Σ (i+1)·buckets[i].
func weigh(buckets []element, used []bool) *element {
	running, sum := ristretto255.NewIdentityElement(), ristretto255.NewIdentityElement()
	for i := len(buckets) - 1; i >= 0; i-- {
		if used[i] {
			running.Add(running, &buckets[i])
		}
		sum.Add(sum, running)
	}
	return sum
}
