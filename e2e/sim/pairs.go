package sim

import (
	"slices"
	"time"
)

// tries is how many seeds a pair gets to be met.
const tries = 24

// Pair is two crashes. The second strikes at its moment after the first, in another process or in the next life of the same
// one, during the recovery from the first or later.
type Pair struct{ First, Second Moment }

// AllPairs are those of all moments.
func AllPairs() (all []Pair) {
	for _, a := range Moments() {
		for _, b := range Moments() {
			all = append(all, Pair{a, b})
		}
	}
	return all
}

// Plan crashes at both moments, in a run that passes all of them: submissions get lost, pools are locked, and Redis loses the
// request in flight, so that its number, open while two keyholders are down, goes to another request. In the end a keyholder loses its disk and is restored.
func (p Pair) Plan(seed uint64) Plan {
	const ms = time.Millisecond
	first, second := p.First, p.Second
	faults := []Fault{
		{Kind: Crash, Moment: &first, For: 60 * ms},
		{Kind: Crash, Moment: &second, For: 60 * ms, Then: true},
	}
	for i := range time.Duration(4) {
		at := (700 + 1100*i) * ms
		faults = append(faults,
			Fault{Kind: Cut, Target: "proposer-0", Other: "sequencer", At: at, For: 200 * ms},
			Fault{Kind: Cut, Target: "proposer-1", Other: "sequencer", At: at, For: 200 * ms},
			Fault{Kind: LockPool, At: at + 350*ms, For: 150 * ms},
			Fault{Kind: Stop, Target: "keyholder-0", At: at + 600*ms, For: 300 * ms},
			Fault{Kind: Stop, Target: "keyholder-1", At: at + 600*ms, For: 300 * ms},
			Fault{Kind: Wipe, At: at + 800*ms},
			Fault{Kind: Crash, Target: "producer-0", At: at + 801*ms, For: 20 * ms},
			Fault{Kind: Crash, Target: "producer-1", At: at + 801*ms, For: 20 * ms},
		)
	}
	faults = append(faults, Fault{Kind: LostDisk, Target: "keyholder-2", At: 4900 * ms, For: 20 * ms})
	return Plan{Seed: seed, Faults: faults}
}

// Meet runs the pair with one seed after the other until both crashes have been.
func (p Pair) Meet() (r Result, met bool) {
	for seed := range uint64(tries) {
		r = Run(p.Plan(seed), nil)
		if met = slices.Equal(r.Struck, []Moment{p.First, p.Second}); met || len(r.Violations) > 0 {
			return r, met
		}
	}
	return r, false
}
