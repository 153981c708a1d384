package chain

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/txpool/blobpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
)

const (
	databaseName = "chaindata"
	journalName  = "triedb" // a folder: what geth had in memory when it was closed

	// Sizes in MiB, chosen for a service that stays under 300 MiB when idle. They bound memory, not speed: with 200 or
	// with 100,000 accounts in use the caches below give the same rate as ten times as much.
	databaseCache  = 32
	cleanCache     = 16
	stateCache     = 16
	writeBuffer    = 4
	databaseFiles  = 512
	logCacheBlocks = 32

	// recentStates is how many states geth keeps in memory. Its buffer of older ones is written when it holds as many (history.before),
	// which bounds the replay after a crash even when blocks are nearly empty, or change the same accounts again and again.
	recentStates = 128

	// behindStates is that for a chain that is far behind: each write costs syncs of many files, which is most of the time of small
	// blocks, and the replay of so many takes a few seconds. What they changed stays within writeBuffer.
	behindStates = 4096

	// poolSlots is never reached: who admits transactions (txstore.Keeper) refuses before geth's pool would evict one
	// that was acknowledged.
	poolSlots = 1 << 26

	// lowestTip is the lowest tip that the pool takes, in wei.
	lowestTip = 1
)

// openNode assembles geth without network: no peers, no discovery, no listener of its own.
func openNode(dir string, genesis *core.Genesis, kept History, log *slog.Logger) (*node.Node, *eth.Ethereum, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make node key: %w", err)
	}
	stack, err := node.New(&node.Config{
		Name:     "blindseq",
		DataDir:  dir,
		DBEngine: rawdb.DBPebble,
		P2P:      p2p.Config{PrivateKey: key, NoDiscovery: true, NoDial: true, MaxPeers: 0},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open chain in %s: %w", dir, err)
	}
	backend, err := startNode(stack, genesis, kept, log)
	if err != nil {
		stack.Close() // the first error is the one to report
		return nil, nil, fmt.Errorf("open chain in %s: %w", dir, err)
	}
	return stack, backend, nil
}

func startNode(stack *node.Node, genesis *core.Genesis, kept History, log *slog.Logger) (*eth.Ethereum, error) {
	if err := prepare(stack, kept, log); err != nil {
		return nil, err
	}
	backend, err := eth.New(stack, ethConfig(genesis, kept))
	if err != nil {
		return nil, err
	}
	if err := stack.Start(); err != nil {
		return nil, err
	}
	backend.SetSynced()
	return backend, nil
}

func ethConfig(genesis *core.Genesis, kept History) *ethconfig.Config {
	cfg := ethconfig.Defaults
	cfg.Genesis = genesis
	cfg.SyncMode = ethconfig.FullSync
	cfg.StateScheme = rawdb.PathScheme
	cfg.StateHistory = kept.limit()
	cfg.TrienodeHistory = -1 // none
	if kept.kept() {
		cfg.NoPruning = true // which has geth index its histories
		cfg.TrienodeHistory = int64(kept.limit())
	}
	cfg.TransactionHistory = 0 // all of them
	cfg.DatabaseCache = databaseCache
	cfg.DatabaseHandles = databaseFiles
	cfg.TrieCleanCache = cleanCache
	cfg.SnapshotCache = stateCache
	cfg.TrieDirtyCache = writeBuffer
	cfg.FilterLogCacheSize = logCacheBlocks
	cfg.LogNoHistory = true
	cfg.Miner.GasCeil = genesis.GasLimit
	cfg.TxPool = legacypool.Config{
		NoLocals:     true,
		Rejournal:    time.Hour,
		PriceLimit:   lowestTip,
		PriceBump:    legacypool.DefaultConfig.PriceBump,
		AccountSlots: poolSlots,
		GlobalSlots:  poolSlots,
		AccountQueue: poolSlots,
		GlobalQueue:  poolSlots,
		Lifetime:     math.MaxInt64,
	}
	cfg.BlobPool = blobpool.DefaultConfig
	cfg.BlobPool.Datadir = "" // in memory: blob transactions are not taken
	return &cfg
}
