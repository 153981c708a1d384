package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// What the wallets of TestTwoBundlersUnderKills do, when the environment does not say otherwise (make bundlers-long).
const (
	walletsEnv = "BLINDSEQ_E2E_WALLETS" // how many there are
	noncesEnv  = "BLINDSEQ_E2E_NONCES"  // how many transactions each sends

	fewWallets = 12
	fewNonces  = 24

	atATime = 4                      // nonces that a wallet sends at the same time
	thinks  = 800 * time.Millisecond // how long its user thinks between those, at most
)

// TestTwoBundlersUnderKills has wallets send transactions with concurrent nonces, replacements and cancels, each call to one of two
// bundlers at random, while bundlers, leader and sequencer are killed. Each acknowledged transaction must be in one block, or its wallet
// is told why not; no nonce has two contents opened; and no nonce is handed out that was acknowledged.
func TestTwoBundlersUnderKills(t *testing.T) {
	t.Parallel()
	wallets, nonces := number(t, walletsEnv, fewWallets), number(t, noncesEnv, fewNonces)
	accounts, err := load.Accounts(wallets)
	must(t, err)
	genesis := genesisFile(t, accounts)
	o := withOneTooMany()
	o.Bundlers, o.ChainID = 2, load.ChainID
	o.Args = map[string][]string{cluster.Producer: {"--genesis", genesis}, cluster.Observer: {"--genesis", genesis}}
	c := start(t, o)
	client, err := c.Eth(t.Context())
	must(t, err)
	t.Cleanup(client.Close)
	w := &manyWallets{observation: watched(t, c, client, nil, time.Second), nonces: uint64(nonces)}
	for _, at := range []string{c.Wallets, c.Others} {
		bundler, err := ethclient.DialContext(t.Context(), at)
		must(t, err)
		t.Cleanup(bundler.Close)
		w.bundlers = append(w.bundlers, bundler)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute+time.Duration(nonces)*8*time.Second)
	defer cancel()
	killing, stopKilling := context.WithCancel(ctx)
	var kills sync.WaitGroup
	kills.Go(func() { w.kill(killing, t) })
	began := time.Now()
	var sending sync.WaitGroup
	for i, a := range accounts {
		sending.Go(func() {
			run := &walletRun{manyWallets: w, a: a, random: rand.New(rand.NewPCG(7, uint64(i)))}
			if err := run.all(ctx, i%4 == 0); err != nil {
				t.Errorf("wallet %d, %s: %v", i, a.Address, err)
			}
		})
	}
	sending.Wait()
	took := time.Since(began)
	stopKilling()
	kills.Wait()
	must(t, c.StartAll(t.Context()))
	w.check(t, accounts)
	t.Logf("%d wallets, %d transactions acknowledged, %d refused, %d ended with a reason, %d calls to two bundlers, %d kills, %s", len(accounts),
		len(w.acked), w.refused.Load(), len(w.ended), w.calls.Load(), w.kills.Load(), took.Round(time.Second))
}

// manyWallets are wallets of two bundlers.
type manyWallets struct {
	*observation
	bundlers []*ethclient.Client
	nonces   uint64 // of each wallet

	calls, refused, kills atomic.Int64

	mu    sync.Mutex
	acked []history.Ack
	ended map[common.Hash]string
}

// kill kills one process after the other, at random times, and starts it again at once.
func (w *manyWallets) kill(ctx context.Context, t *testing.T) {
	names := []string{cluster.Bundler, cluster.Bundler2, cluster.Bundler, cluster.Bundler2, cluster.Producer, cluster.DSN}
	random := rand.New(rand.NewPCG(1, 2))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(300*time.Millisecond + time.Duration(random.IntN(1500))*time.Millisecond):
		}
		p := w.c.Process(names[random.IntN(len(names))])
		if err := errors.Join(p.Kill(), p.Start(), p.AwaitReady(ctx)); err != nil && ctx.Err() == nil {
			t.Errorf("kill %s: %v", p.Name, err)
			return
		}
		w.kills.Add(1)
	}
}

