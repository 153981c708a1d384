package bundling

import (
	"context"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// turns lets one transaction of each sender continue at a time.
type turns struct {
	mu    *sync.Mutex
	taken map[common.Address]chan struct{} // closed when the turn is over
}

func newTurns() turns { return turns{&sync.Mutex{}, map[common.Address]chan struct{}{}} }

// takeAll waits for the turns of several senders, in one order for everybody, so that no two wait for each other.
func (t turns) takeAll(ctx context.Context, accounts []common.Address) (done func(), err error) {
	accounts = slices.SortedFunc(slices.Values(accounts), common.Address.Cmp)
	var taken []func()
	done = func() {
		for _, end := range taken {
			end()
		}
	}
	for _, a := range slices.Compact(accounts) {
		end, err := t.take(ctx, a)
		if err != nil {
			done()
			return nil, err
		}
		taken = append(taken, end)
	}
	return done, nil
}

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

// try takes a sender's turn if it is free.
func (t turns) try(a common.Address) (done func(), free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, busy := t.taken[a]; busy {
		return nil, false
	}
	over := make(chan struct{})
	t.taken[a] = over
	return func() { t.end(a, over) }, true
}

func (t turns) end(a common.Address, over chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, a)
	close(over)
}
