package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"blindseq/seal"
	"blindseq/seal/committee/committeetest"
)

// What a Checker remembers is bounded by number and by bytes.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	k := NewChecker(c.Committee)
	add := func(from, n int, one *seal.Checked) {
		hashes, all := make([][sha256.Size]byte, n), make([]*seal.Checked, n)
		for i := range n {
			binary.BigEndian.PutUint64(hashes[i][:], uint64(from+i))
			all[i] = one
		}
		k.remember(hashes, all)
		k.remember(hashes, all) // the same again adds nothing
	}
	small, large := c.Checked(c.Sealed([]byte{1})), c.Checked(c.Sealed(make([]byte, seal.MaxTxBytes)))
	add(0, 7000, small)
	if k.known.Len() != remembered || k.bytes != remembered*small.PayloadBytes() {
		t.Errorf("%d small ones of %d bytes", k.known.Len(), k.bytes)
	}
	add(10_000, 400, large)
	if want := rememberedBytes / large.PayloadBytes(); k.known.Len() != want || k.bytes != want*large.PayloadBytes() {
		t.Errorf("%d large ones of %d bytes, want %d", k.known.Len(), k.bytes, want)
	}
	add(20_000, 1, small)
	if k.bytes > rememberedBytes {
		t.Errorf("%d bytes", k.bytes)
	}
}
