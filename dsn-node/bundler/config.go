package bundler

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"blindseq/kit/config"
)

// Config of a bundler.
type Config struct {
	config.Common  `kong:"embed,set='grpc_address=127.0.0.1:7107',set='http_address=127.0.0.1:7207'"`
	RPCAddress     string `name:"rpc-address" help:"Address to serve Ethereum JSON-RPC to wallets on (HTTP)." default:"127.0.0.1:3000"`
	RollupRPC      string `name:"rollup-rpc" help:"URL of the rollup's JSON-RPC, which takes the bundles and everything else." default:"http://127.0.0.1:8545"`
	Simulations    string `help:"What becomes of calls that show a transaction in plain before it is sent (eth_call, eth_estimateGas, eth_createAccessList and the like): pass forwards them in plain, refuse answers with an error, so that a wallet must be given gas and access list. A call that is passed shows sender, receiver and data to whoever answers it, before the order is fixed." enum:"pass,refuse" default:"pass"`
	SimulationsRPC string `name:"simulations-rpc" help:"URL of the JSON-RPC those calls go to instead of the rollup's: of a node of yours that follows the chain. With --simulations=pass."`
	CommitteeFile  string `help:"File of the committee to encrypt for; its chain is the one whose transactions are taken." default:"committee.json" type:"path"`
	IdentityFile   string `help:"File (mode 0600) of the key that bundles are signed with: hex, or Ethereum's keystore format." default:"bundler.identity" type:"path"`
	PassphraseFile string `help:"File (mode 0600) whose first line is the passphrase of the key; none when it is not encrypted." type:"path"`
	DataDir        string `help:"Directory of the bundles that are not in a block yet; of this process alone." default:"bundler-data" type:"path"`

	AcceptTimeout time.Duration `help:"How long a wallet waits for the rollup to accept its transaction." default:"8s"`
	MaxAge        time.Duration `help:"A transaction that is not in a block after this is given up." default:"24h"`
	MaxPending    int           `help:"Most transactions that wait for a block; further ones are refused." default:"10000"`

	CORSOrigins []string      `name:"cors-origins" help:"Web origins whose pages may use JSON-RPC; * is any." default:"*"`
	BodyLimit   int64         `name:"rpc-body-limit" help:"Most bytes of a JSON-RPC request." default:"5242880"`
	BatchLimit  int           `name:"rpc-batch-limit" help:"Most calls of a batch." default:"1000"`
	RPCTimeout  time.Duration `name:"rpc-timeout" help:"How long the rollup may take to answer a request that is forwarded." default:"30s"`
	MaxConns    int           `name:"max-connections" help:"Most connections at once; further ones wait." default:"4096"`
}

// DefaultAddresses are the ports of gRPC, which serves health only, and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7107", "127.0.0.1:7207" }

// Validate refuses what a bundler cannot run with.
func (c *Config) Validate() error {
	if !isHTTP(c.RollupRPC) {
		return errors.New("--rollup-rpc must be a URL like http://127.0.0.1:8545")
	}
	if err := c.checkSimulations(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.RPCAddress); err != nil {
		return fmt.Errorf("--rpc-address: %w", err)
	}
	for flag, file := range map[string]string{"committee-file": c.CommitteeFile, "identity-file": c.IdentityFile, "data-dir": c.DataDir} {
		if file == "" {
			return fmt.Errorf("--%s must not be empty", flag)
		}
	}
	for flag, d := range map[string]time.Duration{"accept-timeout": c.AcceptTimeout, "max-age": c.MaxAge, "rpc-timeout": c.RPCTimeout} {
		if d < 10*time.Millisecond {
			return fmt.Errorf("--%s must be at least 10ms, not %s", flag, d)
		}
	}
	for flag, n := range map[string]int64{
		"max-pending": int64(c.MaxPending), "rpc-body-limit": c.BodyLimit, "rpc-batch-limit": int64(c.BatchLimit), "max-connections": int64(c.MaxConns),
	} {
		if n < 1 {
			return fmt.Errorf("--%s must be at least 1, not %d", flag, n)
		}
	}
	return nil
}

func (c *Config) checkSimulations() error {
	switch {
	case c.SimulationsRPC == "":
		return nil
	case !isHTTP(c.SimulationsRPC):
		return errors.New("--simulations-rpc must be a URL like http://127.0.0.1:8545")
	case c.Simulations == "refuse":
		return errors.New("--simulations-rpc is of no use with --simulations=refuse")
	}
	return nil
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
