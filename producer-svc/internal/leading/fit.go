package leading

import (
	"context"
	"errors"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/leader"
)

// errUnreached is why a leader steps aside whom no proposer reaches.
var errUnreached = errors.New("no proposer-svc can reach this producer")

// misses is the part of Fitness that the proposers report.
const misses = "reachable"

// Heeds watches whether the proposers reach this replica while it leads: they ask it for what to propose.
func (c *Candidate) Heeds(proposers *leader.Roster) fitness.Check {
	return fitness.Check{Part: misses, Try: func(context.Context) error {
		if c.Production.Stance.Leads() && allMiss(proposers.Current(), c.Endpoint.ID()) {
			return errUnreached
		}
		return nil
	}}
}

// allMiss says whether each proposer there is says that it cannot reach a producer. When one can, the others are at fault.
func allMiss(proposers []leader.Replica, producer string) bool {
	for _, p := range proposers {
		if p.Misses != producer {
			return false
		}
	}
	return len(proposers) > 0
}

// ReportFitness keeps what an operator sees of what does not work here, until ctx ends. A leader that cannot do its work is not
// ready; a replica that does not lead still serves reads.
func (c *Candidate) ReportFitness(ctx context.Context) error {
	return c.Fitness.Report(ctx, func(faults []fitness.Fault) {
		unable := ""
		if c.Production.Stance.HoldsLease() && len(faults) > 0 && time.Since(faults[0].Since) > leader.Patience {
			unable = fitness.Text(faults)
		}
		c.Health.Set("leading", unable)
		c.Health.Note("faults", fitness.Text(faults))
		c.Health.Note("aside", c.Aside.Text())
		c.Health.Note("standbys", c.Standbys())
	})
}
