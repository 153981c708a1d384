// Package apigw is the gateway: the public API over REST and gRPC, Ethereum JSON-RPC carried to the leading producer,
// and the private JSON-RPC produceBlock. It keeps nothing, so any number of it may run.
package apigw

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"blindseq/kit/config"
)

// Config is what the gateway can be told.
type Config struct {
	config.Common `embed:""`

	RESTAddress string `name:"rest-address" help:"Address to serve the REST API and /openapi.json on." default:"127.0.0.1:8080"`
	RPCAddress  string `name:"rpc-address" help:"Address to serve Ethereum JSON-RPC on: HTTP at /, WebSocket at / and /ws, produceBlock at /private." default:"127.0.0.1:8545"`

	Proposer string `help:"gRPC target of proposer-svc." default:"127.0.0.1:7101"`
	Monitor  string `help:"gRPC target of monitor-svc." default:"127.0.0.1:7102"`

	APITokenFile  string `name:"api-token-file" help:"File (mode 0600) with the bearer token for produce_block and admin calls; needed unless every public listener is on a loopback address, where no token is asked for." type:"path"`
	LoopbackToken bool   `name:"loopback-token" help:"Ask for the token on loopback addresses too, as is needed behind a proxy on the same machine."`

	CORSOrigins   []string      `name:"cors-origins" help:"Web origins whose pages may use JSON-RPC (it knows no cookies); * is any. REST and /private are never open to other origins." default:"*"`
	RPCBodyLimit  int64         `name:"rpc-body-limit" help:"Most bytes of a JSON-RPC request or WebSocket message." default:"5242880"`
	RPCTimeout    time.Duration `name:"rpc-timeout" help:"How long the leading producer may take to answer a JSON-RPC request." default:"30s"`
	MaxSockets    int64         `name:"max-websockets" help:"Most WebSockets at once." default:"1024"`
	MaxConns      int           `name:"max-connections" help:"Most connections at once on each of the HTTP listeners; further ones wait." default:"4096"`
	ProduceWait   time.Duration `name:"produce-timeout" help:"How long produce_block may take, the wait for the consumption lock and the time it is held included." default:"30s"`
	CallTimeout   time.Duration `name:"call-timeout" help:"How long another call to a service may take." default:"5s"`
	HoldTimeout   time.Duration `name:"hold-timeout" help:"How long a call is held and repeated that cannot be served now, because nobody leads, Redis is away or a service restarts; 0: not at all. The caller's own deadline ends it earlier, and --produce-timeout that of produce_block." default:"30s"`
	MaxHeld       int64         `name:"max-held" help:"Most calls held at once; one more that cannot be served is refused." default:"4096"`
	StatusTimeout time.Duration `name:"status-timeout" help:"How long each service may take to answer for /v1/status." default:"1s"`
}

// DefaultAddresses are the gateway's default ports.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7104", "127.0.0.1:7204" }

// Validate refuses what cannot work.
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
			errs = append(errs, fmt.Errorf("--%s: must be above 0, it is %s", name, d))
		}
	}
	if c.HoldTimeout < 0 {
		errs = append(errs, fmt.Errorf("--hold-timeout: must not be below 0, it is %s", c.HoldTimeout))
	}
	if c.RPCBodyLimit < 1<<10 || c.RPCBodyLimit > 64<<20 {
		errs = append(errs, fmt.Errorf("--rpc-body-limit: must be from 1 KiB to 64 MiB, it is %d", c.RPCBodyLimit))
	}
	if c.MaxSockets < 1 || c.MaxConns < 1 || c.MaxHeld < 1 {
		errs = append(errs, errors.New("--max-websockets, --max-connections and --max-held: must be above 0"))
	}
	for _, o := range c.CORSOrigins {
		if o != "*" && !strings.Contains(o, "://") {
			errs = append(errs, fmt.Errorf("--cors-origins: %q is no origin, such as https://app.example.org", o))
		}
	}
	return errors.Join(errs...)
}
