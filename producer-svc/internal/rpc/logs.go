package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// Limits of a query for logs. Geth's own limit of the range refuses every query up to the head.
const (
	maxLogBlocks = 10_000
	maxLogs      = 10_000 // of several blocks; those of one are answered however many they are
	// A long query is done in parts, so that it ends with its client and is refused before it has gathered much.
	leastPart, largestPart = 32, 256 // blocks
)

// gethLogs is what of geth's filters answers a query for logs.
type gethLogs interface {
	GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error)
}

// errPastHead is geth's refusal of a query for logs of blocks that are not there yet. An answer without them could not be told from one for
// blocks that have no logs: who reads on after them would have lost theirs. Of a replica that is behind, a gateway asks the leader.
var errPastHead = invalidArgument{errors.New("block range extends beyond current head block")}

func goOn(what string, from, end uint64) error {
	return limitExceeded(fmt.Sprintf("%s: ask for blocks %d to %d, then go on from block %d", what, from, end, end+1))
}

// GetLogs is eth_getLogs.
func (s *ethService) GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error) {
	return computes(ctx, s.computing, func() ([]*types.Log, error) { return s.limitedLogs(ctx, crit) })
}

func (s *ethService) limitedLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error) {
	if crit.BlockHash != nil || s.head == nil {
		return s.logs.GetLogs(ctx, crit)
	}
	head := s.head()
	from, to := number(crit.FromBlock, head), number(crit.ToBlock, head)
	switch {
	case to > head && from <= to:
		return nil, errPastHead
	case from >= to:
		return s.logs.GetLogs(ctx, crit)
	case to-from >= maxLogBlocks:
		return nil, goOn(fmt.Sprintf("the query spans %d blocks, at most %d", to-from+1, maxLogBlocks), from, from+maxLogBlocks-1)
	}
	all, end, err := s.someLogs(ctx, crit, from, to)
	if err == nil && end < to {
		err = goOn(fmt.Sprintf("the query has more than %d results", maxLogs), from, end)
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// newLogs is someLogs in its client's turn.
func (s *ethService) newLogs(ctx context.Context, crit filters.FilterCriteria, from, to uint64) (logs []*types.Log, end uint64, err error) {
	logs, err = computes(ctx, s.computing, func() (some []*types.Log, err error) {
		some, end, err = s.someLogs(ctx, crit, from, to)
		return some, err
	})
	return logs, end, err
}

// someLogs gives the logs of blocks from to end: all until to, or as many blocks as fit into the limit of results, and one at least.
func (s *ethService) someLogs(ctx context.Context, crit filters.FilterCriteria, from, to uint64) (all []*types.Log, end uint64, err error) {
	crit.BlockHash, all = nil, []*types.Log{}
	for begin, part := from, uint64(leastPart); begin <= to; part = min(2*part, largestPart) {
		end = min(begin+part-1, to)
		crit.FromBlock, crit.ToBlock = new(big.Int).SetUint64(begin), new(big.Int).SetUint64(end)
		some, err := s.logs.GetLogs(ctx, crit)
		if err != nil {
			return nil, 0, err
		}
		if all = append(all, some...); len(all) > maxLogs {
			last := all[maxLogs].BlockNumber // the first that does not fit in whole
			end = max(from, last-1)
			return slices.DeleteFunc(all, func(l *types.Log) bool { return l.BlockNumber > end }), end, nil
		}
		begin = end + 1
	}
	return all, to, nil
}

// number is that of a block, or of a tag: all but the earliest are taken for the head, as is none.
func number(block *big.Int, head uint64) uint64 {
	switch {
	case block == nil:
		return head
	case block.Sign() >= 0:
		return block.Uint64()
	case block.Int64() == gethrpc.EarliestBlockNumber.Int64():
		return 0
	}
	return head
}
