// Package volume opens a replica's data directory: the blueprint log, the chain, the transaction store and the sequencer's key.
//
// It guarantees: what a crash left half written is repaired or refused on opening. It asks of callers: one process.
package volume

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"blindseq/kit/host"
	"blindseq/kit/wal"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/core"
)

// maxRecordBytes is above the largest log record: a full blueprint and as many of the largest delayed transactions as
// its bytes count. A record that is decided must never be refused for its size.
const maxRecordBytes = 32 << 20

// Config says where things are.
type Config struct {
	Dir        string
	Genesis    string // file; the development genesis when empty
	DevGenesis bool   // says that anybody may spend from the richest accounts
	KeyFile    string // in Dir when empty
	CreateKey  bool   // make KeyFile when there is none
	// Development refuses a genesis that is not one of a development chain.
	Development bool
	NeedsKey    bool // an observer needs none: then it serves no blueprints
	History     chain.History
	OnSync      func(time.Duration)
	Pool        txstore.Limits
	End         *engine.End // notified of a disk that cannot be written
}

// Volume is an open volume.
type Volume struct {
	Key    ed25519.PrivateKey // nil without one
	Log    *bplog.Log
	Chain  *chain.Chain
	Store  *txstore.Store
	Keeper *txstore.Keeper
}

// Open opens, or begins, what is in the folder, through the program's host.
func Open(h *host.Host, cfg Config) (v *Volume, err error) {
	genesis, err := genesisOf(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	v = new(Volume)
	v.Log, err = host.Open(h, "blueprint log", func() (*bplog.Log, error) {
		return bplog.Open(filepath.Join(cfg.Dir, "log"), bplog.Options{WAL: wal.Options{MaxRecord: maxRecordBytes, OnSync: cfg.OnSync}})
	})
	if err != nil {
		return nil, err
	}
	if torn := v.Log.Torn(); torn != nil {
		h.Log.Warn("cut off a blueprint that was being written at a crash; it had not been decided",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "number", torn.Number)
	}
	if v.Key, err = loadKey(cfg, v.Log.Last() == 0); err != nil {
		return nil, err
	}
	v.Store, err = host.Open(h, "transaction store", func() (*txstore.Store, error) {
		return txstore.Open(filepath.Join(cfg.Dir, "transactions"), txstore.Options{Broken: cfg.End.Fail})
	})
	if err != nil {
		return nil, err
	}
	v.Chain, err = host.Open(h, "chain", func() (*chain.Chain, error) { return openChain(cfg, genesis, h.Log) })
	if err != nil {
		return nil, err
	}
	v.Keeper = txstore.NewKeeper(v.Store, v.Chain, cfg.Pool)
	return v, nil
}

// ErrNotDevelopment is returned for a chain on which nobody may do what development tools do.
var ErrNotDevelopment = errors.New("what development tools expect is served on a development chain only: one whose genesis funds the development accounts")

// genesisOf reads the genesis. One whose accounts anybody can spend from needs a flag that says so.
func genesisOf(cfg Config) (*core.Genesis, error) {
	genesis, err := readGenesis(cfg)
	if err == nil && cfg.Development && (!cfg.DevGenesis || chain.CheckNoDevAccounts(genesis) == nil) {
		err = ErrNotDevelopment
	}
	return genesis, err
}

func readGenesis(cfg Config) (*core.Genesis, error) {
	switch {
	case cfg.Genesis != "":
		genesis, err := chain.ReadGenesis(cfg.Genesis)
		if err == nil && !cfg.DevGenesis {
			err = chain.CheckNoDevAccounts(genesis)
		}
		return genesis, err
	case !cfg.DevGenesis:
		return nil, chain.ErrNoGenesis
	}
	return chain.DevGenesis()
}

func openChain(cfg Config, genesis *core.Genesis, log *slog.Logger) (*chain.Chain, error) {
	return chain.Open(chain.Config{
		Dir: filepath.Join(cfg.Dir, "chain"), Genesis: genesis, History: cfg.History, Log: log, Broken: cfg.End.Fail,
	})
}

// loadKey reads the sequencer's key. One in the data folder is made with a new chain; later a missing one is an error,
// because blueprints signed with another key would not be those published before. An observer needs none: then it serves
// no blueprints.
func loadKey(cfg Config, begins bool) (ed25519.PrivateKey, error) {
	path, create := cfg.KeyFile, cfg.CreateKey
	switch {
	case path == "" && !cfg.NeedsKey:
		return nil, nil
	case path == "":
		path, create = filepath.Join(cfg.Dir, "sequencer.key"), begins
	}
	key, err := blueprint.LoadKey(path)
	if errors.Is(err, blueprint.ErrNoKey) && create {
		return blueprint.CreateKey(path)
	}
	return key, err
}
