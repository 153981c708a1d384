package seal

import (
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/gtank/ristretto255"
)

// Secret is a keyholder's secret x_i. Any number of goroutines may use it. It prints as "[redacted]" whatever the
// formatter; its methods are those of a value, so this holds for a dereferenced one too.
type Secret struct {
	authority uint8
	public    Point
	// cell is a closure because formatters see through everything else: one that reaches a Secret through another type's
	// unexported field cannot call its methods, and follows pointers for some verbs.
	cell func() *secretCell
}

type secretCell struct {
	mu sync.RWMutex
	x  *scalar // nil when erased
}

// NewSecret decodes a secret, 32 bytes little-endian, and computes its public key. The caller keeps the bytes, and should
// overwrite them.
func NewSecret(authority uint8, secret []byte) (*Secret, error) {
	x, err := decodeScalar(secret)
	if err != nil || isZero(secret) || authority >= MaxAuthorities {
		return nil, fmt.Errorf("decode secret of authority %d: %w", authority, ErrSecret)
	}
	return newSecret(authority, x), nil
}

func newSecret(authority uint8, x *scalar) *Secret {
	cell := &secretCell{x: x}
	public := encodePoint(new(element).ScalarBaseMult(x))
	return &Secret{authority, public, func() *secretCell { return cell }}
}

// Authority is the keyholder's number.
func (s Secret) Authority() uint8 { return s.authority }

// Public is the keyholder's public key Y_i.
func (s Secret) Public() Point { return s.public }

// BelongsTo checks that the secret is the one of its authority's public key among keys.
func (s Secret) BelongsTo(keys *Keys) error {
	public, err := keys.Share(s.authority)
	if err != nil {
		return err
	}
	if public != s.public {
		return fmt.Errorf("match secret of authority %d: %w: another public key", s.authority, ErrSecret)
	}
	return nil
}

// use calls do with the secret, which must not keep it.
func (s Secret) use(do func(x *scalar)) error {
	cell := s.cell()
	cell.mu.RLock()
	defer cell.mu.RUnlock()
	if cell.x == nil {
		return fmt.Errorf("use secret of authority %d: %w", s.authority, ErrErased)
	}
	do(cell.x)
	return nil
}

// Append appends the 32 bytes of the secret, for a key file. It is the only way out; overwrite the result.
func (s Secret) Append(dst []byte) ([]byte, error) {
	err := s.use(func(x *scalar) {
		b := x.Bytes()
		defer clear(b)
		dst = append(dst, b...)
	})
	return dst, err
}

// Erase overwrites the secret. Whatever needs it fails with ErrErased from then on.
func (s Secret) Erase() {
	cell := s.cell()
	cell.mu.Lock()
	defer cell.mu.Unlock()
	if cell.x != nil {
		cell.x.Set(ristretto255.NewScalar())
		cell.x = nil
	}
}

const redacted = "[redacted]"

func (s Secret) String() string   { return redacted }
func (s Secret) GoString() string { return redacted }

// Format answers every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is what slog writes.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is what encoders of JSON and text write.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
