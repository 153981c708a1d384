package sim

import (
	"cmp"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"blindseq/dsn-node/sequencer/round"
	"blindseq/e2e/history"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
)

// world is all that there is in one run.
type world struct {
	scheduler
	plan  Plan
	rng   *rand.Rand
	log   io.Writer // nil: silent
	trace uint64
	stats Stats
	h     *history.History

	redis      *redis
	producers  []*producerNode
	proposers  []*proposerNode
	monitors   []*monitor
	sequencer  *sequencer
	keyholders []*keyholder
	client     *client
	all        []*process // except client and Redis
	byName     map[string]*process

	armed  []*armed           // faults at moments
	open   [numKinds][]*Fault // windows
	struck []Moment           // crashes at moments, in order
	ending bool               // work is over, every process has got SIGTERM

	limits       committee.Limits               // of the chain
	attestations map[attest.Statement]round.Set // that were signed
	locks        map[attest.Statement]round.Set

	renamed int    // of a defect
	lastID  string // of a defect
}

// armed is a fault that waits for its moment.
type armed struct {
	Fault
	left   int
	spent  bool
	before *armed // that has to strike first, nil for none
}

func newWorld(p Plan, log io.Writer) *world {
	w := &world{
		plan: p, log: log, rng: rand.New(rand.NewPCG(p.Seed, 0x51)), trace: 14695981039346656037,
		h: &history.History{Genesis: genesis.Hash, Quorum: quorum, Sealed: isSealed}, byName: map[string]*process{},
		attestations: map[attest.Statement]round.Set{}, locks: map[attest.Statement]round.Set{},
	}
	w.limits = committee.Limits{Lifetime: 1 << 20, SealedGas: 1 << 30} // the window forgets nothing in a run
	if p.Hostile != Honest {
		w.limits.Lifetime = shortLifetime
	}
	w.redis = &redis{process: w.process("redis"), data: newKeys(), heard: map[string][]subscriber{}}
	w.redis.boot = w.redis.reconnect
	w.client = &client{process: w.process("client")}
	w.client.boot = w.client.begin
	w.sequencer = &sequencer{process: w.process("sequencer")}
	w.sequencer.boot = w.sequencer.recover
	for i := range members {
		k := &keyholder{process: w.process("keyholder-" + string(rune('0'+i)))}
		k.boot = k.recover
		w.keyholders = append(w.keyholders, k)
	}
	for i := range 2 {
		m := &monitor{process: w.process("monitor-" + string(rune('0'+i)))}
		m.boot = m.recover
		w.monitors = append(w.monitors, m)
		q := &proposerNode{process: w.process("proposer-" + string(rune('0'+i)))}
		q.boot, q.terminate = q.recover, q.leave
		w.proposers = append(w.proposers, q)
		n := &producerNode{process: w.process("producer-" + string(rune('0'+i)))}
		n.boot, n.terminate = n.recover, n.leave
		n.popped = map[[32]byte]bool{}
		w.producers = append(w.producers, n)
	}
	for _, name := range Processes() {
		w.all = append(w.all, w.byName[name])
	}
	return w
}

func (w *world) process(name string) *process {
	p := &process{w: w, id: len(w.byName), name: name, known: map[string]*process{}}
	w.byName[name] = p
	return p
}

// leader is the leader that p knows: the one in Redis, or the last it heard of.
func (w *world) leader(p *process, lease string) *process {
	if r := w.redis; r.up && !r.stopped && !w.cut(p, r.process) {
		if record := r.data.lock(lease); record.Current(r.ms()) != 0 {
			p.known[lease] = w.byName[record.Meta]
		}
	}
	return p.known[lease]
}

func (w *world) producer(p *process) *producerNode {
	for _, n := range w.producers {
		if n.process == p {
			return n
		}
	}
	return nil
}

func (w *world) anyMonitor() *monitor       { return w.monitors[w.rng.IntN(len(w.monitors))] }
func (w *world) anyProposer() *proposerNode { return w.proposers[w.rng.IntN(len(w.proposers))] }

// wallClock is the time of day as a process has it.
func (w *world) wallClock(p *process) time.Time { return epoch.Add(w.now + p.wall) }

func (w *world) poolLocked() bool { return len(w.open[LockPool]) > 0 }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return x == v })
}
