package vss_test

import (
	"crypto/rand"
	"errors"
	"fmt"

	"blindseq/seal/vss"
)

// Two dealers share a secret each. Keyholder 2 checks what it received and adds it up: its share of a key nobody knows.
func Example() {
	var all []vss.Commitments
	var received [][]byte
	for range 2 {
		polynomial, err := vss.Draw(rand.Reader, 3)
		if err != nil {
			panic(err)
		}
		commitments, share := polynomial.Commit(), polynomial.Share(2)
		if err := commitments.Check(2, share[:]); err != nil {
			panic(err)
		}
		all, received = append(all, commitments), append(received, share[:])
	}
	sum, err := vss.SumShares(received)
	if err != nil {
		panic(err)
	}
	key := vss.Sum(all)
	fmt.Println("keyholder 2 has its share:", key.Check(2, sum[:]) == nil)
	fmt.Println("keyholder 3 cannot use it:", errors.Is(key.Check(3, sum[:]), vss.ErrShare))
	// Output:
	// keyholder 2 has its share: true
	// keyholder 3 cannot use it: true
}
