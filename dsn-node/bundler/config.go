package bundler

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"blindseq/dsn-node/bundler/internal/peers"
	"blindseq/kit/budget"
	"blindseq/kit/config"
)

// Config of a bundler.
type Config struct {
	config.Common  `kong:"embed,set='grpc_address=127.0.0.1:7107',set='http_address=127.0.0.1:7207'"`
	RPCAddress     string   `name:"rpc-address" help:"Address to serve Ethereum JSON-RPC to wallets on: HTTP at /, WebSocket at / and /ws." default:"127.0.0.1:3000"`
	RollupRPC      string   `name:"rollup-rpc" help:"URL of the JSON-RPC of the rollup's leader or gateway. It gets sealed transactions, and is asked about them by their ids and about this bundler's own submitter. It is asked about no sender." default:"http://127.0.0.1:8545"`
	ObserverRPC    string   `name:"observer-rpc" help:"URL of the JSON-RPC of an observer of your own, a producer-svc with --role observer. It is asked about senders before their transactions are sealed, and answers what wallets ask. With --tls-cert one on another machine is asked over TLS, and its certificate must be an observer's. Without it plain transactions are refused, and so is all that names an account or a transaction."`
	RollupKeyFile  string   `help:"File (mode 0600) whose first line is the API key that is sent to --rollup-rpc (X-Api-Key). All wallets of a bundler are one client of the gateway; its --clients-file gives the key a higher budget. Empty sends none." type:"path"`
	Simulations    string   `help:"Policy for calls that reveal a transaction before it is sent, such as eth_call, eth_estimateGas and eth_createAccessList: ${enum}. observer has --observer-rpc answer them, and refuses them without it. refuse answers with an error; the wallet then needs a gas limit and an access list from its user." enum:"observer,refuse" default:"observer"`
	CommitteeFile  string   `help:"Committee file to seal for. Only transactions of its chain are accepted." default:"committee.json" type:"path"`
	IdentityFile   string   `help:"File (mode 0600) with the submitter's key, in hex or in Ethereum's keystore format. It signs what is sealed and encrypts --data-dir. Processes that share the file need an --instance each." default:"bundler.identity" type:"path"`
	PassphraseFile string   `help:"File (mode 0600) whose first line is the passphrase of the key. Empty when it is not encrypted." type:"path"`
	Instance       string   `help:"Name of this process among those with the same identity file. Each has a submitter's key of its own, derived from the file's key and this name. Empty uses the file's key itself."`
	Peers          []string `help:"Bundlers behind the same address, this one among them, as name=host:port: the --instance (or --peer-name) and the gRPC address of each. Each account has one of them as its home, and the others pass on to it what wallets send. All have the same list. Empty: this one is alone."`
	PeerName       string   `help:"Name of this process in --peers. Empty: its --instance."`
	LeavingPeers   []string `help:"Names of --peers that are no account's home any more. One is stopped and removed from the lists when nothing waits in it."`
	DataDir        string   `help:"Directory of the transactions that are in no block yet, encrypted with the submitter's key. One process per directory." default:"bundler-data" type:"path"`

	AcceptTimeout time.Duration `help:"Timeout of a wallet's transaction: how long the rollup may take to accept it." default:"8s"`
	MaxAge        time.Duration `help:"Age at which the bundler gives up a transaction that is in no block." default:"24h"`
	MaxPending    int           `help:"Maximum number of transactions that wait for a block. More are refused." default:"10000"`

	budget.Flags `embed:""`
	CORSOrigins  []string      `name:"cors-origins" help:"Web origins whose pages may use JSON-RPC. * allows all." default:"*"`
	BodyLimit    int64         `name:"rpc-body-limit" help:"Maximum size of a JSON-RPC request or WebSocket message, in bytes." default:"5242880"`
	BatchLimit   int           `name:"rpc-batch-limit" help:"Maximum number of calls in a batch." default:"1000"`
	RPCTimeout   time.Duration `name:"rpc-timeout" help:"Timeout of a forwarded request." default:"30s"`
	ReceiptHold  time.Duration `help:"Longest wait of a request for the block of a transaction that waits here and whose receipt it asks for, or which it sends in a batch with other calls. 0 answers at once." default:"1s"`
	MaxConns     int           `name:"max-connections" help:"Maximum number of concurrent connections. More wait." default:"4096"`

	// Development has --observer-rpc sign for the accounts of a development chain. It is no flag, so that no program but the devnet can
	// set it.
	Development bool `kong:"-"`
}

// DefaultAddresses are the ports of gRPC, which serves health only, and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7107", "127.0.0.1:7207" }

// Validate refuses what a bundler cannot run with.
func (c *Config) Validate() error {
	if !isHTTP(c.RollupRPC) {
		return errors.New("--rollup-rpc must be a URL like http://127.0.0.1:8545")
	}
	if err := c.checkObserver(); err != nil {
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
	if err := c.checkPeers(); err != nil {
		return err
	}
	if err := c.Flags.Validate(); err != nil {
		return err
	}
	for flag, d := range map[string]time.Duration{"accept-timeout": c.AcceptTimeout, "max-age": c.MaxAge, "rpc-timeout": c.RPCTimeout} {
		if d < 10*time.Millisecond {
			return fmt.Errorf("--%s must be at least 10ms, not %s", flag, d)
		}
	}
	if c.ReceiptHold < 0 || c.ReceiptHold >= c.RPCTimeout {
		return fmt.Errorf("--receipt-hold must be at least 0 and below --rpc-timeout (%s), not %s", c.RPCTimeout, c.ReceiptHold)
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

func (c *Config) peerName() string { return cmp.Or(c.PeerName, c.Instance) }

func (c *Config) checkPeers() error {
	if len(c.Peers) == 0 && len(c.LeavingPeers) == 0 && c.PeerName == "" {
		return nil
	}
	if _, err := peers.Parse(0, c.peerName(), c.Peers, c.LeavingPeers); err != nil {
		return fmt.Errorf("--peers: %w", err)
	}
	return nil
}

func (c *Config) checkObserver() error {
	switch {
	case c.ObserverRPC == "":
		return nil
	case !isHTTP(c.ObserverRPC):
		return errors.New("--observer-rpc must be a URL like http://127.0.0.1:7303")
	case c.ObserverRPC == c.RollupRPC:
		return errors.New("--observer-rpc must not be --rollup-rpc: the leader would learn who is about to send")
	}
	return nil
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
