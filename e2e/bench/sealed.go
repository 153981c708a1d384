package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"blindseq/e2e/load"
	"blindseq/seal/committee"

	"golang.org/x/sync/errgroup"
)

// sealedPerBatch is how many sealed transactions are in one JSON-RPC batch: fewer than transfers, as each costs more.
const sealedPerBatch = 50

// sealed measures sealed transfers from the first send to the last inclusion. Sealing is the wallets' work and is
// done before.
func (b *run) sealed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pipelineTimeout)
	defer cancel()
	batches, err := b.sealedBatches()
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
	fmt.Fprintf(b.out, "\nSealed, every service and each of %d keyholders (threshold %d) a process: %d sealed transfers, sealed before:\n",
		keyholders, threshold, b.Sealed)
	fmt.Fprintf(b.out, "  all acknowledged after %s, all in blocks after %s, %d blocks\n", m.sent.Round(time.Millisecond), m.included.Round(time.Millisecond), m.blocks)
	rate := float64(b.Sealed) / m.included.Seconds()
	fmt.Fprintf(b.out, "  %.0f sealed transfers/s, up to %d million gas of them in a block   (wanted: 1,200 or more)\n", rate, b.SealedGas/1e6)
	if b.plain > 0 {
		fmt.Fprintf(b.out, "  ratio plain : sealed of this system: %.1f   (wanted: 8 or less)\n", b.plain/rate)
	}
	b.reportStages(stagesBefore, stagesAfter)
	b.processorTime(m.before, m.after, m.included, b.Sealed)
	return m.profiles.report(ctx, b.out)
}

// sealedBatches signs, seals and encodes everything. Each connection has accounts of its own, so that nonces arrive
// in order.
func (b *run) sealedBatches() ([][]load.Batch, error) {
	c, err := committee.Read(b.c.Keys.Committee)
	if err != nil {
		return nil, err
	}
	perConnection := b.Accounts / b.Connections
	all := make([][]load.Batch, b.Connections)
	var work errgroup.Group
	work.SetLimit(runtime.NumCPU())
	for i := range all {
		share := b.Sealed*(i+1)/b.Connections - b.Sealed*i/b.Connections
		accounts := b.accounts[i*perConnection : (i+1)*perConnection]
		work.Go(func() (err error) {
			all[i], err = sealAll(c, accounts, share)
			return err
		})
	}
	return all, work.Wait()
}

// sealAll seals n transfers among accounts that nobody else uses.
func sealAll(c *committee.Committee, accounts []*load.Account, n int) (batches []load.Batch, err error) {
	sealers := make([]*load.Sealer, len(accounts))
	for i, a := range accounts {
		sealers[i] = load.NewSealer(c, a, 0)
	}
	var raws [][]byte
	for i := range n {
		tx, err := accounts[i%len(accounts)].Transfer(accounts[(i+1)%len(accounts)].Address)
		if err != nil {
			return nil, err
		}
		s, err := sealers[i%len(accounts)].Seal(tx)
		if err != nil {
			return nil, fmt.Errorf("seal transfer %s: %w", tx.Hash(), err)
		}
		raws = append(raws, s.Encode())
		if len(raws) == sealedPerBatch || i == n-1 {
			batch, err := load.NewRawBatch(raws)
			if err != nil {
				return nil, err
			}
			batches, raws = append(batches, batch), nil
		}
	}
	return batches, nil
}
