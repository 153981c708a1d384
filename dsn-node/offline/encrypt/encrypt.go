// Package encrypt turns a raw transaction into a bundle, offline: what a wallet does that needs no bundler.
package encrypt

import (
	"crypto/rand"
	"fmt"
	"io"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/internal/plaintx"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal/te"
)

// Config of the command.
type Config struct {
	Transaction    string `arg:"" optional:"" help:"Raw signed transaction in hex. Standard input when absent or -."`
	CommitteeFile  string `help:"Committee file to encrypt for. Its chain must be the transaction's." type:"path"`
	KeysFile       string `help:"File of public keys to encrypt for, instead of a committee file." type:"path"`
	IdentityFile   string `help:"File (mode 0600) with the key that signs the bundle. Without it the bundle is unsigned." type:"path"`
	PassphraseFile string `help:"File (mode 0600) whose first line is the passphrase of the key." type:"path"`
	Nonce          uint64 `help:"Nonce of the bundle, counted by its signer. Not the transaction's nonce." default:"0"`
	Unchecked      bool   `help:"Encrypt any bytes, transaction or not. For tests."`
}

// Validate refuses flags that contradict each other.
func (c *Config) Validate() error {
	if (c.CommitteeFile == "") == (c.KeysFile == "") {
		return input.ErrKeys
	}
	if c.PassphraseFile != "" && c.IdentityFile == "" {
		return fmt.Errorf("--passphrase-file is for --identity-file, which is not given")
	}
	return nil
}

// Run writes the bundle in hex to out, and the hashes it is known by to info.
func Run(cfg Config, in io.Reader, out, info io.Writer) error {
	bundle, err := run(cfg, in)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	if _, err := fmt.Fprintf(info, "transaction %s\nbundle      %s\n", bundle.Payload.Txs[0].Hash, bundle.Hash()); err != nil {
		return fmt.Errorf("encrypt: write hashes: %w", err)
	}
	if _, err := fmt.Fprintf(out, "0x%x\n", bundle.Encode()); err != nil {
		return fmt.Errorf("encrypt: write bundle: %w", err)
	}
	return nil
}

func run(cfg Config, in io.Reader) (*te.Bundle, error) {
	keys, chain, err := input.Keys(cfg.CommitteeFile, cfg.KeysFile)
	if err != nil {
		return nil, err
	}
	raw, err := input.Read(cfg.Transaction, in, te.MaxTxBytes)
	defer clear(raw)
	if err != nil {
		return nil, err
	}
	if !cfg.Unchecked {
		if _, err := plaintx.Check(raw, chain); err != nil {
			return nil, err
		}
	}
	payload, err := te.Encrypt(rand.Reader, keys.Master(), raw)
	if err != nil {
		return nil, err
	}
	bundle := &te.Bundle{Payload: payload, Nonce: cfg.Nonce}
	return bundle, sign(bundle, cfg)
}

func sign(bundle *te.Bundle, cfg Config) error {
	if cfg.IdentityFile == "" {
		return nil
	}
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return err
	}
	key, err := identity.Read(cfg.IdentityFile, passphrase)
	if err != nil {
		return err
	}
	return bundle.Sign(key)
}
