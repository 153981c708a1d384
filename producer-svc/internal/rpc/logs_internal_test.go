package rpc

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// perBlock has so many logs in each block, and notes the longest part that it is asked for.
type perBlock struct {
	logs    int
	longest uint64
}

func (p *perBlock) GetLogs(_ context.Context, crit filters.FilterCriteria) (all []*types.Log, _ error) {
	p.longest = max(p.longest, crit.ToBlock.Uint64()-crit.FromBlock.Uint64()+1)
	for block := crit.FromBlock.Uint64(); block <= crit.ToBlock.Uint64(); block++ {
		for range p.logs {
			all = append(all, &types.Log{BlockNumber: block})
		}
	}
	return all, nil
}

// Blocks that are not there yet have no logs yet: a query for them is refused, as geth does, and nothing is answered of those before them.
func TestAQueryForLogsPastTheHeadIsRefused(t *testing.T) {
	s := &ethService{logs: &perBlock{logs: 1}, head: func() uint64 { return 100 }}
	for _, c := range []struct {
		from, to int64
		past     bool
	}{{0, 100, false}, {100, 100, false}, {0, 101, true}, {101, 101, true}, {100, 1 << 40, true}, {int64(gethrpc.EarliestBlockNumber), 200, true}} {
		all, err := s.GetLogs(t.Context(), filters.FilterCriteria{FromBlock: big.NewInt(c.from), ToBlock: big.NewInt(c.to)})
		if errors.Is(err, errPastHead) != c.past || (len(all) > 0) == c.past {
			t.Errorf("%+v: %d results, %v", c, len(all), err)
		}
	}
}

func TestAQueryForLogsHasSoManyResults(t *testing.T) {
	for _, c := range []struct {
		perBlock int
		from, to int64
		want     int // results, if they are not refused
		refused  string
	}{
		{1, 0, 9_999, 10_000, ""}, {0, 5, 9_000, 0, ""}, {3, 100, 300, 603, ""},
		{3, 100, 9_000, 0, "more than 10000 results: ask for blocks 100 to 3432, then go on from block 3433"},
		{20_000, 100, 200, 0, "ask for blocks 100 to 100, then go on from block 101"},
		{20_000, 100, 100, 20_000, ""},
	} {
		node := &perBlock{logs: c.perBlock}
		s := &ethService{logs: node, head: func() uint64 { return 50_000 }}
		all, err := s.GetLogs(t.Context(), filters.FilterCriteria{FromBlock: big.NewInt(c.from), ToBlock: big.NewInt(c.to)})
		if len(all) != c.want || (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: %d results, %v", c, len(all), err)
		}
		if node.longest > largestPart {
			t.Errorf("%+v: %d blocks are asked for at once", c, node.longest)
		}
	}
}
