package orderproof_test

import (
	"encoding/json"
	"fmt"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A proof is JSON. The committee's file is all that is needed to verify it.
func Example() {
	c := committeetest.ForExample(4, 3, 1)
	preblock, _ := c.Preblock(&preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Transactions: [][]byte{[]byte("first"), []byte("second")},
	}, common.Hash{})
	made, err := orderproof.Of(preblock, 1)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		panic(err)
	}

	var proof orderproof.Proof
	if err := json.Unmarshal(text, &proof); err != nil {
		panic(err)
	}
	if err := proof.Verify(c.Committee); err != nil {
		panic(err)
	}
	fmt.Printf("%q is at position %d of number %d\n", []byte(proof.Transactions[proof.Position]), proof.Position, proof.Number)

	proof.Position = 0
	fmt.Println("at position 0:", proof.Verify(c.Committee) == nil)
	// Output:
	// "second" is at position 1 of number 1
	// at position 0: false
}
