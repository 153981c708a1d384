package seal

import (
	"crypto/ecdsa"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/secp256k1"
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
			"another's":      func(s *Sealed) { s.Submitter = good[(1)%len(good)].Submitter; s.id[9] ^= 1 },
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

// Two wrong signatures whose errors cancel in a sum without coefficients are found.
func TestErrorsOfTwoSignaturesDoNotCancel(t *testing.T) {
	w := newWorld(t, 4, 3)
	txs := signedBySome(t, w, 64, 1, 1)
	txs[3].signature, txs[4].signature = txs[4].signature, txs[3].signature
	for i, err := range verifyAllSignatures(w, txs) {
		if (err != nil) != (i == 3 || i == 4) {
			t.Fatalf("%d: %v", i, err)
		}
	}
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
