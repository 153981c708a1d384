package seal

import (
	"crypto/ecdsa"
	"math/big"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// signedBySome is sealed transactions of some submitters in turn, of whose keys the ring knows those of the first known.
func signedBySome(t *testing.T, w *world, n, submitters, known int) []*Sealed {
	t.Helper()
	like := w.seal(t, []byte{1})
	keys := make([]*ecdsa.PrivateKey, submitters)
	txs := make([]*Sealed, n)
	for i := range txs {
		k := i % submitters
		if keys[k] == nil {
			var err error
			if keys[k], err = crypto.GenerateKey(); err != nil {
				t.Fatal(err)
			}
		}
		s := *like // the signature alone is looked at: a proof is of its header
		s.Submitter = crypto.PubkeyToAddress(keys[k].PublicKey)
		s.id = ID{byte(i), byte(i >> 8), 1}
		if err := s.Sign(keys[k]); err != nil {
			t.Fatal(err)
		}
		if k < known {
			if err := w.ring.submitters.verifySignature(&s); err != nil {
				t.Fatal(err)
			}
		}
		txs[i] = &s
	}
	return txs
}

func verifyAllSignatures(w *world, txs []*Sealed) []error {
	indexes, errs := make([]int, len(txs)), make([]error, len(txs))
	for i := range txs {
		indexes[i] = i
	}
	w.ring.submitters.verifySignatures(txs, indexes, errs)
	return errs
}

// A sum of signatures holds exactly when each signature does.
func TestASumOfSignaturesNamesExactlyTheBadOnes(t *testing.T) {
	for _, c := range []struct{ n, submitters, known int }{{1, 1, 1}, {40, 1, 1}, {64, 8, 8}, {64, 32, 32}, {90, 9, 5}, {64, 64, 64}, {200, 3, 0}} {
		w, r := newWorld(t, 4, 3), newRand(t)
		good := signedBySome(t, w, c.n, c.submitters, c.known)
		if err := firstError(verifyAllSignatures(w, good)); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		for name, spoil := range map[string]func(s *Sealed){
			"r":              func(s *Sealed) { s.signature[20] ^= 1 },
			"s":              func(s *Sealed) { s.signature[40] ^= 1 },
			"v":              func(s *Sealed) { s.signature[64] ^= 1 },
			"v is 2":         func(s *Sealed) { s.signature[64] = 2 },
			"no r":           func(s *Sealed) { clear(s.signature[:32]) },
			"no s":           func(s *Sealed) { clear(s.signature[32:64]) },
			"r without R":    func(s *Sealed) { copy(s.signature[:32], noAbscissa(t)) },
			"another id":     func(s *Sealed) { s.id[9] ^= 1 },
			"another sender": func(s *Sealed) { s.Submitter[3] ^= 1 },
			"another's":      func(s *Sealed) { s.Submitter = good[1%len(good)].Submitter; s.id[9] ^= 1 },
		} {
			txs := make([]*Sealed, len(good))
			for i, s := range good {
				copied := *s
				txs[i] = &copied
			}
			at := r.IntN(len(txs))
			spoil(txs[at])
			for i, err := range verifyAllSignatures(w, txs) {
				if alone := newSubmitters().verifySignature(txs[i]); (err == nil) != (alone == nil) || (i == at) != (err != nil) || err != nil && !onlyReason(err, "signature") {
					t.Fatalf("%+v: %s wrong at %d: %d is %v, alone %v", c, name, at, i, err, alone)
				}
			}
		}
	}
}

// A submitter makes two wrong signatures whose errors cancel in a sum without coefficients: it draws both points R and the first s,
// and solves the sum for the second s.
func TestErrorsOfTwoSignaturesDoNotCancel(t *testing.T) {
	w := newWorld(t, 4, 3)
	txs, key := signedByOne(t, w, 64)
	for first, second := txs[3], txs[4]; ; {
		k1, k2 := setPoint(t, first), setPoint(t, second)
		copy(first.signature[32:64], lowScalar(t))
		rest := new(big.Int).Add(k1, k2) // k1 + k2 - (z1 + r1·q)/s1 = (z2 + r2·q)/s2
		rest.Sub(rest, modN(new(big.Int).Mul(numerator(first, key), inverseOfS(first))))
		s2 := modN(new(big.Int).Mul(numerator(second, key), new(big.Int).ModInverse(modN(rest), fr.Modulus())))
		if s2.FillBytes(second.signature[32:64]); second.signatureInRange() == nil {
			break // its s is low
		}
	}
	if sum := sumWithoutCoefficients(w, txs[3], txs[4]); !sum {
		t.Fatal("the errors do not cancel even without coefficients: the attack is not one")
	}
	for i, err := range verifyAllSignatures(w, txs) {
		if (err != nil) != (i == 3 || i == 4) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

// signedByOne is sealed transactions of one submitter whose key the ring knows.
func signedByOne(t *testing.T, w *world, n int) ([]*Sealed, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	like := w.seal(t, []byte{1})
	txs := make([]*Sealed, n)
	for i := range txs {
		s := *like
		s.Submitter, s.id = crypto.PubkeyToAddress(key.PublicKey), ID{byte(i), 1}
		if err := s.Sign(key); err != nil {
			t.Fatal(err)
		}
		txs[i] = &s
	}
	if err := w.ring.submitters.verifySignature(txs[0]); err != nil {
		t.Fatal(err)
	}
	return txs, key
}

// setPoint draws k and gives a signature the point R = k·G: its abscissa and parity.
func setPoint(t *testing.T, s *Sealed) *big.Int {
	t.Helper()
	var k fr.Element
	var point secp256k1.G1Affine
	if _, err := k.SetRandom(); err != nil {
		t.Fatal(err)
	}
	scalar := k.BigInt(new(big.Int))
	x := point.ScalarMultiplicationBase(scalar).X.Bytes()
	copy(s.signature[:32], x[:])
	s.signature[64] = byte(point.Y.Bits()[0] & 1)
	return scalar
}

func lowScalar(t *testing.T) []byte {
	t.Helper()
	var k fr.Element
	if _, err := k.SetRandom(); err != nil {
		t.Fatal(err)
	}
	return new(big.Int).Rsh(k.BigInt(new(big.Int)), 1).FillBytes(make([]byte, 32))
}

func modN(x *big.Int) *big.Int { return x.Mod(x, fr.Modulus()) }

// numerator is z + r·q.
func numerator(s *Sealed, key *ecdsa.PrivateKey) *big.Int {
	digest := s.Digest()
	r := new(big.Int).SetBytes(s.signature[:32])
	return modN(new(big.Int).Add(new(big.Int).SetBytes(digest[:]), r.Mul(r, new(big.Int).SetBytes(crypto.FromECDSA(key)))))
}

func inverseOfS(s *Sealed) *big.Int {
	return new(big.Int).ModInverse(new(big.Int).SetBytes(s.signature[32:64]), fr.Modulus())
}

// sumWithoutCoefficients says whether the equations of these add up to the identity.
func sumWithoutCoefficients(w *world, txs ...*Sealed) bool {
	var sum secp256k1.G1Jac
	for _, s := range txs {
		var point secp256k1.G1Affine
		if !s.lift(&point) {
			return false
		}
		key, _ := w.ring.submitters.keys.Get(s.Submitter)
		digest := s.Digest()
		z := modN(new(big.Int).Mul(new(big.Int).SetBytes(digest[:]), inverseOfS(s)))
		r := modN(new(big.Int).Mul(new(big.Int).SetBytes(s.signature[:32]), inverseOfS(s)))
		var onG, onKey secp256k1.G1Affine
		sum.AddMixed(&point)
		sum.AddMixed(onG.Neg(onG.ScalarMultiplicationBase(z)))
		sum.AddMixed(onKey.Neg(onKey.ScalarMultiplication(key, r)))
	}
	return sum.Z.IsZero()
}

// The sum is what finds most batches good: it is used, and does not fail for good ones.
func TestSumsAreUsedFromManyOnAndHold(t *testing.T) {
	w := newWorld(t, 4, 3)
	for _, c := range []struct {
		n, submitters int
		pays          bool
	}{{31, 1, false}, {32, 1, true}, {64, 32, true}, {64, 33, false}, {700, 200, true}} {
		sum := &signatureSum{keys: map[common.Address]*secp256k1.G1Affine{}}
		for _, s := range signedBySome(t, w, c.n, c.submitters, c.submitters) {
			key, _ := w.ring.submitters.keys.Get(s.Submitter)
			sum.add(s, key)
		}
		if sum.pays() != c.pays || !sum.isZero() {
			t.Errorf("%+v: pays %v, holds %v", c, sum.pays(), sum.isZero())
		}
		sum.of[c.n/2].id[5] ^= 1
		if sum.isZero() {
			t.Errorf("%+v: a wrong one is not found", c)
		}
	}
}

// noAbscissa is a number x below the field's prime for which x³ + 7 is no square.
func noAbscissa(t *testing.T) []byte {
	t.Helper()
	for x := range byte(100) {
		s := new(Sealed)
		s.signature[31] = x
		if !s.lift(new(secp256k1.G1Affine)) {
			return s.signature[:32]
		}
	}
	t.Fatal("half of all numbers are none")
	return nil
}
