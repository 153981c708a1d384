package producer

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

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

// disk is what this replica owns: the blueprint log, the chain, the transaction store, and the key.
type disk struct {
	key    ed25519.PrivateKey
	log    *bplog.Log
	chain  *chain.Chain
	store  *txstore.Store
	keeper *txstore.Keeper
}

// openDisk opens, or begins, what is in the data folder. On an error nothing is left open.
func openDisk(cfg Config, m *metrics, end *engine.End, log *slog.Logger) (_ *disk, err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	d := &disk{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.log, err = bplog.Open(filepath.Join(cfg.DataDir, "log"), bplog.Options{WAL: wal.Options{MaxRecord: maxRecordBytes, OnSync: m.synced}}); err != nil {
		return nil, err
	}
	if torn := d.log.Torn(); torn != nil {
		log.Warn("cut off a blueprint that was being written at a crash; it had not been decided",
			"path", torn.Path, "offset", torn.Offset, "bytes", torn.Bytes, "number", torn.Number)
	}
	if d.key, err = loadKey(cfg, d.log.Last() == 0); err != nil {
		return nil, err
	}
	var genesis *core.Genesis // nil: the development genesis
	if cfg.Genesis != "" {
		if genesis, err = chain.ReadGenesis(cfg.Genesis); err != nil {
			return nil, err
		}
	}
	if d.chain, err = chain.Open(chain.Config{Dir: filepath.Join(cfg.DataDir, "chain"), Genesis: genesis, Log: log, Broken: end.Fail}); err != nil {
		return nil, err
	}
	if d.store, err = txstore.Open(filepath.Join(cfg.DataDir, "transactions"), txstore.Options{Broken: end.Fail}); err != nil {
		return nil, err
	}
	d.keeper = txstore.NewKeeper(d.store, d.chain, txstore.KeeperConfig{Log: log})
	return d, nil
}

// loadKey reads the sequencer's key. One in the data folder is made with a new chain; later a missing one is an error,
// because blueprints signed with another key would not be those published before. An observer needs none: then it serves
// no blueprints.
func loadKey(cfg Config, begins bool) (ed25519.PrivateKey, error) {
	path, create := cfg.SequencerKeyFile, cfg.CreateSequencerKey
	switch {
	case path == "" && cfg.observes():
		return nil, nil
	case path == "":
		path, create = filepath.Join(cfg.DataDir, "sequencer.key"), begins
	}
	key, err := blueprint.LoadKey(path)
	if errors.Is(err, blueprint.ErrNoKey) && create {
		return blueprint.CreateKey(path)
	}
	return key, err
}

func (d *disk) close() error {
	var errs []error
	if d.chain != nil {
		// gofail: var chainClosing struct{}
		errs = append(errs, d.chain.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.log != nil {
		errs = append(errs, d.log.Close())
	}
	return errors.Join(errs...)
}
