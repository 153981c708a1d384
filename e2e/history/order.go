package history

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// executions checks that each block executed what was ordered, in that order. S16: first what was sealed, each at its place
// or never. S1: then what waits since earlier blocks because it did not fit, then the rest; from the first that does not fit
// on, everything waits. It ends where a blueprint is not known, because then nobody knows what waits.
func (c *checker) executions() {
	var waiting []common.Hash
	for n := uint64(1); n <= c.last; n++ {
		a := c.applied[n]
		if a.skipped == nil {
			return
		}
		opened := c.openedIn(n)
		run := &turns{executed: a.executed, ended: maps.Clone(a.times)}
		for _, tx := range opened {
			if !run.take(tx) {
				c.violated("S16", "block %d neither executed nor ended %s at its place, which was opened for it", n, tx)
			}
		}
		if len(waiting) > 0 {
			if !run.take(waiting[0]) {
				c.violated("S1", "block %d let %s wait, for which every block has gas", n, waiting[0])
			}
			waiting = waiting[1:]
		}
		waiting = run.through(slices.Concat(waiting, a.delayed, a.ordered[min(len(opened), len(a.ordered)):]))
		if len(run.executed) > 0 {
			c.violated("S1", "block %d executed %s, whose turn it was not", n, run.executed[0])
		}
		for tx, times := range run.ended {
			if times > 0 && (slices.Contains(opened, tx) || slices.Contains(a.executed, tx)) {
				c.violated("S1", "block %d executed %s, and says that it has ended", n, tx)
			}
		}
	}
}

// openedIn are the transactions that were opened for a number, as its preblock says, or else the blueprint log.
func (c *checker) openedIn(number uint64) (opened []common.Hash) {
	if c.Sealed != nil {
		return c.applied[number].sealed
	}
	if o, ok := c.ordered[number]; ok {
		for _, s := range o.sealed {
			if s.opened() {
				opened = append(opened, s.transaction)
			}
		}
		return opened
	}
	for _, r := range c.Records {
		for _, s := range r.GetSealed() {
			if r.GetNumber() == number && len(s.GetTransactionHash()) > 0 {
				opened = append(opened, common.BytesToHash(s.GetTransactionHash()))
			}
		}
	}
	return opened
}

// turns is what is left of a block to be explained.
type turns struct {
	executed []common.Hash
	ended    map[common.Hash]int
}

// take explains one transaction: it was the next to be executed, or it ended.
func (t *turns) take(tx common.Hash) bool {
	if len(t.executed) > 0 && t.executed[0] == tx {
		t.executed = t.executed[1:]
		return true
	}
	return t.ends(tx)
}

func (t *turns) ends(tx common.Hash) bool {
	if t.ended[tx] == 0 {
		return false
	}
	t.ended[tx]--
	return true
}

// through explains transactions in their order, and gives those that wait for the next block.
func (t *turns) through(ordered []common.Hash) (waiting []common.Hash) {
	for len(ordered) > 0 && t.take(ordered[0]) {
		ordered = ordered[1:]
	}
	for _, tx := range ordered {
		if !t.ends(tx) {
			waiting = append(waiting, tx)
		}
	}
	return waiting
}
