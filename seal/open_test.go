package seal

import (
	"bytes"
	"errors"
	"testing"
)

func TestAnyThresholdOpensAndFewerDoNot(t *testing.T) {
	for _, c := range []struct{ n, threshold int }{{1, 1}, {4, 2}, {4, 3}, {7, 3}, {7, 5}} {
		w := newWorld(t, c.n, c.threshold)
		tx := []byte("a transaction")
		checked := w.check(t, w.seal(t, tx))
		shares := sharesOf(t, w, checked)
		for mask := range 1 << c.n {
			some := subset(shares, mask)
			z, err := w.keys.Combine(some)
			if len(some) < c.threshold {
				if !errors.Is(err, ErrTooFewShares) {
					t.Fatalf("%d shares: %v", len(some), err)
				}
				fewerDoNotOpen(t, w, checked, some)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			o, err := checked.Open(z)
			if err != nil || !bytes.Equal(o.Tx, tx) {
				t.Fatalf("%d of %d shares open to %q: %v", len(some), c.n, o.Tx, err)
			}
		}
	}
}

// fewerDoNotOpen combines too few shares with their own coefficients, past the check of their number.
func fewerDoNotOpen(t *testing.T, w *world, c *Checked, few []Share) {
	t.Helper()
	if len(few) == 0 {
		return
	}
	lax := &Keys{Key: w.keys.Key, threshold: len(few), points: w.keys.points, shares: w.keys.shares}
	z, err := lax.Combine(few)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(z); !onlyReason(err, "payload") {
		t.Fatalf("%d shares open it, threshold %d: %v", len(few), w.keys.threshold, err)
	}
}

func sharesOf(t testing.TB, w *world, c *Checked) []Share {
	t.Helper()
	var shares []Share
	for _, s := range w.secrets {
		share, err := s.Share(c)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	return shares
}

func subset(shares []Share, mask int) (out []Share) {
	for i, s := range shares {
		if mask>>i&1 == 1 {
			out = append(out, s)
		}
	}
	return out
}

func TestAWrongShareOpensNothing(t *testing.T) {
	w := newWorld(t, 4, 3)
	mine, other := w.check(t, w.seal(t, []byte("mine"))), w.check(t, w.seal(t, []byte("other")))
	shares := sharesOf(t, w, mine)
	shares[1] = sharesOf(t, w, other)[1]
	z, err := w.keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Open(z); !onlyReason(err, "payload") {
		t.Errorf("opens with %v", err)
	}
}

func TestSharesThatCannotBeCombined(t *testing.T) {
	w := newWorld(t, 4, 3)
	good := sharesOf(t, w, w.check(t, w.seal(t, []byte("tx"))))
	with := func(s Share) []Share { return []Share{good[0], good[1], s} }
	for name, c := range map[string]struct {
		shares []Share
		want   error
	}{
		"none":              {nil, ErrTooFewShares},
		"two":               {good[:2], ErrTooFewShares},
		"one twice":         {with(good[1]), ErrDuplicateShare},
		"unknown authority": {with(Share{4, good[2].Point}), ErrUnknownAuthority},
		"the identity":      {with(Share{2, Point{}}), ErrShare},
	} {
		if _, err := w.keys.Combine(c.shares); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, raw := range malformedPoints(t, good[2].Point) {
		if name == "negative" {
			continue // the negative's encoding is what the test takes, see malformedPoints
		}
		if _, err := w.keys.Combine(with(Share{2, raw})); !errors.Is(err, ErrShare) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Verify accepts is what sealing again gives: compared with really sealing again, for openings right and wrong.
func TestVerifyAgreesWithSealingAgain(t *testing.T) {
	w := newWorld(t, 4, 3)
	tx, seed := []byte("a transaction"), NewSeed()
	c := w.check(t, w.sealWith(t, seed, tx))
	longer := append(bytes.Clone(tx), 0)
	wrongSeed := seed
	wrongSeed[31] ^= 1
	for name, o := range map[string]Opening{
		"right":          {seed, tx},
		"another seed":   {wrongSeed, tx},
		"another byte":   {seed, []byte("a transactiom")},
		"a zero more":    {seed, longer},
		"empty":          {seed, nil},
		"another class":  {seed, make([]byte, 1000)},
		"over the limit": {seed, make([]byte, MaxTxBytes+1)},
	} {
		again, err := Seal(w.keys.Key, c.Header, o.Seed, o.Tx)
		same := err == nil && again.ID() == c.ID()
		if got := c.Verify(o); (got == nil) != same {
			t.Errorf("%s: %v, sealing again gives the same: %v", name, got, same)
		} else if got != nil && !errors.Is(got, ErrOpening) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A sender may prove what it did not derive from the seed inside: each of its numbers, one at a time.
func TestASenderThatDidNotDeriveItsNumbersIsUnopenable(t *testing.T) {
	w := newWorld(t, 4, 3)
	tx := []byte("a transaction")
	for name, c := range map[string]*Sealed{
		"r of its own": w.sealRandom(t, tx, true, false),
		"s of its own": w.sealRandom(t, tx, false, true),
	} {
		checked := w.check(t, c)
		z := combineFrom(t, w.keys, w.secrets, checked, 0)
		if _, err := checked.Open(z); !onlyReason(err, "seed") {
			t.Errorf("%s: opens with %v", name, err)
		}
		plain, err := checked.cipher(checked.key, &z).decrypt(checked.header, checked.payload)
		if err != nil {
			t.Fatal(err)
		}
		if err := checked.Verify(Opening{Seed(plain[:SeedSize]), tx}); !errors.Is(err, ErrOpening) {
			t.Errorf("%s: an opening is verified: %v", name, err)
		}
	}
}

// sealRandom seals as whoever does not follow the rules: r or s is random, and everything that can be checked is right.
func (w *world) sealRandom(t testing.TB, tx []byte, randomR, randomS bool) *Sealed {
	t.Helper()
	seed, key := NewSeed(), w.keys.Key
	plain, err := pad(bytes.Clone(seed[:]), tx)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sealed{Header: w.header()}
	s.header = s.Header.encode()
	r := s.deriveR(key, plain)
	if randomR {
		r = randomScalar()
	}
	s.u = encodePoint(new(element).ScalarBaseMult(r))
	s.uBar = encodePoint(new(element).ScalarMult(r, secondGenerator()))
	z := encodePoint(new(element).ScalarMult(r, key.y))
	s.payload = s.cipher(key, &z).encrypt(s.header, plain)
	k := s.deriveS(key, plain)
	if randomS {
		k = randomScalar()
	}
	s.w = encodePoint(new(element).ScalarBaseMult(k))
	s.wBar = encodePoint(new(element).ScalarMult(k, secondGenerator()))
	copy(s.f[:], response(k, r, s.challenge(key)).Bytes())
	s.id = s.computeID()
	if err := s.Sign(w.signer); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSizes(t *testing.T) {
	w := newWorld(t, 1, 1)
	for _, c := range []struct{ tx, class int }{
		{1, 256}, {252, 256}, {253, 512}, {508, 512}, {509, 1024}, {32764, 32768}, {32765, 65536}, {65532, 65536}, {65533, 98304},
		{MaxTxBytes - 4, 131072}, {MaxTxBytes - 3, 163840}, {MaxTxBytes, 163840},
	} {
		tx := bytes.Repeat([]byte{7}, c.tx)
		s := w.seal(t, tx)
		if got := s.PayloadBytes(); got != c.class+48 {
			t.Errorf("%d bytes are %d sealed, want %d", c.tx, got, c.class+48)
		}
		if n := len(s.Encode()); n > MaxBytes {
			t.Errorf("%d bytes, over MaxBytes", n)
		}
		checked := w.check(t, s)
		o, err := checked.Open(combineFrom(t, w.keys, w.secrets, checked, 0))
		if err != nil || !bytes.Equal(o.Tx, tx) {
			t.Errorf("%d bytes do not open: %v", c.tx, err)
		}
	}
	for _, n := range []int{0, MaxTxBytes + 1} {
		if _, err := Seal(w.keys.Key, w.header(), NewSeed(), make([]byte, n)); !errors.Is(err, ErrTx) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
