package identity

import (
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
)

// Instance derives the submitter's key of one of several bundlers with one identity; of no name it is the identity. A submitter's
// sealed transactions are numbered without a gap, so no two processes may seal with one key.
func Instance(key *ecdsa.PrivateKey, name string) (*ecdsa.PrivateKey, error) {
	if name == "" {
		return key, nil
	}
	secret := crypto.FromECDSA(key)
	defer clear(secret)
	for counter := byte(0); ; counter++ {
		derived, err := hkdf.Key(sha256.New, secret, nil, "blindseq/bundler/instance/v2/"+name+string([]byte{0, counter}), 32)
		if err != nil {
			return nil, fmt.Errorf("derive key of instance %s: %w", name, err)
		}
		one, err := crypto.ToECDSA(derived)
		clear(derived)
		if err == nil { // all but 2^-127 of the values are keys
			return one, nil
		}
	}
}
