package seal

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/gtank/ristretto255"
)

// Sizes of encoded points and scalars.
const (
	PointSize  = 32
	ScalarSize = 32
)

// Point is the canonical encoding of an element of ristretto255.
type Point [PointSize]byte

// element and scalar are short names for the library's types.
type (
	element = ristretto255.Element
	scalar  = ristretto255.Scalar
)

// secondGenerator is Ḡ: RFC 9496's one-way map (section 4.3.4) of a hash, so nobody knows its logarithm.
var secondGenerator = sync.OnceValue(func() *element {
	wide := hash("second-generator")
	e, err := ristretto255.NewIdentityElement().SetUniformBytes(wide[:])
	if err != nil {
		panic("seal: " + err.Error()) // only for another length than 64
	}
	return e
})

// decodePoint applies RFC 9496's decoding (section 4.3.1) with every check, and refuses the identity. The library compares
// all 256 bits with the canonical encoding.
func decodePoint(b []byte) (*element, error) {
	if isZero(b) {
		return nil, fmt.Errorf("%w: the identity", ErrPoint)
	}
	e, err := new(element).SetCanonicalBytes(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPoint, err)
	}
	return e, nil
}

// decodeScalar refuses what is not reduced. Zero passes.
func decodeScalar(b []byte) (*scalar, error) {
	s, err := ristretto255.NewScalar().SetCanonicalBytes(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPoint, err)
	}
	return s, nil
}

func encodePoint(e *element) Point { return Point(e.Bytes()) }

// smallScalar is for numbers from 0 on.
func smallScalar(n int) *scalar {
	var wide [64]byte
	binary.LittleEndian.PutUint64(wide[:], uint64(n))
	return reduce(&wide)
}

func scalarIsZero(s *scalar) bool { return s.Equal(ristretto255.NewScalar()) == 1 }

func isIdentity(e *element) bool { return e.Equal(ristretto255.NewIdentityElement()) == 1 }

// isZero says whether all bytes are zero, which is how the identity is encoded.
func isZero(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}
