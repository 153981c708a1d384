package te

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Signature is a recoverable secp256k1 signature as the formats write it: v (0 or 1), r, s.
type Signature [SignatureSize]byte

// signDigest signs a hash. The library's signatures have s in the lower half.
func signDigest(key *ecdsa.PrivateKey, digest common.Hash) (Signature, error) {
	var out Signature
	rsv, err := crypto.Sign(digest[:], key)
	if err != nil {
		return out, err
	}
	out[0] = rsv[64]
	copy(out[1:], rsv[:64])
	return out, nil
}

// Recover returns the address whose key signed the hash. Every hash recovers to some address: it means something only
// where the address is expected. Without the low-s rule anyone could turn a signature into a second one.
func (s *Signature) Recover(digest common.Hash) (common.Address, error) {
	r, low := new(big.Int).SetBytes(s[1:33]), new(big.Int).SetBytes(s[33:])
	if !crypto.ValidateSignatureValues(s[0], r, low, true) {
		return common.Address{}, fmt.Errorf("%w: values out of range", ErrSignature)
	}
	var rsv [SignatureSize]byte
	copy(rsv[:], s[1:])
	rsv[64] = s[0]
	public, err := crypto.SigToPub(digest[:], rsv[:])
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return crypto.PubkeyToAddress(*public), nil
}
