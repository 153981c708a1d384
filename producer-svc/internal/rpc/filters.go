package rpc

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const (
	// filterLife is for how long a filter is kept that nobody polls, as geth does.
	filterLife = 5 * time.Minute
	// changesAtOnce is how many hashes one answer has at most, and whole transactions at most a tenth of it. The next one goes on.
	changesAtOnce = 10_000
)

// polledFilters replaces geth's filters that are polled. Geth gathers for each what is new until it is fetched. Here a filter only says
// how far its owner has read: a decided order has no forks, so that all that is new is found from there on.
type polledFilters struct {
	*subscribers // and the subscriptions
	chain        News
	logs         filterLogs
	whole        gethMethod // GetTransactionByHash
	now          func() time.Time

	filters map[gethrpc.ID]*polled // guarded by subscribers.mu
}

// News is what is new on a chain.
type News interface {
	Number() uint64
	HashOf(number uint64) (common.Hash, bool)
	// Announced gives hashes of transactions that became pending, from a position on, and the position after them.
	Announced(from uint64, most int) (hashes []common.Hash, next uint64)
	AnnouncedCount() uint64
}

// filterLogs finds logs, with the limits of eth_getLogs.
type filterLogs interface {
	GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error)
	newLogs(ctx context.Context, crit filters.FilterCriteria, from, to uint64) (logs []*types.Log, end uint64, err error)
}

// polled is a filter.
type polled struct {
	place   place
	used    time.Time               // guarded by subscribers.mu
	logs    *filters.FilterCriteria // of a filter for logs
	changes func(ctx context.Context, from uint64) (answer any, next uint64, err error)

	mu   sync.Mutex
	next uint64 // block, or position among what became pending, that its owner has not read
}

func newPolledFilters(apis []gethrpc.API, s *subscribers, chain News, logs filterLogs) (*polledFilters, error) {
	whole, err := methodOf(apis, "GetTransactionByHash")
	if err != nil {
		return nil, err
	}
	f := &polledFilters{subscribers: s, chain: chain, logs: logs, whole: whole, now: time.Now, filters: map[gethrpc.ID]*polled{}}
	s.expire = f.expireAll
	return f, nil
}

// NewBlockFilter is eth_newBlockFilter.
func (f *polledFilters) NewBlockFilter(ctx context.Context) (gethrpc.ID, error) {
	return f.add(ctx, 1, &polled{next: f.chain.Number() + 1, changes: f.blocks})
}

// NewPendingTransactionFilter is eth_newPendingTransactionFilter.
func (f *polledFilters) NewPendingTransactionFilter(ctx context.Context, full *bool) (gethrpc.ID, error) {
	changes := f.pending
	if full != nil && *full {
		changes = f.pendingWhole
	}
	return f.add(ctx, 1, &polled{next: f.chain.AnnouncedCount(), changes: changes})
}

// NewFilter is eth_newFilter.
func (f *polledFilters) NewFilter(ctx context.Context, crit filters.FilterCriteria) (gethrpc.ID, error) {
	checked, err := f.geth.NewFilter(crit) // for its errors
	if err != nil {
		return "", err
	}
	f.geth.UninstallFilter(checked)
	next := f.chain.Number() + 1
	if crit.FromBlock != nil && crit.FromBlock.Sign() > 0 {
		next = max(next, crit.FromBlock.Uint64())
	}
	return f.add(ctx, placesOf(crit), &polled{next: next, logs: &crit, changes: func(ctx context.Context, from uint64) (any, uint64, error) {
		return f.logsFrom(ctx, crit, from)
	}})
}

// GetFilterChanges is eth_getFilterChanges: what is new since the last call that had an answer.
func (f *polledFilters) GetFilterChanges(ctx context.Context, id gethrpc.ID) (any, error) {
	filter := f.use(id)
	if filter == nil {
		return f.geth.GetFilterChanges(id) // its error
	}
	filter.mu.Lock()
	defer filter.mu.Unlock()
	answer, next, err := filter.changes(ctx, filter.next)
	if err != nil {
		return nil, err
	}
	filter.next = next
	return answer, nil
}

