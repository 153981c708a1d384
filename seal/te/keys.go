package te

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// MasterPublicKey is what transactions are encrypted for. The zero value is no key.
type MasterPublicKey struct{ point bls.G1Affine }

// ParseMasterPublicKey reads a compressed point of G1.
func ParseMasterPublicKey(b []byte) (MasterPublicKey, error) {
	p, err := decodeG1(b)
	if err != nil {
		return MasterPublicKey{}, fmt.Errorf("decode master public key: %w", err)
	}
	return MasterPublicKey{p}, nil
}

// Bytes returns the compressed point.
func (k MasterPublicKey) Bytes() [G1Size]byte { return k.point.Bytes() }

func (k MasterPublicKey) String() string {
	b := k.Bytes()
	return "0x" + hex.EncodeToString(b[:])
}

// MarshalText writes 0x and lower-case hex.
func (k MasterPublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads hex with or without 0x.
func (k *MasterPublicKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.TrimPrefix(string(text), "0x"))
	if err != nil {
		return fmt.Errorf("decode master public key: %w: %w", ErrMalformed, err)
	}
	*k, err = ParseMasterPublicKey(b)
	return err
}

// PublicShare is the public half of one keyholder's key, in both groups.
type PublicShare struct {
	Authority uint8
	g1        bls.G1Affine
	g2        *preparedG2
}

// NewPublicShare decodes both points and checks that they are of one secret.
func NewPublicShare(authority uint8, g1, g2 []byte) (*PublicShare, error) {
	p, err := decodeG1(g1)
	if err != nil {
		return nil, fmt.Errorf("decode public share %d: %w", authority, err)
	}
	q, err := decodeG2(g2)
	if err != nil {
		return nil, fmt.Errorf("decode public share %d: %w", authority, err)
	}
	share := &PublicShare{Authority: authority, g1: p, g2: prepareG2(q)}
	if !share.opens(generatorG1(), p) {
		return nil, fmt.Errorf("decode public share %d: %w: the points in G1 and G2 have different secrets", authority, ErrKeys)
	}
	return share, nil
}

// G1 returns the compressed point of G1.
func (s *PublicShare) G1() [G1Size]byte { return s.g1.Bytes() }

// G2 returns the compressed point of G2.
func (s *PublicShare) G2() [G2Size]byte { return s.g2.point.Bytes() }

// opens tells whether d = secret·u.
func (s *PublicShare) opens(u, d bls.G1Affine) bool { return isMultiple(s.g2, u, d) }

// isMultiple tells whether d = k·u, for the k in q = k·G2: e(d, G2) = e(u, q).
func isMultiple(q *preparedG2, u, d bls.G1Affine) bool {
	u.Neg(&u)
	return preparedIsOne([]bls.G1Affine{d, u}, []*preparedG2{preparedGenerator(), q})
}

// PublicKeys is everything public about one threshold key. Its shares and master key are known to be of one secret
// polynomial, so any Threshold() of the
// keyholders open what is encrypted for Master().
type PublicKeys struct {
	threshold int
	master    MasterPublicKey
	shares    []*PublicShare // authority i at index i
	master2   *preparedG2    // the master key in G2
}

// NewPublicKeys checks that the keys belong together. shares must be those of authorities 0, 1, 2 and so on.
func NewPublicKeys(threshold int, master MasterPublicKey, shares []*PublicShare) (*PublicKeys, error) {
	if threshold < 1 || threshold > len(shares) || len(shares) > MaxAuthorities {
		return nil, fmt.Errorf("%w: threshold %d of %d keyholders", ErrKeys, threshold, len(shares))
	}
	for i, s := range shares {
		if s == nil || int(s.Authority) != i {
			return nil, fmt.Errorf("%w: no share of authority %d at its place", ErrKeys, i)
		}
	}
	base := make([]bls.G1Affine, threshold)
	base2 := make([]bls.G2Affine, threshold)
	for i, s := range shares[:threshold] {
		base[i], base2[i] = s.g1, s.g2.point
	}
	at := firstAuthorities(threshold)
	for _, s := range shares[threshold:] {
		if p := sumG1(base, lagrange(at, abscissa(s.Authority))); !p.Equal(&s.g1) {
			return nil, fmt.Errorf("%w: the share of authority %d is not on the polynomial of the others", ErrKeys, s.Authority)
		}
	}
	coefficients := lagrange(at, fr.Element{})
	if p := sumG1(base, coefficients); !p.Equal(&master.point) {
		return nil, fmt.Errorf("%w: the master public key is not that of the shares", ErrKeys)
	}
	return &PublicKeys{threshold, master, slices.Clone(shares), prepareG2(sumG2(base2, coefficients))}, nil
}

// Threshold is how many keyholders open a ciphertext.
func (k *PublicKeys) Threshold() int { return k.threshold }

// Keyholders is how many there are; their authorities are the numbers below.
func (k *PublicKeys) Keyholders() int { return len(k.shares) }

// Master is the key to encrypt for.
func (k *PublicKeys) Master() MasterPublicKey { return k.master }

// Share returns the public share of an authority.
func (k *PublicKeys) Share(authority uint8) (*PublicShare, error) {
	if int(authority) >= len(k.shares) {
		return nil, fmt.Errorf("%w: %d of %d", ErrUnknownAuthority, authority, len(k.shares))
	}
	return k.shares[authority], nil
}
