package chain

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/event"

	"blindseq/kit/notify"
)

// announcedKept is how many hashes of pending transactions are kept for those who ask from time to time.
const announcedKept = 16_384

// notifier turns geth's stream of pending transactions into wake-ups, and keeps the hashes of the last ones. Geth's feed waits for its
// slowest reader, so this one never does anything else.
type notifier struct {
	sub  event.Subscription
	done sync.WaitGroup

	mu        sync.Mutex
	waiting   map[notify.Wake]struct{}
	announced []common.Hash // a ring: that of number n, counted from 0, is at n modulo announcedKept
	count     uint64        // of all so far
}

func newNotifier(pool *txpool.TxPool) *notifier {
	events := make(chan core.NewTxsEvent, 64)
	n := &notifier{sub: pool.SubscribeTransactions(events, true), waiting: make(map[notify.Wake]struct{})}
	n.done.Go(func() {
		for {
			select {
			case event := <-events:
				n.notify(event.Txs)
			case <-n.sub.Err():
				return
			}
		}
	})
	return n
}

func (n *notifier) notify(txs types.Transactions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, tx := range txs {
		if len(n.announced) < announcedKept {
			n.announced = append(n.announced, tx.Hash())
		} else {
			n.announced[n.count%announcedKept] = tx.Hash()
		}
		n.count++
	}
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

// Announced gives hashes of transactions that became pending, in their order: of those from number from on, counted since the start, at
// most so many, and the number of the one after them. Only the last 16,384 are kept, so that it begins later for who asks seldom.
func (c *Chain) Announced(from uint64, most int) (hashes []common.Hash, next uint64) {
	n := c.work
	n.mu.Lock()
	defer n.mu.Unlock()
	next = max(from, n.count-uint64(len(n.announced)))
	for ; next < n.count && len(hashes) < most; next++ {
		hashes = append(hashes, n.announced[next%announcedKept])
	}
	return hashes, next
}

// AnnouncedCount is how many transactions became pending since the start.
func (c *Chain) AnnouncedCount() uint64 {
	c.work.mu.Lock()
	defer c.work.mu.Unlock()
	return c.work.count
}
