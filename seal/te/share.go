package te

import (
	"fmt"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/ethereum/go-ethereum/rlp"
)

// DecryptionShare is what one keyholder adds to the opening of one ciphertext: its secret times U.
type DecryptionShare struct {
	Authority uint8
	point     bls.G1Affine
}

type wireShare struct {
	Authority uint8
	Point     [G1Size]byte
}

// maxShareSize is the size of an encoded share of authorities from 128; below, it is one byte less.
const maxShareSize = 53

// DecodeDecryptionShare reads a share.
func DecodeDecryptionShare(b []byte) (*DecryptionShare, error) {
	if len(b) > maxShareSize {
		return nil, fmt.Errorf("decode decryption share: %w: %d bytes", ErrTooLarge, len(b))
	}
	var wire wireShare
	if err := rlp.DecodeBytes(b, &wire); err != nil {
		return nil, fmt.Errorf("decode decryption share: %w: %w", ErrMalformed, err)
	}
	p, err := decodeG1(wire.Point[:])
	if err != nil {
		return nil, fmt.Errorf("decode decryption share of authority %d: %w", wire.Authority, err)
	}
	return &DecryptionShare{wire.Authority, p}, nil
}

// Encode writes the share.
func (s *DecryptionShare) Encode() []byte { return encode(&wireShare{s.Authority, s.point.Bytes()}) }

// Point returns the compressed point.
func (s *DecryptionShare) Point() [G1Size]byte { return s.point.Bytes() }

// Share makes the keyholder's decryption share, in time that does not depend on the secret. Whether it may be given away
// (certificate, stop list) is the caller's to know.
func (s KeyShare) Share(v *Verified) (*DecryptionShare, error) {
	u := v.point()
	if u.IsInfinity() {
		return nil, fmt.Errorf("make decryption share: %w: not verified", ErrCiphertext)
	}
	d, err := s.multiply(&u)
	if err != nil {
		return nil, fmt.Errorf("make decryption share: %w", err)
	}
	return &DecryptionShare{s.Authority(), d}, nil
}

// Shares makes the shares of many ciphertexts, in their order.
func (s KeyShare) Shares(vs []*Verified) ([]*DecryptionShare, error) {
	out := make([]*DecryptionShare, len(vs))
	failed := make([]error, len(vs))
	parallel(len(vs), func(i int) { out[i], failed[i] = s.Share(vs[i]) })
	for i, err := range failed {
		if err != nil {
			return nil, fmt.Errorf("ciphertext %d: %w", i, err)
		}
	}
	return out, nil
}
