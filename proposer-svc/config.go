package proposer

import (
	"fmt"
	"time"

	"blindseq/kit/config"
)

// Config of the proposer.
type Config struct {
	config.Common  `embed:""`
	DSN            string           `name:"dsn" help:"Address of the DSN's sequencer (gRPC)." default:"127.0.0.1:7105"`
	Monitor        string           `help:"Address of monitor-svc (gRPC)." default:"127.0.0.1:7102"`
	MaxQueue       int              `help:"Maximum number of requests in the FIFO; further requests are refused." default:"1024"`
	AttemptTimeout time.Duration    `help:"Time after a submission before the proposer asks the DSN for the preblock, and proposes again if there is none." default:"2s"`
	CallTimeout    time.Duration    `help:"Timeout of one call to another service." default:"2s"`
	LeaseTTL       time.Duration    `name:"lease-ttl" help:"Lifetime of the active proposer's lease: how soon another replica can take over after a crash." default:"3s"`
	AsideWait      time.Duration    `help:"Time for which a replica that stepped aside leaves the lease to others. It doubles with each further time within 10 minutes, up to 30 times this." default:"10s"`
	Lock           config.LockGuard `embed:"" prefix:"lock-"`
	ProcessedTTL   time.Duration    `name:"processed-ttl" help:"Time for which the id of a processed request is remembered, unless 16384 requests are processed after it." default:"1h"`
}

// DefaultAddresses are the ports of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7101", "127.0.0.1:7201" }

// Validate refuses what the proposer cannot run with.
func (c *Config) Validate() error {
	if err := c.Lock.Validate(); err != nil {
		return err
	}
	switch {
	case c.MaxQueue < 1 || c.MaxQueue > 1<<20:
		return fmt.Errorf("--max-queue must be within 1 and %d, not %d", 1<<20, c.MaxQueue)
	case c.AttemptTimeout < 10*time.Millisecond:
		return fmt.Errorf("--attempt-timeout must be at least 10ms, not %s", c.AttemptTimeout)
	case c.CallTimeout < 10*time.Millisecond:
		return fmt.Errorf("--call-timeout must be at least 10ms, not %s", c.CallTimeout)
	case c.AsideWait < 100*time.Millisecond || c.AsideWait > time.Hour:
		return fmt.Errorf("--aside-wait must be within 100ms and 1h, not %s", c.AsideWait)
	case c.LeaseTTL < 100*time.Millisecond:
		return fmt.Errorf("--lease-ttl must be at least 100ms, not %s", c.LeaseTTL)
	case c.ProcessedTTL < time.Minute:
		return fmt.Errorf("--processed-ttl must be at least 1m, not %s", c.ProcessedTTL)
	}
	return nil
}
