package history

import (
	"slices"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// contents checks S1: for each number everyone saw one content, and one block made of it.
func (c *checker) contents() {
	for _, p := range c.Preblocks {
		number, claimed := p.Value.GetContent().GetNumber(), common.BytesToHash(p.Value.GetContentHash())
		if hash := common.Hash(content.HashOf(p.Value.GetContent())); hash != claimed {
			c.violated("S1", "preblock %d (%s) has content %s and says %s", number, p.By, hash, claimed)
		}
		c.sameContent(number, ofPreblock(p.Value).content, "preblock seen by "+p.By)
	}
	for _, b := range c.Blueprints {
		a := ofBlueprint(b.Value)
		c.sameContent(b.Value.GetNumber(), a.content, "blueprint seen by "+b.By)
		first := c.applied[b.Value.GetNumber()]
		if first.block != (common.Hash{}) && a.block != first.block {
			c.violated("S1", "blueprint %d (%s) gave block %s, elsewhere %s", b.Value.GetNumber(), b.By, a.block, first.block)
		}
		if a.request != first.request {
			c.violated("S1", "blueprint %d (%s) is of request %q, elsewhere %q", b.Value.GetNumber(), b.By, a.request, first.request)
		}
	}
	for _, log := range append(c.Logs, Seen[[]*blueprintv1.LogRecord]{Value: c.Records}) {
		for _, r := range log.Value {
			c.sameContent(r.GetNumber(), ofRecord(r).content, "record in the blueprint log "+log.By)
			c.sameOrder(log.By, r)
		}
	}
	c.samePreblocks()
}

// sameOrder compares the content hash in the log with that of the preblock; without one, with the content, unless sealed
// transactions were opened in it.
func (c *checker) sameOrder(by string, r *blueprintv1.LogRecord) {
	claimed := common.BytesToHash(r.GetContentHash())
	o, ok := c.ordered[r.GetNumber()]
	switch {
	case ok && claimed != o.hash:
		c.violated("S1", "number %d: content hash in the blueprint log %s is %s, the preblock's %s", r.GetNumber(), by, claimed, o.hash)
	case !ok && len(r.GetSealed()) == 0:
		c.sameContent(r.GetNumber(), claimed, "content hash in the blueprint log "+by)
	}
}

func (c *checker) sameContent(number uint64, got common.Hash, where string) {
	if a, ok := c.applied[number]; ok && a.content != got {
		c.violated("S1", "number %d: %s is %s, applied was %s", number, where, got, a.content)
	}
}

// samePreblocks compares preblocks with each other: the last ones may not have been applied yet.
func (c *checker) samePreblocks() {
	for _, p := range c.Preblocks {
		number, o := p.Value.GetContent().GetNumber(), ofPreblock(p.Value)
		switch first := c.ordered[number]; {
		case first.hash != o.hash:
			c.violated("S1", "two preblocks for number %d: %s, and %s to %s", number, first.hash, o.hash, p.By)
		case first.content != o.content:
			c.violated("S1", "preblock %d opens to other transactions for %s than to the first who saw it", number, p.By)
		}
	}
}

// chain checks S2 on what was applied.
func (c *checker) chain() {
	for n := uint64(1); n <= c.last; n++ {
		a, ok := c.applied[n]
		if !ok {
			c.violated("S2", "number %d is missing, there is a %d", n, c.last)
			continue
		}
		parent, known := c.applied[n-1]
		if n == 1 {
			parent, known = applied{block: c.Genesis}, c.Genesis != common.Hash{}
		}
		if known && parent.block != (common.Hash{}) && a.parent != parent.block {
			c.violated("S2", "blueprint %d has parent %s, block %d is %s", n, a.parent, n-1, parent.block)
		}
		if known && a.timestamp < parent.timestamp {
			c.violated("S2", "blueprint %d has timestamp %d, the one before %d", n, a.timestamp, parent.timestamp)
		}
	}
}

// blocks checks that JSON-RPC shows the blocks that the blueprints say (S1).
func (c *checker) blocks() {
	for _, seen := range c.Blocks {
		b := seen.Value
		a, ok := c.applied[b.Number]
		if !ok || a.block == (common.Hash{}) {
			continue
		}
		switch {
		case b.Hash != a.block:
			c.violated("S1", "block %d is %s to %s, its blueprint says %s", b.Number, b.Hash, seen.By, a.block)
		case b.Parent != a.parent:
			c.violated("S1", "block %d has parent %s to %s, its blueprint %s", b.Number, b.Parent, seen.By, a.parent)
		case b.Timestamp != uint64(a.timestamp):
			c.violated("S1", "block %d has timestamp %d to %s, its blueprint %d", b.Number, b.Timestamp, seen.By, a.timestamp)
		case !slices.Equal(a.executed, b.Transactions):
			c.violated("S1", "block %d shows %d transactions to %s, its blueprint executed %d (or other ones)",
				b.Number, len(b.Transactions), seen.By, len(a.executed))
		}
	}
}

// feeds checks S9: no observer of the feed was made to skip a number or saw one twice.
func (c *checker) feeds() {
	at := map[string]uint64{}
	for _, b := range c.Blueprints {
		n := b.Value.GetNumber()
		if before, ok := at[b.By]; ok && n != before+1 {
			c.violated("S9", "the feed of %s went from blueprint %d to %d", b.By, before, n)
		}
		at[b.By] = n
	}
}

// survival checks S6 and S11: nothing that was shown is gone at the end.
func (c *checker) survival() {
	if c.Head == 0 {
		return
	}
	for _, b := range c.Blueprints {
		if n := b.Value.GetNumber(); n > c.Head {
			c.violated("S11", "blueprint %d was published to %s, at the end the head is %d", n, b.By, c.Head)
		}
	}
	for _, call := range c.Calls {
		if call.Number > c.Head {
			c.violated("S6", "call %s was given block %d, at the end the head is %d", call.Request, call.Number, c.Head)
		}
	}
}