// check judges what the wallets were told, and the history.
func (w *manyWallets) check(t *testing.T, accounts []*load.Account) {
	t.Helper()
	w.askForEnds(t)
	var senders []common.Address
	for _, a := range accounts {
		senders = append(senders, a.Address)
		next, err := w.client.NonceAt(t.Context(), a.Address, nil)
		must(t, err)
		if next != w.nonces {
			t.Errorf("wallet %s has sent %d transactions of %d", a.Address, next, w.nonces)
		}
	}
	type place struct {
		sender common.Address
		nonce  uint64
	}
	contents := map[place]common.Hash{}
	for _, tx := range openedBy(t, w.c, senders...) {
		from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		must(t, err)
		at := place{from, tx.Nonce()}
		if other, twice := contents[at]; twice && other != tx.Hash() {
			t.Errorf("nonce %d of %s: %s and %s were opened", tx.Nonce(), from, other, tx.Hash())
		}
		contents[at] = tx.Hash()
	}
	t.Logf("%d contents were opened", len(contents))
	w.Add(func(h *history.History) { h.Acks, h.Ended = w.acked, w.ended })
	w.judge(t)
}

// askForEnds asks about each acknowledged transaction that is in no block why that is.
func (w *manyWallets) askForEnds(t *testing.T) {
	t.Helper()
	w.ended = map[common.Hash]string{}
	for i, ack := range w.acked {
		bundler, s := w.bundlers[i%2].Client(), teStatus{}
		t.Cleanup(func() {
			if t.Failed() && w.ended[ack.Tx] == "" && s.Status != "included" {
				t.Logf("transaction %s of %s, acknowledged after %s, has status %q for the reason %q", ack.Tx, ack.By, ack.At, s.Status, s.Reason)
			}
		})
		eventually(t, "the end of "+ack.Tx.Hex(), func(ctx context.Context) (bool, error) {
			if err := bundler.CallContext(ctx, &s, "te_getTransactionStatus", ack.Tx); err != nil {
				return false, err
			}
			if s.Status == "dropped" && s.Reason != "" {
				w.ended[ack.Tx] = s.Reason
			}
			return w.ended[ack.Tx] != "" || s.Status == "included", nil
		})
	}
}

// walletRun is one wallet.
type walletRun struct {
	*manyWallets
	a      *load.Account
	random *rand.Rand
}

// all sends all transactions of a wallet: one that walks asks for each nonce, others choose them, a few at a time.
func (w *walletRun) all(ctx context.Context, walks bool) error {
	if walks {
		return w.walk(ctx)
	}
	for first := uint64(0); first < w.nonces; first += atATime {
		w.think(ctx, thinks)
		var some []uint64
		for n := first; n < min(first+atATime, w.nonces); n++ {
			some = append(some, n)
		}
		w.random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		failed := make(chan error, len(some))
		for _, n := range some {
			contents, to := w.contents(n), w.some()
			go func() { failed <- w.sendAll(ctx, contents, to) }()
		}
		var err error
		for range some {
			err = errors.Join(err, <-failed)
		}
		if err != nil {
			return err
		}
		if err := w.used(ctx, min(first+atATime, w.nonces)); err != nil {
			return err
		}
	}
	return nil
}

// walk sends one transaction after the other, each with the nonce that a bundler says is next.
func (w *walletRun) walk(ctx context.Context) error {
	for taken := uint64(0); taken < w.nonces; {
		w.think(ctx, thinks/atATime)
		var next uint64
		err := w.persist(ctx, w.some(), func(bundler *ethclient.Client) (err error) {
			next, err = bundler.PendingNonceAt(ctx, w.a.Address)
			return err
		})
		if err != nil {
			return fmt.Errorf("ask for the next nonce: %w", err)
		}
		if next != taken {
			return fmt.Errorf("nonce %d is said to be next after %d were acknowledged", next, taken)
		}
		acknowledged, err := w.send(ctx, w.content(next, 1, common.Address{9}), w.some())
		if err != nil || !acknowledged {
			return fmt.Errorf("nonce %d: acknowledged %v: %w", next, acknowledged, err)
		}
		taken++
	}
	return w.used(ctx, w.nonces)
}

