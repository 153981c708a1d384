package seal

import (
	"crypto/sha512"
	"encoding/binary"

	"github.com/gtank/ristretto255"
)

// hashDomain begins every tag, so that no hash of this format equals one of anything else.
const hashDomain = "blindseq/seal/v2/"

// hash is H(tag, p1, …) = SHA-512(u8(len(T)) ‖ T ‖ Σ u64be(len(p)) ‖ p) with T = hashDomain ‖ tag. The lengths make the
// input of every list of parts different.
func hash(tag string, parts ...[]byte) (out [sha512.Size]byte) {
	d := sha512.New()
	d.Write([]byte{byte(len(hashDomain) + len(tag))})
	d.Write([]byte(hashDomain))
	d.Write([]byte(tag))
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		d.Write(size[:])
		d.Write(p)
	}
	d.Sum(out[:0])
	return out
}

// hashScalar is all 64 bytes of the hash, little-endian, modulo the group's order: uniform up to 2^-259.
func hashScalar(tag string, parts ...[]byte) *ristretto255.Scalar {
	wide := hash(tag, parts...)
	defer clear(wide[:])
	return reduce(&wide)
}

// reduce returns the 64 bytes, little-endian, modulo the group's order.
func reduce(wide *[64]byte) *ristretto255.Scalar {
	s := ristretto255.NewScalar()
	if _, err := s.SetUniformBytes(wide[:]); err != nil {
		panic("seal: " + err.Error()) // only for another length than 64
	}
	return s
}
