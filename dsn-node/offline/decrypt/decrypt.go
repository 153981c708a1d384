// Package decrypt opens a bundle with key shares that are all in one place, FOR DEVELOPMENT AND TESTS: who can run it needs
// no order and no certificate to read what was encrypted. Real keyholders keep their shares apart.
package decrypt

import (
	"errors"
	"fmt"
	"io"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal/keyfile"
	"blindseq/seal/te"
)

// Warning is for who runs it.
const Warning = "For development: with these key files together anyone reads every transaction encrypted for the committee, ordered or not."

// Config of the command.
type Config struct {
	Bundle         string   `arg:"" optional:"" help:"Bundle in hex. Standard input when absent or -."`
	CommitteeFile  string   `help:"Committee file that the bundle is encrypted for." type:"path"`
	KeysFile       string   `help:"File of public keys, instead of a committee file." type:"path"`
	ShareFile      []string `help:"Files (mode 0600) of key shares, as many as the threshold." type:"path"`
	PassphraseFile string   `help:"File (mode 0600) whose first line is the passphrase of the key shares." type:"path"`
}

// Validate refuses what cannot decrypt anything.
func (c *Config) Validate() error {
	switch {
	case (c.CommitteeFile == "") == (c.KeysFile == ""):
		return input.ErrKeys
	case len(c.ShareFile) == 0 || len(c.ShareFile) > te.MaxAuthorities:
		return fmt.Errorf("--share-file: the files of 1 to %d key shares are needed", te.MaxAuthorities)
	}
	return nil
}

// Run writes the transactions of the bundle to out, in hex, a line each.
func Run(cfg Config, in io.Reader, out io.Writer) error {
	txs, err := run(cfg, in)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	for _, tx := range txs {
		if _, err := fmt.Fprintf(out, "0x%x\n", tx); err != nil {
			return fmt.Errorf("decrypt: write transaction: %w", err)
		}
	}
	return nil
}

func run(cfg Config, in io.Reader) ([][]byte, error) {
	keys, _, err := input.Keys(cfg.CommitteeFile, cfg.KeysFile)
	if err != nil {
		return nil, err
	}
	raw, err := input.Read(cfg.Bundle, in, te.MaxBundleBytes)
	if err != nil {
		return nil, err
	}
	bundle, err := te.DecodeBundle(raw)
	if err != nil {
		return nil, err
	}
	verified, err := bundle.Payload.Ciphertext.Verify()
	if err != nil {
		return nil, err
	}
	shares, err := decryptionShares(cfg, keys, verified)
	if err != nil {
		return nil, err
	}
	opening, err := keys.Combine(shares)
	if err != nil {
		return nil, err
	}
	return bundle.Payload.Decrypt(opening)
}

// decryptionShares are those of every key file, each checked against the public keys.
func decryptionShares(cfg Config, keys *te.PublicKeys, v *te.Verified) ([]*te.DecryptionShare, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	var shares []*te.DecryptionShare
	var failed []error
	for _, path := range cfg.ShareFile {
		share, err := decryptionShare(path, passphrase, keys, v)
		shares, failed = append(shares, share), append(failed, err)
	}
	return shares, errors.Join(failed...)
}

func decryptionShare(path string, passphrase []byte, keys *te.PublicKeys, v *te.Verified) (*te.DecryptionShare, error) {
	key, err := keyfile.ReadShare(path, passphrase)
	if err != nil {
		return nil, err
	}
	defer key.Erase()
	share, err := key.Share(v)
	if err != nil {
		return nil, err
	}
	public, err := keys.Share(key.Authority())
	if err == nil {
		err = public.Verify(v, share)
	}
	if err != nil {
		return nil, fmt.Errorf("use key share %s: %w", path, err)
	}
	return share, nil
}
