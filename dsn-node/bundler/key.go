package bundler

import (
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// instanceKey derives the submitter's key of one of several processes with one identity. A submitter's sealed transactions are
// numbered without a gap, so no two processes may seal with one key.
func instanceKey(identity *ecdsa.PrivateKey, instance string) (*ecdsa.PrivateKey, error) {
	secret := crypto.FromECDSA(identity)
	defer clear(secret)
	for counter := byte(0); ; counter++ {
		derived, err := hkdf.Key(sha256.New, secret, nil, "blindseq/bundler/instance/v2/"+instance+string([]byte{0, counter}), 32)
		if err != nil {
			return nil, fmt.Errorf("derive key of instance: %w", err)
		}
		key, err := crypto.ToECDSA(derived)
		clear(derived)
		if err == nil { // all but 2^-127 of the values are keys
			return key, nil
		}
	}
}
