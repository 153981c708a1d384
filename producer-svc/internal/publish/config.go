package publish

import (
	"fmt"
	"net/url"
	"time"

	"blindseq/producer-svc/backpressure"
)

// Config says which rollup blueprints are pushed to, and how far it may be behind.
type Config struct {
	RollupNode           string        `help:"URL of the rollup node. Applied blueprints are pushed to its batcher. Empty pushes nothing: blueprints are on the feed only, and there is no back-pressure."`
	RollupPoll           time.Duration `help:"Interval between looks at the rollup." default:"1s"`
	MaxBlueprintsLag     uint64        `help:"Maximum number of blueprints that the rollup may miss before they are pushed again. Fewer are pushed again when the rollup makes no progress for ten blocks of layer 1." default:"50"`
	MaxBlueprintsAhead   uint64        `help:"Maximum number of blueprints that the rollup may miss before the pool is locked. No block is produced until it misses at most --max-blueprints-lag." default:"100"`
	MaxBlueprintsCatchup uint64        `help:"Maximum number of blueprints pushed again at a time." default:"50"`
	CatchupCooldown      uint64        `help:"Number of blocks of layer 1 between two catch-ups, and before a pool that was locked for the rollup is unlocked." default:"1"`
}

// Validate refuses what a Publisher cannot run with.
func (c *Config) Validate() error {
	const most = 1 << 32
	if c.RollupNode != "" {
		u, err := url.Parse(c.RollupNode)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("--rollup-node must be a URL like http://host:8932, not %q", c.RollupNode)
		}
	}
	switch {
	case c.RollupPoll < 10*time.Millisecond:
		return fmt.Errorf("--rollup-poll must be at least 10ms, not %s", c.RollupPoll)
	case c.MaxBlueprintsAhead < 1 || c.MaxBlueprintsAhead > most:
		return fmt.Errorf("--max-blueprints-ahead must be within 1 and %d, not %d", uint64(most), c.MaxBlueprintsAhead)
	case c.MaxBlueprintsLag > c.MaxBlueprintsAhead:
		return fmt.Errorf("--max-blueprints-lag must not be above --max-blueprints-ahead (%d), not %d", c.MaxBlueprintsAhead, c.MaxBlueprintsLag)
	case c.MaxBlueprintsCatchup < 1 || c.MaxBlueprintsCatchup > most:
		return fmt.Errorf("--max-blueprints-catchup must be within 1 and %d, not %d", uint64(most), c.MaxBlueprintsCatchup)
	case c.CatchupCooldown > most:
		return fmt.Errorf("--catchup-cooldown must be at most %d, not %d", uint64(most), c.CatchupCooldown)
	}
	return nil
}

// Limits are those of back-pressure.
func (c *Config) Limits() backpressure.Limits {
	return backpressure.Limits{
		Lag: c.MaxBlueprintsLag, Ahead: c.MaxBlueprintsAhead, CatchUp: c.MaxBlueprintsCatchup, Cooldown: c.CatchupCooldown,
	}
}
