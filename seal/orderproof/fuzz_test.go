package orderproof_test

import (
	"encoding/json"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
)

// FuzzProof changes the JSON of a proof. Whatever is accepted names a transaction at its place in the list that was signed.
func FuzzProof(f *testing.F) {
	c := committeetest.New(f, 4, 3, 1)
	list := [][]byte{[]byte("first"), []byte("second"), []byte("third")}
	p, _ := c.Preblock(&preblockv1.Content{Number: 1, PreviousBlockHash: make([]byte, 32), Transactions: list}, common.Hash{})
	made, err := orderproof.Of(p, 1)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := json.Marshal(made)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(90), uint32(1), []byte("2"))
	f.Add(uint32(0), uint32(len(raw)), []byte(`{"transactions":null}`))
	f.Fuzz(func(t *testing.T, at, cut uint32, others []byte) {
		var got orderproof.Proof
		if json.Unmarshal(committeetest.Splice(raw, at, cut, others), &got) != nil || got.Verify(c.Committee) != nil {
			return
		}
		place := int(got.Position)
		if got.Number != 1 || len(got.Transactions) != len(list) || string(got.Transactions[place]) != string(list[place]) {
			t.Fatalf("accepted: %+v", got)
		}
	})
}
