package fakes

import (
	"context"
	"fmt"
	"sync"

	"blindseq/kit/content"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// Chain is a chain whose blocks are nothing but hashes. It takes blocks in order, each on its parent, and none twice
// with other content.
type Chain struct {
	mu     sync.Mutex
	blocks []section.Head // by number
	inputs []content.Hash
	Fail   error // the answer of every Apply when set
}

// NewChain returns a chain with the genesis block.
func NewChain() *Chain {
	genesis := section.Head{Hash: content.Keccak([]byte("genesis"))}
	return &Chain{blocks: []section.Head{genesis}, inputs: make([]content.Hash, 1)}
}

// Head implements section.Chain.
func (c *Chain) Head() section.Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[len(c.blocks)-1]
}

// BaseFee implements section.Chain.
func (c *Chain) BaseFee() uint64 { return 7 }

// BlockHash implements section.Chain.
func (c *Chain) BlockHash(number uint64) (content.Hash, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number >= uint64(len(c.blocks)) {
		return content.Hash{}, false
	}
	return c.blocks[number].Hash, true
}

// Rewind forgets all blocks above a number, as a crash makes a chain do that keeps its recent state in memory.
func (c *Chain) Rewind(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks, c.inputs = c.blocks[:number+1], c.inputs[:number+1]
}

// Apply implements section.Chain.
func (c *Chain) Apply(_ context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	if durable != nil {
		if err := durable(); err != nil {
			return section.Block{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	input := content.Hash(rec.GetContentHash())
	n, head := rec.GetNumber(), c.blocks[len(c.blocks)-1]
	block := section.Block{Transactions: len(rec.GetTransactions()) + len(rec.GetDelayedTransactions())}
	switch {
	case c.Fail != nil:
		return block, c.Fail
	case n <= head.Number:
		if c.inputs[n] != input {
			return block, fmt.Errorf("block %d exists with other content", n)
		}
		block.Head = c.blocks[n]
		return block, nil
	case n != head.Number+1 || content.Hash(rec.GetParentHash()) != head.Hash || rec.GetTimestamp().GetSeconds() < head.Time:
		return block, fmt.Errorf("block %d does not follow block %d", n, head.Number)
	}
	hash := content.Keccak(append(head.Hash[:], input[:]...))
	block.Head = section.Head{Number: n, Hash: hash, Time: rec.GetTimestamp().GetSeconds()}
	c.blocks, c.inputs = append(c.blocks, block.Head), append(c.inputs, input)
	return block, nil
}
