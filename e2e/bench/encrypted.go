package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"blindseq/e2e/load"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"
)

// bundlesPerBatch is how many bundles are in one JSON-RPC batch: fewer than transfers, as each costs more.
const bundlesPerBatch = 50

// encrypted measures encrypted transfers from the first send to the last inclusion. Encrypting is the wallets' work and is
// done before.
func (b *run) encrypted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pipelineTimeout)
	defer cancel()
	batches, err := b.encryptedBatches()
	if err != nil {
		return err
	}
	stagesBefore, err := b.stages(ctx)
	if err != nil {
		return err
	}
	m, err := b.measure(ctx, batches)
	if err != nil {
		return err
	}
	stagesAfter, err := b.stages(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nEncrypted, every service and each of %d keyholders (threshold %d) a process: %d bundles of one transfer, encrypted before:\n",
		keyholders, threshold, b.Bundles)
	fmt.Fprintf(b.out, "  all acknowledged after %s, all in blocks after %s, %d blocks\n", m.sent.Round(time.Millisecond), m.included.Round(time.Millisecond), m.blocks)
	fmt.Fprintf(b.out, "  %.0f bundles/s\n", float64(b.Bundles)/m.included.Seconds())
	b.reportStages(stagesBefore, stagesAfter)
	b.processorTime(m.before, m.after, m.included, b.Bundles)
	return m.profiles.report(ctx, b.out)
}

// encryptedBatches signs, encrypts and encodes everything. Each connection has accounts of its own, so that nonces arrive
// in order.
func (b *run) encryptedBatches() ([][]load.Batch, error) {
	c, err := committee.Read(b.c.Keys.Committee)
	if err != nil {
		return nil, err
	}
	perConnection := b.Accounts / b.Connections
	all := make([][]load.Batch, b.Connections)
	var work errgroup.Group
	work.SetLimit(runtime.NumCPU())
	for i := range all {
		share := b.Bundles*(i+1)/b.Connections - b.Bundles*i/b.Connections
		accounts := b.accounts[i*perConnection : (i+1)*perConnection]
		work.Go(func() (err error) {
			all[i], err = encryptAll(c, accounts, share)
			return err
		})
	}
	return all, work.Wait()
}

// encryptAll makes n bundles of transfers among accounts that nothing else uses.
func encryptAll(c *committee.Committee, accounts []*load.Account, n int) (batches []load.Batch, err error) {
	var raws [][]byte
	for i := range n {
		tx, err := accounts[i%len(accounts)].Transfer(accounts[(i+1)%len(accounts)].Address)
		if err != nil {
			return nil, err
		}
		raw, err := encryptOne(c, tx)
		if err != nil {
			return nil, err
		}
		raws = append(raws, raw)
		if len(raws) == bundlesPerBatch || i == n-1 {
			batch, err := load.NewRawBatch(raws)
			if err != nil {
				return nil, err
			}
			batches, raws = append(batches, batch), nil
		}
	}
	return batches, nil
}

func encryptOne(c *committee.Committee, tx *types.Transaction) ([]byte, error) {
	bundle, err := load.Encrypt(c.Keys.Master(), tx)
	if err != nil {
		return nil, fmt.Errorf("encrypt transfer %s: %w", tx.Hash(), err)
	}
	return bundle.Encode(), nil
}
