package bundler

import (
	"bytes"
	"strings"
	"testing"

	"blindseq/kit/config"
)

func TestDefaultsAreItsOwnPortsAndBackends(t *testing.T) {
	var c Config
	if err := config.Defaults(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil || c.RPCAddress != "127.0.0.1:3000" || c.HTTPAddress != "127.0.0.1:7207" || c.RollupRPC != "http://127.0.0.1:8545" {
		t.Fatalf("defaults %+v, %v", c, err)
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, arg := range []string{"--rollup-rpc=localhost:8545", "--rpc-address=3000", "--simulations=maybe", "--observer-rpc=localhost:7303", "--observer-rpc=http://127.0.0.1:8545", "--committee-file=", "--identity-file=", "--data-dir=",
		"--accept-timeout=0s", "--max-age=0s", "--rpc-timeout=1ms", "--max-pending=0", "--rpc-body-limit=0", "--rpc-batch-limit=0", "--max-connections=0", "--receipt-hold=-1s", "--receipt-hold=30s"} {
		flag, _, _ := strings.Cut(arg, "=")
		_, _, err := config.Parse("dsn-node", "", &Config{}, []string{arg}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}
