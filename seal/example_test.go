package seal_test

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"blindseq/seal"
)

// A wallet seals a transaction, everybody checks it, and three of four keyholders open it.
func Example() {
	keys, secrets, err := seal.Deal(rand.Reader, 1337, 4, 3)
	if err != nil {
		panic(err)
	}
	submitter, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}

	sealed, err := seal.Seal(keys.Key, seal.Header{
		ChainID: 1337, Key: keys.ID(), Submitter: crypto.PubkeyToAddress(submitter.PublicKey),
		Seq: 0, Gas: 50_000, Fee: 1_000_000_000, Expiry: 1000,
	}, seal.NewSeed(), []byte("a signed transaction"))
	if err != nil {
		panic(err)
	}
	if err := sealed.Sign(submitter); err != nil {
		panic(err)
	}

	received, err := seal.Parse(sealed.Encode())
	if err != nil {
		panic(err)
	}
	ring, err := seal.NewRing(1337, keys.Key)
	if err != nil {
		panic(err)
	}
	checked, err := ring.Check(received)
	if err != nil {
		panic(err)
	}

	var shares []seal.Share
	for _, keyholder := range []int{0, 1, 3} { // their place in the order is final
		share, err := secrets[keyholder].Share(checked)
		if err != nil {
			panic(err)
		}
		shares = append(shares, share)
	}
	z, err := keys.Combine(shares)
	if err != nil {
		panic(err)
	}
	opening, err := checked.Open(z)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", opening.Tx)
	fmt.Println("monitor:", checked.Verify(opening))
	// Output:
	// a signed transaction
	// monitor: <nil>
}

// A copy of somebody's sealed transaction with one byte changed is refused, whoever signs it.
func ExampleRing_Check() {
	keys, _, err := seal.Deal(rand.Reader, 1337, 4, 3)
	if err != nil {
		panic(err)
	}
	victim, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	header := seal.Header{ChainID: 1337, Key: keys.ID(), Submitter: crypto.PubkeyToAddress(victim.PublicKey), Gas: 50_000, Expiry: 1000}
	sealed, err := seal.Seal(keys.Key, header, seal.NewSeed(), []byte("a signed transaction"))
	if err != nil {
		panic(err)
	}
	if err := sealed.Sign(victim); err != nil {
		panic(err)
	}

	copied := sealed.Encode()
	copied[len(copied)-100] ^= 1 // in the payload
	changed, err := seal.Parse(copied)
	if err != nil {
		panic(err)
	}
	ring, err := seal.NewRing(1337, keys.Key)
	if err != nil {
		panic(err)
	}
	_, err = ring.Check(changed)
	fmt.Println(errors.Is(err, seal.ErrProof))
	// Output: true
}

// A keyholder's bad share makes an opening fail; its proof shows whose it is.
func ExampleKeys_VerifyShare() {
	keys, secrets, err := seal.Deal(rand.Reader, 1337, 4, 3)
	if err != nil {
		panic(err)
	}
	submitter, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	header := seal.Header{ChainID: 1337, Key: keys.ID(), Submitter: crypto.PubkeyToAddress(submitter.PublicKey), Gas: 50_000, Expiry: 1000}
	sealed, err := seal.Seal(keys.Key, header, seal.NewSeed(), []byte("a signed transaction"))
	if err != nil {
		panic(err)
	}
	if err := sealed.Sign(submitter); err != nil {
		panic(err)
	}
	ring, err := seal.NewRing(1337, keys.Key)
	if err != nil {
		panic(err)
	}
	checked, err := ring.Check(sealed)
	if err != nil {
		panic(err)
	}

	share, proof, err := secrets[2].ShareWithProof(checked)
	if err != nil {
		panic(err)
	}
	fmt.Println("right:", keys.VerifyShare(checked, share, &proof))
	share.Point = keys.Point() // any other point
	fmt.Println("wrong:", errors.Is(keys.VerifyShare(checked, share, &proof), seal.ErrShare))
	// Output:
	// right: <nil>
	// wrong: true
}
