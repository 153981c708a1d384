package txstore_test

import (
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// limited is a producer whose pool has limits, and what they refused and ended.
type limited struct {
	*producer
	refused, ended map[string]int
}

func newLimited(t testing.TB, options txstore.Options, limits txstore.Limits) limited {
	t.Helper()
	dir := t.TempDir()
	c, err := chain.Open(chain.Config{Dir: dir + "/chain", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	s := open(t, dir+"/transactions", options)
	l := limited{refused: map[string]int{}, ended: map[string]int{}}
	limits.Refused, limits.Ended = func(r string) { l.refused[r]++ }, func(r string) { l.ended[r]++ }
	l.producer = &producer{store: s, chain: c, Keeper: txstore.NewKeeper(s, c, limits)}
	must(t, l.Recover(ctx))
	return l
}

func (l limited) wants(t testing.TB, raw []byte, want error) {
	t.Helper()
	if _, errs := l.Submit(ctx, [][]byte{raw}); want == nil {
		must(t, errs[0])
	} else {
		wantError(t, errs[0], want)
	}
}

// heavy is a transaction of 120 kB.
func heavy(t testing.TB, from int, nonce uint64) []byte {
	t.Helper()
	return sign(t, from, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), Nonce: nonce, To: &nobody, Gas: 6_000_000,
		GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2 * params.GWei), Data: make([]byte, 120_000)})
}

// One account with dust and a nonce gap filled the pool for everybody, for ever.
func TestOneAccountWithAGapDoesNotFillThePool(t *testing.T) {
	l := newLimited(t, txstore.Options{}, txstore.Limits{})
	taken := 0
	for nonce := range uint64(200) {
		if _, errs := l.Submit(ctx, [][]byte{heavy(t, 0, nonce+1)}); errs[0] == nil {
			taken++
		} else {
			wantError(t, errs[0], txstore.ErrAccountWaiting)
		}
	}
	if _, bytes := l.store.Room(); taken > 8 || bytes < 127<<20 || l.refused[txstore.ReasonWaiting] != 200-taken {
		t.Errorf("%d of 200 were taken, room for %d bytes is left, %v were refused", taken, bytes, l.refused)
	}
	l.wants(t, transfer(t, 1, 0, 2), nil)
	l.wants(t, transfer(t, 0, 0, 2), nil) // the account itself can fill its gap
}

func TestAnAccountHasItsShareOfThePool(t *testing.T) {
	l := newLimited(t, txstore.Options{}, txstore.Limits{Transactions: 5, Bytes: 200_000})
	for nonce := range uint64(5) {
		l.wants(t, transfer(t, 0, nonce, 2), nil)
	}
	l.wants(t, transfer(t, 0, 5, 2), txstore.ErrAccountFull)
	l.wants(t, heavy(t, 1, 0), nil)
	l.wants(t, heavy(t, 1, 1), txstore.ErrAccountFull)
	l.wants(t, transfer(t, 2, 0, 2), nil)
	l.block(t, nil, transfer(t, 0, 0, 2))
	await(t, l.chain, chain.HashTransaction(transfer(t, 0, 0, 2)))
	l.wants(t, transfer(t, 0, 5, 2), nil) // a block has made room
}

// What follows without a gap does not wait, also while geth's pool has not moved what came before it.
func TestManyInARowAreNoneThatWait(t *testing.T) {
	l := newLimited(t, txstore.Options{}, txstore.Limits{Waiting: 2})
	for nonce := range uint64(300) {
		l.wants(t, transfer(t, 0, nonce, 2), nil)
	}
	var batch [][]byte
	for nonce := uint64(20); nonce > 0; nonce-- { // in the wrong order
		batch = append(batch, transfer(t, 1, nonce-1, 2))
	}
	_, errs := l.Submit(ctx, batch)
	for _, err := range errs {
		must(t, err)
	}
	for nonce := uint64(1); nonce < 3; nonce++ {
		l.wants(t, transfer(t, 2, nonce, 2), nil)
	}
	l.wants(t, transfer(t, 2, 3, 2), txstore.ErrAccountWaiting)
	cheap := func(nonce uint64) []byte {
		return sign(t, 3, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), Nonce: nonce, To: &nobody, Gas: params.TxGas, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1)})
	}
	l.wants(t, cheap(0), nil)
	l.wants(t, transfer(t, 3, 1, 2), nil) // it waits behind the cheap one
	l.wants(t, cheap(2), txstore.ErrAccountWaiting)
}

func TestWhatCannotBeExecutedUsesHalfOfThePool(t *testing.T) {
	l := newLimited(t, txstore.Options{Transactions: 10}, txstore.Limits{})
	for from := range 5 {
		l.wants(t, transfer(t, from, 7, 2), nil)
	}
	l.wants(t, transfer(t, 5, 7, 2), txstore.ErrPoolHalfFull)
	for from := 5; from < 10; from++ {
		l.wants(t, transfer(t, from, 0, 2), nil)
	}
}

