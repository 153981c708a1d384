package seal

import (
	"fmt"

	"github.com/gtank/ristretto255"
)

// Checked is a sealed transaction that passed the check. Only Check and CheckBatch make one.
type Checked struct {
	*sealed
	key              *Key
	u, uBar, w, wBar *element
	f, e             *scalar
}

// sealed is the name under which a Checked has its Sealed's methods and fields, and nobody else can exchange it.
type sealed = Sealed

// Sealed returns the transaction that was checked.
func (c *Checked) Sealed() *Sealed { return c.sealed }

// Key returns the key that the transaction is sealed to.
func (c *Checked) Key() *Key { return c.key }

// Check examines a sealed transaction as anybody can, without a share. It refuses it with the first reason of ErrChain,
// ErrKey, ErrPoint, ErrProof and ErrSignature.
func (r *Ring) Check(s *Sealed) (*Checked, error) {
	c, err := r.prepare(s)
	if err == nil {
		err = c.verify()
	}
	if err == nil {
		err = r.submitters.verifySignature(s)
	}
	if err != nil {
		return nil, fmt.Errorf("check sealed transaction %v: %w", s.id, err)
	}
	return c, nil
}

// prepare examines everything before the proof's equations.
func (r *Ring) prepare(s *Sealed) (*Checked, error) {
	if s.ChainID != r.chainID {
		return nil, fmt.Errorf("%w: %d, want %d", ErrChain, s.ChainID, r.chainID)
	}
	key := r.keys[s.Key]
	if key == nil {
		return nil, fmt.Errorf("%w: %v is not in force", ErrKey, s.Key)
	}
	c := &Checked{sealed: s, key: key}
	for _, p := range [...]struct {
		name string
		raw  *[32]byte
		to   **element
	}{{"u", &s.u, &c.u}, {"second u", &s.uBar, &c.uBar}, {"w", &s.w, &c.w}, {"second w", &s.wBar, &c.wBar}} {
		var err error
		if *p.to, err = decodePoint(p.raw[:]); err != nil {
			return nil, fmt.Errorf("%w: %s", err, p.name)
		}
	}
	var err error
	if c.f, err = decodeScalar(s.f[:]); err != nil {
		return nil, fmt.Errorf("%w: f", err)
	}
	c.e = s.challenge(key)
	if scalarIsZero(c.f) || scalarIsZero(c.e) {
		return nil, fmt.Errorf("%w: a zero", ErrProof)
	}
	return c, nil
}

// verify checks both equations exactly: f·G = w + e·u and f·Ḡ = w̄ + e·ū.
func (c *Checked) verify() error {
	minusE := ristretto255.NewScalar().Negate(c.e)
	w := new(element).VarTimeDoubleScalarBaseMult(minusE, c.u, c.f)
	if w.Equal(c.w) != 1 {
		return ErrProof
	}
	wBar := multiScalar([]*scalar{minusE}, []*element{c.uBar})
	wBar.Add(wBar, secondGeneratorTable().mul(c.f))
	if wBar.Equal(c.wBar) != 1 {
		return ErrProof
	}
	return nil
}
