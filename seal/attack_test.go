package seal

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/gtank/ristretto255"
)

// A bit of the victim's bytes is changed, whichever it is, and an attacker signs the copy.
func TestACopyWithOneBitChangedIsRefused(t *testing.T) {
	w := newWorld(t, 4, 3)
	victim := w.seal(t, []byte("buy"))
	attacker := newSigner(t)
	encoded := victim.Encode()
	r := newRand(t)
	signed := 0
	for range 600 {
		copied := bytes.Clone(encoded)
		copied[r.IntN(len(copied)-SignatureSize)] ^= 1 << r.IntN(8)
		s, err := Parse(copied)
		if err != nil {
			continue
		}
		if _, err := w.ring.Check(s); err == nil {
			t.Fatalf("a copy with one bit changed passes: %x", copied)
		}
		signed++
		if _, err := w.ring.Check(forge(t, s, attacker, func(*Sealed) {})); err == nil {
			t.Fatalf("a copy with one bit changed passes when its sender signs it: %x", copied)
		}
	}
	if signed < 300 {
		t.Errorf("only %d copies could be read", signed)
	}
}

func TestEachFieldIsBound(t *testing.T) {
	w := newWorld(t, 4, 3)
	attacker := newSigner(t)
	other := w.seal(t, []byte("another"))
	for name, change := range map[string]func(s *Sealed){
		"submitter":        func(*Sealed) {},
		"seq":              func(s *Sealed) { s.Seq++ },
		"gas":              func(s *Sealed) { s.Gas++ },
		"fee":              func(s *Sealed) { s.Fee++ },
		"expiry":           func(s *Sealed) { s.Expiry++ },
		"u":                func(s *Sealed) { s.u = other.u },
		"second u":         func(s *Sealed) { s.uBar = other.uBar },
		"both u":           func(s *Sealed) { s.u, s.uBar = other.u, other.uBar },
		"w":                func(s *Sealed) { s.w = other.w },
		"second w":         func(s *Sealed) { s.wBar = other.wBar },
		"f":                func(s *Sealed) { s.f = other.f },
		"f is zero":        func(s *Sealed) { s.f = [32]byte{} },
		"payload":          func(s *Sealed) { s.payload[40] ^= 1 },
		"payload's length": func(s *Sealed) { s.payload = append(s.payload, make([]byte, 256)...) },
		"proof of another": func(s *Sealed) { s.w, s.wBar, s.f = other.w, other.wBar, other.f },
	} {
		t.Run(name, func(t *testing.T) {
			bothChecks(t, w, forge(t, w.seal(t, []byte("buy")), attacker, change), "proof")
		})
	}
	bothChecks(t, w, forge(t, other, attacker, func(s *Sealed) { s.ChainID++ }), "chain")
	bothChecks(t, w, forge(t, other, attacker, func(s *Sealed) { s.Key[0]++ }), "key")
}

// The attacker knows r, as the sender of a transaction does, and shifts w by P and w̄ by -P. The sum of both equations
// holds; each alone does not.
func TestShiftedCommitmentsAreRefused(t *testing.T) {
	w := newWorld(t, 4, 3)
	s := shifted(t, w)
	bothChecks(t, w, s, "proof")

	// The seeded defect: one coefficient for both equations of a transaction accepts it.
	c, err := w.ring.prepare(s)
	if err != nil {
		t.Fatal(err)
	}
	if !sumWithOneCoefficient(c) {
		t.Error("a batch check with one coefficient refuses it too, so this test shows nothing")
	}
	if sumIsZero([]*Checked{c}, []int{0}) {
		t.Error("the batch check with two coefficients accepts it")
	}
	pair := []*Checked{c, c}
	if sumIsZero(pair, []int{0, 1}) {
		t.Error("the batch check with two coefficients accepts a pair of them")
	}
}

