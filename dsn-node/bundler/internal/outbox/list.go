package outbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble"
	"github.com/ethereum/go-ethereum/common"
)

// Keeps says whether an item is of an account, uses a nonce of it, or may be about to: see Hold.
func (b *Box) Keeps(account common.Address) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keeps(account)
}

func (b *Box) keeps(account common.Address) bool {
	return len(b.from[account]) > 0 || len(b.nonces[account]) > 0 || b.held[account] > 0
}

// Hold has the box keep an account until Release, if it keeps it now.
func (b *Box) Hold(account common.Address) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.keeps(account)
	if kept {
		b.held[account]++
	}
	return kept
}

// Release ends a Hold.
func (b *Box) Release(account common.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[account]--; b.held[account] == 0 {
		delete(b.held, account)
	}
}

// Kept are the accounts that Keeps is true of.
func (b *Box) Kept() (all []common.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all = slices.AppendSeq(all, maps.Keys(b.from))
	all = slices.AppendSeq(all, maps.Keys(b.nonces))
	all = slices.AppendSeq(all, maps.Keys(b.held))
	slices.SortFunc(all, common.Address.Cmp)
	return slices.Compact(all)
}

// Join notes durably that all bundlers of a list have joined, and that none of the others keeps what is this one's. Zero is no list.
func (b *Box) Join(list common.Hash) error {
	err := b.store(func(batch *pebble.Batch) error { return batch.Set([]byte{keyList}, list[:], nil) })
	if err != nil {
		return fmt.Errorf("note the list of bundlers: %w", b.lost(err))
	}
	return nil
}

// Joined is the list that Join noted last; zero for none.
func (b *Box) Joined() (list common.Hash, err error) {
	value, closer, err := b.db.Get([]byte{keyList})
	if errors.Is(err, pebble.ErrNotFound) {
		return list, nil
	}
	if err != nil {
		return list, fmt.Errorf("read the list of bundlers: %w", b.lost(err))
	}
	return common.BytesToHash(value), closer.Close()
}
