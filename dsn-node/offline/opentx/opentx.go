// Package opentx opens a sealed transaction with key shares that are all in one place, FOR DEVELOPMENT AND TESTS: whoever can
// run it needs no order and no certificate to read what was sealed. Real keyholders keep their shares apart.
package opentx

import (
	"errors"
	"fmt"
	"io"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"
)

// Warning is for whoever runs it.
const Warning = "For development: with these key files together anyone reads every transaction sealed to the committee, ordered or not."

// Config of the command.
type Config struct {
	Sealed         string   `arg:"" optional:"" help:"Sealed transaction in hex. Standard input when absent or -."`
	CommitteeFile  string   `help:"Committee file that the transaction is sealed for." required:"" type:"path"`
	ShareFile      []string `help:"Files (mode 0600) of key shares, as many as the threshold." type:"path"`
	PassphraseFile string   `help:"File (mode 0600) whose first line is the passphrase of the key shares." type:"path"`
}

// Validate refuses what cannot open anything.
func (c *Config) Validate() error {
	if len(c.ShareFile) == 0 || len(c.ShareFile) > seal.MaxAuthorities {
		return fmt.Errorf("--share-file: the files of 1 to %d key shares are needed", seal.MaxAuthorities)
	}
	return nil
}

// Run writes the transaction to out, in hex.
func Run(cfg Config, in io.Reader, out io.Writer) error {
	tx, err := run(cfg, in)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if _, err := fmt.Fprintf(out, "0x%x\n", tx); err != nil {
		return fmt.Errorf("open: write transaction: %w", err)
	}
	return nil
}

func run(cfg Config, in io.Reader) ([]byte, error) {
	c, err := committee.Read(cfg.CommitteeFile)
	if err != nil {
		return nil, err
	}
	raw, err := input.Read(cfg.Sealed, in, seal.MaxBytes)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.Parse(raw)
	if err != nil {
		return nil, err
	}
	checked, err := c.Ring().Check(sealed)
	if err != nil {
		return nil, err
	}
	shares, err := allShares(cfg, c.Keys, checked)
	if err != nil {
		return nil, err
	}
	z, err := c.Keys.Combine(shares)
	if err != nil {
		return nil, err
	}
	opening, err := checked.Open(z)
	if err != nil {
		return nil, fmt.Errorf("the transaction is unopenable: %w", err)
	}
	return opening.Tx, nil
}

// allShares are the shares of every key file.
func allShares(cfg Config, keys *seal.Keys, c *seal.Checked) ([]seal.Share, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	var shares []seal.Share
	var failed []error
	for _, path := range cfg.ShareFile {
		share, err := shareOf(path, passphrase, keys, c)
		shares, failed = append(shares, share), append(failed, err)
	}
	return shares, errors.Join(failed...)
}

// shareOf makes a share with the secret of a file, which must be one of the committee's.
func shareOf(path string, passphrase []byte, keys *seal.Keys, c *seal.Checked) (seal.Share, error) {
	secret, err := keyfile.ReadShare(path, passphrase)
	if err != nil {
		return seal.Share{}, err
	}
	defer secret.Erase()
	if err := secret.BelongsTo(keys); err != nil {
		return seal.Share{}, fmt.Errorf("use key share %s: %w", path, err)
	}
	return secret.Share(c)
}
