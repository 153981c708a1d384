package history

import (
	"testing"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// One transaction may come twice, in two bundles, and be skipped once: before its nonce was due, or after it was used.
func TestABlockHoldsWhatWasOrderedExceptWhatWasSkipped(t *testing.T) {
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	hash := func(raw []byte) common.Hash { return common.Hash(content.Keccak(raw)) }
	for _, one := range []struct {
		name    string
		ordered [][]byte
		skipped [][]byte
		block   [][]byte
		want    bool
	}{
		{"nothing skipped", [][]byte{a, b}, nil, [][]byte{a, b}, true},
		{"skipped", [][]byte{a, b, c}, [][]byte{b}, [][]byte{a, c}, true},
		{"skipped the first time", [][]byte{b, a, b}, [][]byte{b}, [][]byte{a, b}, true},
		{"skipped the second time", [][]byte{b, a, b}, [][]byte{b}, [][]byte{b, a}, true},
		{"executed twice", [][]byte{b, a, b}, [][]byte{b}, [][]byte{b, a, b}, false},
		{"executed and said to be skipped", [][]byte{a, b}, [][]byte{b}, [][]byte{a, b}, false},
		{"left out", [][]byte{a, b}, nil, [][]byte{a}, false},
		{"in another order", [][]byte{a, b}, nil, [][]byte{b, a}, false},
		{"one more", [][]byte{a}, nil, [][]byte{a, b}, false},
	} {
		p := &blueprintv1.Blueprint{Number: 1, Transactions: one.ordered}
		for _, s := range one.skipped {
			h := hash(s)
			p.Skipped = append(p.Skipped, &blueprintv1.SkippedTransaction{Hash: h[:], Reason: "nonce"})
		}
		var block []common.Hash
		for _, tx := range one.block {
			block = append(block, hash(tx))
		}
		if got := ofBlueprint(p).gives(block); got != one.want {
			t.Errorf("%s: %v", one.name, got)
		}
	}
}
