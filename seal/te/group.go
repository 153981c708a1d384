package te

import (
	"fmt"
	"io"
	"math/big"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// Domain separation tags, fixed by the format.
const (
	hashToG2Tag     = "BZTE_BLS12_381_PK:G1_DSH:G1"
	hashToScalarTag = "TEZOS_THRESHOLD_ENCRYPTION_V1_BLS12_381_SCALAR_DST"
)

// decodeG1 reads a compressed point of G1, checks that it is in the group, and refuses the identity: no honest key,
// ciphertext or share is one.
func decodeG1(b []byte) (bls.G1Affine, error) {
	var p bls.G1Affine
	if len(b) != G1Size {
		return p, fmt.Errorf("%w: %d bytes for a point of G1", ErrMalformed, len(b))
	}
	if _, err := p.SetBytes(b); err != nil {
		return p, fmt.Errorf("%w G1: %w", ErrPoint, err)
	}
	if p.IsInfinity() {
		return p, fmt.Errorf("%w G1: identity", ErrPoint)
	}
	return p, nil
}

// decodeG2 does for G2 what decodeG1 does for G1.
func decodeG2(b []byte) (bls.G2Affine, error) {
	var p bls.G2Affine
	if len(b) != G2Size {
		return p, fmt.Errorf("%w: %d bytes for a point of G2", ErrMalformed, len(b))
	}
	if _, err := p.SetBytes(b); err != nil {
		return p, fmt.Errorf("%w G2: %w", ErrPoint, err)
	}
	if p.IsInfinity() {
		return p, fmt.Errorf("%w G2: identity", ErrPoint)
	}
	return p, nil
}

// randomScalar draws a non-zero scalar. Rejection keeps it uniform; an honest reader is asked again once in ten times.
func randomScalar(rand io.Reader, k *fr.Element) error {
	var b [ScalarSize]byte
	defer clear(b[:])
	for range 256 {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return fmt.Errorf("read randomness: %w", err)
		}
		b[0] &= 0x7f
		if k.SetBytesCanonical(b[:]) == nil && !k.IsZero() {
			return nil
		}
	}
	return fmt.Errorf("read randomness: no scalar in 256 draws")
}

// hashToScalar is the format's hash onto scalars: RFC 9380 hash_to_field with SHA-256.
func hashToScalar(msg []byte) (fr.Element, error) {
	k, err := fr.Hash(msg, []byte(hashToScalarTag), 1)
	if err != nil {
		return fr.Element{}, fmt.Errorf("hash to scalar: %w", err)
	}
	return k[0], nil
}

// mulG1 and mulG2 take variable time: k must be public or used once (package comment).
func mulG1(p *bls.G1Affine, k *fr.Element) (out bls.G1Affine) {
	withInt(k, func(n *big.Int) { out.ScalarMultiplication(p, n) })
	return out
}

func mulG2(p *bls.G2Affine, k *fr.Element) (out bls.G2Affine) {
	withInt(k, func(n *big.Int) { out.ScalarMultiplication(p, n) })
	return out
}

// withInt lends k as an integer and overwrites it afterwards.
func withInt(k *fr.Element, use func(*big.Int)) {
	var n big.Int
	k.BigInt(&n)
	use(&n)
	clear(n.Bits())
}

func generatorG1() bls.G1Affine {
	_, _, g, _ := bls.Generators()
	return g
}
