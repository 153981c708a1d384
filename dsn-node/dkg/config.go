package dkg

import (
	"errors"
	"fmt"
	"time"

	"blindseq/kit/config"
)

// Config of one participant.
type Config struct {
	GRPCAddress    string        `name:"grpc-address" help:"Address to listen on. The other participants reach it at this participant's endpoint in the ceremony file." default:"127.0.0.1:7107"`
	CeremonyFile   string        `help:"Ceremony file, the same for all participants: JSON with name (never used before), chain_id, first_number, threshold, sequencers (the one address that dsn-node identity printed for the sequencer), optionally relays, lifetime and sealed_gas, and participants in the order of their authority, each with identity (address) and endpoint (host:port)." default:"ceremony.json" type:"path"`
	IdentityFile   string        `help:"File (mode 0600) with the signing key of this participant, here and later as a keyholder. Create one with dsn-node identity." default:"identity.key" type:"path"`
	PassphraseFile string        `help:"File (mode 0600) whose first line is the passphrase of the identity file. The key share is encrypted with it too." type:"path"`
	Out            string        `help:"Directory for share.json and committee.json, which are written both or not at all. It must be new or empty." default:"keys" type:"path"`
	StartTimeout   time.Duration `help:"Timeout for all participants to start." default:"10m"`
	PhaseTimeout   time.Duration `help:"Timeout of each later phase." default:"30s"`
	LogLevel       string        `help:"Minimum level to log: ${enum}." enum:"debug,info,warn,error" default:"info"`
	LogFormat      string        `help:"Format of log lines: ${enum}." enum:"text,json" default:"text"`
	TLS            config.TLS    `embed:"" prefix:"tls-"`
	Insecure       bool          `help:"Allow plain text on an address that other machines can reach, where mutual TLS is not configured."`
}

// Validate refuses what a participant cannot run with.
func (c *Config) Validate() error {
	switch {
	case c.CeremonyFile == "":
		return errors.New("--ceremony-file must not be empty")
	case c.IdentityFile == "":
		return errors.New("--identity-file must not be empty")
	case c.Out == "":
		return errors.New("--out must not be empty")
	case c.StartTimeout < time.Second || c.PhaseTimeout < time.Second:
		return fmt.Errorf("--start-timeout and --phase-timeout must be at least 1s, not %s and %s", c.StartTimeout, c.PhaseTimeout)
	}
	return nil
}

// Base is what the process is set up with.
func (c *Config) Base() *config.Common {
	return &config.Common{LogLevel: c.LogLevel, LogFormat: c.LogFormat, TLS: c.TLS, Insecure: c.Insecure}
}
