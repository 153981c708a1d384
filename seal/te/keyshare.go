package te

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// KeyShare is a keyholder's secret. It can be used from several goroutines, and prints as "[redacted]" whatever the
// formatter; its methods are those of a value so that this holds for a dereferenced one too.
type KeyShare struct {
	public *PublicShare
	// secret is a closure because formatters see through everything else: one that reaches a KeyShare through another
	// type's unexported field cannot call its methods, and follows pointers for some verbs.
	secret func() *secretScalar
}

type secretScalar struct {
	mu sync.RWMutex
	k  fr.Element // zero when erased
}

func newKeyShare(public *PublicShare, s *secretScalar) *KeyShare {
	return &KeyShare{public, func() *secretScalar { return s }}
}

// NewKeyShare makes the key share of a secret, 32 bytes big-endian, and computes its public half. The caller keeps the
// bytes, and should overwrite them.
func NewKeyShare(authority uint8, secret []byte) (*KeyShare, error) {
	s, err := parseSecret(secret)
	if err != nil {
		return nil, fmt.Errorf("make key share %d: %w", authority, err)
	}
	g1 := generatorG1()
	public := &PublicShare{
		Authority: authority,
		g1:        mulSecret(&g1, &s.k),
		g2:        prepareG2(mulSplit(preparedGenerator().point, &s.k)),
	}
	return newKeyShare(public, s), nil
}

// RestoreKeyShare makes the key share of a stored secret and checks that it belongs to the public share stored with it.
func RestoreKeyShare(public *PublicShare, secret []byte) (*KeyShare, error) {
	s, err := parseSecret(secret)
	if err != nil {
		return nil, fmt.Errorf("restore key share %d: %w", public.Authority, err)
	}
	g1 := generatorG1()
	if p := mulSecret(&g1, &s.k); !p.Equal(&public.g1) {
		return nil, fmt.Errorf("restore key share %d: %w: the secret is not that of the public share", public.Authority, ErrKeys)
	}
	return newKeyShare(public, s), nil
}

func parseSecret(b []byte) (*secretScalar, error) {
	if len(b) != ScalarSize {
		return nil, fmt.Errorf("%w: a secret of %d bytes", ErrMalformed, len(b))
	}
	s := new(secretScalar)
	if s.k.SetBytesCanonical(b) != nil || s.k.IsZero() {
		return nil, fmt.Errorf("%w: secret out of range", ErrMalformed)
	}
	return s, nil
}

// mulSplit returns k·q as the sum of two multiples whose scalars are random one by one, because the library's
// multiplication takes variable time.
func mulSplit(q bls.G2Affine, k *fr.Element) bls.G2Affine {
	var a, b fr.Element
	_ = randomScalar(rand.Reader, &a) // crypto/rand does not fail
	b.Sub(k, &a)
	left, right := mulG2(&q, &a), mulG2(&q, &b)
	a, b = fr.Element{}, fr.Element{}
	return *left.Add(&left, &right)
}

// Authority is the keyholder's number.
func (s KeyShare) Authority() uint8 { return s.public.Authority }

// Public returns the public half.
func (s KeyShare) Public() *PublicShare { return s.public }

// AppendSecret appends the 32 bytes of the secret, for a key file. It is the only way out; overwrite the result.
func (s KeyShare) AppendSecret(dst []byte) ([]byte, error) {
	secret := s.secret()
	secret.mu.RLock()
	defer secret.mu.RUnlock()
	if secret.k.IsZero() {
		return dst, fmt.Errorf("export key share %d: %w", s.Authority(), ErrErased)
	}
	b := secret.k.Bytes()
	defer clear(b[:])
	return append(dst, b[:]...), nil
}

// Erase overwrites the secret. Making a share fails with ErrErased from then on.
func (s KeyShare) Erase() {
	secret := s.secret()
	secret.mu.Lock()
	defer secret.mu.Unlock()
	secret.k = fr.Element{}
}

// multiply returns secret·p in constant time.
func (s KeyShare) multiply(p *bls.G1Affine) (bls.G1Affine, error) {
	secret := s.secret()
	secret.mu.RLock()
	defer secret.mu.RUnlock()
	if secret.k.IsZero() {
		return bls.G1Affine{}, ErrErased
	}
	return mulSecret(p, &secret.k), nil
}

const redacted = "[redacted]"

func (s KeyShare) String() string   { return redacted }
func (s KeyShare) GoString() string { return redacted }

// Format answers every verb of fmt.
func (s KeyShare) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is what slog writes.
func (s KeyShare) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is what encoders of JSON and text write. Key files are written by package keyfile.
func (s KeyShare) MarshalText() ([]byte, error) { return []byte(redacted), nil }
