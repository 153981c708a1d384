// Package contents assembles the contents of proposals: what is to be ordered next, within the bytes of a blueprint and the
// gas of a block. It does no I/O of its own, so the simulator runs it too.
package contents

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ErrMoving is returned when the head moved during every attempt to assemble a content. The caller retries.
var ErrMoving = errors.New("the head is moving")

// Chain has the head, and the transactions that the next block can execute.
type Chain interface {
	Head() (number uint64, hash content.Hash, timestamp int64)
	// Transactions are those for a proposal on top of the head, whose RLP takes at most room bytes: carried ones
	// first, as many as carried says, then the pool's.
	Transactions(ctx context.Context, room uint64) (txs [][]byte, carried int, err error)
	// UpgradeDue reports whether a protocol upgrade is due between the head and this time.
	UpgradeDue(at int64) bool
}

// Delayed has the delayed transactions that are in no block yet.
type Delayed interface {
	// Pending lists them, oldest first.
	Pending() ([]content.Hash, error)
}

// Bundles has the encrypted bundles that are in no block yet.
type Bundles interface {
	// Next returns them in order of arrival, with the size of their RLP: at most share bytes, but at least one that fits room.
	Next(share, room uint64) (raws [][]byte, size uint64)
}

// Assembler puts proposals together.
type Assembler struct {
	Chain   Chain
	Delayed Delayed
	// Bundles is nil when nothing is encrypted; Share is the part of the bytes that bundles have for themselves.
	Bundles Bundles
	Share   float64
	Locked  func() bool
	// Latest is the maximum timestamp of a proposal (seconds since 1970). A request was checked when it was made, but it comes
	// through Redis, which must not be able to move the chain into the future.
	Latest func() int64
}

// Next is the content of a proposal on top of the head: delayed transactions first, then as many others as the bytes of a
// blueprint and the gas of a block allow. The first block after an upgrade is empty: the pool checked its transactions
// under the old rules.
func (c *Assembler) Next(ctx context.Context, at int64, withDelayed bool) (*blueprintv1.GetProposalContentResponse, error) {
	for range 3 {
		number, hash, headTime := c.Chain.Head()
		answer := &blueprintv1.GetProposalContentResponse{
			PoolLocked:    c.Locked(),
			HeadTimestamp: &timestamppb.Timestamp{Seconds: headTime},
			Content: &preblockv1.Content{
				Number: number + 1, PreviousBlockHash: hash[:], Timestamp: &timestamppb.Timestamp{Seconds: max(min(at, c.Latest()), headTime)},
			},
		}
		answer.UpgradeDue = c.Chain.UpgradeDue(answer.GetContent().GetTimestamp().GetSeconds())
		if answer.GetPoolLocked() || answer.GetUpgradeDue() {
			return answer, nil
		}
		if err := c.fill(ctx, answer.GetContent(), withDelayed); err != nil {
			return nil, fmt.Errorf("put content %d together: %w", number+1, err)
		}
		if again, _, _ := c.Chain.Head(); again == number {
			return answer, nil
		}
	}
	return nil, ErrMoving
}

func (c *Assembler) fill(ctx context.Context, to *preblockv1.Content, withDelayed bool) error {
	var budget blueprint.Budget
	if withDelayed {
		hashes, err := c.Delayed.Pending()
		if err != nil {
			return err
		}
		for _, h := range hashes {
			if !budget.AddDelayed() {
				break
			}
			to.DelayedTransactionHashes = append(to.DelayedTransactionHashes, h[:])
		}
	}
	room := budget.Room()
	var bundles [][]byte
	var size uint64
	if c.Bundles != nil { // what carried transactions need goes before their share: they were ordered before
		bundles, size = c.Bundles.Next(uint64(float64(room)*c.Share), room)
	}
	txs, carried, err := c.Chain.Transactions(ctx, room-size)
	if err != nil {
		return err
	}
	if c.Bundles != nil { // what plain transactions left of theirs
		left := room - sizeOf(txs)
		bundles, _ = c.Bundles.Next(left, left)
	}
	to.Transactions = slices.Concat(txs[:carried], bundles, txs[carried:])
	return nil
}

func sizeOf(txs [][]byte) (size uint64) {
	for _, tx := range txs {
		size += rlp.BytesSize(tx)
	}
	return size
}
