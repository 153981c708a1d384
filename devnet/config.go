// Package devnet runs the whole system in one process for developers: every service unchanged, on loopback addresses, with
// an embedded Redis unless the configuration names another. All data is in one directory; the next run continues the chain.
//
// It guarantees that a start that fails leaves nothing open. It asks for a data directory that no other devnet uses.
package devnet

import (
	"time"

	"blindseq/dsn-node/sequencer"
)

// Config is the configuration of the devnet.
type Config struct {
	DataDir           string             `name:"data-dir" help:"Directory of the chain's data. The next run continues this chain." default:"data" type:"path"`
	RedisURL          string             `name:"redis-url" help:"URL of the Redis to use. Empty starts an embedded one." env:"BLINDSEQ_REDIS_URL,REDIS_URL"`
	RESTAddress       string             `name:"rest-address" help:"Address of the REST API." default:"127.0.0.1:8080"`
	RPCAddress        string             `name:"rpc-address" help:"Address of Ethereum JSON-RPC and WebSocket." default:"127.0.0.1:8545"`
	BundlerAddress    string             `name:"bundler-address" help:"Address of the bundler's JSON-RPC, which seals the transactions of ordinary wallets." default:"127.0.0.1:3000"`
	Keyholders        int                `help:"Number of keyholders. 0 runs none, and accepts no sealed transactions." default:"4"`
	Threshold         int                `help:"Number of keyholders needed to open a transaction. 0 means a quorum." default:"0"`
	Genesis           string             `help:"geth genesis.json. Empty uses the development genesis." type:"path"`
	History           string             `help:"Blocks whose state can be read: archive for all, a number of last blocks, or a time such as 24h, up to the timestamp of the head." default:"archive"`
	TimeBetweenBlocks string             `name:"time-between-blocks" help:"Maximum time without a block, for example 5s. transactions produces blocks for transactions only, and none while there are none. demand (or none, its earlier name) produces blocks on demand only: transactions wait until somebody asks for a block." default:"10s"`
	PreblockTime      sequencer.Interval `name:"preblock-time" help:"Interval at which preblocks are decided: a duration, or a number of milliseconds. 0 decides them at network speed." default:"0s"`
	LogLevel          string             `help:"Minimum level to log: ${enum}." enum:"debug,info,warn,error" default:"warn"`
	LogFormat         string             `help:"Format of log lines: ${enum}." enum:"text,json" default:"text"`
	OTLPEndpoint      string             `name:"otlp-endpoint" help:"URL to send traces to by OTLP over gRPC, for example http://127.0.0.1:4317. Empty sends none."`
}

// readyTimeout is how long the services may take until the gateway reports all of them.
const readyTimeout = 2 * time.Minute
