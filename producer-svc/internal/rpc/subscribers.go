package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const (
	// ofClient is how many subscriptions and polled filters one client may have: one that a gateway names, or else one WebSocket.
	ofClient = 128
	// ofAll is how many all have together.
	ofAll = 8192
	// filterLife is how long a filter is kept that nobody polls, as geth does.
	filterLife = 5 * time.Minute
)

var errNoFilters = errors.New("geth has no service for filters")

// subscribers replaces what of geth's eth namespace the node keeps for a client: subscriptions, and filters that are polled.
type subscribers struct {
	geth *filters.FilterAPI
	logs func(context.Context, filters.FilterCriteria) ([]*types.Log, error) // with the limits of eth_getLogs
	now  func() time.Time

	mu    sync.Mutex
	of    map[string]int // client to what it has
	all   int
	polls map[gethrpc.ID]*polled
}

// polled is a filter.
type polled struct {
	owner string
	used  time.Time
	logs  *filters.FilterCriteria // of a filter for logs
}

func newSubscribers(geth *filters.FilterAPI, logs func(context.Context, filters.FilterCriteria) ([]*types.Log, error)) *subscribers {
	return &subscribers{geth: geth, logs: logs, now: time.Now, of: map[string]int{}, polls: map[gethrpc.ID]*polled{}}
}

// clientOf is who a call is from, and how many times the usual bound it has. Several WebSockets of a client that no gateway names are
// told apart; calls by HTTP without a gateway are one client with no bound of its own.
func clientOf(ctx context.Context) (name string, factor int) {
	peer := gethrpc.PeerInfoFromContext(ctx)
	if name, factor, ok := jsonrpc.OnBehalf(peer.HTTP.UserAgent); ok {
		return "for " + name, factor
	}
	if peer.Transport == "ws" {
		return peer.RemoteAddr, 1
	}
	return "", ofAll
}

// take counts one more for the client of a call.
func (s *subscribers) take(ctx context.Context) (owner string, err error) {
	owner, factor := clientOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= ofAll || s.of[owner] >= ofClient*factor {
		s.expire()
	}
	switch {
	case s.of[owner] >= ofClient*factor:
		return "", limitExceeded(fmt.Sprintf("a client has at most %d subscriptions and filters: end some, with eth_unsubscribe or eth_uninstallFilter", ofClient*factor))
	case s.all >= ofAll:
		return "", limitExceeded("too many subscriptions and filters; try again later")
	}
	s.of[owner]++
	s.all++
	return owner, nil
}

func (s *subscribers) release(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(owner)
}

// forget takes one back. The caller holds mu.
func (s *subscribers) forget(owner string) {
	s.all--
	if s.of[owner]--; s.of[owner] == 0 {
		delete(s.of, owner)
	}
}

// expire forgets the filters that geth has dropped. The caller holds mu.
func (s *subscribers) expire() {
	for id, f := range s.polls {
		if s.now().Sub(f.used) > filterLife+time.Minute {
			delete(s.polls, id)
			s.geth.UninstallFilter(id) // it is gone, or nobody's
			s.forget(f.owner)
		}
	}
}

// subscription begins one, and counts it until it ends.
func (s *subscribers) subscription(ctx context.Context, begin func() (*gethrpc.Subscription, error)) (*gethrpc.Subscription, error) {
	owner, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	sub, err := begin()
	if err != nil {
		s.release(owner)
		return sub, err
	}
	go func() {
		<-sub.Err() // by eth_unsubscribe, or with the connection
		s.release(owner)
	}()
	return sub, nil
}

// NewHeads is the subscription newHeads.
func (s *subscribers) NewHeads(ctx context.Context) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, func() (*gethrpc.Subscription, error) { return s.geth.NewHeads(ctx) })
}

// Logs is the subscription logs.
func (s *subscribers) Logs(ctx context.Context, crit filters.FilterCriteria) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, func() (*gethrpc.Subscription, error) { return s.geth.Logs(ctx, crit) })
}

// NewPendingTransactions is the subscription newPendingTransactions.
func (s *subscribers) NewPendingTransactions(ctx context.Context, full *bool) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, func() (*gethrpc.Subscription, error) { return s.geth.NewPendingTransactions(ctx, full) })
}

// TransactionReceipts is the subscription transactionReceipts.
func (s *subscribers) TransactionReceipts(ctx context.Context, of *filters.TransactionReceiptsQuery) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, func() (*gethrpc.Subscription, error) { return s.geth.TransactionReceipts(ctx, of) })
}

// filter begins one that is polled.
func (s *subscribers) filter(ctx context.Context, logs *filters.FilterCriteria, begin func() (gethrpc.ID, error)) (gethrpc.ID, error) {
	owner, err := s.take(ctx)
	if err != nil {
		return "", err
	}
	id, err := begin()
	if err != nil {
		s.release(owner)
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls[id] = &polled{owner: owner, used: s.now(), logs: logs}
	return id, nil
}

// NewFilter is eth_newFilter.
func (s *subscribers) NewFilter(ctx context.Context, crit filters.FilterCriteria) (gethrpc.ID, error) {
	return s.filter(ctx, &crit, func() (gethrpc.ID, error) { return s.geth.NewFilter(crit) })
}

// NewBlockFilter is eth_newBlockFilter.
func (s *subscribers) NewBlockFilter(ctx context.Context) (gethrpc.ID, error) {
	return s.filter(ctx, nil, func() (gethrpc.ID, error) { return s.geth.NewBlockFilter(), nil })
}

// NewPendingTransactionFilter is eth_newPendingTransactionFilter.
func (s *subscribers) NewPendingTransactionFilter(ctx context.Context, full *bool) (gethrpc.ID, error) {
	return s.filter(ctx, nil, func() (gethrpc.ID, error) { return s.geth.NewPendingTransactionFilter(full), nil })
}

// UninstallFilter is eth_uninstallFilter.
func (s *subscribers) UninstallFilter(id gethrpc.ID) bool {
	s.mu.Lock()
	if f := s.polls[id]; f != nil {
		delete(s.polls, id)
		s.forget(f.owner)
	}
	s.mu.Unlock()
	return s.geth.UninstallFilter(id)
}

// GetFilterChanges is eth_getFilterChanges.
func (s *subscribers) GetFilterChanges(id gethrpc.ID) (any, error) {
	s.use(id)
	return s.geth.GetFilterChanges(id)
}

// GetFilterLogs is eth_getFilterLogs, with the limits of eth_getLogs.
func (s *subscribers) GetFilterLogs(ctx context.Context, id gethrpc.ID) ([]*types.Log, error) {
	f := s.use(id)
	if f == nil || f.logs == nil {
		return s.geth.GetFilterLogs(ctx, id) // its error
	}
	return s.logs(ctx, *f.logs)
}

func (s *subscribers) use(id gethrpc.ID) *polled {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.polls[id]
	if f != nil {
		f.used = s.now()
	}
	return f
}

func filtersOf(apis []gethrpc.API) (*filters.FilterAPI, error) {
	for _, api := range apis {
		if f, ok := api.Service.(*filters.FilterAPI); ok {
			return f, nil
		}
	}
	return nil, errNoFilters
}
