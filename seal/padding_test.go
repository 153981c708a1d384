package seal

import (
	"encoding/binary"
	"testing"
)

func TestWrongPaddingIsRefused(t *testing.T) {
	good, err := pad(nil, []byte("a transaction"))
	if err != nil {
		t.Fatal(err)
	}
	withLength := func(size int, n uint32) []byte {
		p := make([]byte, size)
		binary.BigEndian.PutUint32(p, n)
		return p
	}
	tail := append([]byte(nil), good...)
	tail[len(tail)-1] = 1
	longer := append(append([]byte(nil), good...), make([]byte, 256)...)
	for name, p := range map[string][]byte{
		"length zero":           withLength(256, 0),
		"length over p":         withLength(256, 253),
		"length over the limit": withLength(163840, MaxTxBytes+1),
		"length of 2^31":        withLength(256, 1<<31),
		"length of 2^32-1":      withLength(256, 1<<32-1),
		"a larger class":        longer,
		"a byte in the tail":    tail,
	} {
		if tx, err := unpad(p); !onlyReason(err, "padding") || tx != nil {
			t.Errorf("%s: %x, %v", name, tx, err)
		}
	}
	for n := -5; n <= 0; n++ {
		if isSizeClass(n) {
			t.Errorf("%d is a size class", n)
		}
	}
}
