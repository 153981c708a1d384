package outcome_test

import (
	"testing"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// FuzzPreblock changes the bytes of a final preblock. Whatever is accepted says the same: the content that was signed, and the one
// right outcome of each sealed transaction.
func FuzzPreblock(f *testing.F) {
	c := committeetest.New(f, 4, 3, 1)
	right, _ := c.Preblock(&preblockv1.Content{Number: 1, PreviousBlockHash: make([]byte, 32), Transactions: [][]byte{
		c.Sealed([]byte("one")), c.Garbage(seal.ErrSeed), {2, 1},
	}}, common.Hash{})
	signed, err := attest.VerifyPreblock(c.Committee, right)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := proto.Marshal(right)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(len(raw)-1), uint32(1), []byte{1})
	f.Add(uint32(0), uint32(len(raw)), []byte{0x0a, 0})
	f.Fuzz(func(t *testing.T, at, cut uint32, others []byte) {
		p := new(preblockv1.Preblock)
		if proto.Unmarshal(committeetest.Splice(raw, at, cut, others), p) != nil {
			return
		}
		got, err := attest.VerifyPreblock(c.Committee, p)
		if err != nil {
			return
		}
		if got != signed || content.HashOf(p.GetContent()) != content.HashOf(right.GetContent()) {
			t.Fatalf("another content is final: %v", p.GetContent())
		}
		if outcome.Verify(c.Committee, p) == nil && !outcome.Same(p.GetOutcomes(), right.GetOutcomes()) {
			t.Fatalf("other outcomes are right: %v", p.GetOutcomes())
		}
	})
}