// shifted makes a transaction with w + P and w̄ - P and computes e and f for it, as whoever knows r can.
func shifted(t testing.TB, w *world) *Sealed {
	t.Helper()
	s := w.seal(t, []byte("mine"))
	key := w.keys.Key
	r, k := randomScalar(), randomScalar()
	shift := new(element).ScalarBaseMult(randomScalar())
	return forge(t, s, w.signer, func(s *Sealed) {
		s.u = encodePoint(new(element).ScalarBaseMult(r))
		s.uBar = encodePoint(new(element).ScalarMult(r, secondGenerator()))
		s.w = encodePoint(new(element).Add(new(element).ScalarBaseMult(k), shift))
		s.wBar = encodePoint(new(element).Subtract(new(element).ScalarMult(k, secondGenerator()), shift))
		copy(s.f[:], response(k, r, s.challenge(key)).Bytes())
	})
}

// sumWithOneCoefficient is the batch check as it must not be.
func sumWithOneCoefficient(c *Checked) bool {
	a := randomCoefficient()
	ae, af := ristretto255.NewScalar().Multiply(a, c.e), ristretto255.NewScalar().Multiply(a, c.f)
	left := multiScalar([]*scalar{a, ae, a, ae}, []*element{c.w, c.u, c.wBar, c.uBar})
	right := generatorTable().mul(af)
	return left.Equal(right.Add(right, secondGeneratorTable().mul(af))) == 1
}

// The real attack: rebinding a victim's u, whose r is unknown. With δ = u - r'·G the attacker needs f·G = w + e·u, off by
// e·δ. It sets ū = r'·Ḡ - δ, so that the second equation is off by -e·δ: the sum holds, and shares of u would open the
// victim's transaction.
func TestAVictimsPointIsNotReboundWithErrorsThatCancel(t *testing.T) {
	w := newWorld(t, 4, 3)
	victim := w.seal(t, []byte("victim"))
	attacker := newSigner(t)
	r, k := randomScalar(), randomScalar()
	u, err := decodePoint(victim.u[:])
	if err != nil {
		t.Fatal(err)
	}
	delta := new(element).Subtract(u, new(element).ScalarBaseMult(r))
	s := forge(t, victim, attacker, func(s *Sealed) {
		s.uBar = encodePoint(new(element).Subtract(new(element).ScalarMult(r, secondGenerator()), delta))
		s.w = encodePoint(new(element).ScalarBaseMult(k))
		s.wBar = encodePoint(new(element).ScalarMult(k, secondGenerator()))
		copy(s.f[:], response(k, r, s.challenge(w.keys.Key)).Bytes())
	})
	if s.u != victim.u {
		t.Fatal("the attack does not use the victim's point")
	}
	c, err := w.ring.prepare(s)
	if err != nil {
		t.Fatal(err)
	}
	if !sumWithOneCoefficient(c) {
		t.Error("a batch check with one coefficient refuses it too, so this test shows nothing")
	}
	bothChecks(t, w, s, "proof")
	if _, errs := w.ring.CheckBatch([]*Sealed{s, s, s, s}); !onlyReason(errs[0], "proof") || !onlyReason(errs[3], "proof") {
		t.Errorf("a batch of them alone: %v", errs)
	}
}

// malformedPoints are encodings that a lenient decoder takes.
func malformedPoints(t testing.TB, good Point) map[string][32]byte {
	t.Helper()
	out := map[string][32]byte{
		"the identity":        {},
		"one, not of the map": littleEndian(big.NewInt(1)),
		"the prime":           littleEndian(fieldPrime()),
		"the prime and two":   littleEndian(new(big.Int).Add(fieldPrime(), big.NewInt(2))),
		"all ones":            {},
		"negative":            littleEndian(new(big.Int).Sub(fieldPrime(), bigInt(good[:]))),
	}
	ones := out["all ones"]
	for i := range ones {
		ones[i] = 0xff
	}
	out["all ones"] = ones
	bit := [32]byte(good)
	bit[31] ^= 0x80
	out["bit 255"] = bit
	zero := [32]byte{}
	zero[31] = 0x80
	out["the identity with bit 255"] = zero
	return out
}

