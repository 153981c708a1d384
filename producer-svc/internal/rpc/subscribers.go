package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const (
	// ofClient is how many subscriptions and polled filters one client may have: one that a gateway names, or else one WebSocket.
	ofClient = 128
	// ofAll is how many all have together.
	ofAll = 8192
	// placeBytes is what one may have of addresses and topics; one with more of them counts for several.
	placeBytes = 2 << 10
)

var errNoFilters = errors.New("geth has no service for filters")

// subscribers counts what the node keeps for its clients: subscriptions, and filters that are polled. It replaces geth's subscriptions.
type subscribers struct {
	geth *filters.FilterAPI

	mu  sync.Mutex
	of  map[string]int // client to the places that it has
	all int
	// expire gives back the places of filters that nobody polls any more, when a limit is reached. The caller holds mu.
	expire func()
}

func newSubscribers(geth *filters.FilterAPI) *subscribers {
	return &subscribers{geth: geth, of: map[string]int{}, expire: func() {}}
}

// placesOf is how many places a subscription or filter takes: one, and one more for each 2 KiB of addresses and topics.
func placesOf(crit filters.FilterCriteria) int {
	size := len(crit.Addresses) * common.AddressLength
	for _, topics := range crit.Topics {
		size += len(topics) * common.HashLength
	}
	return 1 + size/placeBytes
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

// place is what a subscription or filter takes of the places that there are.
type place struct {
	owner string
	count int
}

// take gives the client of a call so many places.
func (s *subscribers) take(ctx context.Context, count int) (place, error) {
	owner, factor := clientOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+count > ofAll || s.of[owner]+count > ofClient*factor {
		s.expire()
	}
	switch {
	case s.of[owner]+count > ofClient*factor:
		return place{}, limitExceeded(fmt.Sprintf("a client has at most %d subscriptions and filters, one with many addresses and topics "+
			"counts for several: end some, with eth_unsubscribe or eth_uninstallFilter", ofClient*factor))
	case s.all+count > ofAll:
		return place{}, limitExceeded("too many subscriptions and filters; try again later")
	}
	s.of[owner] += count
	s.all += count
	return place{owner, count}, nil
}

func (s *subscribers) release(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(p)
}

// forget takes places back. The caller holds mu.
func (s *subscribers) forget(p place) {
	s.all -= p.count
	if s.of[p.owner] -= p.count; s.of[p.owner] == 0 {
		delete(s.of, p.owner)
	}
}

// subscription begins one, and counts it until it ends.
func (s *subscribers) subscription(ctx context.Context, count int, begin func() (*gethrpc.Subscription, error)) (*gethrpc.Subscription, error) {
	taken, err := s.take(ctx, count)
	if err != nil {
		return nil, err
	}
	sub, err := begin()
	if err != nil {
		s.release(taken)
		return sub, err
	}
	go func() {
		<-sub.Err() // by eth_unsubscribe, or with the connection
		s.release(taken)
	}()
	return sub, nil
}

// NewHeads is the subscription newHeads.
func (s *subscribers) NewHeads(ctx context.Context) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, 1, func() (*gethrpc.Subscription, error) { return s.geth.NewHeads(ctx) })
}

// Logs is the subscription logs.
func (s *subscribers) Logs(ctx context.Context, crit filters.FilterCriteria) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, placesOf(crit), func() (*gethrpc.Subscription, error) { return s.geth.Logs(ctx, crit) })
}

// NewPendingTransactions is the subscription newPendingTransactions.
func (s *subscribers) NewPendingTransactions(ctx context.Context, full *bool) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, 1, func() (*gethrpc.Subscription, error) { return s.geth.NewPendingTransactions(ctx, full) })
}

// TransactionReceipts is the subscription transactionReceipts.
func (s *subscribers) TransactionReceipts(ctx context.Context, of *filters.TransactionReceiptsQuery) (*gethrpc.Subscription, error) {
	return s.subscription(ctx, 1, func() (*gethrpc.Subscription, error) { return s.geth.TransactionReceipts(ctx, of) })
}

func filtersOf(apis []gethrpc.API) (*filters.FilterAPI, error) {
	for _, api := range apis {
		if f, ok := api.Service.(*filters.FilterAPI); ok {
			return f, nil
		}
	}
	return nil, errNoFilters
}
