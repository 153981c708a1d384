package chain

import (
	"sync"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/event"

	"blindseq/kit/notify"
)

// notifier turns geth's stream of pending transactions into wake-ups. Geth's feed waits for its slowest reader, so
// this one never does anything else.
type notifier struct {
	sub  event.Subscription
	done sync.WaitGroup

	mu      sync.Mutex
	waiting map[notify.Wake]struct{}
}

func newNotifier(pool *txpool.TxPool) *notifier {
	events := make(chan core.NewTxsEvent, 64)
	n := &notifier{sub: pool.SubscribeTransactions(events, true), waiting: make(map[notify.Wake]struct{})}
	n.done.Go(func() {
		for {
			select {
			case <-events:
				n.notify()
			case <-n.sub.Err():
				return
			}
		}
	})
	return n
}

func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ch := range n.waiting {
		ch.Notify()
	}
}

func (n *notifier) stop() {
	n.sub.Unsubscribe()
	n.done.Wait()
}

// Work gives a channel that has a value whenever transactions became ready for a block since the last receive, until
// cancel is called.
func (c *Chain) Work() (work <-chan struct{}, cancel func()) {
	ch := notify.NewWake()
	n := c.work
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting[ch] = struct{}{}
	return ch.C(), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.waiting, ch)
	}
}