func (w *walletRun) think(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(w.random.Int64N(int64(most)))):
	}
}

// contents are what a wallet signs for a nonce: a transfer, at times with a replacement, or a cancel, which pay more.
func (w *walletRun) contents(nonce uint64) []*types.Transaction {
	all := []*types.Transaction{w.content(nonce, 1, common.Address{9})}
	switch w.random.IntN(5) {
	case 0:
		all = append(all, w.content(nonce, 2, common.Address{10}))
	case 1:
		all = append(all, w.content(nonce, 2, w.a.Address))
	}
	return all
}

func (w *walletRun) content(nonce uint64, price int64, to common.Address) *types.Transaction {
	a := *w.a
	a.Nonce = nonce
	tx, err := a.Sign(&types.DynamicFeeTx{
		ChainID: big.NewInt(load.ChainID), GasTipCap: big.NewInt(price * params.GWei), GasFeeCap: big.NewInt(price * 1000 * params.GWei),
		Gas: 21_000, To: &to, Value: big.NewInt(1),
	})
	if err != nil {
		panic(err) // a key that signed before
	}
	return tx
}

// some are bundlers in the order in which a wallet is sent to them.
func (w *walletRun) some() []*ethclient.Client {
	first := w.random.IntN(2)
	return []*ethclient.Client{w.bundlers[first], w.bundlers[1-first]}
}

// sendAll sends the contents of a nonce, one after the other. The nonce is then used by one of them.
func (w *walletRun) sendAll(ctx context.Context, contents []*types.Transaction, to []*ethclient.Client) error {
	taken := false
	for i, tx := range contents {
		acknowledged, err := w.send(ctx, tx, []*ethclient.Client{to[i%2], to[1-i%2]})
		if err != nil {
			return err
		}
		taken = taken || acknowledged
	}
	if !taken {
		return fmt.Errorf("no content of nonce %d was taken", contents[0].Nonce())
	}
	return nil
}

// send sends a transaction until it is answered, and says whether it is acknowledged. Why else it is not, the answer says.
func (w *walletRun) send(ctx context.Context, tx *types.Transaction, to []*ethclient.Client) (acknowledged bool, err error) {
	sent := w.Now()
	err = w.persist(ctx, to, func(bundler *ethclient.Client) error { return bundler.SendTransaction(ctx, tx) })
	var refusal rpc.Error
	switch {
	case err == nil:
		w.mu.Lock()
		w.acked = append(w.acked, history.Ack{Tx: tx.Hash(), By: w.a.Address.Hex(), Sent: sent, At: w.Now()})
		w.mu.Unlock()
		return true, nil
	case !errors.As(err, &refusal):
		return false, err
	case strings.Contains(err.Error(), "nonce too low"), strings.Contains(err.Error(), "in plain before"): // an earlier try got through: it is asked for
		return w.executed(ctx, tx)
	case strings.Contains(err.Error(), "replacement transaction underpriced"):
		w.refused.Add(1)
		return false, nil
	}
	return false, fmt.Errorf("transaction with nonce %d: %w", tx.Nonce(), err)
}

// executed says whether a transaction is in a block that was refused as if it were.
func (w *walletRun) executed(ctx context.Context, tx *types.Transaction) (done bool, err error) {
	err = w.persist(ctx, w.bundlers, func(bundler *ethclient.Client) error {
		_, err := bundler.TransactionReceipt(ctx, tx.Hash())
		if done = err == nil; errors.Is(err, ethereum.NotFound) {
			return nil
		}
		return err
	})
	if !done {
		w.refused.Add(1)
	}
	return done, err
}

