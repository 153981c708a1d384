package sequencer

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"blindseq/kit/clock"
	"blindseq/kit/config"
	"blindseq/kit/content"
	"blindseq/seal/rules"
)

// Config of the sequencer.
type Config struct {
	config.Common   `embed:""`
	RPCAddress      string   `name:"rpc-address" help:"Address to serve the origin's HTTP protocol on (POST /proposal, GET /monitor/preblocks), for example 127.0.0.1:5303. Empty serves none."`
	OriginTokenFile string   `help:"File (mode 0600) with the bearer tokens of the origin's HTTP protocol, one a line; any of them is taken. It is read again when it changes. Required where other machines reach --rpc-address." type:"path"`
	DataDir         string   `help:"Directory of the log of proposals. One process per directory." default:"dsn-data" type:"path"`
	FirstNumber     uint64   `help:"First blueprint number of an empty log: 1 for a new chain, a later number for a new disk of an existing chain." default:"1"`
	PreblockTime    Interval `help:"Interval at which preblocks are fixed, as a duration or in milliseconds. 0 fixes each as soon as its proposal is stored." default:"0s"`
	MaxContentBytes int      `help:"Maximum size of a proposal, in bytes of its blueprint. The default is what a blueprint can hold, which is also the maximum." default:"506496"`
	Keyholders      []string `help:"Addresses (host:port) of the keyholders, in the order of their authority. Without keyholders, preblocks have no certificate and sealed transactions are refused."`
	CommitteeFile   string   `help:"Committee file. Required with --keyholders; an empty log then begins at the committee's first number." type:"path"`
	IdentityFile    string   `help:"File (mode 0600) with the key that signs proposals, in hex or in Ethereum's keystore format. Required with --keyholders; its address is the committee's sequencer." type:"path"`
	PassphraseFile  string   `help:"File (mode 0600) whose first line is the passphrase of the key. Empty when it is not encrypted." type:"path"`

	KeyholderTimeout time.Duration `help:"Timeout of one call to a keyholder. The call is retried; while a quorum answers, nothing waits for it." default:"10s"`

	MaxClockDrift time.Duration `help:"Maximum lead of a proposal's timestamp over this machine's clock; at most 15s with keyholders, who attest nothing further ahead of their clocks. A proposal beyond it is refused, and its request ends without a block." default:"75s"`

	MaxSubscribers int `help:"Maximum number of concurrent streams of preblocks, over both protocols." default:"1000"`

	// Clock is that of the timestamps; nil for the machine's. It is no flag: only a development chain has another.
	Clock *clock.Clock `kong:"-"`
}

// maxAhead is the maximum lead of a timestamp. A content that keyholders refuse until their clocks have caught up must not be accepted.
func (c *Config) maxAhead() time.Duration {
	if len(c.Keyholders) == 0 {
		return c.MaxClockDrift
	}
	return min(c.MaxClockDrift, rules.ClockSkew)
}

// DefaultAddresses are the ports of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7105", "127.0.0.1:7205" }

// Validate refuses what the sequencer cannot run with.
func (c *Config) Validate() error {
	switch {
	case c.FirstNumber == 0 || c.FirstNumber > 1<<62:
		return fmt.Errorf("--first-number must be within 1 and 2^62, not %d", c.FirstNumber)
	case c.PreblockTime < 0 || time.Duration(c.PreblockTime) > time.Hour:
		return fmt.Errorf("--preblock-time must be within 0 and 1h, not %s", time.Duration(c.PreblockTime))
	case c.MaxContentBytes < 1 || c.MaxContentBytes > content.MaxBlueprintBytes:
		return fmt.Errorf("--max-content-bytes must be within 1 and %d, not %d", content.MaxBlueprintBytes, c.MaxContentBytes)
	case c.MaxSubscribers < 1:
		return fmt.Errorf("--max-subscribers must be at least 1, not %d", c.MaxSubscribers)
	case (len(c.Keyholders) == 0) != (c.CommitteeFile == ""):
		return errors.New("--keyholders and --committee-file are given together or not at all")
	case len(c.Keyholders) > 0 && c.IdentityFile == "":
		return errors.New("--identity-file is required with --keyholders: the file with the sequencer's key, whose address the committee file names in sequencers")
	case c.KeyholderTimeout < 10*time.Millisecond || c.KeyholderTimeout > time.Hour:
		return fmt.Errorf("--keyholder-timeout must be within 10ms and 1h, not %s", c.KeyholderTimeout)
	case c.MaxClockDrift < 0:
		return fmt.Errorf("--max-clock-drift must not be negative, not %s", c.MaxClockDrift)
	case c.DataDir == "":
		return errors.New("--data-dir must not be empty")
	}
	return nil
}

// Interval is a duration written as Go writes one ("500ms"), or, as the origin's flags are, as whole milliseconds.
type Interval time.Duration

func (i *Interval) UnmarshalText(text []byte) error {
	if ms, err := strconv.ParseUint(string(text), 10, 31); err == nil {
		*i = Interval(time.Duration(ms) * time.Millisecond)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a duration like 500ms nor a number of milliseconds", text)
	}
	*i = Interval(d)
	return nil
}

func (i Interval) MarshalText() ([]byte, error) { return []byte(time.Duration(i).String()), nil }
