// Package redistest runs a test twice: on miniredis, in this process, and on a real redis-server. A test that passes on only
// one of them tests that Redis, not our code.
package redistest

import (
	"os"
	"testing"
	"time"

	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
)

// Only, set to "miniredis", leaves out the real server (for machines without one).
const Only = "BLINDSEQ_TEST_REDIS"

// deployment is the default of --deployment, so that a test and the services it starts mean the same keys.
const deployment = "chain-1337"

// Names are the keys and channels of the clients that a test opens.
var Names = must(rediskeys.New(deployment, 0))

func must(n rediskeys.Names, err error) rediskeys.Names {
	if err != nil {
		panic(err)
	}
	return n
}

// server is what both Redises can do for a test.
type server interface {
	url() string
	fastForward(d time.Duration)
	stop(t testing.TB)
	start(t testing.TB)
}

// Redis is one empty Redis of a test's own, gone when the test ends.
type Redis struct {
	URL    string
	Client *redisx.Client
	server server
}

// Each runs test twice, as the subtests "miniredis" and "redis".
func Each(t *testing.T, test func(t *testing.T, r Redis)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { test(t, open(t, newMini(t))) })
	if os.Getenv(Only) == "miniredis" {
		return
	}
	t.Run("redis", func(t *testing.T) { test(t, open(t, newProcess(t))) })
}

// Mini is for tests in which Redis is incidental, and for benchmarks without a server.
func Mini(t testing.TB) Redis { return open(t, newMini(t)) }

// Real is for what only a real server shows, such as benchmarks; settings are further arguments of redis-server. It fails where
// redis-server is missing.
func Real(t testing.TB, settings ...string) Redis { return open(t, newProcess(t, settings...)) }

func open(t testing.TB, s server) Redis {
	r := Redis{URL: s.url(), server: s}
	r.Client = r.NewClient(t)
	return r
}

// NewClient opens a further client, as another process would have; it is closed when the test ends.
func (r Redis) NewClient(t testing.TB) *redisx.Client {
	t.Helper()
	client, err := redisx.Open(redisx.Config{URL: r.URL, Deployment: deployment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// FastForward lets d pass for every TTL: at once on miniredis, whose TTLs move only with this call, and by really
// waiting on redis-server. Keep the TTLs of tests small. (TIME is the wall clock on both: it is not moved.)
func (r Redis) FastForward(d time.Duration) { r.server.fastForward(d) }

// Stop ends the server: connections break and new ones are refused, until Start.
func (r Redis) Stop(t testing.TB) { r.server.stop(t) }

// Start runs it again at the same address. miniredis still has its data then; redis-server, which persists nothing
// here, is empty.
func (r Redis) Start(t testing.TB) { r.server.start(t) }