func TestMalformedPointsAreRefused(t *testing.T) {
	w := newWorld(t, 4, 3)
	s := w.seal(t, []byte("tx"))
	for name, raw := range malformedPoints(t, s.u) {
		if _, err := decodePoint(raw[:]); !errors.Is(err, ErrPoint) {
			t.Errorf("%s is decoded: %v", name, err)
		}
		for field, change := range map[string]func(s *Sealed){
			"u":        func(s *Sealed) { s.u = raw },
			"second u": func(s *Sealed) { s.uBar = raw },
			"w":        func(s *Sealed) { s.w = raw },
			"second w": func(s *Sealed) { s.wBar = raw },
		} {
			t.Run(name+" for "+field, func(t *testing.T) { bothChecks(t, w, forge(t, s, w.signer, change), "point") })
		}
		if _, err := NewKey(testChain, raw); !errors.Is(err, ErrKeys) {
			t.Errorf("%s is a key: %v", name, err)
		}
	}
}

func TestScalarsThatAreNotReducedAreRefused(t *testing.T) {
	w := newWorld(t, 4, 3)
	s := w.seal(t, []byte("tx"))
	for name, n := range map[string]*big.Int{
		"the order":   groupOrder(),
		"f and order": new(big.Int).Add(groupOrder(), bigInt(s.f[:])),
		"2^255":       new(big.Int).Lsh(big.NewInt(1), 255),
	} {
		t.Run(name, func(t *testing.T) {
			bothChecks(t, w, forge(t, s, w.signer, func(s *Sealed) { s.f = littleEndian(n) }), "point")
		})
		b := littleEndian(n)
		if _, err := NewSecret(0, b[:]); !errors.Is(err, ErrSecret) {
			t.Errorf("%s is a secret: %v", name, err)
		}
	}
}

// Only the submitter can vary a signature, and only by signing again.
func TestSignaturesHaveOneForm(t *testing.T) {
	w := newWorld(t, 4, 3)
	n := crypto.S256().Params().N
	for name, change := range map[string]func(b *[SignatureSize]byte){
		"high s": func(b *[SignatureSize]byte) {
			new(big.Int).Sub(n, new(big.Int).SetBytes(b[32:64])).FillBytes(b[32:64])
			b[64] ^= 1
		},
		"r is n":    func(b *[SignatureSize]byte) { n.FillBytes(b[:32]) },
		"r is zero": func(b *[SignatureSize]byte) { clear(b[:32]) },
		"s is zero": func(b *[SignatureSize]byte) { clear(b[32:64]) },
		"v is 2":    func(b *[SignatureSize]byte) { b[64] = 2 },
		"v is 27":   func(b *[SignatureSize]byte) { b[64] += 27 },
		"v flipped": func(b *[SignatureSize]byte) { b[64] ^= 1 },
		"nothing":   func(b *[SignatureSize]byte) { clear(b[:]) },
	} {
		t.Run(name, func(t *testing.T) {
			s := *w.seal(t, []byte("tx"))
			change(&s.signature)
			bothChecks(t, w, &s, "signature")
		})
	}
}

// The first reason wins, whatever else is wrong.
func TestTheFirstReasonWins(t *testing.T) {
	w := newWorld(t, 4, 3)
	s := w.seal(t, []byte("tx"))
	wrongs := []struct {
		reason string
		change func(s *Sealed)
	}{
		{"signature", func(s *Sealed) { s.signature[64] = 9 }},
		{"proof", func(s *Sealed) { s.f = littleEndian(big.NewInt(1)) }},
		{"point", func(s *Sealed) { s.u[31] |= 0x80 }},
		{"key", func(s *Sealed) { s.Key[3]++ }},
		{"chain", func(s *Sealed) { s.ChainID++ }},
	}
	bad := *s
	for _, wrong := range wrongs {
		wrong.change(&bad)
		read, err := Parse(bad.Encode())
		if err != nil {
			t.Fatal(err)
		}
		bothChecks(t, w, read, wrong.reason)
	}
	bad.payload = append(bad.payload, 0)
	if _, err := Parse(bad.Encode()); !onlyReason(err, "size") {
		t.Errorf("refused with %v, want size", err)
	}
	if _, err := Parse(append(bad.Encode(), 0)); !onlyReason(err, "encoding") {
		t.Errorf("refused with %v, want encoding", err)
	}
	if _, err := Parse(append([]byte{0x7e}, bad.Encode()...)); !onlyReason(err, "type") {
		t.Errorf("refused with %v, want type", err)
	}
}
