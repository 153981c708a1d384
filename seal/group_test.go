package seal

import (
	"testing"

	"github.com/gtank/ristretto255"
)

// The two faster multiplications of this package agree with the library's.
func TestTablesAndBucketsAgreeWithTheLibrary(t *testing.T) {
	p := new(element).ScalarBaseMult(randomScalar())
	scalars := []*scalar{smallScalar(0), smallScalar(1), smallScalar(31), smallScalar(32), smallScalar(33), smallScalar(64), smallScalar(65535)}
	scalars = append(scalars, ristretto255.NewScalar().Negate(smallScalar(1)), ristretto255.NewScalar().Negate(smallScalar(32)))
	for range 100 {
		scalars = append(scalars, randomScalar(), randomCoefficient())
	}
	tab := newTable(p)
	points := make([]*element, len(scalars))
	for i, s := range scalars {
		points[i] = new(element).ScalarMult(s, p)
		if tab.mul(s).Equal(points[i]) != 1 {
			t.Errorf("the table gives another multiple of %x", s.Bytes())
		}
	}
	points[3] = ristretto255.NewIdentityElement()
	points[5] = points[4]
	want := new(element).MultiScalarMult(scalars, points)
	for width := 2; width <= 12; width++ {
		if bucketSum(scalars, points, width).Equal(want) != 1 {
			t.Errorf("buckets of %d bits give another sum", width)
		}
	}
}

func TestSignedDigits(t *testing.T) {
	for width := 2; width <= 12; width++ {
		for _, s := range []*scalar{smallScalar(0), ristretto255.NewScalar().Negate(smallScalar(1)), randomScalar(), randomScalar()} {
			sum, digits := ristretto255.NewScalar(), signedDigits(s, width)
			for i := len(digits) - 1; i >= 0; i-- {
				sum.Multiply(sum, smallScalar(1<<width))
				sum.Add(sum, difference(max(digits[i], 0), max(-digits[i], 0)))
				if abs := max(digits[i], -digits[i]); abs > 1<<(width-1) {
					t.Fatalf("digit %d of %d bits", digits[i], width)
				}
			}
			if sum.Equal(s) != 1 {
				t.Errorf("digits of %d bits of %x are another number", width, s.Bytes())
			}
		}
	}
}

// A large batch goes through the buckets, finds each bad one and nothing else.
func TestALargeBatchNamesEachBadOne(t *testing.T) {
	w := newWorld(t, 4, 3)
	txs := make([]*Sealed, 130)
	for i := range txs {
		txs[i] = w.seal(t, []byte{byte(i)})
	}
	if _, errs := w.ring.CheckBatch(txs); firstError(errs) != nil {
		t.Fatal(errs)
	}
	bad := map[int]string{0: "proof", 64: "proof", 65: "signature", 66: "point", 129: "proof"}
	for i, reason := range bad {
		wrong := *txs[i]
		switch reason {
		case "proof":
			wrong.f = littleEndian(bigInt(randomScalar().Bytes()))
		case "signature":
			wrong.signature[64] ^= 1
		case "point":
			wrong.w[31] |= 0x80
		}
		txs[i] = &wrong
	}
	checked, errs := w.ring.CheckBatch(txs)
	for i, err := range errs {
		if want, isBad := bad[i]; isBad && !onlyReason(err, want) || !isBad && err != nil || isBad == (checked[i] != nil) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