// persist asks one bundler and then the other until one answers.
func (w *walletRun) persist(ctx context.Context, to []*ethclient.Client, ask func(*ethclient.Client) error) error {
	for i := 0; ; i++ {
		w.calls.Add(1)
		err := ask(to[i%len(to)])
		var answer rpc.Error
		if err == nil || errors.As(err, &answer) && answer.ErrorCode() != jsonrpc.Unavailable || errors.Is(err, ethereum.NotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// used waits until all nonces below one are used in blocks.
func (w *walletRun) used(ctx context.Context, nonces uint64) error {
	var last error
	for {
		next, err := w.bundlers[0].NonceAt(ctx, w.a.Address, nil)
		if err == nil && next >= nonces {
			return nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("nonce %d of %d is not used", next, nonces)
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// A bundler that is to be removed is named as leaving. What it keeps goes to it until it is done; then the other one needs it no more.
func TestABundlerLeaves(t *testing.T) {
	t.Parallel()
	o := withOneTooMany()
	o.Bundlers, o.TLS = 2, newAuthority(t)
	c := start(t, o)
	_, accounts := wallet(t, c)
	doors := make([]*ethclient.Client, 2)
	for i, at := range []string{c.Wallets, c.Others} {
		var err error
		doors[i], err = ethclient.DialContext(t.Context(), at)
		must(t, err)
		t.Cleanup(doors[i].Close)
	}
	pending := func(name string) float64 { return metric(t, c, name, "blindseq_bundler_pending") }
	sign := func(a *load.Account, nonce uint64) *types.Transaction {
		a.Nonce = nonce
		tx, err := a.Transfer(a.Address)
		must(t, err)
		return tx
	}
	for _, a := range accounts { // each waits for the nonce before it
		must(t, doors[0].SendTransaction(t.Context(), sign(a, 1)))
	}
	stays, leaves := pending(cluster.Bundler), pending(cluster.Bundler2)
	if stays == 0 || leaves == 0 || stays+leaves != float64(len(accounts)) {
		t.Fatalf("one bundler keeps %v of %d accounts, the other %v", stays, len(accounts), leaves)
	}
	again := func(name string) {
		must(t, c.Process(name).Kill())
		must(t, c.Process(name).StartWith("BLINDSEQ_LEAVING_PEERS="+cluster.Bundler2))
		ctx, cancel := bounded(t)
		defer cancel()
		must(t, c.Process(name).AwaitReady(ctx))
	}
	again(cluster.Bundler)
	again(cluster.Bundler2)
	eventually(t, "what the other one keeps", func(context.Context) (bool, error) {
		return metric(t, c, cluster.Bundler, "blindseq_bundler_stray_accounts") == leaves, nil
	})
	for i, a := range accounts {
		next, err := doors[i%2].PendingNonceAt(t.Context(), a.Address)
		if err != nil || next != 0 {
			t.Errorf("the next nonce of %s is %d, %v", a.Address, next, err)
		}
		must(t, doors[1-i%2].SendTransaction(t.Context(), sign(a, 0)))
		receipt(t, doors[i%2], sign(a, 1).Hash())
	}
	eventually(t, "the end of what the other one keeps", func(context.Context) (bool, error) {
		return pending(cluster.Bundler2)+metric(t, c, cluster.Bundler, "blindseq_bundler_stray_accounts") == 0, nil
	})
	for _, a := range accounts {
		must(t, doors[1].SendTransaction(t.Context(), sign(a, 2)))
	}
	must(t, c.Process(cluster.Bundler2).Kill())
	again(cluster.Bundler)
	for _, a := range accounts {
		must(t, doors[0].SendTransaction(t.Context(), sign(a, 3)))
		receipt(t, doors[0], sign(a, 3).Hash())
	}
}
