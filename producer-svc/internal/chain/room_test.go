package chain_test

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/params"
)

// small is a chain whose blocks have gas for n transfers.
func small(t testing.TB, n uint64) (*core.Genesis, func(*chain.Config)) {
	t.Helper()
	genesis, err := chain.DevGenesis()
	must(t, err)
	genesis.GasLimit = n * params.TxGas
	return genesis, withGenesis(genesis)
}

func hashes(raws ...[]byte) (all []common.Hash) {
	for _, raw := range raws {
		all = append(all, chain.HashTransaction(raw))
	}
	return all
}

func equalList(t testing.TB, what string, got, want []common.Hash) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestWhatDoesNotFitWaitsAndRunsInOrderWithoutBeingOrderedAgain(t *testing.T) {
	dir := t.TempDir()
	_, genesis := small(t, 5)
	c := open(t, dir, genesis)
	w := wallets(t)
	var raws [][]byte
	for i := range 8 {
		raws = append(raws, w[i%4].transfer(t, nobody, 1))
	}
	big := w[5].call(t, &nobody, 5*params.TxGas, nil, nil)
	result := apply(t, c, next(c, slices.Insert(slices.Clone(raws), 1, big)...))
	equalList(t, "included", result.Included, hashes(raws[0]))
	equal(t, "skipped", len(result.Skipped), 0)
	left := slices.Insert(hashes(raws[1:]...), 0, chain.HashTransaction(big))
	equalList(t, "waiting", result.Waiting, left)
	status, _ := c.Status(chain.HashTransaction(raws[3]))
	equal(t, "status", status, chain.TxPending)
	equal(t, "gas that waits", c.Waiting().Gas, 12*params.TxGas)

	must(t, c.Close())
	c = open(t, dir, genesis)
	equal(t, "waiting after a restart", c.Waiting().Transactions, 8)

	// A content that holds something does not overtake what waits: it comes after.
	last := w[6].transfer(t, nobody, 1)
	result = apply(t, c, next(c, last))
	equalList(t, "second block", result.Included, left[:5])
	equalList(t, "waiting after it", result.Waiting, append(slices.Clone(left[5:]), chain.HashTransaction(last)))
	result = apply(t, c, next(c))
	equalList(t, "third block", result.Included, append(slices.Clone(left[5:]), chain.HashTransaction(last)))
	equal(t, "waiting at the end", c.Waiting(), chain.Waiting{})
}

func TestADelayedTransactionThatDoesNotFitWaitsWithTheOthers(t *testing.T) {
	_, genesis := small(t, 5)
	c := open(t, t.TempDir(), genesis)
	w := wallets(t)
	plain := w[0].transfer(t, nobody, 1)
	b := next(c, plain)
	for i := 1; i < 7; i++ {
		b.Delayed = append(b.Delayed, w[i].transfer(t, nobody, 1))
	}
	result := apply(t, c, b)
	equalList(t, "included", result.Included, hashes(b.Delayed[:5]...))
	equalList(t, "waiting", result.Waiting, hashes(b.Delayed[5], plain))
	later := next(c, w[7].transfer(t, nobody, 1))
	later.Delayed = [][]byte{w[8].transfer(t, nobody, 1)}
	equalList(t, "second block", apply(t, c, later).Included, hashes(b.Delayed[5], plain, later.Delayed[0], later.Transactions[0]))
	executed, err := c.ExecutedIn(2)
	must(t, err)
	for i, delayed := range []bool{true, false, true, false} {
		equal(t, "delayed", executed[i].Delayed, delayed)
	}
}

func TestWhatWaitsAndIsRefusedAtItsTurnHasEnded(t *testing.T) {
	_, genesis := small(t, 2)
	c := open(t, t.TempDir(), genesis)
	w := wallets(t)
	waits := w[1].transfer(t, nobody, 1)
	w[1].nonce--
	instead, after := w[1].transfer(t, nobody, 2), w[1].transfer(t, nobody, 3)
	result := apply(t, c, next(c, w[0].transfer(t, nobody, 1), w[0].transfer(t, nobody, 1), waits))
	equalList(t, "waiting", result.Waiting, hashes(waits))
	b := next(c)
	b.Sealed = []chain.Sealed{sealed(instead)}
	b.Transactions = [][]byte{after}
	result = apply(t, c, b)
	equalList(t, "included", result.Included, hashes(instead, after))
	equal(t, "ended", result.Skipped[0].Hash, chain.HashTransaction(waits))
	equal(t, "its reason", strings.Contains(result.Skipped[0].Reason, "nonce too low"), true)
	equal(t, "waiting", c.Waiting().Transactions, 0)
}

func TestWhatCouldNeverFitEndsAtOnce(t *testing.T) {
	_, genesis := small(t, 1000)
	c := open(t, t.TempDir(), genesis)
	w := wallets(t)
	large := w[0].call(t, &nobody, params.MaxTxGas, nil, make([]byte, 129<<10))
	much := w[1].call(t, &nobody, params.MaxTxGas+1, nil, nil)
	result := apply(t, c, next(c, large, much))
	equal(t, "included", len(result.Included), 0)
	equal(t, "waiting", len(result.Waiting), 0)
	equal(t, "ended", len(result.Skipped), 2)
	_, errs := c.Decode([][]byte{much})
	wantError(t, errs[0], core.ErrGasLimitTooHigh)
}

