package txstore_test

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"runtime"
	"testing"
	"time"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

var (
	ctx    = context.Background()
	nobody = common.HexToAddress("0xbeef")
)

// producer is a chain with its store, as the service has them.
type producer struct {
	*txstore.Keeper
	store *txstore.Store
	chain *chain.Chain
}

func newProducer(t testing.TB, dir string, options txstore.Options) *producer {
	t.Helper()
	c, err := chain.Open(chain.Config{Dir: dir + "/chain", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	s := open(t, dir+"/transactions", options)
	p := &producer{store: s, chain: c, Keeper: txstore.NewKeeper(s, c, txstore.Limits{})}
	must(t, p.Recover(ctx))
	return p
}

// block decides and applies a block of these transactions.
func (p *producer) block(t testing.TB, delayed [][]byte, raws ...[]byte) chain.Result {
	t.Helper()
	number, hash, timestamp := p.chain.Head()
	result, err := p.chain.Apply(ctx, chain.Block{Number: number + 1, ParentHash: hash, Timestamp: timestamp, Delayed: delayed, Transactions: raws})
	must(t, err)
	var skipped []txstore.Ending
	for _, one := range result.Skipped {
		skipped = append(skipped, txstore.Ending{Hash: one.Hash, Reason: one.Reason})
	}
	must(t, p.Applied(result.Number, result.Included, skipped, result.Waiting))
	return result
}

func (p *producer) submit(t testing.TB, raw []byte) common.Hash {
	t.Helper()
	hashes, errs := p.Submit(ctx, [][]byte{raw})
	must(t, errs[0])
	return hashes[0]
}

func (p *producer) wantState(t testing.TB, hash common.Hash, want string) string {
	t.Helper()
	state, _, reason, err := p.Status(hash)
	for end := time.Now().Add(10 * time.Second); err == nil && want == txstore.StatePending && state == txstore.StateQueued && time.Now().Before(end); {
		runtime.Gosched() // geth's pool moves what can be executed a little later
		state, _, reason, err = p.Status(hash)
	}
	must(t, err)
	if state != want {
		t.Fatalf("state of %s: got %s (%s), want %s", hash, state, reason, want)
	}
	return reason
}

func transfer(t testing.TB, from int, nonce uint64, gwei int64) []byte {
	t.Helper()
	return sign(t, from, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), Nonce: nonce, To: &nobody, Gas: params.TxGas,
		Value: big.NewInt(1), GasTipCap: big.NewInt(gwei * params.GWei), GasFeeCap: big.NewInt(gwei * params.GWei)})
}

func sign(t testing.TB, from int, data types.TxData) []byte {
	t.Helper()
	accounts, err := devaccounts.All()
	must(t, err)
	signed, err := types.SignNewTx(accounts[from].Key, types.NewPragueSigner(big.NewInt(chain.DevChainID)), data)
	must(t, err)
	raw, err := signed.MarshalBinary()
	must(t, err)
	return raw
}

func TestASubmittedTransactionIsDurableUntilItsBlockIsApplied(t *testing.T) {
	p := newProducer(t, t.TempDir(), txstore.Options{})
	first, gapped := transfer(t, 0, 0, 2), transfer(t, 1, 5, 2)
	hash, waiting := p.submit(t, first), p.submit(t, gapped)
	equal(t, "stored", p.store.Has(hash), true)
	p.wantState(t, waiting, txstore.StateQueued)
	p.wantState(t, common.Hash{1}, txstore.StateUnknown)
	_, errs := p.Submit(ctx, [][]byte{first})
	wantError(t, errs[0], txpool.ErrAlreadyKnown)

	p.block(t, nil, first)
	equal(t, "stored after its block", p.store.Has(hash), false)
	state, number, _, err := p.Status(hash)
	must(t, err)
	equal(t, "state", state, txstore.StateIncluded)
	equal(t, "block", number, 1)
	equal(t, "others", p.store.Count(), 1)
}

