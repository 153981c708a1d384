package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/rest"
	"blindseq/kit/redistest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/redis/go-redis/v9"
)

// neighboursEnv is how many calls of produce_block each pair of deployments gets.
const neighboursEnv = "BLINDSEQ_E2E_NEIGHBOURS"

// Two deployments share a Redis. The pool of one is locked. Both get the same calls with the same ids at the same time: each
// answer is the deployment's own, and nothing in Redis has a name that both use.
func TestDeploymentsOnOneRedisDoNotHearEachOther(t *testing.T) {
	for name, of := range map[string]struct {
		databases   [2]int
		deployments [2]string
	}{
		"in one database":        {[2]int{0, 0}, [2]string{"east", "west"}},
		"in different databases": {[2]int{1, 2}, [2]string{"chain-1337", "chain-1337"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.Real(t)
			said := overhear(t, r)
			var apis [2]*neighbour
			for i := range apis {
				apis[i] = startNeighbour(t, r, of.deployments[i], of.databases[i], i == 1)
			}
			calls := number(t, neighboursEnv, 200)
			began := time.Now()
			for n := range calls {
				var group sync.WaitGroup
				var answers [2]string
				for i, api := range apis {
					group.Go(func() { answers[i] = api.produce(t.Context(), fmt.Sprintf("same-%d", n)) })
				}
				group.Wait()
				if want := [2]string{"block", "pool_locked"}; answers != want {
					t.Errorf("call %d was answered with %q, want %q", n, answers, want)
				}
			}
			t.Logf("2 × %d calls of produce_block in %s", calls, time.Since(began).Round(time.Millisecond))
			ownNames(t, r, of.databases, of.deployments, said())
		})
	}
}

// neighbour is a deployment that shares a Redis.
type neighbour struct {
	api  *rest.Client
	head uint64
}

func startNeighbour(t *testing.T, r redistest.Redis, deployment string, database int, locked bool) *neighbour {
	t.Helper()
	args := map[string][]string{}
	for _, service := range cluster.Services() {
		args[service] = []string{"--deployment", deployment}
	}
	dir := filepath.Join(t.ArtifactDir(), fmt.Sprintf("%s-%d", deployment, database))
	must(t, os.MkdirAll(dir, 0o700))
	c := start(t, cluster.Options{Dir: dir, RedisURL: fmt.Sprintf("%s/%d", r.URL, database), Args: args})
	n := &neighbour{api: rest.New(c.REST, 1)}
	t.Cleanup(n.api.Close)
	if locked {
		lockPool(t, blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer)), true)
	}
	return n
}

// produce says what a call was answered with: "block" for a new one.
func (n *neighbour) produce(ctx context.Context, id string) string {
	a, err := n.api.ProduceBlock(ctx, id, "")
	block := a.GetBlock()
	switch {
	case err != nil:
		return err.Error()
	case block == nil:
		return a.GetNoBlock().GetReason()
	case block.GetNumber() <= n.head:
		return fmt.Sprintf("block %d after %d", block.GetNumber(), n.head)
	}
	n.head = block.GetNumber()
	return "block"
}

// overhear listens to every channel of a Redis; the function returns their names.
func overhear(t *testing.T, r redistest.Redis) func() map[string]bool {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	sub := r.NewClient(t).PSubscribe(ctx, "*")
	_, err := sub.Receive(ctx)
	must(t, err)
	channels, done := map[string]bool{}, make(chan struct{})
	go func() {
		defer close(done)
		for m := range sub.Channel(redis.WithChannelSize(1 << 12)) {
			channels[m.Channel] = true
		}
	}()
	t.Cleanup(stop)
	return func() map[string]bool {
		must(t, sub.Close())
		<-done
		return channels
	}
}

// ownNames checks that every key and channel names its deployment, and every channel its database.
func ownNames(t *testing.T, r redistest.Redis, databases [2]int, deployments [2]string, channels map[string]bool) {
	t.Helper()
	heard := map[string]bool{}
	for channel := range channels {
		own := false
		for i := range databases {
			prefix := fmt.Sprintf("blindseq:%s:%d:", deployments[i], databases[i])
			if strings.HasPrefix(channel, prefix) {
				own, heard[prefix] = true, true
			}
		}
		if !own {
			t.Errorf("channel %s is of neither", channel)
		}
	}
	if len(heard) != 2 {
		t.Errorf("only %v were heard on %v", heard, channels)
	}
	for i, database := range databases {
		rdb := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(r.URL, "redis://"), DB: database})
		keys, err := rdb.Keys(t.Context(), "*").Result()
		must(t, err)
		must(t, rdb.Close())
		mine := 0
		for _, key := range keys {
			if strings.HasPrefix(key, "blindseq:"+deployments[i]+":") {
				mine++
			} else if databases[0] != databases[1] || !strings.HasPrefix(key, "blindseq:"+deployments[1-i]+":") {
				t.Errorf("key %s in database %d is of neither", key, database)
			}
		}
		if mine == 0 {
			t.Errorf("no key of %s in database %d: %v", deployments[i], database, keys)
		}
	}
}