func TestTheWaitingRoomIsBounded(t *testing.T) {
	_, genesis := small(t, 1)
	c := open(t, t.TempDir(), genesis)
	w := wallets(t)
	var raws [][]byte
	for i := range 20 {
		raws = append(raws, w[i%len(w)].transfer(t, nobody, 1))
	}
	result := apply(t, c, next(c, raws...))
	equal(t, "included", len(result.Included), 1)
	equalList(t, "waiting", result.Waiting, hashes(raws[1:17]...))
	for i, one := range result.Skipped {
		equal(t, "ended", one.Hash, chain.HashTransaction(raws[17+i]))
		equal(t, "its reason", strings.Contains(one.Reason, "too many transactions wait"), true)
	}
	// What waits already keeps its place, however full the room is.
	equal(t, "after a block", len(apply(t, c, next(c)).Waiting), 15)
}

func TestAProposalLeavesGasForWhatWaits(t *testing.T) {
	_, genesis := small(t, 10)
	c := open(t, t.TempDir(), genesis)
	w := wallets(t)
	burner := w[0].call(t, &nobody, 10*params.TxGas, nil, nil)
	first, second := w[1].transfer(t, nobody, 1), w[1].transfer(t, nobody, 1)
	var raws [][]byte
	for i := range 20 {
		raws = append(raws, w[2+i%4].transfer(t, nobody, 1))
	}
	pooled(t, c, append(raws, first, second)...)
	equal(t, "before", len(content(t, c, chain.Limits{Bytes: plenty})), 10)
	apply(t, c, next(c, first, burner))
	equal(t, "while a whole block waits", len(content(t, c, chain.Limits{Bytes: plenty})), 0)
	apply(t, c, next(c, raws[:18]...)) // the burner leaves gas for nine
	equal(t, "waiting", c.Waiting().Gas, 9*params.TxGas)
	equal(t, "beside nine", len(content(t, c, chain.Limits{Bytes: plenty})), 1)
	equal(t, "with gas promised to others", len(content(t, c, chain.Limits{Bytes: plenty, Taken: params.TxGas})), 0)
	apply(t, c, next(c))
	got := content(t, c, chain.Limits{Bytes: plenty})
	equal(t, "at the end", len(got), 3)
	equal(t, "with the sender's next", slices.ContainsFunc(got, func(raw []byte) bool { return string(raw) == string(second) }), true)
}

// TestRoomAndRootsAreTheSameForWhoeverAppliesTheBlocks: a replica that restarts again and again, and one that begins
// when all blocks are there, agree with the first in every block, whatever waits and is barred.
func TestRoomAndRootsAreTheSameForWhoeverAppliesTheBlocks(t *testing.T) {
	_, genesis := small(t, 8)
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	leader, restarted := open(t, t.TempDir(), genesis), open(t, dir, genesis)
	w := wallets(t)
	var blocks []chain.Block
	var results []chain.Result
	for range 40 {
		b := next(leader)
		b.ContentHash, b.BarredUntil = common.Hash{byte(b.Number)}, b.Number+5
		for range rng.IntN(4) {
			b.Sealed = append(b.Sealed, sealed(w[rng.IntN(len(w))].odd(t, rng)))
		}
		for range rng.IntN(3) {
			b.Delayed = append(b.Delayed, w[rng.IntN(len(w))].odd(t, rng))
		}
		for range rng.IntN(8) {
			b.Transactions = append(b.Transactions, w[rng.IntN(len(w))].odd(t, rng))
		}
		if len(blocks) > 0 && len(blocks[len(blocks)-1].Sealed) > 0 { // what was opened comes again, readable
			b.Transactions = append(b.Transactions, blocks[len(blocks)-1].Sealed[0].Raw)
		}
		blocks, results = append(blocks, b), append(results, apply(t, leader, b))
		same(t, "restarted", apply(t, restarted, b), results[len(results)-1])
		if b.Number%4 == 0 {
			must(t, restarted.Close())
			restarted = open(t, dir, genesis)
		}
		equal(t, "waiting after the restart", restarted.Waiting(), leader.Waiting())
		for _, wallet := range w { // those that ended used no nonce
			wallet.nonce = nonceOf(t, leader, wallet.address)
		}
	}
	observer := open(t, t.TempDir(), genesis)
	waited, ended := 0, 0
	for i, b := range blocks {
		same(t, "observer", apply(t, observer, b), results[i])
		waited, ended = waited+len(results[i].Waiting), ended+len(results[i].Skipped)
	}
	if waited < 40 || ended < 40 {
		t.Errorf("%d waited, %d ended: the blocks test little", waited, ended)
	}
}

// odd signs a transfer, now and then one that cannot run where it stands.
func (w *wallet) odd(t testing.TB, rng *rand.Rand) []byte {
	t.Helper()
	if rng.IntN(5) == 0 {
		w.nonce += uint64(rng.IntN(2))
	}
	return w.call(t, &nobody, params.TxGas*(1+rng.Uint64N(4)), nil, nil)
}

func nonceOf(t testing.TB, c *chain.Chain, address common.Address) uint64 {
	t.Helper()
	var nonce hexutil.Uint64
	must(t, client(t, c).Call(&nonce, "eth_getTransactionCount", address, "latest"))
	return uint64(nonce)
}

func same(t testing.TB, who string, got, want chain.Result) {
	t.Helper()
	equal(t, who+" hash", got.Hash, want.Hash)
	equal(t, who+" root", got.Root, want.Root)
	equalList(t, who+" waiting", got.Waiting, want.Waiting)
	if !slices.Equal(got.Skipped, want.Skipped) {
		t.Fatalf("%s skipped %v, want %v", who, got.Skipped, want.Skipped)
	}
}

func TestAChainOfAnEarlierReleaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	apply(t, c, next(c))
	chain.MakeOld(t, c)
	must(t, c.Close())
	_, err := chain.Open(chain.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	wantError(t, err, chain.ErrOldChain)
}
