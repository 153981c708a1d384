package monitor

import (
	"fmt"
	"time"

	"blindseq/kit/config"
)

// Config of the monitor.
type Config struct {
	config.Common `embed:""`
	DSN           string        `name:"dsn" help:"Address of the DSN's sequencer (gRPC)." default:"127.0.0.1:7105"`
	NextTimeout   time.Duration `help:"Maximum time that a Next caller waits for its event." default:"5s"`
	CommitteeFile string        `help:"File of the keyholders' committee. Every preblock must show their certificate and the right outcomes. Without the file, preblocks with sealed transactions are refused." type:"path"`
	CallTimeout   time.Duration `help:"Timeout of one call to the DSN." default:"2s"`
}

// DefaultAddresses are the ports of gRPC and of health and metrics.
func (*Config) DefaultAddresses() (grpc, http string) { return "127.0.0.1:7102", "127.0.0.1:7202" }

// Validate refuses what the monitor cannot run with.
func (c *Config) Validate() error {
	switch {
	case c.NextTimeout < 10*time.Millisecond || c.NextTimeout > time.Hour:
		return fmt.Errorf("--next-timeout must be within 10ms and 1h, not %s", c.NextTimeout)
	case c.CallTimeout < 10*time.Millisecond:
		return fmt.Errorf("--call-timeout must be at least 10ms, not %s", c.CallTimeout)
	}
	return nil
}
