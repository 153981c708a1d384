package seal

import (
	"math/rand/v2"
	"testing"

	"github.com/gtank/ristretto255"
)

// The weights give the secret back from any set of authorities in any order: as small fractions, and as scalars where the
// fractions are long.
func TestWeightsInterpolateAtZero(t *testing.T) {
	small, large := 0, 0
	for round := range 300 {
		threshold := 1 + rand.IntN(20)
		p := make([]*scalar, threshold)
		for i := range p {
			p[i] = randomScalar()
		}
		above := threshold + rand.IntN(4)
		if round%3 == 0 {
			above = MaxAuthorities
		}
		authorities, points := make([]uint8, threshold), make([]*element, threshold)
		for i, a := range rand.Perm(above)[:threshold] {
			authorities[i] = uint8(a)
			points[i] = new(element).ScalarBaseMult(evaluate(p, a+1))
		}
		w := newWeights(authorities)
		if w.full == nil {
			small++
		} else {
			large++
		}
		if w.sum(points).Equal(new(element).ScalarBaseMult(p[0])) != 1 {
			t.Errorf("authorities %v give another point", authorities)
		}
	}
	if small < 50 || large < 50 {
		t.Errorf("%d sets with small fractions and %d with scalars: one of the two was hardly tested", small, large)
	}
}

// Combining remembers the weights of the last set; another set, or the same one in another order, has its own.
func TestCombineTakesAnySetAfterAnyOther(t *testing.T) {
	w := newWorld(t, 7, 5)
	c := w.check(t, w.seal(t, []byte("tx")))
	shares := sharesOf(t, w, c)
	want, err := w.keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		rand.Shuffle(len(shares), func(i, j int) { shares[i], shares[j] = shares[j], shares[i] })
		if got, err := w.keys.Combine(shares); err != nil || got != want {
			t.Fatalf("combined to another point: %v", err)
		}
	}
}

func TestASmallSumIsTheSum(t *testing.T) {
	p := new(element).ScalarBaseMult(randomScalar())
	for _, numbers := range [][]int64{{0}, {1}, {-1}, {3, -3, 1}, {0, 0, -8}, {1<<32 - 1, -(1<<32 - 1), 5}} {
		points, total := make([]*element, len(numbers)), ristretto255.NewIdentityElement()
		for i, n := range numbers {
			points[i] = new(element).ScalarMult(smallScalar(i+1), p)
			multiple := new(element).ScalarMult(smallScalar(int(max(n, -n))), points[i])
			if n < 0 {
				multiple.Negate(multiple)
			}
			total.Add(total, multiple)
		}
		if smallSum(numbers, points).Equal(total) != 1 {
			t.Errorf("the sum by %v is another", numbers)
		}
	}
}
