package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"

	"blindseq/dsn-node/bundler"
	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/offline/keygen"
	producer "blindseq/producer-svc"
)

// devChainID is the chain id of the development genesis.
const devChainID = 1337

// committee is the file of the keyholders' committee, empty without keyholders.
func (d *devnet) committee() string {
	if d.keys == nil {
		return ""
	}
	return d.keys.Committee
}

// addKeyholders adds the keyholders, with the keys that the first run made.
func (d *devnet) addKeyholders(ctx context.Context) (err error) {
	if d.cfg.Keyholders == 0 {
		return nil
	}
	if d.keys, err = d.makeKeys(); err != nil {
		return err
	}
	for i := range d.keys.Shares {
		if err := d.addKeyholder(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// makeKeys makes the keys once. The committee file is written last: keys without it were never used.
func (d *devnet) makeKeys() (*keygen.Files, error) {
	dir := filepath.Join(d.cfg.DataDir, "keys")
	files := keygen.Layout(dir, d.cfg.Keyholders)
	if _, err := os.Stat(files.Committee); err == nil {
		if _, err := os.Stat(files.Shares[len(files.Shares)-1]); err != nil {
			return nil, fmt.Errorf("the chain in %s has fewer than --keyholders %d: %w", d.cfg.DataDir, d.cfg.Keyholders, err)
		}
		return files, nil
	}
	if _, err := os.Stat(filepath.Join(d.cfg.DataDir, "dsn")); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the chain in %s was started without keyholders: continue with --keyholders 0, or remove the directory", d.cfg.DataDir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("remove unused keys: %w", err)
	}
	chainID, err := d.chainID()
	if err != nil {
		return nil, err
	}
	return keygen.Run(keygen.Config{Out: dir, Keyholders: d.cfg.Keyholders, Threshold: d.cfg.Threshold, ChainID: chainID, FirstNumber: 1})
}

func (d *devnet) chainID() (uint64, error) {
	if d.cfg.Genesis == "" {
		return devChainID, nil
	}
	raw, err := os.ReadFile(d.cfg.Genesis)
	if err != nil {
		return 0, fmt.Errorf("read genesis: %w", err)
	}
	var genesis struct {
		Config struct {
			ChainID *big.Int `json:"chainId"`
		} `json:"config"`
	}
	if err := json.Unmarshal(raw, &genesis); err != nil {
		return 0, fmt.Errorf("read genesis %s: %w", d.cfg.Genesis, err)
	}
	if genesis.Config.ChainID == nil || !genesis.Config.ChainID.IsUint64() {
		return 0, fmt.Errorf("read genesis %s: no chain id of 64 bits", d.cfg.Genesis)
	}
	return genesis.Config.ChainID.Uint64(), nil
}

func (d *devnet) addKeyholder(ctx context.Context, authority int) error {
	name := fmt.Sprintf("keyholder-%d", authority)
	s, err := add(ctx, d, name, keyholder.New, func(cfg *keyholder.Config) {
		cfg.DataDir = filepath.Join(d.cfg.DataDir, name)
		cfg.CommitteeFile, cfg.ShareFile, cfg.IdentityFile = d.keys.Committee, d.keys.Shares[authority], d.keys.Identities[authority]
		cfg.Clock = d.clock
	})
	if err == nil {
		grpc, _ := s.Addresses()
		d.keyholders = append(d.keyholders, grpc)
	}
	return err
}

// addObserver adds the bundler's observer, which tells it about senders, so that the leader is not asked.
func (d *devnet) addObserver(ctx context.Context) error {
	if d.keys == nil {
		return nil
	}
	s, err := add(ctx, d, "observer", producer.New, func(cfg *producer.Config) {
		cfg.Role, cfg.Monitor, cfg.Proposer = "observer", d.monitor, d.proposer
		cfg.DataDir, cfg.RPCAddress = filepath.Join(d.cfg.DataDir, "observer"), "127.0.0.1:0"
		cfg.History = d.cfg.History
		cfg.Genesis, cfg.DevGenesis, cfg.CommitteeFile = d.cfg.Genesis, true, d.committee()
		cfg.Development, cfg.Clock = d.development, d.clock
	})
	if err == nil {
		_, _, rpc := s.Addresses()
		d.observer = "http://" + rpc
	}
	return err
}

// addBundler adds the bundler, which seals for ordinary wallets.
func (d *devnet) addBundler(ctx context.Context) error {
	if d.keys == nil {
		return nil
	}
	s, err := add(ctx, d, "bundler", bundler.New, func(cfg *bundler.Config) {
		cfg.RPCAddress, cfg.RollupRPC = d.cfg.BundlerAddress, "http://"+d.urls.rpc
		cfg.ObserverRPC, cfg.Development = d.observer, d.development
		cfg.CommitteeFile, cfg.IdentityFile, cfg.DataDir = d.keys.Committee, d.keys.Bundler, filepath.Join(d.cfg.DataDir, "bundler")
	})
	if err == nil {
		d.urls.bundler, _ = s.Addresses()
	}
	return err
}
