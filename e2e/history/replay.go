package history

import "github.com/ethereum/go-ethereum/common"

// Root is the state root after a block.
type Root struct {
	Number uint64
	Root   common.Hash
}

// Refusal is an input that was refused, with a digest of all that it must not change, before and after.
type Refusal struct {
	By, What      string
	Before, After common.Hash
}

// roots checks S10: the state after each block is that of a replay without faults.
func (c *checker) roots() {
	for _, seen := range c.Roots {
		want, ok := c.Replay[seen.Value.Number]
		if ok && want != seen.Value.Root {
			c.violated("S10", "the state of %s after block %d is %s, a replay gives %s", seen.By, seen.Value.Number, seen.Value.Root, want)
		}
	}
}

// refusals checks S13.
func (c *checker) refusals() {
	for _, r := range c.Refusals {
		if r.Before != r.After {
			c.violated("S13", "%s refused %s and changed", r.By, r.What)
		}
	}
}

// alarms checks that none was raised: in a run without a liar nothing justifies one.
func (c *checker) alarms() {
	for _, a := range c.Alarms {
		c.violated("S1", "%s raised an alarm: %s", a.By, a.Value)
	}
}
