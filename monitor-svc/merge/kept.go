package merge

import (
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
)

// cache keeps the last preblocks, contiguous, the newest always.
type cache struct {
	limits Limits
	first  uint64 // lowest number kept; meaningless when empty
	blocks map[uint64]*preblockv1.Preblock
	bytes  int
}

func newCache(l Limits) cache {
	return cache{limits: l, blocks: map[uint64]*preblockv1.Preblock{}}
}

func (c *cache) get(number uint64) *preblockv1.Preblock { return c.blocks[number] }

func (c *cache) add(p *preblockv1.Preblock) {
	number := p.GetContent().GetNumber()
	if len(c.blocks) == 0 {
		c.first = number
	}
	c.blocks[number] = p
	c.bytes += proto.Size(p)
	for len(c.blocks) > 1 && (len(c.blocks) > c.limits.CacheBlocks || c.bytes > c.limits.CacheBytes) {
		c.bytes -= proto.Size(c.blocks[c.first])
		delete(c.blocks, c.first)
		c.first++
	}
}

// Ended is how a request ended: with a preblock of this number, or for this reason without one.
type Ended struct {
	Number uint64
	Reason preblockv1.NoPreblockReason
}

// ended remembers how the last requests ended, the oldest forgotten first.
type ended struct {
	limit int
	order []string // a ring once it is full
	at    int
	ends  map[string]Ended
}

func newEnded(limit int) *ended { return &ended{limit: limit, ends: map[string]Ended{}} }

func (e *ended) get(id string) (Ended, bool) {
	end, ok := e.ends[id]
	return end, ok
}

func (e *ended) put(id string, end Ended) {
	if id == "" { // a preblock of the upstream HTTP protocol
		return
	}
	if _, ok := e.ends[id]; !ok {
		if len(e.order) < e.limit {
			e.order = append(e.order, id)
		} else {
			delete(e.ends, e.order[e.at])
			e.order[e.at] = id
			e.at = (e.at + 1) % e.limit
		}
	}
	e.ends[id] = end
}
