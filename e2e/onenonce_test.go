package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// A wallet whose bundler was killed before it answered signs another content for the same nonce. Of the two one alone may be opened: the
// other would be read for nothing.
func TestOneContentOfANonceIsOpenedAfterAKill(t *testing.T) {
	t.Parallel()
	bin, _ := withFailpoints(t)
	o := withOneTooMany()
	o.Failpoints, o.Args = true, onDemand()
	c := startFrom(t, bin, o)
	plain, accounts := wallet(t, c)
	bundler, err := ethclient.DialContext(t.Context(), c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	for i, step := range []string{"sealedStoring", "sealedStored", "sealedForwarded"} {
		twoContents(t, c, bundler, accounts[i], step)
	}
	last, err := accounts[3].Transfer(common.Address{3}) // ordered after all that the bundler sealed before
	must(t, err)
	must(t, bundler.SendTransaction(t.Context(), last))
	receipt(t, plain, last.Hash())
	opened := openedBy(t, c, accounts[0].Address, accounts[1].Address, accounts[2].Address)
	if len(opened) != 3 {
		t.Errorf("%d transactions of 3 nonces were opened: %v", len(opened), opened)
	}
	for _, tx := range opened {
		receipt(t, plain, tx.Hash())
	}
}

// twoContents has a bundler killed at a step with a wallet's transaction, while nothing can be ordered, and sends it another one of the
// same nonce.
func twoContents(t *testing.T, c *cluster.Cluster, bundler *ethclient.Client, a *load.Account, step string) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	must(t, c.Process(cluster.DSN).Kill())
	must(t, c.Failpoints(cluster.Bundler).Arm(ctx, step))
	first, second := transferTo(t, a, common.Address{1}), transferTo(t, a, common.Address{2})
	unanswered, giveUp := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- bundler.SendTransaction(unanswered, first) }()
	must(t, c.Failpoints(cluster.Bundler).Reached(ctx, step))
	if step == "sealedStoring" { // what is handed in at the same time has arrived by then
		time.Sleep(300 * time.Millisecond)
	}
	must(t, c.Process(cluster.Bundler).Kill())
	giveUp()
	if <-sent == nil {
		t.Errorf("%s: a bundler that was killed has answered", step)
	}
	must(t, c.Process(cluster.Bundler).Start())
	must(t, c.Process(cluster.Bundler).AwaitReady(ctx))
	err := bundler.SendTransaction(ctx, second)
	if err != nil && !strings.Contains(err.Error(), "replacement transaction underpriced") {
		t.Errorf("%s: the other content: %v", step, err)
	}
	t.Logf("%s: the other content: %v", step, err)
	must(t, c.Process(cluster.DSN).Start())
	eventually(t, "a transaction of "+a.Address.Hex(), func(ctx context.Context) (bool, error) {
		nonce, err := bundler.NonceAt(ctx, a.Address, nil)
		return nonce == 1, err
	})
}

// transferTo signs a transfer; the account's next one has the same nonce.
func transferTo(t *testing.T, a *load.Account, to common.Address) *types.Transaction {
	t.Helper()
	tx, err := a.Transfer(to)
	must(t, err)
	a.Nonce--
	return tx
}

// openedBy are the sealed transactions of some senders that were opened.
func openedBy(t *testing.T, c *cluster.Cluster, senders ...common.Address) (opened []*types.Transaction) {
	t.Helper()
	wanted := map[common.Address]bool{}
	for _, s := range senders {
		wanted[s] = true
	}
	for number := uint64(1); number <= sequencer(t, c).GetLastNumber(); number++ {
		for _, o := range preblock(t, c, number).GetOutcomes() {
			raw := o.GetOpened().GetTransaction()
			if len(raw) == 0 {
				continue
			}
			tx := new(types.Transaction)
			must(t, tx.UnmarshalBinary(raw))
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
			must(t, err)
			if wanted[from] {
				opened = append(opened, tx)
			}
		}
	}
	return opened
}
