package seal

import (
	"errors"
	"fmt"
)

// SealGarbage seals as a sender who does not follow the rules, FOR TESTS: the result passes the check and does not open, for
// the reason kind, which is ErrPayload, ErrPadding or ErrSeed. It is not signed.
func SealGarbage(key *Key, header Header, kind error) (*Sealed, error) {
	s := &Sealed{Header: header, header: header.encode()}
	seed := NewSeed()
	plain, err := pad(seed[:], []byte("garbage"))
	if err != nil {
		return nil, err
	}
	r, t := randomScalar(), randomScalar() // not derived from the seed
	s.u, s.uBar = encodePoint(generatorTable().mul(r)), encodePoint(secondGeneratorTable().mul(r))
	z := encodePoint(key.table.mul(r))
	switch {
	case errors.Is(kind, ErrPayload):
		z[0] ^= 1 // another key of the cipher
	case errors.Is(kind, ErrPadding):
		plain[len(plain)-1] = 1
	case !errors.Is(kind, ErrSeed): // which random r and t give anyway
		return nil, fmt.Errorf("seal garbage: not a reason why a transaction does not open: %w", kind)
	}
	s.payload = s.cipher(key, &z).encrypt(s.header, plain)
	s.w, s.wBar = encodePoint(generatorTable().mul(t)), encodePoint(secondGeneratorTable().mul(t))
	copy(s.f[:], response(t, r, s.challenge(key)).Bytes())
	s.id = s.computeID()
	return s, nil
}
