// Package keygen makes the keys of a whole committee in one place, FOR DEVELOPMENT AND TESTS: whoever runs it knows every
// secret and can read every transaction ever sealed to the committee.
package keygen

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"blindseq/dsn-node/internal/identity"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const tokenBytes = 32

// Config of the key generation.
type Config struct {
	Out            string           `help:"Directory for committee.json and the key files. Existing files are never replaced." default:"." type:"path"`
	Keyholders     int              `help:"Number of keyholders." default:"4"`
	Threshold      int              `help:"Number of keyholders needed to open a sealed transaction. 0 means a quorum." default:"0"`
	ChainID        uint64           `name:"chain-id" help:"Chain id that the committee attests for." required:""`
	FirstNumber    uint64           `help:"First blueprint number the committee attests." default:"1"`
	Lifetime       uint64           `help:"Number of blueprints within which a sealed transaction must be ordered, a constant of the chain." default:"50000"`
	SealedGas      uint64           `help:"Maximum gas of all sealed transactions of a blueprint, a constant of the chain." default:"15000000"`
	Relays         []common.Address `help:"Addresses of relays beside the bundler whose key is made here: their transactions count as sealed by their own senders, a constant of the chain."`
	Instances      []string         `name:"bundler-instances" help:"Names of the bundlers (--instance) that share the key made here. Each is a relay, beside the bundler without a name."`
	PassphraseFile string           `help:"File (mode 0600) whose first line is the passphrase to encrypt the key files with." type:"path"`
	Keep           bool             `help:"Succeed and change nothing when the directory already has a committee."`
}

// Validate refuses what no committee can be.
func (c *Config) Validate() error {
	quorum := seal.Quorum(c.Keyholders)
	lowest := c.Keyholders - quorum + 1 // whoever may be missing from a quorum opens nothing
	switch {
	case c.Keyholders < 1 || c.Keyholders > seal.MaxAuthorities:
		return fmt.Errorf("--keyholders must be within 1 and %d, not %d", seal.MaxAuthorities, c.Keyholders)
	case c.Threshold != 0 && (c.Threshold < lowest || c.Threshold > quorum):
		return fmt.Errorf("--threshold must be within %d and the quorum %d, not %d", lowest, quorum, c.Threshold)
	case c.FirstNumber == 0 || c.FirstNumber > 1<<62:
		return fmt.Errorf("--first-number must be within 1 and 2^62, not %d", c.FirstNumber)
	}
	if _, err := c.limits().OrDefault(); err != nil {
		return fmt.Errorf("--lifetime and --sealed-gas: %w", err)
	}
	return nil
}

func (c *Config) limits() committee.Limits {
	return committee.Limits{Lifetime: c.Lifetime, SealedGas: c.SealedGas}
}

// Files are where a committee's keys are.
type Files struct {
	Committee  string
	Shares     []string // by authority
	Identities []string
	Sequencer  string // identity key of the sequencer, which signs its proposals
	Bundler    string // identity key of a bundler, which the committee names as a relay
	Token      string // of a gateway, for produce_block and admin calls
}

// Layout says where Run puts, or has put, the keys of a committee.
func Layout(dir string, keyholders int) *Files {
	f := &Files{Committee: filepath.Join(dir, "committee.json"), Sequencer: filepath.Join(dir, "sequencer.identity"),
		Bundler: filepath.Join(dir, "bundler.identity"), Token: filepath.Join(dir, "api-token")}
	for i := range keyholders {
		name := filepath.Join(dir, fmt.Sprintf("keyholder-%d", i))
		f.Shares = append(f.Shares, name+".share.json")
		f.Identities = append(f.Identities, name+".identity")
	}
	return f
}

// Run deals the keys of a committee and writes them.
func Run(cfg Config) (*Files, error) {
	f, err := run(cfg)
	if err != nil {
		return nil, fmt.Errorf("generate keys: %w", err)
	}
	return f, nil
}

func run(cfg Config) (*Files, error) {
	threshold := cfg.Threshold
	if threshold == 0 {
		threshold = seal.Quorum(cfg.Keyholders)
	}
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Out, 0o700); err != nil {
		return nil, err
	}
	f := Layout(cfg.Out, cfg.Keyholders)
	if _, err := os.Stat(f.Committee); cfg.Keep && err == nil {
		return f, nil // it is written last
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.Committee, fs.ErrExist), err)
	}
	keys, shares, err := seal.Deal(rand.Reader, cfg.ChainID, cfg.Keyholders, threshold)
	if err != nil {
		return nil, err
	}
	members := make([]common.Address, len(shares))
	for i, share := range shares {
		if members[i], err = f.writeKeyholder(share, passphrase); err != nil {
			return nil, err
		}
	}
	roles, err := f.writeRoles(cfg, passphrase)
	if err != nil {
		return nil, err
	}
	c, err := committee.New(cfg.FirstNumber, members, keys, cfg.limits(), roles)
	if err != nil {
		return nil, err
	}
	return f, c.Write(f.Committee)
}

// writeKeyholder writes one keyholder's two files and returns the address it signs with.
func (f *Files) writeKeyholder(share *seal.Secret, passphrase []byte) (common.Address, error) {
	defer share.Erase()
	key, err := writeIdentity(f.Identities[share.Authority()], passphrase)
	if err != nil {
		return common.Address{}, err
	}
	return crypto.PubkeyToAddress(key.PublicKey), keyfile.WriteShare(f.Shares[share.Authority()], share, passphrase)
}

// writeToken writes a token, as hex.
func (f *Files) writeToken() error {
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Token, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%x\n", secret)
	return errors.Join(err, file.Close())
}

// writeRoles writes the keys of a sequencer and a bundler, and the gateway's token.
func (f *Files) writeRoles(cfg Config, passphrase []byte) (committee.Roles, error) {
	sequencer, err := writeIdentity(f.Sequencer, passphrase)
	if err != nil {
		return committee.Roles{}, err
	}
	bundler, err := writeIdentity(f.Bundler, passphrase)
	if err != nil {
		return committee.Roles{}, err
	}
	roles := committee.Roles{Sequencers: []common.Address{crypto.PubkeyToAddress(sequencer.PublicKey)}}
	for _, name := range append([]string{""}, cfg.Instances...) {
		one, err := identity.Instance(bundler, name)
		if err != nil {
			return roles, err
		}
		roles.Relays = append(roles.Relays, crypto.PubkeyToAddress(one.PublicKey))
	}
	roles.Relays = append(roles.Relays, cfg.Relays...)
	return roles, f.writeToken()
}

// writeIdentity writes a new identity key and returns it.
func writeIdentity(path string, passphrase []byte) (*ecdsa.PrivateKey, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return key, identity.Write(path, key, passphrase)
}
