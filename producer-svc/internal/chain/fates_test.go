package chain_test

import (
	"math/big"
	"slices"
	"testing"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

func TestFatesSayWhoPaidAndWhatWasGarbage(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	poor := newWallet(wallets(t)[9].key)
	genesis.Alloc[poor.address] = types.Account{Balance: big.NewInt(params.GWei)}
	dir := t.TempDir()
	c := open(t, dir, withGenesis(genesis))
	w := wallets(t)
	by := func(submitter int, raw []byte) chain.Sealed {
		one := sealed(raw)
		one.Submitter = w[submitter].address
		return one
	}
	own, others, relayed := w[0].transfer(t, nobody, 1), w[1].transfer(t, nobody, 1), w[2].transfer(t, nobody, 1)
	later := w[3].transfer(t, nobody, 1)
	skipped := w[3].transfer(t, nobody, 2)
	relay := by(5, relayed)
	relay.Relay = true
	small, dear := by(4, w[4].call(t, &nobody, 21_001, nil, nil)), by(6, w[6].transfer(t, nobody, 1))
	small.Gas, dear.Fee = 21_000, 100*params.GWei+1
	b := next(c, later)
	b.Sealed = []chain.Sealed{
		by(0, own), by(0, others), relay, by(0, own), by(9, poor.transfer(t, nobody, 1)), by(3, skipped),
		small, dear, by(7, []byte("no transaction")), by(7, []byte{0x5e, 0xc0}), by(7, nil),
	}
	apply(t, c, b)
	want := []admission.Outcome{
		admission.Executed, admission.Carried, admission.Executed, admission.Ended, admission.Ended, admission.Ended,
		admission.Garbage, admission.Garbage, admission.Garbage, admission.Garbage, admission.Garbage,
	}
	if got := c.Fates(b.Number, b.Sealed); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	must(t, c.Close())
	c = open(t, dir, withGenesis(genesis))
	if got := c.Fates(b.Number, b.Sealed); !slices.Equal(got, want) {
		t.Errorf("after a restart %v, want %v", got, want)
	}
}
