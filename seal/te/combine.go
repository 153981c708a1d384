package te

import (
	"fmt"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/crypto"
)

// Opening opens one ciphertext: the point Y = secret·U that Threshold shares combine to. It is the same whichever shares
// it came from, and anyone can check it (PublicKeys.VerifyOpenings), so it is also the evidence that a ciphertext opens to
// nothing useful.
type Opening struct{ point bls.G1Affine }

// DecodeOpening reads a compressed point of G1.
func DecodeOpening(b []byte) (*Opening, error) {
	p, err := decodeG1(b)
	if err != nil {
		return nil, fmt.Errorf("decode opening: %w", err)
	}
	return &Opening{p}, nil
}

// DecodeOpenings reads many on all processors. Each raw one has its opening or its error.
func DecodeOpenings(raws [][]byte) ([]*Opening, []error) {
	openings, errs := make([]*Opening, len(raws)), make([]error, len(raws))
	parallel(len(raws), func(i int) { openings[i], errs[i] = DecodeOpening(raws[i]) })
	return openings, errs
}

// Bytes returns the compressed point.
func (o *Opening) Bytes() [G1Size]byte { return o.point.Bytes() }

// key returns the payload key that o gives for c.
func (o *Opening) key(c *Ciphertext) ([32]byte, error) {
	key := mask(&o.point, c.EncryptedKey)
	if crypto.Keccak256Hash(key[:]) != c.KeyHash {
		return [32]byte{}, ErrKeyHash
	}
	return key, nil
}

// mask is key ⊕ keccak256(Y), which is its own inverse.
func mask(y *bls.G1Affine, key [32]byte) [32]byte {
	compressed := y.Bytes()
	pad := crypto.Keccak256(compressed[:])
	for i := range key {
		key[i] ^= pad[i]
	}
	clear(pad)
	clear(compressed[:])
	return key
}

// Combine puts together the shares of at least Threshold distinct keyholders. The shares must have been verified: a wrong
// one gives a wrong opening, which VerifyOpenings finds.
func (k *PublicKeys) Combine(shares []*DecryptionShare) (*Opening, error) {
	if len(shares) < k.threshold {
		return nil, fmt.Errorf("combine shares: %w: %d, want %d", ErrTooFewShares, len(shares), k.threshold)
	}
	var seen [256]bool
	for i, s := range shares {
		if s == nil || int(s.Authority) >= len(k.shares) {
			return nil, fmt.Errorf("combine shares: share %d: %w", i, ErrUnknownAuthority)
		}
		if seen[s.Authority] {
			return nil, fmt.Errorf("combine shares: %w: %d", ErrDuplicateShare, s.Authority)
		}
		seen[s.Authority] = true
	}
	points := make([]bls.G1Affine, k.threshold)
	at := make([]uint8, k.threshold)
	for i, s := range shares[:k.threshold] {
		points[i], at[i] = s.point, s.Authority
	}
	return &Opening{sumG1(points, lagrange(at, fr.Element{}))}, nil
}
