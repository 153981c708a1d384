package rpc

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// maxLogBlocks is how many blocks one query for logs may span.
const maxLogBlocks = 10_000

// gethLogs is what of geth's filters answers a query for logs. Geth's own limit of the range refuses every query up to the head.
type gethLogs interface {
	GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error)
}

var errNoLogs = errors.New("geth has no service for logs")

func logsOf(apis []gethrpc.API) (gethLogs, error) {
	for _, api := range apis {
		if l, ok := api.Service.(gethLogs); ok {
			return l, nil
		}
	}
	return nil, errNoLogs
}

// rangeTooLong refuses a query and says how to go on.
type rangeTooLong struct{ from, to uint64 }

func (e rangeTooLong) Error() string {
	return fmt.Sprintf("the query spans %d blocks, at most %d: ask for blocks %d to %d, then go on from block %d",
		e.to-e.from+1, maxLogBlocks, e.from, e.from+maxLogBlocks-1, e.from+maxLogBlocks)
}

func (rangeTooLong) ErrorCode() int { return jsonrpc.LimitExceeded }

// GetLogs is eth_getLogs.
func (s *ethService) GetLogs(ctx context.Context, crit filters.FilterCriteria) ([]*types.Log, error) {
	if crit.BlockHash == nil && s.head != nil {
		head := s.head()
		from, to := head, head
		if crit.FromBlock != nil {
			from = number(crit.FromBlock.Int64(), head)
		}
		if crit.ToBlock != nil {
			to = number(crit.ToBlock.Int64(), head)
		}
		if to = min(to, head); to >= from && to-from >= maxLogBlocks {
			return nil, rangeTooLong{from, to}
		}
	}
	return s.logs.GetLogs(ctx, crit)
}

// number is that of a block, or of a tag: all but the earliest are taken for the head.
func number(block int64, head uint64) uint64 {
	switch {
	case block >= 0:
		return uint64(block)
	case block == gethrpc.EarliestBlockNumber.Int64():
		return 0
	}
	return head
}
