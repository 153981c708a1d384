package opening

import (
	"fmt"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
)

// TestWhoOpensAndWhoVerifiesAgreeOnRepeatedCiphertexts makes the outcomes as keyholders and sequencer plan them, and has
// them verified as monitor-svc does: also by a second planner that went through the contents again, as after a restart.
func TestWhoOpensAndWhoVerifiesAgreeOnRepeatedCiphertexts(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	change := func(raw []byte, f func(*te.Bundle)) []byte {
		b, err := te.DecodeBundle(raw)
		if err != nil {
			t.Fatal(err)
		}
		f(b)
		return b.Encode()
	}
	one, two := c.Bundle([]byte("one")), c.Bundle([]byte("two"))
	wrapped := change(one, func(b *te.Bundle) { b.Nonce += 9 })
	spoiled := change(two, func(b *te.Bundle) { b.Payload.Ciphertext.EncryptedKey[0]++ })
	var all chain
	all.add(spoiled, one, wrapped, []byte{1}, one, two)
	all.add(wrapped, two, two, spoiled, c.Bundle([]byte("three")))
	all.add(wrapped)
	want := []string{
		"[2:bad 1:opened 1:after 1/1 1:after 1/1 2:opened]", "[1:after 1/1 2:after 1/5 2:after 1/5 2:bad 3:opened]", "[1:after 1/1]",
	}
	for range 2 {
		p := all.planner(t, t.TempDir())
		for i, content := range all {
			preblock, _ := c.Preblock(content, common.Hash{})
			plan, err := p.Plan(t.Context(), content)
			if err != nil {
				t.Fatal(err)
			}
			for j, b := range plan.Bundles {
				if b.Refused != nil {
					preblock.Outcomes[j] = b.Refused
				}
			}
			if err := outcome.Verify(c.Keys, preblock, func(n uint64) (*preblockv1.Content, error) { return all[n-1], nil }); err != nil {
				t.Errorf("number %d: %v", i+1, err)
			}
			if got := describe(preblock, one, wrapped, two, spoiled); got != want[i] {
				t.Errorf("number %d: %s, want %s", i+1, got, want[i])
			}
		}
	}
}

// describe tells the outcomes: which ciphertext, and what became of it.
func describe(p *preblockv1.Preblock, one, wrapped, two, spoiled []byte) string {
	names := map[string]string{string(one): "1", string(wrapped): "1", string(two): "2", string(spoiled): "2"}
	var out []string
	for _, o := range p.GetOutcomes() {
		name, ok := names[string(p.GetContent().GetTransactions()[o.GetIndex()])]
		if !ok {
			name = "3"
		}
		became := "opened"
		switch u := o.GetUndecryptable(); u.GetReason() {
		case outcome.BadCiphertext:
			became = "bad"
		case outcome.AlreadyOrdered:
			became = fmt.Sprintf("after %d/%d", u.GetEarlierNumber(), u.GetEarlierIndex())
		}
		out = append(out, name+":"+became)
	}
	return fmt.Sprint(out)
}
