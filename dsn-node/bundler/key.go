package bundler

import (
	"crypto/ecdsa"
	"fmt"

	"blindseq/dsn-node/internal/identity"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Submitter is the config of showing the addresses with which bundlers of one identity seal.
type Submitter struct {
	IdentityFile   string   `help:"File (mode 0600) with the bundlers' key." default:"bundler.identity" type:"path"`
	PassphraseFile string   `help:"File (mode 0600) whose first line is the passphrase of the key. Empty when it is not encrypted." type:"path"`
	Instance       []string `help:"Names of processes, as their --instance says. Empty shows the address of a process without a name."`
}

// Submitters returns the addresses to be named as relays in a ceremony or committee file, one for each instance.
func Submitters(cfg Submitter) (addresses []common.Address, err error) {
	key, err := readIdentity(cfg.IdentityFile, cfg.PassphraseFile)
	if err != nil {
		return nil, fmt.Errorf("show submitters: %w", err)
	}
	instances := cfg.Instance
	if len(instances) == 0 {
		instances = []string{""}
	}
	for _, name := range instances {
		one, err := identity.Instance(key, name)
		if err != nil {
			return nil, fmt.Errorf("show submitters: %w", err)
		}
		addresses = append(addresses, crypto.PubkeyToAddress(one.PublicKey))
	}
	return addresses, nil
}

// readKey reads the submitter's key of this process.
func readKey(cfg Config) (*ecdsa.PrivateKey, error) {
	key, err := readIdentity(cfg.IdentityFile, cfg.PassphraseFile)
	if err != nil {
		return nil, err
	}
	return identity.Instance(key, cfg.Instance)
}

func readIdentity(file, passphraseFile string) (*ecdsa.PrivateKey, error) {
	passphrase, err := identity.ReadPassphrase(passphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	return identity.Read(file, passphrase)
}
