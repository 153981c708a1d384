// Package apigw is the gateway. It serves the public API over REST and gRPC, forwards Ethereum JSON-RPC to the leading
// producer, and serves the private JSON-RPC method produceBlock. It stores nothing, so any number of replicas may run.
package apigw

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"blindseq/api-gw/internal/page"
	"blindseq/kit/budget"
	"blindseq/kit/config"
)

// Config is the configuration of the gateway.
type Config struct {
	config.Common `embed:""`

	RESTAddress string `name:"rest-address" help:"Address to serve the REST API and /openapi.json on." default:"127.0.0.1:8080"`
	RPCAddress  string `name:"rpc-address" help:"Address to serve Ethereum JSON-RPC on: HTTP at /, WebSocket at / and /ws, produceBlock at /private." default:"127.0.0.1:8545"`

	Page        bool   `name:"page" help:"Serve a web page at / of the REST listener that shows the pipeline live. It shows what anybody may read, and calls only what anybody may call." default:"true" negatable:""`
	PageRPCHost string `name:"page-rpc-host" help:"Host of JSON-RPC for the page, for example rpc.example.org, with a port where it is not that of HTTP or HTTPS. Empty means the host of the page, at the port of --rpc-address."`
	PageFaucet  bool   `kong:"-"` // the devnet sets it: the page sends transfers from an account of the development genesis

	Proposer string `help:"gRPC target of proposer-svc." default:"127.0.0.1:7101"`
	Monitor  string `help:"gRPC target of monitor-svc." default:"127.0.0.1:7102"`

	APITokenFile  string `name:"api-token-file" help:"File (mode 0600) with the bearer tokens for produce_block and admin calls, one a line; any of them is taken. It is read again when it changes. Required unless every public listener is on a loopback address, where no token is needed." type:"path"`
	LoopbackToken bool   `name:"loopback-token" help:"Require the token on loopback addresses too. Set it behind a proxy on the same machine."`

	CORSOrigins   []string      `name:"cors-origins" help:"Web origins whose pages may use JSON-RPC, which uses no cookies. * allows all. REST and /private are never open to other origins." default:"*"`
	RPCBodyLimit  int64         `name:"rpc-body-limit" help:"Maximum size of a JSON-RPC request or WebSocket message, in bytes." default:"5242880"`
	RPCTimeout    time.Duration `name:"rpc-timeout" help:"Timeout of the leading producer's answer to a JSON-RPC request." default:"30s"`
	MaxSockets    int64         `name:"max-websockets" help:"Maximum number of open WebSockets." default:"1024"`
	MaxConns      int           `name:"max-connections" help:"Maximum number of connections to each HTTP listener. More wait." default:"4096"`
	ProduceWait   time.Duration `name:"produce-timeout" help:"Timeout of produce_block, including the wait for the consumption lock and the time the call is held." default:"30s"`
	CallTimeout   time.Duration `name:"call-timeout" help:"Timeout of any other call to a service." default:"5s"`
	HoldTimeout   time.Duration `name:"hold-timeout" help:"Time for which a call is held and retried when it cannot be served yet: no producer leads, Redis is down or a service restarts. The caller's deadline may end it earlier, for produce_block also --produce-timeout. 0 holds no call." default:"30s"`
	budget.Flags  `embed:""`
	MaxHeld       int64         `name:"max-held" help:"Maximum number of held calls. More are refused." default:"4096"`
	StatusTimeout time.Duration `name:"status-timeout" help:"Timeout of each service's answer for /v1/status." default:"1s"`
}

// DefaultAddresses returns the default addresses of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7104", "127.0.0.1:7204" }

// Validate checks the values of the flags.
func (c *Config) Validate() error {
	var errs []error
	for name, addr := range map[string]string{"rest-address": c.RESTAddress, "rpc-address": c.RPCAddress} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", name, err))
		}
	}
	for name, d := range map[string]time.Duration{
		"rpc-timeout": c.RPCTimeout, "produce-timeout": c.ProduceWait, "call-timeout": c.CallTimeout, "status-timeout": c.StatusTimeout,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("--%s: must be above 0, got %s", name, d))
		}
	}
	if c.HoldTimeout < 0 {
		errs = append(errs, fmt.Errorf("--hold-timeout: must not be below 0, got %s", c.HoldTimeout))
	}
	if c.RPCBodyLimit < 1<<10 || c.RPCBodyLimit > 64<<20 {
		errs = append(errs, fmt.Errorf("--rpc-body-limit: must be from 1 KiB to 64 MiB, got %d", c.RPCBodyLimit))
	}
	if c.MaxSockets < 1 || c.MaxConns < 1 || c.MaxHeld < 1 {
		errs = append(errs, errors.New("--max-websockets, --max-connections and --max-held: must be above 0"))
	}
	errs = append(errs, c.Flags.Validate())
	if c.PageRPCHost != "" {
		if err := page.CheckHost(c.PageRPCHost); err != nil {
			errs = append(errs, fmt.Errorf("--page-rpc-host: %w", err))
		}
	}
	for _, o := range c.CORSOrigins {
		if o != "*" && !strings.Contains(o, "://") {
			errs = append(errs, fmt.Errorf("--cors-origins: %q is not an origin such as https://app.example.org", o))
		}
	}
	return errors.Join(errs...)
}
