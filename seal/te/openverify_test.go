package te

import (
	"errors"
	"testing"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// opened returns n ciphertexts with their openings.
func opened(t testing.TB, keys *PublicKeys, secrets []*KeyShare, n int) ([]*Ciphertext, []*Opening) {
	t.Helper()
	cs := ciphertexts(encrypted(t, keys, n))
	vs, err := VerifyCiphertexts(cs)
	noError(t, err)
	sets := shareSets(t, secrets[:keys.Threshold()], vs)
	openings := make([]*Opening, n)
	for i := range openings {
		var shares []*DecryptionShare
		for _, set := range sets {
			shares = append(shares, set.Shares[i])
		}
		openings[i], err = keys.Combine(shares)
		noError(t, err)
	}
	return cs, openings
}

func TestABatchOfOpeningsHoldsWithoutASearch(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	noError(t, keys.VerifyOpenings(nil, nil))
	for _, n := range []int{1, 2, 9, bucketsFrom + 1} {
		cs, openings := opened(t, keys, secrets, n)
		noError(t, keys.VerifyOpenings(cs, openings))
		b, err := keys.newOpeningBatch(cs, openings)
		noError(t, err)
		if !b.holds() {
			t.Fatalf("a batch of %d does not hold", n)
		}
		b.sumU.Neg(&b.sumU)
		if b.holds() {
			t.Fatalf("a bad batch of %d holds", n)
		}
	}
}

func TestEachKindOfWrongOpeningIsFoundAmongMany(t *testing.T) {
	const n, at = 20, 13
	keys, secrets := deal(t, 4, 3)
	others, _ := deal(t, 4, 3)
	g1, g2 := generatorG1(), preparedGenerator().point
	for name, c := range map[string]struct {
		change func(c *Ciphertext, o, another *Opening)
		proof  bool // is it the proof that does not hold?
		both   bool
	}{
		"another ciphertext's": {change: func(_ *Ciphertext, o, another *Opening) { *o = *another }},
		"negated":              {change: func(_ *Ciphertext, o, _ *Opening) { o.point.Neg(&o.point) }},
		"beside it":            {change: func(_ *Ciphertext, o, _ *Opening) { o.point.Add(&o.point, &g1) }},
		"the identity":         {change: func(_ *Ciphertext, o, _ *Opening) { *o = Opening{} }},
		"U itself":             {change: func(c *Ciphertext, o, _ *Opening) { o.point = c.u }},
		"under another key": {change: func(c *Ciphertext, o, _ *Opening) {
			r := fr.NewElement(77)
			p, err := seal(others.Master(), &[32]byte{1}, &r, [][]byte{{1}})
			noError(t, err)
			*c, o.point = *p.Ciphertext, mulG1(&others.master.point, &r)
		}},
		"of a ciphertext with another V":       {change: func(c *Ciphertext, _, _ *Opening) { c.EncryptedKey[3]++ }, proof: true},
		"of a ciphertext with another payload": {change: func(c *Ciphertext, _, _ *Opening) { c.PayloadHash[3]++ }, proof: true},
		"of a ciphertext with another W":       {change: func(c *Ciphertext, _, _ *Opening) { c.w.Add(&c.w, &g2) }, proof: true},
		// Its maker needs no keyholder for the opening, as r is known.
		"its maker's, without a proof": {change: func(c *Ciphertext, o, _ *Opening) {
			r := fr.NewElement(99)
			c.u, o.point = mulG1(&g1, &r), mulG1(&keys.master.point, &r)
		}, proof: true},
		// The equations of this ciphertext hold together, but neither does alone.
		"off as the proof is": {change: func(c *Ciphertext, o, _ *Opening) {
			c.w.Add(&c.w, &g2)
			o.point.Add(&o.point, &g1)
		}, proof: true, both: true},
	} {
		t.Run(name, func(t *testing.T) {
			cs, openings := opened(t, keys, secrets, n)
			c.change(cs[at], openings[at], openings[at+1])
			want := BadOpenings{Openings: []int{at}}
			if c.proof {
				want = BadOpenings{Proofs: []int{at}}
			}
			if c.both {
				want.Openings = []int{at}
			}
			err := keys.VerifyOpenings(cs, openings)
			var bad *BadOpenings
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
			equal(t, want, *bad)
			equal(t, c.proof, errors.Is(err, ErrCiphertext))
			equal(t, !c.proof || c.both, errors.Is(err, ErrOpening))
			if keys.VerifyOpenings(cs[at:at+1], openings[at:at+1]) == nil {
				t.Fatal("alone it passes")
			}
		})
	}
}

func TestOpeningsThatAreWrongTogetherAreFound(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	cs, openings := opened(t, keys, secrets, 12)
	g1 := generatorG1()
	openings[2], openings[7] = openings[7], openings[2]
	openings[4].point.Add(&openings[4].point, &g1) // these two cancel in a plain sum
	openings[5].point.Sub(&openings[5].point, &g1)
	cs[9].KeyHash[0]++ // not of the proof
	cs[11].EncryptedKey[0]++
	var bad *BadOpenings
	if err := keys.VerifyOpenings(cs, openings); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	equal(t, BadOpenings{Proofs: []int{11}, Openings: []int{2, 4, 5, 7}}, *bad)

	for i := range openings {
		openings[i] = &Opening{g1}
	}
	if err := keys.VerifyOpenings(cs, openings); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	equal(t, MaxNamedOpenings, len(bad.Openings))
}

func TestABatchOfOpeningsNeedsAllOfThem(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	cs, openings := opened(t, keys, secrets, 2)
	errorIs(t, keys.VerifyOpenings(cs, openings[:1]), ErrOpening)
	errorIs(t, keys.VerifyOpenings(cs, []*Opening{openings[0], nil}), ErrMalformed)
	errorIs(t, keys.VerifyOpenings([]*Ciphertext{nil, cs[1]}, openings), ErrMalformed)
	errorIs(t, keys.VerifyOpenings([]*Ciphertext{{}, cs[1]}, []*Opening{{}, openings[1]}), ErrMalformed)
}

// TestAnOpeningOutsideOfTheGroupIsNotDecoded: the pairing equation holds for it, so decoding is what keeps it out.
func TestAnOpeningOutsideOfTheGroupIsNotDecoded(t *testing.T) {
	keys, secrets := deal(t, 4, 3)
	cs, openings := opened(t, keys, secrets, 1)
	// (0, 2) is on the curve y² = x³ + 4, and of order three.
	var t3 bls.G1Affine
	t3.Y.SetUint64(2)
	if !t3.IsOnCurve() || t3.IsInSubGroup() {
		t.Fatal("not the point that is wanted")
	}
	moved := &Opening{*new(bls.G1Affine).Add(&openings[0].point, &t3)}
	if err := keys.VerifyOpenings(cs, []*Opening{moved}); err != nil {
		t.Fatalf("the equation tells them apart after all: %v", err)
	}
	b := moved.Bytes()
	_, err := DecodeOpening(b[:])
	errorIs(t, err, ErrPoint)
	good := openings[0].Bytes()
	decoded, errs := DecodeOpenings([][]byte{b[:], good[:], nil})
	errorIs(t, errs[0], ErrPoint)
	noError(t, errs[1])
	equal(t, openings[0], decoded[1])
	errorIs(t, errs[2], ErrMalformed)
}
