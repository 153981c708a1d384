package rpc

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// growing is a chain with so many blocks.
type growing struct{ head uint64 }

func (g *growing) Number() uint64 { return g.head }
func (g *growing) HashOf(number uint64) (common.Hash, bool) {
	return common.BigToHash(new(big.Int).SetUint64(number)), number <= g.head
}
func (*growing) Announced(from uint64, _ int) ([]common.Hash, uint64) { return nil, from }
func (*growing) AnnouncedCount() uint64                               { return 0 }

// Who polls seldom gets what is new in parts, each once.
func TestWhatIsNewComesInParts(t *testing.T) {
	chain := &growing{head: 25_000}
	node := &perBlock{logs: 3}
	f := &polledFilters{chain: chain, logs: &ethService{logs: node, computing: newComputing(1)}}
	next, parts, all := uint64(1), 0, 0
	for ; next <= chain.head; parts++ {
		answer, then, err := f.blocks(t.Context(), next)
		must(t, err)
		hashes := answer.([]common.Hash)
		for i, hash := range hashes {
			if want, _ := chain.HashOf(next + uint64(i)); hash != want {
				t.Fatalf("hash of block %d: %s", next+uint64(i), hash)
			}
		}
		all, next = all+len(hashes), then
	}
	if all != 25_000 || parts != 3 {
		t.Errorf("%d hashes in %d parts", all, parts)
	}
	next, parts, all = 1, 0, 0
	for ; next <= chain.head; parts++ {
		answer, then, err := f.logsFrom(t.Context(), filters.FilterCriteria{}, next)
		must(t, err)
		logs := answer.([]*types.Log)
		if len(logs) > maxLogs || logs[0].BlockNumber != next || logs[len(logs)-1].BlockNumber != then-1 {
			t.Fatalf("%d logs of blocks %d to %d, for %d to %d", len(logs), logs[0].BlockNumber, logs[len(logs)-1].BlockNumber, next, then-1)
		}
		all, next = all+len(logs), then
	}
	if all != 75_000 || parts != 8 {
		t.Errorf("%d logs in %d parts", all, parts)
	}
}

func TestAFilterEndsWhenNobodyPollsIt(t *testing.T) {
	now := time.Unix(0, 0)
	f := &polledFilters{subscribers: newSubscribers(nil), chain: &growing{}, now: func() time.Time { return now }, filters: map[gethrpc.ID]*polled{}}
	f.expire = f.expireAll
	polledNow, err := f.NewBlockFilter(t.Context())
	must(t, err)
	_, err = f.NewBlockFilter(t.Context())
	must(t, err)
	for range 3 {
		now = now.Add(filterLife)
		if f.use(polledNow) == nil {
			t.Fatal("a filter that is polled ended")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expire(); len(f.filters) != 1 || f.all != 1 || f.of[""] != 1 {
		t.Errorf("%d filters, %d places, %v", len(f.filters), f.all, f.of)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