// GetFilterLogs is eth_getFilterLogs: all logs that a filter asks for.
func (f *polledFilters) GetFilterLogs(ctx context.Context, id gethrpc.ID) ([]*types.Log, error) {
	filter := f.use(id)
	if filter == nil || filter.logs == nil {
		return f.geth.GetFilterLogs(ctx, id) // its error
	}
	return f.logs.GetLogs(ctx, *filter.logs)
}

// UninstallFilter is eth_uninstallFilter. It says whether there was one.
func (f *polledFilters) UninstallFilter(id gethrpc.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	filter := f.filters[id]
	if filter == nil {
		return false
	}
	f.end(id, filter)
	return !f.expired(filter)
}

func (f *polledFilters) add(ctx context.Context, places int, filter *polled) (gethrpc.ID, error) {
	taken, err := f.take(ctx, places)
	if err != nil {
		return "", err
	}
	id := gethrpc.NewID()
	f.mu.Lock()
	defer f.mu.Unlock()
	filter.place, filter.used = taken, f.now()
	f.filters[id] = filter
	return id, nil
}

// use gives a filter that there is, and lets it live on.
func (f *polledFilters) use(id gethrpc.ID) *polled {
	f.mu.Lock()
	defer f.mu.Unlock()
	filter := f.filters[id]
	if filter == nil {
		return nil
	}
	if f.expired(filter) {
		f.end(id, filter)
		return nil
	}
	filter.used = f.now()
	return filter
}

// expired reports whether nobody polled a filter for too long. The caller holds mu, also of end and expireAll.
func (f *polledFilters) expired(filter *polled) bool { return f.now().Sub(filter.used) > filterLife }

func (f *polledFilters) end(id gethrpc.ID, filter *polled) {
	delete(f.filters, id)
	f.forget(filter.place)
}

func (f *polledFilters) expireAll() {
	for id, filter := range f.filters {
		if f.expired(filter) {
			f.end(id, filter)
		}
	}
}

// blocks gives the hashes of blocks.
func (f *polledFilters) blocks(_ context.Context, from uint64) (any, uint64, error) {
	hashes := []common.Hash{}
	for head := f.chain.Number(); from <= head && len(hashes) < changesAtOnce; from++ {
		hash, ok := f.chain.HashOf(from)
		if !ok {
			break
		}
		hashes = append(hashes, hash)
	}
	return hashes, from, nil
}

// pending gives hashes of transactions that became pending.
func (f *polledFilters) pending(_ context.Context, from uint64) (any, uint64, error) {
	hashes, next := f.chain.Announced(from, changesAtOnce)
	return append([]common.Hash{}, hashes...), next, nil
}

// pendingWhole gives those transactions that are still known.
func (f *polledFilters) pendingWhole(ctx context.Context, from uint64) (any, uint64, error) {
	hashes, next := f.chain.Announced(from, changesAtOnce/10)
	all := []any{}
	for _, hash := range hashes {
		tx, err := f.whole.call(ctx, []any{hash})
		if err != nil {
			return nil, 0, err
		}
		if !reflect.ValueOf(tx).IsNil() {
			all = append(all, tx)
		}
	}
	return all, next, nil
}

func (f *polledFilters) logsFrom(ctx context.Context, crit filters.FilterCriteria, from uint64) (any, uint64, error) {
	to := f.chain.Number()
	if crit.ToBlock != nil && crit.ToBlock.Sign() >= 0 {
		to = min(to, crit.ToBlock.Uint64())
	}
	to = min(to, from+maxLogBlocks-1)
	if from > to {
		return []*types.Log{}, from, nil
	}
	logs, end, err := f.logs.newLogs(ctx, crit, from, to)
	return logs, end + 1, err
}
