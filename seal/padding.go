package seal

import (
	"encoding/binary"
	"fmt"
)

// Limits of what can be sealed.
const (
	// MaxTxBytes is the largest transaction that go-ethereum's pool takes.
	MaxTxBytes = 128 << 10
	// maxPadded is the largest size class.
	maxPadded = 5 * stepClass

	minClass  = 256
	stepClass = 32 << 10

	lengthSize = 4
)

// sizeClass returns the smallest class that holds n bytes: the powers of two from 256 to 32,768, then multiples of
// 32,768 up to 163,840. It returns 0 if there is none.
func sizeClass(n int) int {
	if n > maxPadded {
		return 0
	}
	for class := minClass; class <= stepClass; class *= 2 {
		if n <= class {
			return class
		}
	}
	return (n + stepClass - 1) / stepClass * stepClass
}

func isSizeClass(n int) bool { return n > 0 && sizeClass(n) == n }

// pad appends u32be(len(tx)) ‖ tx ‖ zeros to dst, of the smallest class that holds it.
func pad(dst, tx []byte) ([]byte, error) {
	if len(tx) == 0 || len(tx) > MaxTxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at least 1 and at most %d", ErrTx, len(tx), MaxTxBytes)
	}
	zeros := sizeClass(lengthSize+len(tx)) - lengthSize - len(tx)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(tx)))
	dst = append(dst, tx...)
	return append(dst, make([]byte, zeros)...), nil
}

// unpad returns the transaction in p, which is as long as a size class.
func unpad(p []byte) ([]byte, error) {
	length := binary.BigEndian.Uint32(p) // compared before it is an int, which may have 32 bits
	if length == 0 || length > MaxTxBytes || int(length) > len(p)-lengthSize {
		return nil, fmt.Errorf("%w: length %d in %d bytes", ErrPadding, length, len(p))
	}
	n := int(length)
	switch {
	case sizeClass(lengthSize+n) != len(p):
		return nil, fmt.Errorf("%w: %d bytes for a transaction of %d", ErrPadding, len(p), n)
	case !isZero(p[lengthSize+n:]):
		return nil, fmt.Errorf("%w: a byte after the transaction is not zero", ErrPadding)
	}
	return p[lengthSize : lengthSize+n], nil
}
