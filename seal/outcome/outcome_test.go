package outcome_test

import (
	"errors"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

func TestOnlyTheRightOutcomesAreAccepted(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	p, _ := c.Preblock(&preblockv1.Content{Number: 9, Transactions: [][]byte{
		c.Sealed([]byte("one")), c.Sealed([]byte("two")), c.Garbage(seal.ErrPayload), c.Garbage(seal.ErrPadding), c.Garbage(seal.ErrSeed), {1},
	}}, common.Hash{})
	if err := outcome.Verify(c.Committee, p); err != nil {
		t.Fatal(err)
	}
	set := func(i int, o *preblockv1.Outcome) func(*preblockv1.Preblock) {
		return func(p *preblockv1.Preblock) {
			o := proto.CloneOf(o)
			o.Index = uint32(i)
			p.Outcomes[i] = o
		}
	}
	for name, change := range map[string]func(*preblockv1.Preblock){
		"one missing":               func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[:4] },
		"none":                      func(p *preblockv1.Preblock) { p.Outcomes = nil },
		"one too many":              func(p *preblockv1.Preblock) { p.Outcomes = append(p.Outcomes, p.Outcomes[4]) },
		"of a plain transaction":    func(p *preblockv1.Preblock) { p.Outcomes[0].Index = 5 },
		"exchanged":                 func(p *preblockv1.Preblock) { p.Outcomes[0], p.Outcomes[1] = p.Outcomes[1], p.Outcomes[0] },
		"nothing":                   set(0, &preblockv1.Outcome{}),
		"another transaction":       func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction = []byte("two") },
		"no transaction":            func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction = nil },
		"another seed":              func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed[3]++ },
		"a short seed":              func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed = []byte{1} },
		"another's opening":         set(0, p.Outcomes[1]),
		"a good one is unopenable":  set(0, p.Outcomes[2]),
		"unopenable without shares": set(2, outcome.Unopenable(2, seal.ErrPayload, nil)),
		"another reason":            func(p *preblockv1.Preblock) { p.Outcomes[2].GetUnopenable().Reason = 2 },
		"no reason":                 func(p *preblockv1.Preblock) { p.Outcomes[2].GetUnopenable().Reason = 0 },
		"a share too few":           func(p *preblockv1.Preblock) { u := p.Outcomes[2].GetUnopenable(); u.Shares = u.Shares[:2] },
		"a share twice":             func(p *preblockv1.Preblock) { u := p.Outcomes[2].GetUnopenable(); u.Shares[1] = u.Shares[0] },
		"a wrong share": func(p *preblockv1.Preblock) {
			p.Outcomes[2].GetUnopenable().Shares[0].Share = p.Outcomes[3].GetUnopenable().Shares[0].Share
		},
		"an unopenable one is open":  set(4, p.Outcomes[0]),
		"shares of another one":      set(2, p.Outcomes[3]),
		"an authority out of range":  func(p *preblockv1.Preblock) { p.Outcomes[2].GetUnopenable().Shares[0].Authority = 300 },
		"a proof of the wrong size":  func(p *preblockv1.Preblock) { p.Outcomes[2].GetUnopenable().Shares[0].Proof = []byte{1} },
		"a changed copy of a sealed": func(p *preblockv1.Preblock) { p.Content.Transactions[0][len(p.Content.Transactions[0])-80]++ },
	} {
		forged := proto.CloneOf(p)
		change(forged)
		if err := outcome.Verify(c.Committee, forged); !errors.Is(err, outcome.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOtherSharesProveTheSame: which keyholders proved that a transaction is unopenable is no part of its outcome.
func TestOtherSharesProveTheSame(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	p, _ := c.Preblock(&preblockv1.Content{Number: 1, Transactions: [][]byte{c.Sealed([]byte("one")), c.Garbage(seal.ErrSeed)}}, common.Hash{})
	other := proto.CloneOf(p)
	other.Outcomes[1].GetUnopenable().Shares = nil
	if !outcome.Same(p.Outcomes, other.Outcomes) {
		t.Error("shares are compared")
	}
	for name, change := range map[string]func(*preblockv1.Preblock){
		"seed":        func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed[0]++ },
		"transaction": func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction[0]++ },
		"kind":        func(p *preblockv1.Preblock) { p.Outcomes[0].Result = p.Outcomes[1].Result },
		"none":        func(p *preblockv1.Preblock) { p.Outcomes[1].Result = nil },
		"fewer":       func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[:1] },
		"index":       func(p *preblockv1.Preblock) { p.Outcomes[1].Index = 7 },
	} {
		forged := proto.CloneOf(p)
		change(forged)
		if outcome.Same(p.Outcomes, forged.Outcomes) {
			t.Errorf("another %s is the same", name)
		}
	}
}
