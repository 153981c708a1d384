package bundling

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// turns lets one transaction of each sender continue at a time.
type turns struct {
	mu    *sync.Mutex
	taken map[common.Address]chan struct{} // closed when the turn is over
}

func newTurns() turns { return turns{&sync.Mutex{}, map[common.Address]chan struct{}{}} }

// take waits for a sender's turn.
func (t turns) take(ctx context.Context, a common.Address) (done func(), err error) {
	for {
		t.mu.Lock()
		over, busy := t.taken[a]
		if !busy {
			over = make(chan struct{})
			t.taken[a] = over
			t.mu.Unlock()
			return func() { t.end(a, over) }, nil
		}
		t.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t turns) end(a common.Address, over chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, a)
	close(over)
}
