package devnet

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
)

// TestTheBannerFitsAnyTerminal: 80 columns, with the default addresses; it says when blocks are made and how to begin anew.
func TestTheBannerFitsAnyTerminal(t *testing.T) {
	for name, change := range map[string]struct {
		config func(*Config)
		says   string
	}{
		"default":         {func(*Config) {}, "Blocks are made for transactions, and every 10s without any."},
		"transactions":    {func(c *Config) { c.TimeBetweenBlocks = "transactions" }, "Blocks are made for transactions only."},
		"demand":          {func(c *Config) { c.TimeBetweenBlocks = "demand" }, "Blocks are made on demand only: transactions wait."},
		"none":            {func(c *Config) { c.TimeBetweenBlocks = "none" }, "Blocks are made on demand only: transactions wait."},
		"at an interval":  {func(c *Config) { c.PreblockTime = sequencer.Interval(1500 * time.Millisecond) }, "without any, one each 1.5s."},
		"another genesis": {func(c *Config) { c.Genesis = "genesis.json" }, "the genesis funds"},
	} {
		t.Run(name, func(t *testing.T) {
			var cfg Config
			if err := config.Defaults(&cfg); err != nil {
				t.Fatal(err)
			}
			change.config(&cfg)
			c := &console{cfg: cfg, tools: true, urls: urls{rest: cfg.RESTAddress, rpc: cfg.RPCAddress, bundler: cfg.BundlerAddress}}
			banner, err := c.banner(1234567, 1234567)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{change.says, "remove the directory\n  data\n", "eth_sendTransaction", "Ctrl-C"} {
				if !strings.Contains(banner, want) {
					t.Errorf("the banner does not say %q:\n%s", want, banner)
				}
			}
			for line := range strings.Lines(banner) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}
