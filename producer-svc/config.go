package producer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"blindseq/kit/clock"
	"blindseq/kit/config"
	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/publish"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// Of --time-between-blocks: when blocks are made that nobody asks for.
const (
	onTransactions = "transactions" // for transactions only
	onDemand       = "demand"       // never
	onDemandBefore = "none"         // the name of onDemand in earlier versions
)

// Config of the producer.
type Config struct {
	config.Common      `embed:""`
	Role               string           `help:"Role of this replica: ${enum}. A producer leads while it holds the lease and stands by otherwise. An observer only follows and serves reads." enum:"producer,observer" default:"producer"`
	RPCAddress         string           `name:"rpc-address" help:"Address to serve JSON-RPC (HTTP and WebSocket) and the blueprint feed on." default:"127.0.0.1:7303"`
	ClientComputing    float64          `help:"Part of the processors that the calls of one client, as a gateway names it, may keep busy on average: eth_call, eth_estimateGas, eth_getLogs, traces and the like. A client with a factor in the gateway's clients file may have so many times as much." default:"0.0625"`
	ReceiptHold        time.Duration    `help:"Longest wait of a request for the block of a pending transaction whose receipt it asks for, or which it sends in a batch with other calls; less than the gateway's --rpc-timeout. 0 answers at once." default:"1s"`
	Pool               Pool             `embed:"" prefix:"pool-"`
	DataDir            string           `help:"Directory of the chain, the blueprint log and the transaction store. One process per directory." default:"data/producer" type:"path"`
	Genesis            string           `help:"geth genesis.json. It is read when the chain begins and checked at every start. Required unless --dev-genesis is set." type:"path"`
	DevGenesis         bool             `help:"Without --genesis, use the development genesis: chain 1337 and ten rich accounts whose keys everybody knows. With --genesis, accept a file that funds these accounts. For development only."`
	History            string           `help:"Blocks whose state can be read: archive for all, a number of last blocks, or a time such as 24h, up to the timestamp of the head. What is older is removed as the chain grows. The last 128 states can always be read." default:"24h"`
	SequencerKeyFile   string           `help:"File (mode 0600) with the Ed25519 key that signs blueprints: the seed in hex. Empty uses sequencer.key in the data directory, which is created when the chain begins." type:"path"`
	CreateSequencerKey bool             `help:"Create the file of --sequencer-key-file when it does not exist."`
	Proposer           string           `help:"Address of proposer-svc (gRPC)." default:"127.0.0.1:7101"`
	Monitor            string           `help:"Address of monitor-svc (gRPC)." default:"127.0.0.1:7102"`
	LeaseTTL           time.Duration    `name:"lease-ttl" help:"Lifetime of the leader's lease: how long a dead leader keeps others from leading." default:"3s"`
	LockTTL            time.Duration    `name:"lock-ttl" help:"Lifetime of the consumption lock: how long a dead holder keeps others out." default:"3s"`
	Lock               config.LockGuard `embed:"" prefix:"lock-"`
	AsideWait          time.Duration    `help:"Time for which a replica that stepped aside leaves the lease to others. It doubles with each further time within 10 minutes, up to 30 times this." default:"10s"`
	SlowDisk           time.Duration    `help:"Duration of a small synced write above which the disk is too slow for a leader." default:"1s"`
	TimeBetweenBlocks  string           `help:"Age of the last block at which an empty block is produced, for example 5s. Transactions do not wait for it. transactions produces blocks for transactions only, and none while there are none. demand (or none, its earlier name) produces blocks on demand only: transactions wait until somebody asks for a block." default:"5s"`
	MaxClockDrift      time.Duration    `help:"Maximum lead of a requested timestamp over this machine's clock; at most 10s with --committee-file, because keyholders attest nothing that is more than 15s ahead of theirs." default:"60s"`
	MaxWaiting         int              `help:"Maximum number of waiting ProduceBlock callers. More are refused." default:"1024"`
	EventTimeout       time.Duration    `help:"Timeout of a request's event. The request is then retried with the same id." default:"3s"`
	CommitteeFile      string           `help:"Committee file of the keyholders. With it, sealed transactions (type 0x5e) are accepted." type:"path"`
	SealAllow          []string         `help:"Addresses of submitters whose sealed transactions are accepted whatever their balance is. They have no quota while they send no garbage. Without --seal-min-balance, the list is of all submitters that are accepted; empty lists nobody and accepts everybody with the default balance."`
	SealMinBalance     string           `help:"Balance (wei) that a submitter of sealed transactions needs which is neither on --seal-allow nor a relay of the chain. 0 accepts everybody. Empty is 10000000000000000 (0.01 ether), or nobody when --seal-allow has a list."`
	SealQuotaGas       uint64           `help:"Gas in the headers of a new submitter's waiting sealed transactions, at most. It grows to 16 times that with what was executed. 0 is the gas that one content may hold."`
	SealQuotaBytes     uint64           `help:"Bytes of a new submitter's waiting sealed transactions, at most. It grows to 16 times that with what was executed." default:"262144"`
	SealedShare        float64          `help:"Share of a blueprint's bytes reserved for sealed transactions, from 0.01 to 0.99. The rest is for plain transactions; either may use what the other leaves." default:"0.5"`
	AckReplicas        int              `help:"Number of standbys that must have a transaction on disk before it is acknowledged. With 0 the leader's own disk is enough."`
	AckTimeout         time.Duration    `help:"Timeout of an acknowledgement that waits for standbys." default:"3s"`
	AckShort           string           `help:"Policy when too few standbys are connected: ${enum}. refuse refuses transactions, degrade acknowledges them without standbys." enum:"refuse,degrade" default:"refuse"`
	Rollup             publish.Config   `embed:""`
	RollupAddress      string           `help:"Rollup address (20 bytes in hex) in the messages of the blueprint feed." default:"0000000000000000000000000000000000000000"`

	// Development serves what development tools expect: funded accounts, blocks on demand, time forward. It is no flag, so that no
	// program but the devnet can set it, and refuses a chain that does not fund the development accounts.
	Development bool `kong:"-"`
	// Clock is that of the blocks' timestamps; nil for the machine's. It is no flag either.
	Clock *clock.Clock `kong:"-"`
}

