package seal

import (
	"crypto/ecdsa"
	"crypto/rand"
	"math/big"
	mrand "math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const testChain = 1337

// A world is a committee and a submitter.
type world struct {
	keys    *Keys
	secrets []*Secret
	ring    *Ring
	signer  *ecdsa.PrivateKey
}

func newWorld(t testing.TB, keyholders, threshold int) *world {
	t.Helper()
	keys, secrets, err := Deal(rand.Reader, testChain, keyholders, threshold)
	if err != nil {
		t.Fatal(err)
	}
	return &world{keys, secrets, ringOf(t, keys.Key), newSigner(t)}
}

func newSigner(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	signer, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (w *world) header() Header {
	return Header{testChain, w.keys.ID(), crypto.PubkeyToAddress(w.signer.PublicKey), 7, 21000, 1e9, 100}
}

// seal seals and signs tx with a new seed.
func (w *world) seal(t testing.TB, tx []byte) *Sealed {
	t.Helper()
	return w.sealWith(t, NewSeed(), tx)
}

func (w *world) sealWith(t testing.TB, seed Seed, tx []byte) *Sealed {
	t.Helper()
	s, err := Seal(w.keys.Key, w.header(), seed, tx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sign(w.signer); err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) check(t testing.TB, s *Sealed) *Checked {
	t.Helper()
	c, err := w.ring.Check(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forge signs what an attacker changed in a copy, and reads it again as everybody would.
func forge(t testing.TB, s *Sealed, signer *ecdsa.PrivateKey, change func(s *Sealed)) *Sealed {
	t.Helper()
	forged := *s
	forged.payload = append([]byte(nil), s.payload...)
	forged.Submitter = crypto.PubkeyToAddress(signer.PublicKey)
	forged.header = forged.Header.encode()
	change(&forged)
	forged.id = forged.computeID()
	if err := forged.Sign(signer); err != nil {
		t.Fatal(err)
	}
	read, err := Parse(forged.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// bothChecks checks alone and between two good ones, and wants the same reason.
func bothChecks(t *testing.T, w *world, s *Sealed, reason string) {
	t.Helper()
	if _, err := w.ring.Check(s); !onlyReason(err, reason) {
		t.Errorf("alone refused with %v, want %s", err, reason)
	}
	good := w.seal(t, []byte("good"))
	checked, errs := w.ring.CheckBatch([]*Sealed{good, s, good})
	if errs[0] != nil || errs[2] != nil || checked[0] == nil || checked[2] == nil {
		t.Errorf("good ones beside it are refused: %v", errs)
	}
	if !onlyReason(errs[1], reason) || checked[1] != nil {
		t.Errorf("in a batch refused with %v, want %s", errs[1], reason)
	}
}

func newRand(t testing.TB) *mrand.Rand {
	t.Helper()
	seed := mrand.Uint64()
	t.Logf("seed %d", seed)
	return mrand.New(mrand.NewPCG(seed, 0))
}

func randomBytes(r *mrand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// groupOrder is ℓ.
func groupOrder() *big.Int {
	l, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	return l.Add(l, new(big.Int).Lsh(big.NewInt(1), 252))
}

// fieldPrime is 2^255 - 19.
func fieldPrime() *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), 255)
	return p.Sub(p, big.NewInt(19))
}

// littleEndian writes 32 bytes.
func littleEndian(n *big.Int) (out [32]byte) {
	b := n.FillBytes(make([]byte, 32))
	for i, x := range b {
		out[31-i] = x
	}
	return out
}

func bigInt(b []byte) *big.Int {
	return new(big.Int).SetBytes(common.CopyBytes(reversed(b)))
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, x := range b {
		out[len(b)-1-i] = x
	}
	return out
}
