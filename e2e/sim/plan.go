package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// How long the parts of a run take at most, in virtual time.
const (
	calm     = 300 * time.Millisecond // before the first fault
	faulty   = 4 * time.Second        // until the last fault begins
	quiet    = 6 * time.Second        // nothing is wrong any more
	patience = 40 * time.Second       // from then on, until all work is done
	leave    = 10 * time.Second       // for all to exit
)

// Plan is a schedule: everything that follows is a function of it.
type Plan struct {
	Seed   uint64
	Faults []Fault
	Bug    Bug // a defect put into the world, NoBug for none

	Hostile Hostile
}

func (p Plan) String() string {
	lines := []string{fmt.Sprintf("seed %d, %d faults", p.Seed, len(p.Faults))}
	for _, f := range p.Faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// Processes are those of the world, by name.
func Processes() []string {
	return []string{
		"producer-0", "producer-1", "proposer-0", "proposer-1", "monitor-0", "monitor-1", "sequencer",
		"keyholder-0", "keyholder-1", "keyholder-2", "keyholder-3",
	}
}

// NewPlan draws a schedule from a seed.
func NewPlan(seed uint64) Plan {
	rng := rand.New(rand.NewPCG(seed, 0xfa17))
	p := Plan{Seed: seed}
	lost := false
	for range 1 + rng.IntN(6) {
		f := draw(rng)
		if f.Kind == LostDisk && lost { // as many may be faulty as a quorum can do without: one
			f.Kind = Crash
		}
		lost = lost || f.Kind == LostDisk
		p.Faults = append(p.Faults, f)
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return int(a.At - b.At) })
	return p
}

// draw draws one fault. Crashes and stops are half of them, mostly at a moment.
func draw(rng *rand.Rand) Fault {
	f := Fault{Kind: Kind(rng.IntN(int(numKinds))), At: calm + span(rng, 0, faulty-calm), For: span(rng, 20*time.Millisecond, 2*time.Second)}
	if rng.IntN(3) == 0 {
		f.Kind = Kind(rng.IntN(2))
	}
	names := append(Processes(), "redis")
	target := names[rng.IntN(len(names))]
	switch f.Kind {
	case Crash, Stop:
		if f.Target = target; rng.IntN(4) > 0 {
			f.Target, f.Moment, f.Nth = "", &Moment{Point(rng.IntN(int(numPoints))), rng.IntN(2) == 0}, rng.IntN(3)
		}
	case Cut:
		if f.Target = target; rng.IntN(2) == 0 {
			f.Other = names[rng.IntN(len(names))]
		}
	case Loss, Delay, Twice:
		if rng.IntN(3) > 0 {
			f.Target = target
		}
	case Break:
		f.Target, f.For = [...]string{"monitor-0", "monitor-1"}[rng.IntN(2)], 0
	case Jump:
		f.Target, f.By = [...]string{"producer-0", "producer-1"}[rng.IntN(2)], span(rng, -5*time.Second, 5*time.Second)
	case LostDisk:
		f.Target = fmt.Sprintf("keyholder-%d", rng.IntN(members))
	case Wipe:
		f.For = 0
	case Failover:
		f.By = span(rng, time.Millisecond, calm+500*time.Millisecond)
		f.By, f.For = min(f.By, f.At), f.For/4
	}
	return f
}

func span(rng *rand.Rand, from, to time.Duration) time.Duration {
	d := from + time.Duration(rng.Int64N(int64(to-from)))
	return d.Truncate(time.Millisecond)
}
