package keyholder

import (
	"errors"

	"blindseq/kit/clock"
	"blindseq/kit/config"
)

// Config of a keyholder.
type Config struct {
	config.Common  `kong:"embed,set='grpc_address=127.0.0.1:7106',set='http_address=127.0.0.1:7206'"`
	DataDir        string `help:"Directory of the logs of votes. One process per directory. Never replace it by an older copy: the keyholder could contradict itself. An empty one is safe; the keyholder then signs nothing until its peers have reported." default:"keyholder-data" type:"path"`
	CommitteeFile  string `help:"Committee file of which this keyholder is a member." default:"committee.json" type:"path"`
	ShareFile      string `help:"File (mode 0600) with the share of the decryption key." default:"share.json" type:"path"`
	IdentityFile   string `help:"File (mode 0600) with the signing key, in hex or in Ethereum's keystore format." default:"identity.key" type:"path"`
	PassphraseFile string `help:"File (mode 0600) whose first line is the passphrase of both key files. Empty when they are not encrypted." type:"path"`

	// Clock is that by which timestamps are judged; nil for the machine's. It is no flag: a development chain sets it.
	Clock *clock.Clock `kong:"-"`
}

// DefaultAddresses are the ports of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7106", "127.0.0.1:7206" }

// Validate refuses what a keyholder cannot run with.
func (c *Config) Validate() error {
	switch {
	case c.DataDir == "":
		return errors.New("--data-dir must not be empty")
	case c.CommitteeFile == "":
		return errors.New("--committee-file must not be empty")
	case c.ShareFile == "":
		return errors.New("--share-file must not be empty")
	case c.IdentityFile == "":
		return errors.New("--identity-file must not be empty")
	}
	return nil
}
