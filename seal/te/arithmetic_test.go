package te

import (
	"crypto/rand"
	"math/big"
	mathrand "math/rand/v2"
	"testing"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fp"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

func randomScalars(t testing.TB, n int) []fr.Element {
	t.Helper()
	out := make([]fr.Element, n)
	for i := range out {
		noError(t, randomScalar(rand.Reader, &out[i]))
	}
	return out
}

func randomPoints(t testing.TB, n int) ([]bls.G1Affine, []bls.G2Affine) {
	t.Helper()
	p, q := make([]bls.G1Affine, n), make([]bls.G2Affine, n)
	g1, g2 := generatorG1(), preparedGenerator().point
	for i, k := range randomScalars(t, n) {
		p[i], q[i] = mulG1(&g1, &k), mulG2(&g2, &k)
	}
	return p, q
}

func TestConstantTimeMultiplicationAgreesWithTheLibrary(t *testing.T) {
	scalars := randomScalars(t, 32)
	for _, n := range []int64{0, 1, 2, 7, 15, 16, 17, 255, 256, -1, -2, -16} {
		var k fr.Element
		scalars = append(scalars, *k.SetInt64(n))
	}
	half := new(big.Int).Rsh(fr.Modulus(), 1)
	var k fr.Element
	scalars = append(scalars, *k.SetBigInt(half))
	points, _ := randomPoints(t, 2)
	points = append(points, generatorG1())
	for _, p := range points {
		for _, k := range scalars {
			if got, want := mulSecret(&p, &k), mulG1(&p, &k); !got.Equal(&want) {
				t.Fatalf("%s times a point: got %s, want %s", k.String(), got.String(), want.String())
			}
		}
	}
}

func TestConstantTimeFieldOperationsAgreeWithTheLibrary(t *testing.T) {
	values := make([]fp.Element, 3)
	values[1].SetOne()
	values[2].SetInt64(-1)
	for range 20 {
		var x fp.Element
		if _, err := x.SetRandom(); err != nil {
			t.Fatal(err)
		}
		values = append(values, x)
	}
	for _, x := range values {
		for _, y := range values {
			var got, want fp.Element
			if fpAdd(&got, &x, &y); got != *want.Add(&x, &y) {
				t.Fatalf("%s + %s: got %s", x.String(), y.String(), got.String())
			}
			if fpSub(&got, &x, &y); got != *want.Sub(&x, &y) {
				t.Fatalf("%s - %s: got %s", x.String(), y.String(), got.String())
			}
		}
	}
}

func TestSumsAgreeWithTheLibrary(t *testing.T) {
	const most = bucketsFrom + 3
	p, q := randomPoints(t, most)
	k := randomScalars(t, most)
	k[1].SetZero()
	k[2].SetInt64(-1)
	copy(k[20:60], randomCoefficients(40))
	p[3], q[3] = bls.G1Affine{}, bls.G2Affine{}
	p[5], q[5], k[5] = p[4], q[4], k[4]
	for _, n := range []int{1, 2, 3, 4, 7, 20, bucketsFrom - 1, bucketsFrom, most} {
		var want1, want2 bls.G1Affine
		var wantQ, wantQ2 bls.G2Affine
		for i := range n {
			want2 = mulG1(&p[i], &k[i])
			want1.Add(&want1, &want2)
			wantQ2 = mulG2(&q[i], &k[i])
			wantQ.Add(&wantQ, &wantQ2)
		}
		if got := sumG1(p[:n], k[:n]); !got.Equal(&want1) {
			t.Fatalf("sum of %d in G1 differs", n)
		}
		if got := sumG2(q[:n], k[:n]); !got.Equal(&wantQ) {
			t.Fatalf("sum of %d in G2 differs", n)
		}
	}
}

func TestPreparedPointsSurviveTheirUse(t *testing.T) {
	p, q := randomPoints(t, 2)
	prepared := []*preparedG2{prepareG2(q[0]), prepareG2(q[1])}
	for range 3 { // the library scales the lines it is given in place
		// e(k0·G1, k1·G2)·e(-k1·G1, k0·G2) = 1
		left, right := p[0], p[1]
		right.Neg(&right)
		if !preparedIsOne([]bls.G1Affine{left, right}, []*preparedG2{prepared[1], prepared[0]}) {
			t.Fatal("a product that is one was not found to be")
		}
		if preparedIsOne([]bls.G1Affine{left, right}, prepared) {
			t.Fatal("a product that is not one was found to be")
		}
	}
}

func TestMillerLoopInPartsIsTheWhole(t *testing.T) {
	p, q := randomPoints(t, 41)
	p[7], q[9] = bls.G1Affine{}, bls.G2Affine{}
	whole, err := bls.Pair(p, q)
	noError(t, err)
	f := millerLoop(p, q)
	if got := bls.FinalExponentiation(&f); !got.Equal(&whole) {
		t.Fatal("products differ")
	}
}

func TestRandomScalarsComeFromTheReader(t *testing.T) {
	var k fr.Element
	errorIs(t, randomScalar(failing{}, &k), failingError())
	if randomScalar(constant(0xff), &k) == nil {
		t.Fatal("a scalar from a reader that has none")
	}
	if randomScalar(constant(0), &k) == nil {
		t.Fatal("a zero scalar")
	}
}

// constant is a reader of one byte value.
type constant byte

func (c constant) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

func failingError() error {
	_, err := failing{}.Read(nil)
	return err
}

func TestFindBadNamesExactlyTheBad(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for n := 1; n <= 40; n++ {
		for range 20 {
			var bad []int
			for i := range n {
				if random.IntN(n+1) < 2 {
					bad = append(bad, i)
				}
			}
			if len(bad) == 0 {
				bad = []int{random.IntN(n)}
			}
			holds := func(from, to int) bool {
				for _, i := range bad {
					if from <= i && i < to {
						return false
					}
				}
				return true
			}
			equal(t, bad, findBad(n, n, holds))
			limit := 1 + random.IntN(3)
			equal(t, bad[:min(limit, len(bad))], findBad(n, limit, holds))
		}
	}
}

func TestHashToG2AgreesWithTheLibrary(t *testing.T) {
	for i := range 300 {
		msg := make([]byte, i)
		_, _ = rand.Read(msg)
		want, err := bls.HashToG2(msg, []byte(hashToG2Tag))
		noError(t, err)
		got, err := hashToG2(msg)
		noError(t, err)
		if !got.Equal(&want) {
			t.Fatalf("%x: got %s, want %s", msg, got.String(), want.String())
		}
	}
}

func TestMapOntoTheIsogenousCurveAgreesWithTheLibrary(t *testing.T) {
	var values []bls.E2
	for a := int64(-2); a <= 2; a++ { // real, imaginary and small ones
		for b := int64(-2); b <= 2; b++ {
			var u bls.E2
			u.A0.SetInt64(a)
			u.A1.SetInt64(b)
			values = append(values, u)
		}
	}
	for range 200 {
		var u bls.E2
		u.MustSetRandom()
		values = append(values, u)
	}
	for _, u := range values {
		want := bls.MapToCurve2(&u)
		got, ok := mapToIsogenous(&u)
		if ok == u.IsZero() || ok && !got.Equal(&want) {
			t.Fatalf("%s: got %s, %t, want %s", u.String(), got.String(), ok, want.String())
		}
	}
}
