package bench

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"blindseq/e2e/load"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// garbage measures what one piece of each kind of garbage costs all processes together, from the RPC to the block in which it has
// ended. Making it is its sender's work and is done before.
func (b *run) garbage(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pipelineTimeout)
	defer cancel()
	by, err := committee.Read(b.c.Keys.Committee)
	if err != nil {
		return err
	}
	client, err := b.c.Eth(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Fprintf(b.out, "\nCost of garbage inside sealed transactions, in processor time of all processes together:\n")
	fmt.Fprintf(b.out, "  %-36s %7s %10s %8s\n", "", "pieces", "µs each", "ratio")
	compared := 0.0
	for _, p := range b.pieces() {
		n, each, err := b.costOf(ctx, client, by, p)
		if err != nil {
			return fmt.Errorf("measure garbage, %s: %w", p.name, err)
		}
		if p.name == honest {
			compared = each
		}
		fmt.Fprintf(b.out, "  %-36s %7d %10.0f %8.2f\n", p.name, n, each, each/compared)
	}
	return nil
}

// costOf sends pieces of one kind. Honest ones are all by one submitter, so in their order; each piece of garbage is by another,
// or its submitter would soon be out. What admission adds, that a block holds few of new submitters, is in the figure.
func (b *run) costOf(ctx context.Context, client *ethclient.Client, by *committee.Committee, p piece) (n int, each float64, err error) {
	head, err := client.BlockNumber(ctx)
	if err != nil {
		return 0, 0, err
	}
	sealer := load.NewSealer(by, b.single, head)
	next := func() (*load.Sealer, error) { return sealer, nil }
	if p.name != honest {
		next = func() (*load.Sealer, error) {
			key, err := crypto.GenerateKey()
			return load.NewSealer(by, load.NewAccount(key, big.NewInt(load.ChainID)), head), err
		}
	}
	batches, last, err := batchesOf(next, p, b.Garbage)
	if err != nil {
		return 0, 0, err
	}
	before, err := b.processors()
	if err != nil {
		return 0, 0, err
	}
	for _, batch := range batches {
		if _, err := batch.Send(ctx, http.DefaultClient, b.c.RPC); err != nil {
			return 0, 0, err
		}
		n += batch.Size
	}
	if err := awaitEnd(ctx, client, last); err != nil {
		return 0, 0, err
	}
	after, err := b.processors()
	return n, float64((after - before).Microseconds()) / float64(n), err
}

// batchBytes bounds the bytes of transactions in a batch, which the request holds in hex.
const batchBytes = 2 << 20

// batchesOf makes n pieces, or as many as have largeBytes together, and returns the id of the last one.
func batchesOf(next func() (*load.Sealer, error), p piece, n int) (batches []load.Batch, last common.Hash, err error) {
	const largeBytes = 8 << 20
	var raws [][]byte
	size, total := 0, 0
	for i := range n {
		s, err := next()
		if err != nil {
			return nil, last, err
		}
		sealed, err := p.make(s)
		if err != nil {
			return nil, last, err
		}
		raw := sealed.Encode()
		raws, last = append(raws, raw), common.Hash(sealed.ID())
		size, total = size+len(raw), total+len(raw)
		if enough := i == n-1 || total > largeBytes; enough || len(raws) == sealedPerBatch || size+len(raw) > batchBytes {
			batch, err := load.NewRawBatch(raws)
			if err != nil {
				return nil, last, err
			}
			batches, raws, size = append(batches, batch), nil, 0
			if enough {
				break
			}
		}
	}
	return batches, last, nil
}

// awaitEnd waits until a sealed transaction is in a block, whatever came of it.
func awaitEnd(ctx context.Context, client *ethclient.Client, id common.Hash) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		var status struct{ Status string }
		if err := client.Client().CallContext(ctx, &status, "te_getTransactionStatus", id); err != nil {
			return err
		}
		if status.Status == "executed" || status.Status == "ended" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is %s: %w", id, status.Status, ctx.Err())
		case <-look.C:
		}
	}
}

// processors is the processor time of all processes up to now.
func (b *run) processors() (all time.Duration, err error) {
	samples, err := b.c.Usage()
	for _, s := range samples {
		all += s.CPU
	}
	return all, err
}
