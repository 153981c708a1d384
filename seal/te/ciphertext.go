package te

import (
	"fmt"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Ciphertext is a payload's key, encrypted for the master public key, with a proof (W) that its maker knew how U was made.
// A decoded one has valid points; that the proof holds is what Verify says.
type Ciphertext struct {
	// PayloadHash is the hash over the payload's transaction hashes.
	PayloadHash common.Hash
	// KeyHash is what the opened key must hash to.
	KeyHash common.Hash
	// EncryptedKey is V, the key masked with the hash of the point only keyholders find.
	EncryptedKey [32]byte
	u            bls.G1Affine
	w            bls.G2Affine
}

type wireCiphertext struct {
	PayloadHash  common.Hash
	EncryptedKey [32]byte
	KeyHash      common.Hash
	U            [G1Size]byte
	W            [G2Size]byte
}

// DecodeCiphertext reads the 248 bytes of a ciphertext.
func DecodeCiphertext(b []byte) (*Ciphertext, error) {
	if len(b) != CiphertextSize {
		return nil, fmt.Errorf("decode ciphertext: %w: %d bytes, want %d", ErrMalformed, len(b), CiphertextSize)
	}
	var wire wireCiphertext
	if err := rlp.DecodeBytes(b, &wire); err != nil {
		return nil, fmt.Errorf("decode ciphertext: %w: %w", ErrMalformed, err)
	}
	return wire.open()
}

func (w *wireCiphertext) open() (*Ciphertext, error) {
	u, err := decodeG1(w.U[:])
	if err != nil {
		return nil, fmt.Errorf("decode ciphertext: U: %w", err)
	}
	proof, err := decodeG2(w.W[:])
	if err != nil {
		return nil, fmt.Errorf("decode ciphertext: W: %w", err)
	}
	return &Ciphertext{
		PayloadHash: w.PayloadHash, KeyHash: w.KeyHash, EncryptedKey: w.EncryptedKey, u: u, w: proof,
	}, nil
}

// Encode writes the ciphertext.
func (c *Ciphertext) Encode() []byte { return encode(c.wire()) }

func (c *Ciphertext) wire() *wireCiphertext {
	return &wireCiphertext{
		PayloadHash: c.PayloadHash, EncryptedKey: c.EncryptedKey, KeyHash: c.KeyHash, U: c.u.Bytes(), W: c.w.Bytes(),
	}
}

// ID is the hash of U, on which alone the decryption shares depend: whoever has the shares of one ciphertext opens every
// ciphertext with its ID. Lists of what was seen or decrypted must be kept by it (package comment).
func (c *Ciphertext) ID() common.Hash {
	u := c.u.Bytes()
	return crypto.Keccak256Hash(u[:])
}

// proofBase returns H = hash_to_G2(U ‖ V ‖ payload hash), of which W is the multiple that U is of the generator.
func (c *Ciphertext) proofBase() (bls.G2Affine, error) {
	return proofBase(&c.u, &c.EncryptedKey, &c.PayloadHash)
}

func proofBase(u *bls.G1Affine, encryptedKey *[32]byte, payloadHash *common.Hash) (bls.G2Affine, error) {
	compressed := u.Bytes()
	msg := make([]byte, 0, G1Size+32+32)
	msg = append(msg, compressed[:]...)
	msg = append(msg, encryptedKey[:]...)
	msg = append(msg, payloadHash[:]...)
	h, err := hashToG2(msg)
	if err != nil {
		return h, fmt.Errorf("hash to G2: %w", err)
	}
	return h, nil
}

// encode is for values made of byte strings, numbers and lists of them, which always encode.
func encode(v any) []byte {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		return nil
	}
	return b
}
