package dkg

import (
	"errors"
	"fmt"

	"blindseq/dsn-node/internal/identity"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Identity is the config of making the key a participant signs with.
type Identity struct {
	Out            string `help:"File to write the key to, with mode 0600. An existing file is never replaced." default:"identity.key" type:"path"`
	PassphraseFile string `help:"File (mode 0600) whose first line is the passphrase to encrypt the key with." type:"path"`
}

// Validate refuses to write nowhere.
func (c *Identity) Validate() error {
	if c.Out == "" {
		return errors.New("--out must not be empty")
	}
	return nil
}

// NewIdentity makes a key and returns the address to be put into the ceremony file.
func NewIdentity(cfg Identity) (common.Address, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return common.Address{}, fmt.Errorf("make identity: %w", err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return common.Address{}, fmt.Errorf("make identity: %w", err)
	}
	if err := identity.Write(cfg.Out, key, passphrase); err != nil {
		return common.Address{}, fmt.Errorf("make identity: %w", err)
	}
	return crypto.PubkeyToAddress(key.PublicKey), nil
}
