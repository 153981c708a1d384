// Package devnet runs the whole system in one process for a developer: every service as it is, on loopback, with an
// embedded Redis unless another is named, and its data in one folder so that the next run goes on with the chain.
package devnet

import (
	"time"

	"blindseq/dsn-node/sequencer"
)

// Config is what the devnet can be told.
type Config struct {
	DataDir           string             `name:"data-dir" help:"Folder of the chain's data; a second run goes on with it." default:"data" type:"path"`
	RedisURL          string             `name:"redis-url" help:"Redis to use; an embedded one when empty." env:"BLINDSEQ_REDIS_URL,REDIS_URL"`
	RESTAddress       string             `name:"rest-address" help:"Address of the REST API." default:"127.0.0.1:8080"`
	RPCAddress        string             `name:"rpc-address" help:"Address of Ethereum JSON-RPC and WebSocket." default:"127.0.0.1:8545"`
	BundlerAddress    string             `name:"bundler-address" help:"Address of the bundler's JSON-RPC, which encrypts what plain wallets send." default:"127.0.0.1:3000"`
	Keyholders        int                `help:"How many keyholders; 0 for none, and no encrypted transactions." default:"4"`
	Threshold         int                `help:"How many keyholders open a transaction; 0: as many as make a quorum." default:"0"`
	Genesis           string             `help:"A geth genesis.json; the development genesis when empty." type:"path"`
	TimeBetweenBlocks string             `name:"time-between-blocks" help:"Longest time without a block, for example 5s; none for blocks on demand only." default:"10s"`
	PreblockTime      sequencer.Interval `name:"preblock-time" help:"Preblocks are fixed on this tick, a duration or milliseconds; 0: at network speed." default:"0s"`
	LogLevel          string             `help:"Least level of the services' log lines: ${enum}." enum:"debug,info,warn,error" default:"warn"`
	LogFormat         string             `help:"How log lines are written: ${enum}." enum:"text,json" default:"text"`
	OTLPEndpoint      string             `name:"otlp-endpoint" help:"Where to send traces by OTLP over gRPC, for example http://127.0.0.1:4317; none when empty."`
}

// readyTimeout is how long the first block's way may take to come up.
const readyTimeout = 2 * time.Minute