func TestAcknowledgedTransactionsAreInThePoolAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	p := newProducer(t, dir, txstore.Options{})
	inBlock := transfer(t, 0, 0, 2)
	lost := p.submit(t, inBlock)
	var hashes []common.Hash
	for nonce := range uint64(3) {
		hashes = append(hashes, p.submit(t, transfer(t, 1, nonce, 2)))
	}
	// The crash comes after the block was applied and before the store was told.
	number, hash, timestamp := p.chain.Head()
	_, err := p.chain.Apply(ctx, chain.Block{Number: number + 1, ParentHash: hash, Timestamp: timestamp, Transactions: [][]byte{inBlock}})
	must(t, err)
	must(t, p.chain.Close())

	c, err := chain.Open(chain.Config{Dir: dir + "/chain", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	again := &producer{store: p.store, chain: c, Keeper: txstore.NewKeeper(p.store, c, txstore.Limits{})}
	must(t, again.Recover(ctx))
	again.wantState(t, lost, txstore.StateIncluded)
	equal(t, "stored", p.store.Has(lost), false)
	for _, hash := range hashes {
		if state, _ := c.Status(hash); state != chain.TxPending && state != chain.TxQueued {
			t.Fatalf("%s is %s", hash, state)
		}
	}
	equal(t, "stored", p.store.Count(), 3)
}

func TestWhatThePoolDropsEndsWithAReason(t *testing.T) {
	p := newProducer(t, t.TempDir(), txstore.Options{})
	replaced := p.submit(t, transfer(t, 0, 0, 2))
	better := p.submit(t, transfer(t, 0, 0, 20))
	overtaken := p.submit(t, transfer(t, 1, 0, 2))
	p.block(t, nil, transfer(t, 1, 0, 3)) // another transaction of the same nonce, decided elsewhere
	await(t, p.chain, overtaken)
	must(t, p.Sweep(ctx))
	equal(t, "reason", p.wantState(t, replaced, txstore.StateDropped), "replaced by another transaction with the same nonce")
	p.wantState(t, better, txstore.StatePending)
	if reason := p.wantState(t, overtaken, txstore.StateDropped); reason == "" {
		t.Error("no reason")
	}
	equal(t, "stored", p.store.Count(), 1)
}

func TestASkippedTransactionEndsWithTheBlocksReason(t *testing.T) {
	p := newProducer(t, t.TempDir(), txstore.Options{})
	garbage := []byte{0x7e, 1}
	unpayable := transfer(t, 2, 7, 2)
	kept := p.submit(t, unpayable) // its nonce is too high for a block now, not for the pool
	p.block(t, nil, garbage, unpayable, transfer(t, 3, 0, 2))
	if reason := p.wantState(t, chain.HashTransaction(garbage), txstore.StateSkipped); reason == "" {
		t.Error("no reason")
	}
	p.wantState(t, kept, txstore.StateQueued)
	equal(t, "stored", p.store.Has(kept), true)
}

func TestDelayedTransactionsLeaveWhenTheirBlockIsApplied(t *testing.T) {
	p := newProducer(t, t.TempDir(), txstore.Options{})
	good, bad := transfer(t, 0, 0, 2), transfer(t, 1, 9, 2)
	for _, raw := range [][]byte{good, bad} {
		_, added, err := p.AddDelayed(ctx, raw)
		must(t, err)
		equal(t, "added", added, true)
	}
	_, _, err := p.AddDelayed(ctx, []byte{0x7e})
	wantError(t, err, chain.ErrTransactionType)
	p.block(t, nil)
	equal(t, "after another block", p.store.DelayedCount(), 2)
	p.block(t, [][]byte{good, bad})
	equal(t, "after theirs", p.store.DelayedCount(), 0)
	p.wantState(t, chain.HashTransaction(bad), txstore.StateSkipped)
	_, _, err = p.AddDelayed(ctx, good)
	wantError(t, err, txstore.ErrEnded)
}

func TestRefusedTransactionsChangeNothing(t *testing.T) {
	p := newProducer(t, t.TempDir(), txstore.Options{Transactions: 2})
	legacy := types.NewTx(&types.LegacyTx{To: &nobody, Gas: 21000, GasPrice: big.NewInt(params.GWei)})
	accounts, err := devaccounts.All()
	must(t, err)
	unprotected, err := types.SignTx(legacy, types.HomesteadSigner{}, accounts[0].Key)
	must(t, err)
	everywhere, err := unprotected.MarshalBinary()
	must(t, err)
	large := sign(t, 1, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), To: &nobody, Gas: 16_000_000,
		GasFeeCap: big.NewInt(10 * params.GWei), GasTipCap: big.NewInt(1), Data: make([]byte, 129<<10)})
	cases := []struct {
		raw  []byte
		want error
	}{
		{nil, nil},
		{[]byte{0x7e, 1}, chain.ErrTransactionType},
		{[]byte{3}, chain.ErrTransactionType},
		{everywhere, txstore.ErrUnprotected},
		{large, txpool.ErrOversizedData},
		{sign(t, 1, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), To: &nobody, Gas: 16_000_000, GasFeeCap: big.NewInt(100 * params.GWei)}), txstore.ErrFee},
		{sign(t, 1, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), To: &nobody, Gas: 21000, GasFeeCap: big.NewInt(params.GWei), GasTipCap: big.NewInt(1),
			Value: new(big.Int).Lsh(big.NewInt(1), 200)}), core.ErrInsufficientFunds},
	}
	var raws [][]byte
	for _, one := range cases {
		raws = append(raws, one.raw)
	}
	_, errs := p.Submit(ctx, raws)
	for i, one := range cases {
		if errs[i] == nil || (one.want != nil && !errors.Is(errs[i], one.want)) {
			t.Errorf("case %d: got %v, want %v", i, errs[i], one.want)
		}
	}
	equal(t, "stored", p.store.Count(), 0)
	pending, queued := p.chain.PoolSize()
	equal(t, "pooled", pending+queued, 0)

	_, errs = p.Submit(ctx, [][]byte{transfer(t, 0, 0, 2), transfer(t, 0, 1, 2), transfer(t, 0, 2, 2)})
	must(t, errors.Join(errs[:2]...))
	wantError(t, errs[2], txstore.ErrPoolFull)
	equal(t, "stored", p.store.Count(), 2)
}

// await waits until geth's pool has noticed that it must drop a transaction. It does so shortly after a block; there is
// no event to wait for.
func await(t *testing.T, c *chain.Chain, hash common.Hash) {
	t.Helper()
	for c.Pooled(hash) {
		if t.Context().Err() != nil {
			t.Fatal("still pooled")
		}
		runtime.Gosched()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}
