// Package dealer makes threshold keys in one place, FOR DEVELOPMENT AND TESTS: the process that runs it knows the whole
// secret and can read every transaction ever encrypted for it. A committee that shall not trust anyone runs the
// distributed key generation instead.
package dealer

import (
	"fmt"
	"io"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"blindseq/seal/te"
)

// Deal draws a secret polynomial of degree threshold-1 from rand and gives each of n keyholders its value.
func Deal(rand io.Reader, n, threshold int) (*te.PublicKeys, []*te.KeyShare, error) {
	if threshold < 1 || threshold > n || n > te.MaxAuthorities {
		return nil, nil, fmt.Errorf("deal keys: threshold %d of %d keyholders", threshold, n)
	}
	polynomial := make([]fr.Element, threshold)
	defer clear(polynomial)
	for i := range polynomial {
		if err := draw(rand, &polynomial[i]); err != nil {
			return nil, nil, fmt.Errorf("deal keys: %w", err)
		}
	}
	keys, shares, err := fromPolynomial(polynomial, n)
	if err != nil {
		return nil, nil, fmt.Errorf("deal keys: %w", err)
	}
	return keys, shares, nil
}

// draw reads 64 bytes and reduces them, which is uniform up to 2^-256.
func draw(rand io.Reader, k *fr.Element) error {
	var seed [64]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	k.SetBytes(seed[:])
	return nil
}

// fromPolynomial gives authority i the value at i+1, and the public keys of all.
func fromPolynomial(polynomial []fr.Element, n int) (*te.PublicKeys, []*te.KeyShare, error) {
	shares := make([]*te.KeyShare, n)
	public := make([]*te.PublicShare, n)
	for i := range shares {
		value := evaluate(polynomial, fr.NewElement(uint64(i)+1))
		share, err := newShare(uint8(i), &value)
		if err != nil {
			return nil, nil, err
		}
		shares[i], public[i] = share, share.Public()
	}
	// The master key is that of the share at zero; its authority number is not used.
	master, err := newShare(0, &polynomial[0])
	if err != nil {
		return nil, nil, err
	}
	defer master.Erase()
	point := master.Public().G1()
	key, err := te.ParseMasterPublicKey(point[:])
	if err != nil {
		return nil, nil, err
	}
	keys, err := te.NewPublicKeys(len(polynomial), key, public)
	return keys, shares, err
}

func newShare(authority uint8, secret *fr.Element) (*te.KeyShare, error) {
	b := secret.Bytes()
	defer clear(b[:])
	defer secret.SetZero()
	return te.NewKeyShare(authority, b[:])
}

// evaluate returns the polynomial's value at x, coefficients in ascending order.
func evaluate(polynomial []fr.Element, x fr.Element) fr.Element {
	var y fr.Element
	for i := len(polynomial) - 1; i >= 0; i-- {
		y.Mul(&y, &x)
		y.Add(&y, &polynomial[i])
	}
	return y
}
