package outbox

import (
	"sync"

	"blindseq/kit/notify"

	"github.com/ethereum/go-ethereum/common"
)

// Standing is how far an item is. The zero value is that of one that is not here.
type Standing struct {
	Queued bool        // it waits to be sealed
	ID     common.Hash // of its sealed transaction
	// Accepted says that the rollup has accepted it once, or that its wallet was answered: before, it may yet be refused.
	Accepted bool
	Ended    bool // it is in no block, for the reason
	Reason   string
}

// watched are the transactions that somebody waits for a change of. The zero value has none.
type watched struct {
	mu     sync.Mutex
	byHash map[common.Hash]*watch
}

type watch struct {
	watchers int
	changed  notify.Broadcast
}

// Watch returns what tells of changes of a transaction, known here or not, until forget is called. Take a channel from it before a look
// at the transaction's Standing.
func (b *Box) Watch(hash common.Hash) (changed func() <-chan struct{}, forget func()) {
	b.watched.mu.Lock()
	defer b.watched.mu.Unlock()
	if b.watched.byHash == nil {
		b.watched.byHash = map[common.Hash]*watch{}
	}
	w := b.watched.byHash[hash]
	if w == nil {
		w = new(watch)
		b.watched.byHash[hash] = w
	}
	w.watchers++
	return w.changed.Changed, func() {
		b.watched.mu.Lock()
		defer b.watched.mu.Unlock()
		if w.watchers--; w.watchers == 0 {
			delete(b.watched.byHash, hash)
		}
	}
}

// tell wakes who watches a transaction.
func (b *Box) tell(hash common.Hash) {
	b.watched.mu.Lock()
	defer b.watched.mu.Unlock()
	if w := b.watched.byHash[hash]; w != nil {
		w.changed.Notify()
	}
}

// Standing says how far an item is.
func (b *Box) Standing(hash common.Hash) Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.items[hash]; e != nil {
		if !e.durable {
			return Standing{}
		}
		return Standing{Queued: e.ID == (common.Hash{}), ID: e.ID, Accepted: e.accepted}
	}
	how, ended := b.ended.byHash[hash]
	return Standing{Ended: ended, Reason: how.Reason}
}
