package te

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/crypto"
)

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errorIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func equal(t testing.TB, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// testKey is a secp256k1 key whose bytes are all fill.
func testKey(t testing.TB, fill byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{fill}, 32))
	noError(t, err)
	return key
}

// deal makes keys as package dealer does, which these tests cannot import.
func deal(t testing.TB, n, threshold int) (*PublicKeys, []*KeyShare) {
	t.Helper()
	polynomial := make([]fr.Element, threshold)
	for i := range polynomial {
		noError(t, randomScalar(rand.Reader, &polynomial[i]))
	}
	share := func(authority uint8, x fr.Element) *KeyShare {
		var y fr.Element
		for i := len(polynomial) - 1; i >= 0; i-- {
			y.Mul(&y, &x).Add(&y, &polynomial[i])
		}
		b := y.Bytes()
		s, err := NewKeyShare(authority, b[:])
		noError(t, err)
		return s
	}
	var secrets []*KeyShare
	var public []*PublicShare
	for i := range n {
		s := share(uint8(i), abscissa(uint8(i)))
		secrets, public = append(secrets, s), append(public, s.Public())
	}
	keys, err := NewPublicKeys(threshold, MasterPublicKey{share(0, fr.Element{}).Public().g1}, public)
	noError(t, err)
	return keys, secrets
}

// encrypted returns n payloads of one short transaction each.
func encrypted(t testing.TB, keys *PublicKeys, n int) []*Payload {
	t.Helper()
	out := make([]*Payload, n)
	parallel(n, func(i int) {
		p, err := Encrypt(rand.Reader, keys.Master(), []byte{0x02, 0xc2, byte(i), byte(i >> 8)})
		if err == nil {
			out[i] = p
		}
	})
	for _, p := range out {
		if p == nil {
			t.Fatal("encrypting failed")
		}
	}
	return out
}

func ciphertexts(payloads []*Payload) []*Ciphertext {
	out := make([]*Ciphertext, len(payloads))
	for i, p := range payloads {
		out[i] = p.Ciphertext
	}
	return out
}

// shareSets returns every keyholder's shares.
func shareSets(t testing.TB, secrets []*KeyShare, vs []*Verified) []ShareSet {
	t.Helper()
	var sets []ShareSet
	for _, s := range secrets {
		shares, err := s.Shares(vs)
		noError(t, err)
		sets = append(sets, ShareSet{s.Authority(), shares})
	}
	return sets
}

// flipped returns b with one bit changed.
func flipped(b []byte, bit int) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// failing is a reader that has nothing.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