// roleObserver as --role never leads.
const roleObserver = "observer"

func (c *Config) observes() bool { return c.Role == roleObserver }

// DefaultAddresses are the ports of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7103", "127.0.0.1:7203" }

// maxReceiptHold is within the time that gateways give a request.
const maxReceiptHold = 20 * time.Second

// Validate refuses what the producer cannot run with.
func (c *Config) Validate() error {
	if err := c.TLS.Validate(); err != nil {
		return err
	}
	if err := c.Lock.Validate(); err != nil {
		return err
	}
	if _, err := c.pace(); err != nil {
		return err
	}
	if _, err := chain.ParseHistory(c.History); err != nil {
		return fmt.Errorf("--history %w", err)
	}
	if _, err := c.rollup(); err != nil {
		return err
	}
	if _, err := c.entry(); err != nil {
		return err
	}
	if err := c.Rollup.Validate(); err != nil {
		return err
	}
	if err := c.Pool.Validate(); err != nil {
		return err
	}
	switch {
	case c.ClientComputing <= 0 || c.ClientComputing > 1:
		return fmt.Errorf("--client-computing must be more than 0 and at most 1, not %v", c.ClientComputing)
	case c.ReceiptHold < 0 || c.ReceiptHold > maxReceiptHold:
		return fmt.Errorf("--receipt-hold must be within 0 and %s, not %s", maxReceiptHold, c.ReceiptHold)
	case c.DataDir == "":
		return errors.New("--data-dir must not be empty")
	case c.CreateSequencerKey && c.SequencerKeyFile == "":
		return errors.New("--create-sequencer-key needs --sequencer-key-file")
	case c.AsideWait < 100*time.Millisecond || c.AsideWait > time.Hour:
		return fmt.Errorf("--aside-wait must be within 100ms and 1h, not %s", c.AsideWait)
	case c.LeaseTTL < 100*time.Millisecond:
		return fmt.Errorf("--lease-ttl must be at least 100ms, not %s", c.LeaseTTL)
	case c.LockTTL < 100*time.Millisecond:
		return fmt.Errorf("--lock-ttl must be at least 100ms, not %s", c.LockTTL)
	case c.SlowDisk < time.Millisecond || c.SlowDisk > time.Minute:
		return fmt.Errorf("--slow-disk must be within 1ms and 1m, not %s", c.SlowDisk)
	case c.MaxClockDrift < 0:
		return fmt.Errorf("--max-clock-drift must not be negative, not %s", c.MaxClockDrift)
	case c.MaxWaiting < 1 || c.MaxWaiting > 1<<20:
		return fmt.Errorf("--max-waiting must be within 1 and %d, not %d", 1<<20, c.MaxWaiting)
	case !(c.SealedShare >= 0.01 && c.SealedShare <= 0.99):
		return fmt.Errorf("--sealed-share must be within 0.01 and 0.99, not %v", c.SealedShare)
	case c.AckReplicas < 0 || c.AckReplicas > 16:
		return fmt.Errorf("--ack-replicas must be within 0 and 16, not %d", c.AckReplicas)
	case c.AckTimeout < 10*time.Millisecond:
		return fmt.Errorf("--ack-timeout must be at least 10ms, not %s", c.AckTimeout)
	case c.EventTimeout < 100*time.Millisecond:
		return fmt.Errorf("--event-timeout must be at least 100ms, not %s", c.EventTimeout)
	}
	return nil
}

