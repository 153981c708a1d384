package e2e

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/observe"
	"blindseq/e2e/rest"
)

func TestTwentyBlocksMayHaveOneTimestamp(t *testing.T) {
	c := start(t, cluster.Options{})
	client, _ := wallet(t, c)
	api := rest.New(c.REST, 8)
	t.Cleanup(api.Close)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := api.ProduceBlock(t.Context(), fmt.Sprintf("quick-%d-%d", i, n), ""); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()

	r := history.NewRecorder()
	head, err := observe.Blocks(t.Context(), client, "rpc", r)
	must(t, err)
	perSecond := map[uint64]int{}
	most := uint64(0)
	for _, b := range r.History().Blocks {
		perSecond[b.Value.Timestamp]++
		if perSecond[b.Value.Timestamp] > perSecond[most] {
			most = b.Value.Timestamp
		}
		byHash, err := client.HeaderByHash(t.Context(), b.Value.Hash)
		must(t, err)
		if byHash.Number.Cmp(new(big.Int).SetUint64(b.Value.Number)) != 0 {
			t.Fatalf("block %s is number %s by hash and %d by number", b.Value.Hash, byHash.Number, b.Value.Number)
		}
	}
	if perSecond[most] < 20 {
		t.Fatalf("at most %d blocks share a timestamp", perSecond[most])
	}
	for _, v := range history.Check(r.History()) {
		t.Error(v)
	}
	t.Logf("%d blocks in 3 s, %d of them with timestamp %d", head, perSecond[most], most)
}
