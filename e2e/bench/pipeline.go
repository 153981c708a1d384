package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"blindseq/e2e/load"
	"blindseq/e2e/usage"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"golang.org/x/sync/errgroup"
)

// gethDev is what `geth --dev` includes on this load on a machine with two cores, in transfers/s.
const gethDev = 4500

// pipelineTimeout bounds the measured run.
const pipelineTimeout = 5 * time.Minute

// pipeline measures transfers sent in batches over several connections, from the first send to the last inclusion.
func (b *run) pipeline(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pipelineTimeout)
	defer cancel()
	batches, err := b.batches()
	if err != nil {
		return err
	}
	m, err := b.measure(ctx, batches)
	if err != nil {
		return err
	}
	b.report(m.sent, m.included, m.blocks)
	b.processorTime(m.before, m.after, m.included, b.Transfers)
	return m.profiles.report(ctx, b.out)
}

// measured is what a run of batches took, from the first send.
type measured struct {
	sent, included time.Duration // until the last was acknowledged, and in a block
	blocks         int
	before, after  map[string]usage.Sample
	profiles       *profiles
}

// measure sends batches and waits until all of them are in blocks.
func (b *run) measure(ctx context.Context, batches [][]load.Batch) (*measured, error) {
	client, err := b.c.Eth(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	head, err := client.BlockNumber(ctx)
	if err != nil {
		return nil, err
	}
	before, err := b.c.Usage()
	if err != nil {
		return nil, err
	}
	profiles := b.startProfiles(ctx)
	start := time.Now()
	sent, included, blocks, err := b.drive(ctx, client, head, batches)
	if err != nil {
		return nil, err
	}
	after, err := b.c.Usage()
	if err != nil {
		return nil, err
	}
	return &measured{
		sent: sent.Sub(start), included: included.Sub(start), blocks: blocks, before: before, after: after, profiles: profiles,
	}, nil
}

// batches signs and encodes everything. Each connection has accounts of its own, so that nonces arrive in order.
func (b *run) batches() ([][]load.Batch, error) {
	perConnection := b.Accounts / b.Connections
	rounds := b.Transfers / b.Accounts
	all := make([][]load.Batch, b.Connections)
	for i := range all {
		var txs []*types.Transaction
		accounts := b.accounts[i*perConnection : (i+1)*perConnection]
		for range rounds {
			for j, a := range accounts {
				tx, err := a.Transfer(b.accounts[(i*perConnection+j+1)%b.Accounts].Address)
				if err != nil {
					return nil, err
				}
				txs = append(txs, tx)
			}
		}
		for len(txs) > 0 {
			n := min(b.Batch, len(txs))
			batch, err := load.NewBatch(txs[:n])
			if err != nil {
				return nil, err
			}
			all[i], txs = append(all[i], batch), txs[n:]
		}
	}
	return all, nil
}

// drive sends the batches and returns when the last was acknowledged, and when the last transfer was in a block.
func (b *run) drive(ctx context.Context, client *ethclient.Client, head uint64, batches [][]load.Batch) (sent, included time.Time, blocks int, err error) {
	work, ctx := errgroup.WithContext(ctx)
	total := 0
	sending, sendCtx := errgroup.WithContext(ctx)
	for _, mine := range batches {
		for _, batch := range mine {
			total += batch.Size
		}
		sending.Go(func() error {
			conn := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
			defer conn.CloseIdleConnections()
			for _, batch := range mine {
				if n, err := batch.Send(sendCtx, conn, b.c.RPC); err != nil {
					return fmt.Errorf("%d of %d acknowledged: %w", n, batch.Size, err)
				}
			}
			return nil
		})
	}
	work.Go(func() error {
		err := sending.Wait()
		sent = time.Now()
		return err
	})
	work.Go(func() (err error) {
		blocks, err = awaitTransfers(ctx, client, head, total)
		included = time.Now()
		return err
	})
	return sent, included, blocks, work.Wait()
}

// awaitTransfers counts the transactions of the blocks after head until there are as many as were sent.
func awaitTransfers(ctx context.Context, client *ethclient.Client, head uint64, total int) (blocks int, err error) {
	look := time.NewTicker(25 * time.Millisecond) // more often costs the system what is to be measured
	defer look.Stop()
	for n, counted := head, 0; counted < total; {
		newest, err := client.BlockNumber(ctx)
		if err != nil {
			return blocks, err
		}
		for ; n < newest; n++ {
			var count hexutil.Uint
			err := client.Client().CallContext(ctx, &count, "eth_getBlockTransactionCountByNumber", hexutil.Uint64(n+1))
			if err != nil {
				return blocks, err
			}
			counted += int(count)
			blocks++
		}
		select {
		case <-ctx.Done():
			return blocks, fmt.Errorf("%d of %d transfers are in blocks: %w", counted, total, ctx.Err())
		case <-look.C:
		}
	}
	return blocks, nil
}

func (b *run) report(sent, included time.Duration, blocks int) {
	rate := float64(b.Transfers) / included.Seconds()
	b.plain = rate
	with := ""
	if b.c.Keys != nil {
		with = fmt.Sprintf(", with %d keyholders", keyholders)
	}
	fmt.Fprintf(b.out, "\nWhole pipeline, every service a process%s: %d transfers of %d accounts, batches of %d over %d connections:\n",
		with, b.Transfers, b.Accounts, b.Batch, b.Connections)
	fmt.Fprintf(b.out, "  all acknowledged after %s (%.0f/s), all in blocks after %s, %d blocks\n",
		sent.Round(time.Millisecond), float64(b.Transfers)/sent.Seconds(), included.Round(time.Millisecond), blocks)
	fmt.Fprintf(b.out, "  %.0f transfers/s; `geth --dev` has about %d: %.1f times that\n", rate, gethDev, rate/gethDev)
	if b.Engine > 0 {
		fmt.Fprintf(b.out, "  ratio to the engine alone: %.2f\n", rate/b.Engine)
	}
}

func (b *run) processorTime(before, after map[string]usage.Sample, took time.Duration, transfers int) {
	fmt.Fprintf(b.out, "\nProcessor time of that run (%s, so %s on all cores):\n", took.Round(time.Millisecond), cores(took))
	var all time.Duration
	for _, name := range b.c.Processes() {
		used := after[name].CPU - before[name].CPU
		all += used
		fmt.Fprintf(b.out, "  %-13s %7s (%4.0f µs a transfer), peak %4d MiB\n",
			name, used.Round(10*time.Millisecond), float64(used.Microseconds())/float64(transfers), after[name].Peak>>20)
	}
	fmt.Fprintf(b.out, "  together %s: %.0f transfers for each second of a core\n", all.Round(10*time.Millisecond), float64(transfers)/all.Seconds())
}
