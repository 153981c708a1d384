package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/ethclient"
)

// pollBundler is how often the wallet looks for its receipt. Each look passes two processes, so more of them would slow down what is
// measured on a machine with few cores.
const pollBundler = 3 * time.Millisecond

// throughBundler measures single sealed transfers in an idle system, as a plain wallet sends them: the bundler seals each, and its
// observer shows the receipt. The wallet polls.
func (b *run) throughBundler(ctx context.Context) error {
	client, err := ethclient.DialContext(ctx, b.c.Wallets)
	if err != nil {
		return fmt.Errorf("connect to the bundler: %w", err)
	}
	defer client.Close()
	before, err := b.c.Usage()
	if err != nil {
		return err
	}
	began := time.Now()
	var acknowledged, included []time.Duration
	for range b.Singles {
		tx, err := b.single.Transfer(b.accounts[0].Address)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := client.SendTransaction(ctx, tx); err != nil {
			return fmt.Errorf("send a single transfer to the bundler: %w", err)
		}
		acknowledged = append(acknowledged, time.Since(start))
		if err := awaitReceipt(ctx, client, tx.Hash(), pollBundler); err != nil {
			return err
		}
		included = append(included, time.Since(start))
	}
	took := time.Since(began)
	after, err := b.c.Usage()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nSingle sealed transfer through the bundler, idle, %d of them one after the other, %d keyholder processes, %s:\n",
		b.Singles, keyholders, procs(b.SingleProcs))
	fmt.Fprintf(b.out, "  sent to acknowledged:  %s\n", quantiles(acknowledged))
	fmt.Fprintf(b.out, "  sent to having the receipt: %s   (wanted: a median of 15 ms or less)\n", quantiles(included))
	b.processorTime(before, after, took, b.Singles)
	return nil
}

// procs says what GOMAXPROCS is in each process.
func procs(n int) string {
	if n == 0 {
		return "GOMAXPROCS as it is"
	}
	return fmt.Sprintf("GOMAXPROCS=%d in each process", n)
}
