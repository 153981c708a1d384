// Package sealtx seals a raw transaction offline: what a wallet does that needs no bundler.
package sealtx

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/internal/plaintx"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrSeed says that a seed is not 32 bytes in hex.
var ErrSeed = errors.New("--seed must be 32 bytes in hex")

// Config of the command.
type Config struct {
	Transaction      string `arg:"" optional:"" help:"Raw signed transaction in hex. Standard input when absent or -."`
	input.Key        `embed:""`
	SubmitterKeyFile string `help:"File (mode 0600) with the submitter's key: hex, or Ethereum's keystore format." required:"" type:"path"`
	PassphraseFile   string `help:"File (mode 0600) whose first line is the passphrase of the submitter's key." type:"path"`
	Seq              uint64 `help:"Number of this transaction among the submitter's sealed ones: 0 for the first within the chain's lifetime, then one more each time." default:"0"`
	Gas              uint64 `help:"Upper bound of the transaction's gas limit, which everybody can read." required:""`
	Fee              uint64 `help:"Lower bound of the transaction's fee cap in wei for a unit of gas, which everybody can read." required:""`
	Expiry           uint64 `help:"Last blueprint number at which the transaction may be ordered." required:""`
	Seed             string `help:"FOR TESTS ONLY: 32 bytes in hex that all randomness is derived from. Whoever knows them reads the transaction. The transaction is not examined then."`
	Unchecked        bool   `help:"Seal any bytes, transaction or not. For tests."`
}

// Validate refuses flags that contradict each other.
func (c *Config) Validate() error { return c.Key.Validate() }

// Run writes the sealed transaction in hex to out, and the hashes it is known by to info.
func Run(cfg Config, in io.Reader, out, info io.Writer) error {
	sealed, hash, err := run(cfg, in)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if _, err := fmt.Fprintf(info, "transaction %s\nid          %s\n", hash, sealed.ID()); err != nil {
		return fmt.Errorf("seal: write hashes: %w", err)
	}
	if _, err := fmt.Fprintf(out, "0x%x\n", sealed.Encode()); err != nil {
		return fmt.Errorf("seal: write sealed transaction: %w", err)
	}
	return nil
}

func run(cfg Config, in io.Reader) (*seal.Sealed, common.Hash, error) {
	key, _, err := cfg.Read()
	if err != nil {
		return nil, common.Hash{}, err
	}
	seed, err := cfg.seed()
	if err != nil {
		return nil, common.Hash{}, err
	}
	raw, err := input.Read(cfg.Transaction, in, seal.MaxTxBytes)
	defer clear(raw)
	if err != nil {
		return nil, common.Hash{}, err
	}
	if err := cfg.examine(raw, key.ChainID()); err != nil {
		return nil, common.Hash{}, err
	}
	submitter, err := cfg.submitter()
	if err != nil {
		return nil, common.Hash{}, err
	}
	sealed, err := seal.Seal(key, seal.Header{
		ChainID: key.ChainID(), Key: key.ID(), Submitter: crypto.PubkeyToAddress(submitter.PublicKey),
		Seq: cfg.Seq, Gas: cfg.Gas, Fee: cfg.Fee, Expiry: cfg.Expiry,
	}, seed, raw)
	if err == nil {
		err = sealed.Sign(submitter)
	}
	return sealed, crypto.Keccak256Hash(raw), err
}

func (c *Config) seed() (seed seal.Seed, err error) {
	if c.Seed == "" {
		return seal.NewSeed(), nil
	}
	b, ok := input.Hex([]byte(c.Seed))
	defer clear(b)
	if !ok || len(b) != len(seed) {
		return seed, ErrSeed
	}
	return seal.Seed(b), nil
}

// examine refuses what would end unexecuted for certain.
func (c *Config) examine(raw []byte, chain uint64) error {
	if c.Unchecked || c.Seed != "" {
		return nil
	}
	tx, err := plaintx.Check(raw, chain)
	if err != nil {
		return err
	}
	return tx.Fits(c.Gas, c.Fee)
}

func (c *Config) submitter() (*ecdsa.PrivateKey, error) {
	passphrase, err := identity.ReadPassphrase(c.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	return identity.Read(c.SubmitterKeyFile, passphrase)
}
