package rules_test

import (
	"bytes"
	"slices"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"google.golang.org/protobuf/proto"
)

// FuzzContent changes the bytes of a content. What the rules let pass has sealed transactions of their submitters only, before all
// others, and each submitter's by seq.
func FuzzContent(f *testing.F) {
	c := committeetest.New(f, 4, 3, 1)
	key := newKey(f)
	sealed := [][]byte{c.SealedBy(key, 0, []byte("one")), c.SealedBy(key, 1, []byte("two")), c.Sealed([]byte("other"))}
	raw, err := proto.Marshal(&preblockv1.Content{Number: 1, Transactions: append(slices.Clone(sealed), []byte{2, 1})})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(400), uint32(1), []byte{1})
	f.Fuzz(func(t *testing.T, at, cut uint32, others []byte) {
		p := new(preblockv1.Content)
		if proto.Unmarshal(committeetest.Splice(raw, at, cut, others), p) != nil {
			return
		}
		txs, err := rules.NewChecker(c.Committee).Check(p, rules.NewWindow(1, c.Limits.Lifetime))
		if err != nil {
			return
		}
		next := uint64(0)
		for i, raw := range p.GetTransactions() {
			if seal.IsSealed(raw) != (i < len(txs)) {
				t.Fatalf("transaction %d is out of place", i)
			}
			if i >= len(txs) {
				continue
			}
			if !slices.ContainsFunc(sealed, func(s []byte) bool { return bytes.Equal(s, raw) }) {
				t.Fatalf("sealed transaction %d is nobody's: %x", i, raw)
			}
			if h := txs[i].Sealed().Header; h.Seq > 0 || bytes.Equal(raw, sealed[0]) {
				if h.Seq != next {
					t.Fatalf("seq %d at %d", h.Seq, next)
				}
				next++
			}
		}
	})
}
