package seal

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/gtank/ristretto255"
	"golang.org/x/crypto/chacha20poly1305"
)

// SeedSize is the length of a seed.
const SeedSize = 32

// Seed is what all randomness of one sealed transaction is derived from. Whoever knows it can open the transaction, so it
// is secret until the transaction is open. One seed is used for one transaction.
type Seed [SeedSize]byte

// NewSeed draws a seed from the system's generator.
func NewSeed() (seed Seed) {
	_, _ = rand.Read(seed[:]) // crypto/rand does not fail
	return seed
}

// errUnlucky: one of the derived numbers is zero. It takes about 2^250 seeds to find one.
var errUnlucky = errors.New("this seed gives a zero, take another one")

// Seal seals a transaction to a key, without a signature: see Sign. The header must name the key and its chain. The result
// is a function of the arguments, and takes time that depends only on the transaction's size class.
func Seal(key *Key, header Header, seed Seed, tx []byte) (*Sealed, error) {
	s, err := sealTx(key, header, seed, tx)
	if err != nil {
		return nil, fmt.Errorf("seal transaction: %w", err)
	}
	return s, nil
}

func sealTx(key *Key, header Header, seed Seed, tx []byte) (*Sealed, error) {
	switch {
	case header.ChainID != key.chainID:
		return nil, fmt.Errorf("%w: the header names %d, the key is of %d", ErrChain, header.ChainID, key.chainID)
	case header.Key != key.id:
		return nil, fmt.Errorf("%w: the header names %v, the key is %v", ErrKey, header.Key, key.id)
	}
	plain, err := pad(append(make([]byte, 0, maxPlain(len(tx))), seed[:]...), tx)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	s := &Sealed{Header: header, header: header.encode()}
	r := s.deriveR(key, plain)
	s.u = encodePoint(new(element).ScalarBaseMult(r))
	s.uBar = encodePoint(new(element).ScalarMult(r, secondGenerator()))
	z := encodePoint(new(element).ScalarMult(r, key.y))
	s.payload = s.cipher(key, &z).encrypt(s.header, plain)
	t := s.deriveS(key, plain)
	s.w = encodePoint(new(element).ScalarBaseMult(t))
	s.wBar = encodePoint(new(element).ScalarMult(t, secondGenerator()))
	e := s.challenge(key)
	f := response(t, r, e)
	if scalarIsZero(r) || scalarIsZero(t) || scalarIsZero(e) || scalarIsZero(f) {
		return nil, errUnlucky
	}
	copy(s.f[:], f.Bytes())
	s.id = s.computeID()
	return s, nil
}

// maxPlain is the length of what is encrypted for a transaction of n bytes.
func maxPlain(n int) int { return SeedSize + max(sizeClass(lengthSize+n), 0) }

// deriveR is r = H("r", h, Y, seed, p); plain is seed ‖ p.
func (s *Sealed) deriveR(key *Key, plain []byte) *scalar {
	return hashScalar("r", s.header, key.point[:], plain[:SeedSize], plain[SeedSize:])
}

// deriveS is s = H("s", h, Y, seed, u, c).
func (s *Sealed) deriveS(key *Key, plain []byte) *scalar {
	return hashScalar("s", s.header, key.point[:], plain[:SeedSize], s.u[:], s.payload)
}

// challenge is e = H("e", h, Y, u, ū, w, w̄, c).
func (s *Sealed) challenge(key *Key) *scalar {
	return hashScalar("e", s.header, key.point[:], s.u[:], s.uBar[:], s.w[:], s.wBar[:], s.payload)
}

// response is f = s + r·e.
func response(s, r, e *scalar) *scalar {
	f := ristretto255.NewScalar().Multiply(r, e)
	return f.Add(f, s)
}

// A payloadCipher is ChaCha20-Poly1305 with a key that is used once, and therefore a nonce of zeros.
type payloadCipher [chacha20poly1305.KeySize]byte

// cipher has the key K = H("key", h, Y, u, z).
func (s *Sealed) cipher(key *Key, z *Point) payloadCipher {
	wide := hash("key", s.header, key.point[:], s.u[:], z[:])
	defer clear(wide[:])
	return payloadCipher(wide[:chacha20poly1305.KeySize])
}

func (k payloadCipher) encrypt(header, plain []byte) []byte {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic("seal: " + err.Error()) // only for another length of the key
	}
	return aead.Seal(make([]byte, 0, len(plain)+aead.Overhead()), make([]byte, aead.NonceSize()), plain, header)
}

func (k payloadCipher) decrypt(header, payload []byte) ([]byte, error) {
	aead, err := chacha20poly1305.New(k[:])
	if err != nil {
		panic("seal: " + err.Error()) // only for another length of the key
	}
	return aead.Open(nil, make([]byte, aead.NonceSize()), payload, header)
}

// submitDomain begins what a submitter signs.
const submitDomain = "blindseq/seal/v2/submit"

// Digest is what the submitter signs, as it is: keccak256(submitDomain ‖ id).
func (s *Sealed) Digest() [32]byte {
	return [32]byte(crypto.Keccak256([]byte(submitDomain), s.id[:]))
}

// Sign signs for the submitter that the header names.
func (s *Sealed) Sign(key *ecdsa.PrivateKey) error {
	if crypto.PubkeyToAddress(key.PublicKey) != s.Submitter {
		return fmt.Errorf("sign sealed transaction: %w: not the key of submitter %v", ErrSignature, s.Submitter)
	}
	digest := s.Digest()
	signature, err := crypto.Sign(digest[:], key)
	if err != nil {
		return fmt.Errorf("sign sealed transaction: %w", err)
	}
	copy(s.signature[:], signature)
	return nil
}
