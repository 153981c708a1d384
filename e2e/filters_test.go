package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// A filter is kept by the producer that leads. One that is gone with its leader is answered with geth's error, by which libraries know
// that they have to make another (viem does): an empty answer would hide what happened meanwhile.
func TestAFilterIsGoneWithItsLeaderAndSaysSo(t *testing.T) {
	t.Parallel()
	o := withOneTooMany()
	o.Replicas = []cluster.Replica{{Name: standbyB}}
	c := start(t, o)
	client, accounts := wallet(t, c)
	bundler, err := ethclient.DialContext(t.Context(), c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	w := watched(t, c, client, accounts[:1], 50*time.Millisecond)
	w.progress(t)
	kinds := map[string][]any{"eth_newBlockFilter": nil, "eth_newPendingTransactionFilter": nil, "eth_newFilter": {map[string]any{}}}
	filters := map[*ethclient.Client]map[string]string{}
	for _, door := range []*ethclient.Client{client, bundler} {
		filters[door] = map[string]string{}
		for method, args := range kinds {
			var id string
			must(t, door.Client().CallContext(t.Context(), &id, method, args...))
			filters[door][method] = id
		}
		blocksInOrder(t, door, filters[door]["eth_newBlockFilter"])
	}
	w.killLeader(t, false)
	must(t, c.Process(cluster.Observer).Kill())
	restart(t, c, cluster.Observer)
	for _, door := range []*ethclient.Client{client, bundler} {
		for method, id := range filters[door] {
			goneSaysSo(t, door, method, id)
		}
		var id string
		must(t, door.Client().CallContext(t.Context(), &id, "eth_newBlockFilter"))
		blocksInOrder(t, door, id)
	}
}

// blocksInOrder polls a filter for blocks until it has several, which must follow each other.
func blocksInOrder(t *testing.T, door *ethclient.Client, id string) {
	t.Helper()
	var hashes []common.Hash
	eventually(t, "blocks of a filter", func(ctx context.Context) (bool, error) {
		var some []common.Hash
		err := door.Client().CallContext(ctx, &some, "eth_getFilterChanges", id)
		hashes = append(hashes, some...)
		return len(hashes) > 3, err
	})
	for pair := range slices.Chunk(hashes[:4], 2) {
		next, err := door.HeaderByHash(t.Context(), pair[1])
		must(t, err)
		if next.ParentHash != pair[0] {
			t.Errorf("block %d of the filter does not follow the one before", next.Number)
		}
	}
}

// goneSaysSo polls a filter of a producer that is gone. While nobody answers it is not told anything.
func goneSaysSo(t *testing.T, door *ethclient.Client, method, id string) {
	t.Helper()
	eventually(t, method+" after the failover", func(ctx context.Context) (bool, error) {
		var changes any
		err := door.Client().CallContext(ctx, &changes, "eth_getFilterChanges", id)
		var answer rpc.Error
		switch {
		case err == nil:
			t.Fatalf("%s is answered with %v, as if it had missed nothing", method, changes)
		case errors.As(err, &answer) && answer.ErrorCode() == jsonrpc.Refused && strings.Contains(err.Error(), "filter not found"):
			return true, nil
		case errors.As(err, &answer) && answer.ErrorCode() != jsonrpc.Unavailable:
			t.Fatalf("%s: code %d: %v", method, answer.ErrorCode(), err)
		}
		return false, err
	})
}
