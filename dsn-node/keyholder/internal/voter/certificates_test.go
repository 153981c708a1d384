package voter

import (
	"math/rand/v2"
	"slices"
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// TestCertificatesAreFoundByNumberWithAndWithoutGaps also after the log was opened again.
func TestCertificatesAreFoundByNumberWithAndWithoutGaps(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := newLone(t)
		var c *certificates
		open := func() {
			var err error
			if c, err = openCertificates(t.Context(), l.o); err != nil {
				t.Fatal(err)
			}
		}
		open()
		var kept []uint64
		number := uint64(4)
		for range r.IntN(60) {
			if number++; r.IntN(5) == 0 {
				number += r.Uint64N(4)
			}
			if err := c.append(&keyholderv1.Adopted{Certificate: &preblockv1.Certificate{Number: number}}); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, number)
			if r.IntN(20) == 0 {
				if err := c.log.Close(); err != nil {
					t.Fatal(err)
				}
				open()
			}
		}
		for n := uint64(0); n <= number+3; n++ {
			got, err := c.of(n)
			if want := slices.Contains(kept, n); err != nil || (got != nil) != want || want && got.GetCertificate().GetNumber() != n {
				t.Fatalf("seed %d, number %d: %v, %v", seed, n, got, err)
			}
		}
		if len(kept) > 0 && (c.last() != number || c.append(&keyholderv1.Adopted{Certificate: &preblockv1.Certificate{Number: number}}) == nil) {
			t.Fatalf("seed %d: last %d", seed, c.last())
		}
		if err := c.log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
