package sim

import (
	"io"
	"time"

	"blindseq/e2e/history"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// Result is what came of a plan.
type Result struct {
	Plan       Plan
	Trace      uint64 // the same plan gives the same
	Violations []history.Violation
	Stats      Stats
	Struck     []Moment // crashes at moments, in order
}

// Broken are the names of the invariants that do not hold.
func (r Result) Broken() map[string]bool {
	broken := map[string]bool{}
	for _, v := range r.Violations {
		broken[v.Name] = true
	}
	return broken
}

// Run runs a plan. What happens is written to log, unless it is nil.
func Run(p Plan, log io.Writer) Result {
	w := newWorld(p, log)
	for _, q := range append([]*process{w.redis.process, w.client.process}, w.all...) {
		q.start()
	}
	w.schedule()
	w.sample()
	w.run(quiet, func() bool { return false })
	w.calm()
	w.run(quiet+patience, w.workDone)
	w.end()
	w.stats.Runs = 1
	w.stats.Acks, w.stats.Blocks, w.stats.Answers = uint64(len(w.h.Acks)), w.sequencer.decisions.last(), uint64(len(w.h.Calls))
	return Result{Plan: p, Trace: w.trace, Violations: history.Check(w.h), Stats: w.stats, Struck: w.struck}
}

// run lets time pass until something holds, at most to the end.
func (w *world) run(end time.Duration, until func() bool) {
	for i := 0; w.step(end); i++ {
		w.stats.Events++
		if i%64 == 0 && until() {
			return
		}
	}
}

// calm ends all faults, and gives the system something to do.
func (w *world) calm() {
	w.armed = nil
	for k := range w.open {
		w.open[k] = nil
	}
	w.redis.reconnect()
	w.h.Recovery.Quiet, w.h.Recovery.Patience = quiet, patience-time.Second
	for _, wallet := range w.client.wallets {
		wallet.send()
	}
	w.client.closed = true
	for i := range 2 {
		w.client.closed = false
		w.client.ask(10 + i)
	}
	w.client.closed = true
}

// workDone reports whether all work is done.
func (w *world) workDone() bool {
	if w.client.waiting() > 0 {
		return false
	}
	for _, p := range w.all {
		if !p.up || p.stopped || !p.serving {
			return false
		}
	}
	return len(w.redis.data.fifo.Waiting()) == 0
}

// sample records how the head advances until work is over. Processes that have exited no longer report what waits.
func (w *world) sample() {
	if w.ending {
		return
	}
	w.h.Recovery.Heads = append(w.h.Recovery.Heads, history.Sample{At: w.now, Head: w.head(), Waiting: w.client.waiting()})
	w.after(500*time.Millisecond, w.sample)
}

func (w *world) head() (head uint64) {
	for _, p := range w.producers {
		head = max(head, p.chain.head().Number)
	}
	return head
}

// end looks at what is left, has every process end, and gathers the rest of the history.
func (w *world) end() {
	h := w.h
	w.ending = true
	h.Recovery.Heads = append(h.Recovery.Heads, history.Sample{At: w.now, Head: w.head(), Waiting: w.client.waiting()})
	w.queues()
	w.stopAll()
	h.Head = w.head()
	reference := newChain()
	h.Replay = map[uint64]common.Hash{}
	for n := uint64(1); n <= w.sequencer.decisions.last(); n++ {
		p, _ := w.sequencer.decisions.get(n)
		reference.apply(&blueprintv1.LogRecord{
			Number: n, ParentHash: p.GetContent().GetPreviousBlockHash(), Timestamp: p.GetContent().GetTimestamp(),
			Transactions: p.GetContent().GetTransactions(),
		})
		h.Replay[n] = common.Hash(reference.roots[n])
	}
	for _, p := range w.producers {
		for n := 1; n < len(p.chain.roots); n++ {
			h.Roots = append(h.Roots, history.Seen[history.Root]{By: p.name, Value: history.Root{Number: uint64(n), Root: common.Hash(p.chain.roots[n])}})
		}
		h.Logs = append(h.Logs, history.Seen[[]*blueprintv1.LogRecord]{By: p.name, Value: p.log.recs})
		for _, t := range p.txs.recs {
			if !p.removed[t.hash] {
				h.Pending = append(h.Pending, common.Hash(t.hash))
			}
		}
	}
}

func (w *world) queues() {
	r := &w.h.Recovery
	r.Queues = append(r.Queues, history.Queue{Name: "the FIFO", Size: len(w.redis.data.fifo.Waiting())})
	for _, m := range w.monitors {
		if m.up {
			r.Queues = append(r.Queues, history.Queue{Name: m.name, Size: m.m.Waiters(), Normal: len(m.waiters)})
		}
	}
	for _, p := range w.producers {
		pending, open := 0, 0
		for _, t := range p.txs.recs {
			if !p.removed[t.hash] {
				pending++
			}
			if p.chain.done[t.hash] == 0 {
				open++
			}
		}
		r.Queues = append(r.Queues, history.Queue{Name: "the pool of " + p.name, Size: pending, Normal: open})
	}
	for _, p := range w.all {
		if !p.serving {
			w.waits(p.name)
		}
	}
}

// stopAll sends SIGTERM to every process.
func (w *world) stopAll() {
	at, from := w.now, len(w.h.Recovery.Stops)
	for _, p := range w.all {
		w.h.Recovery.Stops = append(w.h.Recovery.Stops, history.Stop{Name: p.name, At: at, Limit: leave})
		if p.up && !w.bug(HangsOnShutdown) {
			p.leaving = true
			if p.terminate == nil || !p.serving {
				p.exit()
			} else {
				p.terminate()
			}
		}
	}
	// The order does not matter: a process that needs one that has exited gives up.
	w.run(at+2*leave, func() bool {
		all := true
		for i, p := range w.all {
			s := &w.h.Recovery.Stops[from+i]
			if p.gone && s.Ended == 0 {
				s.Ended = w.now
			}
			all = all && p.gone
		}
		return all
	})
}
