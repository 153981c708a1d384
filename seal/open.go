package seal

import (
	"bytes"
	"fmt"
)

// Opening is what a sealed transaction opens to. Whoever has it can check it, see Checked.Verify.
type Opening struct {
	Seed Seed
	Tx   []byte
}

// Open opens a transaction with z = x·u from Combine. It fails with ErrPayload, ErrPadding or ErrSeed. If every share
// behind z has been proven, that is the transaction's right outcome: it is unopenable. If not, one of them may be wrong.
func (c *Checked) Open(z Point) (Opening, error) {
	plain, err := c.cipher(c.key, &z).decrypt(c.header, c.payload)
	if err != nil {
		return Opening{}, fmt.Errorf("open %v: %w", c.id, ErrPayload)
	}
	tx, err := unpad(plain[SeedSize:])
	if err != nil {
		return Opening{}, fmt.Errorf("open %v: %w", c.id, err)
	}
	// The payload is the one encryption of plain with z's key, so sealing again gives the same payload if it gives z.
	again, ok := c.sealsAgain(plain)
	if !ok || again != z {
		return Opening{}, fmt.Errorf("open %v: %w", c.id, ErrSeed)
	}
	return Opening{Seed(plain[:SeedSize]), tx}, nil
}

// Verify checks an opening as anybody can, without shares: it seals again and compares. A failure is an ErrOpening.
func (c *Checked) Verify(o Opening) error {
	plain, err := pad(append(make([]byte, 0, maxPlain(len(o.Tx))), o.Seed[:]...), o.Tx)
	if err != nil || len(plain)+payloadOverhead-SeedSize != len(c.payload) {
		return fmt.Errorf("verify opening of %v: %w: a transaction of %d bytes", c.id, ErrOpening, len(o.Tx))
	}
	z, ok := c.sealsAgain(plain)
	if !ok || !bytes.Equal(c.cipher(c.key, &z).encrypt(c.header, plain), c.payload) {
		return fmt.Errorf("verify opening of %v: %w", c.id, ErrOpening)
	}
	return nil
}

// VerifyOpening checks an opening of a transaction that was not checked: it seals again and compares every byte but the
// signature. So it proves all that Check proves, save that the submitter signed. A failure is an ErrOpening, or ErrChain or
// ErrKey when the transaction is not sealed to a key of the ring.
func (r *Ring) VerifyOpening(s *Sealed, o Opening) error {
	key := r.keys[s.Key]
	switch {
	case s.ChainID != r.chainID:
		return fmt.Errorf("verify opening of %v: %w: %d, want %d", s.id, ErrChain, s.ChainID, r.chainID)
	case key == nil:
		return fmt.Errorf("verify opening of %v: %w: %v is not in force", s.id, ErrKey, s.Key)
	}
	again, err := sealAgain(key, s.Header, o)
	if err != nil || again.u != s.u || again.uBar != s.uBar || again.w != s.w || again.wBar != s.wBar || again.f != s.f ||
		!bytes.Equal(again.payload, s.payload) {
		return fmt.Errorf("verify opening of %v: %w", s.id, ErrOpening)
	}
	return nil
}

// sealAgain is sealTx in variable time: the opening is public.
func sealAgain(key *Key, header Header, o Opening) (*Sealed, error) {
	plain, err := pad(append(make([]byte, 0, maxPlain(len(o.Tx))), o.Seed[:]...), o.Tx)
	if err != nil {
		return nil, err
	}
	s := &Sealed{Header: header, header: header.encode()}
	r := s.deriveR(key, plain)
	s.u, s.uBar = encodePoint(generatorTable().mul(r)), encodePoint(secondGeneratorTable().mul(r))
	z := encodePoint(key.table.mul(r))
	s.payload = s.cipher(key, &z).encrypt(s.header, plain)
	t := s.deriveS(key, plain)
	s.w, s.wBar = encodePoint(generatorTable().mul(t)), encodePoint(secondGeneratorTable().mul(t))
	e := s.challenge(key)
	f := response(t, r, e)
	if scalarIsZero(r) || scalarIsZero(t) || scalarIsZero(e) || scalarIsZero(f) {
		return nil, errUnlucky
	}
	copy(s.f[:], f.Bytes())
	return s, nil
}

// sealsAgain says whether sealing seed ‖ p gives this transaction's u, ū, w, w̄ and f, provided it gives its payload, and
// returns the z it gives. Neither w = s·G nor w̄ = s·Ḡ takes a multiplication: the check has shown f·G = w + e·u and
// f·Ḡ = w̄ + e·ū, so they follow from u = r·G, ū = r·Ḡ and f = s + r·e. The values are public now or with the next
// message, so variable time will do.
func (c *Checked) sealsAgain(plain []byte) (z Point, ok bool) {
	r, s := c.deriveR(c.key, plain), c.deriveS(c.key, plain)
	if response(s, r, c.e).Equal(c.f) != 1 || scalarIsZero(s) {
		return Point{}, false
	}
	if generatorTable().mul(r).Equal(c.u) != 1 || secondGeneratorTable().mul(r).Equal(c.uBar) != 1 {
		return Point{}, false
	}
	return encodePoint(c.key.table.mul(r)), true
}
