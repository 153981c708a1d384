package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

// receiptTimeout is how long a single transfer may take.
const receiptTimeout = 10 * time.Second

// latency measures single transfers from sending to having the receipt, as a wallet that polls every millisecond.
func (b *run) latency(ctx context.Context) error {
	client, err := b.c.Eth(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	var acknowledged, included []time.Duration
	for range b.Singles {
		tx, err := b.single.Transfer(b.accounts[0].Address)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := client.SendTransaction(ctx, tx); err != nil {
			return fmt.Errorf("send a single transfer: %w", err)
		}
		acknowledged = append(acknowledged, time.Since(start))
		if err := awaitReceipt(ctx, client, tx.Hash(), time.Millisecond); err != nil {
			return err
		}
		included = append(included, time.Since(start))
	}
	fmt.Fprintf(b.out, "\nLatency of a single transfer, %d of them one after the other, through api-gw:\n", b.Singles)
	fmt.Fprintf(b.out, "  sent to acknowledged:  %s\n", quantiles(acknowledged))
	fmt.Fprintf(b.out, "  sent to having the receipt: %s   (wanted: a median of 25 ms or less)\n", quantiles(included))
	return nil
}

// awaitReceipt looks for a receipt at an interval.
func awaitReceipt(ctx context.Context, client *ethclient.Client, tx common.Hash, every time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, receiptTimeout)
	defer cancel()
	look := time.NewTicker(every)
	defer look.Stop()
	for {
		_, err := client.TransactionReceipt(ctx, tx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ethereum.NotFound) {
			return fmt.Errorf("receipt of %s: %w", tx, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("receipt of %s: %w", tx, ctx.Err())
		case <-look.C:
		}
	}
}

// idle measures a system without work.
func (b *run) idle(ctx context.Context) error {
	if b.Idle == 0 {
		return nil
	}
	before, err := b.c.Usage()
	if err != nil {
		return err
	}
	select {
	case <-time.After(b.Idle):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := b.c.Usage()
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nIdle for %s (wanted: under 2 %% of a core, 100 MiB, producer-svc 300 MiB):\n", b.Idle)
	for _, name := range b.c.Processes() {
		used := after[name].CPU - before[name].CPU
		fmt.Fprintf(b.out, "  %-13s %5.2f %% of a core, %4d MiB\n",
			name, 100*used.Seconds()/b.Idle.Seconds(), after[name].Resident>>20)
	}
	return nil
}