// pace says when blocks are made that nobody asks for.
func (c *Config) pace() (loop.Pace, error) {
	switch c.TimeBetweenBlocks {
	case onTransactions:
		return loop.Pace{Transactions: true}, nil
	case onDemand, onDemandBefore:
		return loop.Pace{}, nil
	}
	d, err := time.ParseDuration(c.TimeBetweenBlocks)
	if err != nil || d < time.Millisecond {
		return loop.Pace{}, fmt.Errorf("--time-between-blocks must be %s, %s, or at least 1ms, for example 5s, not %q",
			onTransactions, onDemand, c.TimeBetweenBlocks)
	}
	return loop.Pace{Transactions: true, Between: d}, nil
}

// defaultMinBalance is 0.01 ether, in wei.
const defaultMinBalance = 1e16

// entry says who may submit sealed transactions, so far as flags say it.
func (c *Config) entry() (admission.Entry, error) {
	e := admission.Entry{Allowed: map[common.Address]bool{}, Closed: c.SealMinBalance == "" && len(c.SealAllow) > 0}
	for _, text := range c.SealAllow {
		if !common.IsHexAddress(text) {
			return e, fmt.Errorf("--seal-allow must have addresses (20 bytes in hex), not %q", text)
		}
		e.Allowed[common.HexToAddress(text)] = true
	}
	if e.Least = uint256.NewInt(defaultMinBalance); c.SealMinBalance != "" {
		if err := e.Least.SetFromDecimal(c.SealMinBalance); err != nil {
			return e, fmt.Errorf("--seal-min-balance must be a number of wei, not %q", c.SealMinBalance)
		}
	}
	return e, nil
}

func (c *Config) rollup() (address feed.RollupAddress, err error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(c.RollupAddress, "0x"))
	if err != nil || len(raw) != len(address) {
		return address, fmt.Errorf("--rollup-address must be 20 bytes in hex, not %q", c.RollupAddress)
	}
	return feed.RollupAddress(raw), nil
}
