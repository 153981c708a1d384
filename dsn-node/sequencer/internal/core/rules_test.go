package core

import (
	"errors"
	"testing"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/crypto"
)

// holding is a proposal of these transactions.
func holding(number uint64, txs ...[]byte) Proposal {
	p := proposal(number, 0)
	p.Content.Transactions = txs
	return p
}

func TestAProposalThatBreaksARuleChangesNothing(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	o := options(t.TempDir())
	o.Rounds, o.Rules = &fakeRounds{first: 1}, ordered.New(c.Committee)
	k := open(t, o)
	run(t, k)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	submit(t, k, holding(1, c.SealedBy(key, 0, []byte("a"))))
	next(t, k, 1)
	spoiled := c.Sealed([]byte("b"))
	spoiled[len(spoiled)/2]++
	for name, x := range map[string]struct {
		txs  [][]byte
		want error
	}{
		"not a sealed transaction": {[][]byte{{seal.Type}}, seal.ErrEncoding},
		"a proof that fails":       {[][]byte{spoiled}, seal.ErrProof},
		"a seq again":              {[][]byte{c.SealedBy(key, 0, []byte("a"))}, rules.ErrSeq},
		"a seq left out":           {[][]byte{c.SealedBy(key, 2, []byte("a"))}, rules.ErrSeq},
		"after a plain one":        {[][]byte{{1}, c.SealedBy(key, 1, []byte("a"))}, rules.ErrPlace},
		"expired":                  {[][]byte{c.SealedBy(key, 1, []byte("a"), func(h *seal.Header) { h.Expiry = 1 })}, rules.ErrExpiry},
		"too much gas":             {[][]byte{c.SealedBy(key, 1, []byte("a"), func(h *seal.Header) { h.Gas = 1 << 40 })}, rules.ErrGas},
	} {
		p := holding(2, x.txs...)
		for what, err := range map[string]error{"submit": second(k.Submit(t.Context(), p)), "check": k.Check(p.Content)} {
			if !errors.Is(err, rules.ErrContent) || !errors.Is(err, x.want) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	if k.Accepted() != 1 {
		t.Fatalf("accepted %d", k.Accepted())
	}
	good := holding(2, c.SealedBy(key, 1, []byte("b")), c.SealedBy(key, 2, []byte("c")), []byte{1})
	if err := k.Check(good.Content); err != nil {
		t.Fatal(err)
	}
	submit(t, k, good)
}

func second(_ Answer, err error) error { return err }

// TestASeqIsNotTakenAgainAfterARestart restarts before every number. The content before is decided or only accepted then, and
// counts in both cases. The window is 3 numbers long.
func TestASeqIsNotTakenAgainAfterARestart(t *testing.T) {
	c := committeetest.NewWith(t, 4, 3, 1, committee.Limits{Lifetime: 3})
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	const none = ^uint64(0)
	for _, decided := range []bool{true, false} {
		o := options(t.TempDir())
		o.Rounds = &fakeRounds{first: 1}
		for i, step := range []struct {
			refused []uint64
			taken   uint64
		}{
			{[]uint64{1}, 0}, {[]uint64{0, 2}, 1}, {[]uint64{0, 1, 3}, 2}, {nil, none}, {nil, none}, {[]uint64{0}, none}, {[]uint64{3}, 0},
		} {
			number := uint64(i) + 1
			sealed := func(seq uint64) []byte {
				return c.SealedBy(key, seq, []byte("a"), func(h *seal.Header) { h.Expiry = number })
			}
			o.Rules = ordered.New(c.Committee)
			k := open(t, o)
			if number > 1 && !decided {
				decide(t, k)
			}
			for _, seq := range step.refused {
				if _, err := k.Submit(t.Context(), holding(number, sealed(seq))); !errors.Is(err, rules.ErrSeq) {
					t.Fatalf("number %d, seq %d: %v", number, seq, err)
				}
			}
			p := holding(number)
			if step.taken != none {
				p = holding(number, sealed(step.taken))
			}
			submit(t, k, p)
			if decided {
				decide(t, k)
			}
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// decide does what Run does for the accepted proposal.
func decide(t *testing.T, c *Core) {
	t.Helper()
	if err := c.due(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// countingRules lets everything through and counts.
type countingRules struct {
	ordered.Keyless
	checked, added int
}

func (r *countingRules) Check(*preblockv1.Content) error { r.checked++; return nil }
func (r *countingRules) Add(*preblockv1.Content) error   { r.added++; return nil }

func TestARepeatedProposalIsNotCheckedAgain(t *testing.T) {
	o := options(t.TempDir())
	r := &countingRules{}
	o.Rules = r
	c := open(t, o)
	for range 3 {
		submit(t, c, proposal(1, 0))
		submit(t, c, proposal(1, 1))
	}
	if _, err := c.Submit(t.Context(), proposal(3, 0)); err == nil {
		t.Fatal("number 3 was taken")
	}
	if _, err := c.Submit(t.Context(), Proposal{}); !errors.Is(err, content.ErrMalformed) {
		t.Fatal(err)
	}
	if r.checked != 1 || r.added != 1 {
		t.Fatalf("checked %d times, added %d", r.checked, r.added)
	}
}
