package txstore

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Where a transaction is, in the words of te_getTransactionStatus.
const (
	StateUnknown  = "unknown"
	StateQueued   = "queued"   // waits for an earlier nonce
	StatePending  = "pending"  // ready for a block, or decided and waiting for room in one
	StateIncluded = "included" // in a block
	StateSkipped  = "skipped"  // decided in a block and not executed, with the reason
	StateDropped  = "dropped"  // left the pool, with the reason
	StateEnded    = "ended"    // of a sealed transaction: not executed and will not be, with the reason
)

// Status is where a transaction is, the block that includes or skipped it, and why it was skipped or dropped. A block
// and the pool are asked before the recorded ends: one that was noted on the way does not count when it was not the end.
func (k *Keeper) Status(hash common.Hash) (state string, number uint64, reason string, err error) {
	if state, number = k.pool.Status(hash); state != StateUnknown {
		return state, number, "", nil
	}
	ending, known, err := k.store.Ending(hash)
	if err != nil {
		return "", 0, "", fmt.Errorf("find status of %s: %w", hash, err)
	}
	switch {
	case known && ending.Kind == Skipped:
		return StateSkipped, ending.Number, ending.Reason, nil
	case known && ending.Kind == Unordered:
		return StateEnded, 0, ending.Reason, nil
	case known:
		return StateDropped, 0, ending.Reason, nil
	case k.store.Has(hash):
		return StatePending, 0, "", nil // the pool dropped it; the next sweep decides
	}
	return StateUnknown, 0, "", nil
}
