// Package chainmaker makes the data directory of a producer from preblocks, without services: for tools that need a long chain
// before they measure anything.
//
// It guarantees: the blueprint log, the blocks and their states are those that a producer makes of the same preblocks. It asks of
// callers: no process uses the directory meanwhile, and what it has is thrown away when the machine fails (nothing is synced).
package chainmaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"blindseq/kit/content"
	"blindseq/kit/wal"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Maker is an open directory. It is one goroutine's.
type Maker struct {
	dir   string
	log   *bplog.Log
	chain *chain.Chain
}

// Open opens the directory of a chain with the development genesis, and begins one that is empty.
func Open(dir string, log *slog.Logger) (*Maker, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make chain: %w", err)
	}
	records, err := bplog.Open(filepath.Join(dir, "log"), bplog.Options{WAL: wal.Options{FS: wal.Unsynced{}}})
	if err != nil {
		return nil, fmt.Errorf("make chain: %w", err)
	}
	blocks, err := chain.Open(chain.Config{Dir: filepath.Join(dir, "chain"), History: chain.History{}, Log: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make chain: %w", err), records.Close())
	}
	return &Maker{dir: dir, log: records, chain: blocks}, nil
}

// Head is the last block.
func (m *Maker) Head() section.Head {
	number, hash, timestamp := m.chain.Head()
	return section.Head{Number: number, Hash: content.Hash(hash), Time: int64(timestamp)}
}

// BaseFee is that of the next block.
func (m *Maker) BaseFee() uint64 { return m.chain.BaseFee() }

// Add makes the next block. Its preblock has no delayed transactions.
func (m *Maker) Add(ctx context.Context, p *preblockv1.Preblock) (root content.Hash, err error) {
	head := m.Head()
	rec, err := logrecord.Of(p, logrecord.Parent{Hash: head.Hash, Time: head.Time}, nil)
	if err != nil {
		return root, fmt.Errorf("make block: %w", err)
	}
	if err := m.log.AppendFollowed(rec, head.Hash, 0); err != nil {
		return root, fmt.Errorf("make block: %w", err)
	}
	result, err := m.chain.Apply(ctx, ledger.BlockOf(rec, ledger.Bars{}))
	if err != nil {
		return root, fmt.Errorf("make block: %w", err)
	}
	if len(result.Skipped) > 0 {
		return root, fmt.Errorf("make block %d: a transaction was skipped: %s", result.Number, result.Skipped[0].Reason)
	}
	return content.Hash(result.Root), nil
}

// Close writes what is in memory, and a sequencer's key when there is none.
func (m *Maker) Close() error {
	path := filepath.Join(m.dir, "sequencer.key")
	_, err := blueprint.LoadKey(path)
	if errors.Is(err, blueprint.ErrNoKey) {
		_, err = blueprint.CreateKey(path)
	}
	return errors.Join(err, m.chain.Close(), m.log.Close())
}
