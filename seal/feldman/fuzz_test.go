package feldman

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzParse reads commitments: what is accepted is written as it was read, and no share fits that its dealer did not make.
func FuzzParse(f *testing.F) {
	for threshold := 1; threshold <= 3; threshold++ {
		p, err := Draw(bytes.NewReader(bytes.Repeat([]byte{1, 2, byte(threshold)}, 200)), threshold)
		if err != nil {
			f.Fatal(err)
		}
		share := p.Share(1)
		f.Add(bytes.Join(p.Commit().Encode(), nil), uint8(1), share[:])
	}
	f.Fuzz(func(t *testing.T, b []byte, authority uint8, share []byte) {
		encoded := slices.Collect(slices.Chunk(b, 32))
		if len(encoded) > 8 {
			return
		}
		c, err := Parse(encoded, len(encoded))
		if err != nil {
			return
		}
		if !bytes.Equal(bytes.Join(c.Encode(), nil), b) {
			t.Fatalf("%x is written as %x", b, c.Encode())
		}
		if len(c) > 0 && c.Check(authority, share) == nil && len(share) != 32 {
			t.Fatalf("a share of %d bytes fits", len(share))
		}
	})
}