// A wallet whose transaction is stuck raises its fee, also while others fill half of the pool or the account has its share.
func TestAReplacementNeedsNoRoomOfItsOwn(t *testing.T) {
	stuck := func(from int) []byte {
		return sign(t, from, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), To: &nobody, Gas: params.TxGas, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1)})
	}
	l := newLimited(t, txstore.Options{Transactions: 10}, txstore.Limits{Transactions: 2, Waiting: 1})
	l.wants(t, stuck(0), nil)
	for from := 1; from < 5; from++ {
		l.wants(t, transfer(t, from, 7, 2), nil)
	}
	l.wants(t, transfer(t, 5, 7, 2), txstore.ErrPoolHalfFull)
	l.wants(t, transfer(t, 0, 0, 2), nil)
	l.wants(t, transfer(t, 0, 1, 2), nil)
	l.wants(t, transfer(t, 0, 2, 2), txstore.ErrAccountFull)
	l.wants(t, transfer(t, 0, 1, 20), nil)
}

func TestAFullPoolTakesWhatPaysMore(t *testing.T) {
	l := newLimited(t, txstore.Options{Transactions: 10}, txstore.Limits{})
	first := l.submit(t, transfer(t, 0, 0, 2))
	for nonce := uint64(1); nonce < 10; nonce++ {
		l.wants(t, transfer(t, 0, nonce, 3), nil)
	}
	l.wants(t, transfer(t, 1, 0, 2), txstore.ErrPoolFull)
	better := l.submit(t, transfer(t, 1, 0, 20))
	if reason := l.wantState(t, first, txstore.StateDropped); !strings.Contains(reason, "higher tip") || l.ended[txstore.ReasonOutbid] == 0 {
		t.Errorf("it ended because of %q; %v", reason, l.ended)
	}
	must(t, l.Sweep(ctx))
	l.wantState(t, first, txstore.StateDropped) // it does not come back
	l.wantState(t, better, txstore.StatePending)
	equal(t, "stored", l.store.Count(), 10) // only as much went as the new one needs
}

// A high tip that the fee cap does not leave room for pays nothing. Once the base fee has risen above the fee cap, no block takes it.
func TestAFullPoolLooksAtWhatABlockWouldPay(t *testing.T) {
	l := newLimited(t, txstore.Options{Transactions: 10}, txstore.Limits{})
	base := int64(l.chain.BaseFee())
	boasting := func(nonce uint64, feeCap int64) []byte {
		return sign(t, 0, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), Nonce: nonce, To: &nobody, Gas: params.TxGas,
			GasTipCap: big.NewInt(feeCap), GasFeeCap: big.NewInt(feeCap)})
	}
	for nonce := range uint64(9) {
		l.wants(t, transfer(t, 1, nonce, 2), nil)
	}
	hash := l.submit(t, boasting(0, base+1)) // the highest tip cap beside the lowest tip
	low := sign(t, 2, &types.DynamicFeeTx{ChainID: big.NewInt(chain.DevChainID), To: &nobody, Gas: params.TxGas,
		GasTipCap: big.NewInt(1000), GasFeeCap: big.NewInt(2 * params.GWei)})
	honest := l.submit(t, low)
	l.wantState(t, hash, txstore.StateDropped)
	l.wantState(t, honest, txstore.StatePending)
	equal(t, "stored", l.store.Count(), 10)
}

func TestWhatCannotBeExecutedExpires(t *testing.T) {
	l := newLimited(t, txstore.Options{}, txstore.Limits{Lifetime: time.Hour})
	waiting, ready := l.submit(t, transfer(t, 0, 5, 2)), l.submit(t, transfer(t, 1, 0, 2))
	now := time.Now()
	must(t, l.Expire(now))
	must(t, l.Expire(now.Add(59*time.Minute)))
	l.wantState(t, waiting, txstore.StateQueued)
	must(t, l.Expire(now.Add(time.Hour)))
	if reason := l.wantState(t, waiting, txstore.StateDropped); !strings.Contains(reason, "expired") || l.ended[txstore.ReasonExpired] != 1 {
		t.Errorf("it ended because of %q; %v", reason, l.ended)
	}
	must(t, l.Sweep(ctx))
	l.wantState(t, waiting, txstore.StateDropped)
	l.wantState(t, ready, txstore.StatePending)
	equal(t, "stored", l.store.Count(), 1)
}

func TestAnOperatorDropsTransactions(t *testing.T) {
	l := newLimited(t, txstore.Options{}, txstore.Limits{})
	one, two, others := l.submit(t, transfer(t, 0, 0, 2)), l.submit(t, transfer(t, 0, 1, 2)), l.submit(t, transfer(t, 1, 0, 2))
	n, err := l.Drop(two, [20]byte{})
	must(t, err)
	equal(t, "dropped", n, 1)
	l.wantState(t, one, txstore.StatePending)
	l.wantState(t, two, txstore.StateDropped)
	n, err = l.Drop(two, l.chain.Sender(decoded(t, l.chain, transfer(t, 0, 0, 2))))
	must(t, err)
	equal(t, "dropped", n, 1)
	equal(t, "reason", l.wantState(t, one, txstore.StateDropped), "dropped by an operator")
	l.wantState(t, others, txstore.StatePending)
	l.wants(t, transfer(t, 0, 0, 2), nil) // it may be sent again
}

func decoded(t testing.TB, c *chain.Chain, raw []byte) *types.Transaction {
	t.Helper()
	txs, errs := c.Decode([][]byte{raw})
	must(t, errs[0])
	return txs[0]
}
