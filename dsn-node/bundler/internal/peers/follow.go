package peers

import (
	"context"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/kit/notify"
	"blindseq/kit/retry"

	"github.com/ethereum/go-ethereum/common"
)

// watches are the transactions that somebody waits for a change of, wherever they are.
type watches struct {
	mu     sync.Mutex
	byHash map[common.Hash]*watch
}

type watch struct {
	watchers int
	changed  notify.Broadcast
	end      context.CancelFunc
	there    map[int]outbox.Standing // what other members said last
}

// Watch returns what tells of changes of a transaction, wherever it is, until forget is called. Take a channel from it before a look at
// the transaction's Standing.
func (p *Peers) Watch(hash common.Hash) (changed func() <-chan struct{}, forget func()) {
	p.watches.mu.Lock()
	defer p.watches.mu.Unlock()
	w := p.watches.byHash[hash]
	if w == nil {
		w = &watch{there: map[int]outbox.Standing{}}
		p.watches.byHash[hash] = w
		p.follow(w, hash)
	}
	w.watchers++
	return w.changed.Changed, func() {
		p.watches.mu.Lock()
		defer p.watches.mu.Unlock()
		if w.watchers--; w.watchers == 0 {
			delete(p.watches.byHash, hash)
			w.end()
		}
	}
}

// follow has all members tell of a transaction until the watch ends.
func (p *Peers) follow(w *watch, hash common.Hash) {
	ctx, end := context.WithCancel(context.Background()) // until the last watcher leaves
	w.end = end
	go p.followHere(ctx, w, hash)
	for i, other := range p.others {
		go func() {
			pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
			for {
				_ = other.follow(ctx, hash, func(at outbox.Standing) { p.note(w, i, at) }) // it is away, and asked again
				if pause.Wait(ctx) != nil {
					return
				}
			}
		}()
	}
}

func (p *Peers) followHere(ctx context.Context, w *watch, hash common.Hash) {
	changed, forget := p.Local.Watch(hash)
	defer forget()
	for next := changed(); ; {
		select {
		case <-next:
			next = changed() // before the watchers look
			w.changed.Notify()
		case <-ctx.Done():
			return
		}
	}
}

func (p *Peers) note(w *watch, member int, at outbox.Standing) {
	p.watches.mu.Lock()
	w.there[member] = at
	p.watches.mu.Unlock()
	w.changed.Notify()
}

// Standing says how far a transaction is, here or, of one that is watched, in another bundler.
func (p *Peers) Standing(hash common.Hash) outbox.Standing {
	at := p.Local.Standing(hash)
	if at != (outbox.Standing{}) && !at.Ended {
		return at
	}
	p.watches.mu.Lock()
	defer p.watches.mu.Unlock()
	if w := p.watches.byHash[hash]; w != nil {
		for _, there := range w.there {
			if there != (outbox.Standing{}) && (at == outbox.Standing{} || !there.Ended) {
				at = there
			}
		}
	}
	return at
}

// AwaitEnd waits until a transaction has ended in one of the bundlers without being executed, and says why. Its error is that ctx has
// ended.
func (p *Peers) AwaitEnd(ctx context.Context, hash common.Hash) (reason string, err error) {
	changes, forget := p.Watch(hash)
	defer forget()
	for {
		changed := changes()
		if at := p.Standing(hash); at.Ended {
			return at.Reason, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
