package seal

import (
	"fmt"
	"io"
)

// Deal makes a committee's keys in one place, FOR DEVELOPMENT AND TESTS: the process that runs it knows the whole secret and
// can open every transaction ever sealed to it. A committee that shall not trust anyone runs the distributed key generation.
func Deal(rand io.Reader, chainID uint64, keyholders, threshold int) (*Keys, []*Secret, error) {
	if threshold < 1 || threshold > keyholders || keyholders > MaxAuthorities {
		return nil, nil, fmt.Errorf("deal keys: %w: threshold %d of %d keyholders", ErrKeys, threshold, keyholders)
	}
	polynomial := make([]*scalar, threshold)
	for i := range polynomial {
		var wide [64]byte
		if _, err := io.ReadFull(rand, wide[:]); err != nil {
			return nil, nil, fmt.Errorf("deal keys: read randomness: %w", err)
		}
		polynomial[i] = reduce(&wide)
		clear(wide[:])
	}
	secrets, points := make([]*Secret, keyholders), make([]Point, keyholders)
	for i := range secrets {
		secrets[i] = newSecret(uint8(i), evaluate(polynomial, i+1))
		points[i] = secrets[i].Public()
	}
	key := encodePoint(new(element).ScalarBaseMult(polynomial[0]))
	for _, c := range polynomial {
		c.Zero()
	}
	keys, err := NewKeys(chainID, threshold, key, points)
	if err != nil {
		return nil, nil, fmt.Errorf("deal keys: %w", err)
	}
	return keys, secrets, nil
}
