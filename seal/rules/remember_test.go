package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

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

// What nobody asks for any more is forgotten, and what somebody does is not.
func TestWhatNobodyAsksForIsForgotten(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raws := [][]byte{c.Sealed([]byte("wanted")), c.Sealed([]byte("done"))}
	synctest.Test(t, func(t *testing.T) {
		k := NewChecker(c.Committee)
		first, errs := k.CheckAll(raws)
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		for range 4 {
			time.Sleep(rememberedFor / 2)
			if again, _ := k.CheckAll(raws[:1]); again[0] != first[0] {
				t.Fatal("checked again")
			}
		}
		if k.known.Len() != 1 || k.bytes != first[0].PayloadBytes() {
			t.Errorf("%d of %d bytes are remembered", k.known.Len(), k.bytes)
		}
		if again, errs := k.CheckAll(raws); errs[1] != nil || again[1] == first[1] {
			t.Errorf("what was forgotten: %v, %v", again[1] == first[1], errs[1])
		}
	})
}
