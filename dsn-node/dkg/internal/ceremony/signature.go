package ceremony

import (
	"crypto/ecdsa"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// SignatureSize is the length of a Signature.
const SignatureSize = 65

// Signature is a recoverable secp256k1 signature: v (0 or 1), r, s.
type Signature [SignatureSize]byte

var errValues = errors.New("r, s or v out of range")

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

// signer returns the address whose key signed the hash. Every hash recovers to some address: it means something only where
// the address is expected. Without the rule of a low s anyone could turn a signature into a second one.
func (s *Signature) signer(digest common.Hash) (common.Address, error) {
	r, low := new(big.Int).SetBytes(s[1:33]), new(big.Int).SetBytes(s[33:])
	if !crypto.ValidateSignatureValues(s[0], r, low, true) {
		return common.Address{}, errValues
	}
	public, err := crypto.SigToPub(digest[:], append(append(make([]byte, 0, SignatureSize), s[1:]...), s[0]))
	if err != nil {
		return common.Address{}, err
	}
	return crypto.PubkeyToAddress(*public), nil
}
