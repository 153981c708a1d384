package cluster

import (
	"fmt"

	"blindseq/e2e/usage"
)

// Usage reads what every process has used up to now.
func (c *Cluster) Usage() (map[string]usage.Sample, error) {
	samples := map[string]usage.Sample{}
	for name, p := range c.procs {
		s, err := usage.Of(p.PID())
		if err != nil {
			return nil, fmt.Errorf("usage of %s: %w", name, err)
		}
		samples[name] = s
	}
	return samples, nil
}
