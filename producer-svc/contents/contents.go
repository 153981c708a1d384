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

// largestTransaction is how many bytes of a blueprint one transaction takes at most.
const largestTransaction = 128<<10 + 4

// ErrMoving is returned when the head moved during every attempt to assemble a content. The caller retries.
var ErrMoving = errors.New("the head is moving")

// Chain has the head, and the transactions that the next block can execute.
type Chain interface {
	Head() (number uint64, hash content.Hash, timestamp int64)
	// Transactions are the pool's for a proposal on top of the head: their RLP takes at most room bytes, and taken of the
	// block's gas is promised to others.
	Transactions(ctx context.Context, room, taken uint64) ([][]byte, error)
	// Gas is what the next block has beside transactions that were ordered before and wait for it.
	Gas() uint64
	// Waiting reports whether there are such transactions: they run in the next block whatever its content is.
	Waiting() bool
	// WaitingBytes is how much of a blueprint they take.
	WaitingBytes() uint64
	// BaseFee is that of the block on top of the head, in wei.
	BaseFee() uint64
	// UpgradeDue reports whether a protocol upgrade is due between the head and this time.
	UpgradeDue(at int64) bool
}

// Delayed has the delayed transactions that are in no block yet.
type Delayed interface {
	// Pending lists them, oldest first.
	Pending() ([]DelayedTransaction, error)
}

// DelayedTransaction is one that was added outside the pool.
type DelayedTransaction struct {
	Hash content.Hash
	Gas  uint64 // its gas limit
}

// Sealed has the sealed transactions that are in no block yet.
type Sealed interface {
	// Next gives those for a content whose number and base fee are set, as the rules want them, their RLP's size, and the gas of
	// all: at most share bytes of them, but one in any case that fits room.
	Next(to *preblockv1.Content, share, room uint64) (raws [][]byte, size, gas uint64)
}

// Assembler puts proposals together.
type Assembler struct {
	Chain   Chain
	Delayed Delayed
	// Sealed is nil when nothing is sealed; Share is the part of the bytes that sealed transactions have for themselves, and
	// SealedGas the gas that delayed ones leave them.
	Sealed    Sealed
	Share     float64
	SealedGas uint64
	Locked    func() bool
	// Latest is the maximum timestamp of a proposal (seconds since 1970). A request was checked when it was made, but it comes
	// through Redis, which must not be able to move the chain into the future.
	Latest func() int64
}

// Next is the content of a proposal on top of the head: delayed transactions, then sealed and plain ones, as many as the bytes
// of a blueprint and the gas of a block allow. The first block after an upgrade is empty: the pool checked its transactions
// under the old rules.
func (c *Assembler) Next(ctx context.Context, at int64, withDelayed bool) (*blueprintv1.GetProposalContentResponse, error) {
	for range 3 {
		number, hash, headTime := c.Chain.Head()
		answer := &blueprintv1.GetProposalContentResponse{
			PoolLocked:    c.Locked(),
			Waiting:       c.Chain.Waiting(),
			HeadTimestamp: &timestamppb.Timestamp{Seconds: headTime},
			Content: &preblockv1.Content{
				Number: number + 1, PreviousBlockHash: hash[:], Timestamp: &timestamppb.Timestamp{Seconds: max(min(at, c.Latest()), headTime)},
				BaseFee: c.Chain.BaseFee(),
			},
		}
		answer.UpgradeDue = c.Chain.UpgradeDue(answer.GetContent().GetTimestamp().GetSeconds())
		if !answer.GetPoolLocked() && !answer.GetUpgradeDue() {
			if err := c.fill(ctx, answer.GetContent(), withDelayed); err != nil {
				return nil, fmt.Errorf("put content %d together: %w", number+1, err)
			}
		}
		if again, _, _ := c.Chain.Head(); again == number {
			return answer, nil
		}
	}
	return nil, ErrMoving
}

func (c *Assembler) fill(ctx context.Context, to *preblockv1.Content, withDelayed bool) error {
	var budget blueprint.Budget
	var taken uint64
	if withDelayed {
		var err error
		if to.DelayedTransactionHashes, taken, err = c.delayed(&budget); err != nil {
			return err
		}
	}
	sealed, plain, err := c.pools(ctx, to, budget.Room(), taken)
	to.Transactions = slices.Concat(sealed, plain)
	return err
}

// delayed gives the delayed transactions of a proposal and the gas they take. They leave the sealed ones, which run first,
// their gas: what does not fit its block would wait in front of everything that is ordered later.
func (c *Assembler) delayed(budget *blueprint.Budget) (hashes [][]byte, taken uint64, err error) {
	pending, err := c.Delayed.Pending()
	if err != nil {
		return nil, 0, err
	}
	gas := c.Chain.Gas()
	gas -= min(gas, c.SealedGas)
	for _, one := range pending {
		if one.Gas > gas-taken || !budget.AddDelayed() {
			break
		}
		hashes, taken = append(hashes, one.Hash[:]), taken+one.Gas
	}
	return hashes, taken, nil
}

// pools divides the room between the sealed transactions, which go first, and the plain ones. Of the gas, delayed ones have
// taken a part.
func (c *Assembler) pools(ctx context.Context, to *preblockv1.Content, room, taken uint64) (sealed, plain [][]byte, err error) {
	if c.Sealed == nil {
		plain, err = c.Chain.Transactions(ctx, room, taken)
		return nil, plain, err
	}
	// What is opened goes first in the block. It leaves room in the blueprint for the first that waits.
	most := room - min(room, c.Chain.WaitingBytes(), largestTransaction)
	share := uint64(float64(room) * c.Share)
	sealed, size, gas := c.Sealed.Next(to, most, most)
	contested := size > share
	if contested {
		_, size, _ = c.Sealed.Next(to, share, most)
	}
	if plain, err = c.Chain.Transactions(ctx, room-size, taken+gas); err == nil && contested {
		left := min(most, room-sizeOf(plain)) // of the bytes, what plain transactions left of theirs
		sealed, _, _ = c.Sealed.Next(to, left, left)
	}
	return sealed, plain, err
}

func sizeOf(txs [][]byte) (size uint64) {
	for _, tx := range txs {
		size += rlp.BytesSize(tx)
	}
	return size
}
