package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/network"
	"blindseq/e2e/rest"

	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/redis/go-redis/v9"
)

// redisFault is one thing that goes wrong with Redis. do begins it and returns what ends it; nil when it is over at once.
type redisFault struct {
	name string
	do   func(ctx context.Context, r *redisRig, rng *rand.Rand) (repair func(context.Context) error, err error)
}

// redisFaults are all but wrong values, which redis_wrongvalues_test.go has.
func redisFaults() []redisFault {
	return []redisFault{
		{"restarted", restarted((*cluster.Process).Stop)},
		{"killed", restarted((*cluster.Process).Kill)},
		{"wiped", instantly(func(ctx context.Context, r *redisRig, _ *rand.Rand) error { return r.redis.FlushAll(ctx).Err() })},
		{"robbed", instantly(rob)},
		{"full", full},
		{"busy", instantly(busy)},
		{"paused", frozen},
		{"demoted", demoted},
		{"hung up", instantly(func(ctx context.Context, r *redisRig, _ *rand.Rand) error {
			return r.redis.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err()
		})},
		{"slow", onLinks(func(l *network.Link) error { return l.Slow(150 * time.Millisecond) })},
		{"cut off", onLinks(func(l *network.Link) error { l.Cut(); return nil })},
		{"reset", onLinks((*network.Link).Reset)},
		{"swallowing", onLinks((*network.Link).Swallow)},
		{"half open", onLinks(func(l *network.Link) error { _, err := l.HalfOpen(); return err })},
	}
}

func instantly(do func(context.Context, *redisRig, *rand.Rand) error) func(context.Context, *redisRig, *rand.Rand) (func(context.Context) error, error) {
	return func(ctx context.Context, r *redisRig, rng *rand.Rand) (func(context.Context) error, error) {
		return nil, do(ctx, r, rng)
	}
}

// restarted ends Redis, which keeps nothing, and starts it again.
func restarted(end func(*cluster.Process) error) func(context.Context, *redisRig, *rand.Rand) (func(context.Context) error, error) {
	return func(_ context.Context, r *redisRig, _ *rand.Rand) (func(context.Context) error, error) {
		p := r.c.Process(cluster.Redis)
		return func(ctx context.Context) error { return errors.Join(p.Start(), p.AwaitReady(ctx)) }, end(p)
	}
}

// rob removes about half of the keys.
func rob(ctx context.Context, r *redisRig, rng *rand.Rand) error {
	keys, err := r.redis.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	slices.Sort(keys) // so that a seed says which
	keys = slices.DeleteFunc(keys, func(string) bool { return rng.IntN(2) == 0 })
	if len(keys) == 0 {
		return nil
	}
	return r.redis.Del(ctx, keys...).Err()
}

// full has Redis refuse to hold more than it does.
func full(ctx context.Context, r *redisRig, _ *rand.Rand) (func(context.Context) error, error) {
	return func(ctx context.Context) error { return r.redis.ConfigSet(ctx, "maxmemory", "0").Err() },
		errors.Join(r.redis.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err(), r.redis.ConfigSet(ctx, "maxmemory", "1").Err())
}

// busy has Redis do nothing else for a while, as a slow command does.
func busy(ctx context.Context, r *redisRig, rng *rand.Rand) error {
	const spin = `local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
local until_ = now() + ARGV[1] while now() < until_ do end
return 1`
	return r.redis.Eval(ctx, spin, nil, 100+rng.IntN(600)).Err()
}

// frozen stops the process of Redis, which knows nothing of it.
func frozen(_ context.Context, r *redisRig, _ *rand.Rand) (func(context.Context) error, error) {
	p := r.c.Process(cluster.Redis)
	return func(context.Context) error { return p.Signal(syscall.SIGCONT) }, p.Signal(syscall.SIGSTOP)
}

// demoted makes Redis a replica, of nobody who answers: it serves reads and refuses to write.
func demoted(ctx context.Context, r *redisRig, _ *rand.Rand) (func(context.Context) error, error) {
	return func(ctx context.Context) error { return r.redis.ReplicaOf(ctx, "NO", "ONE").Err() },
		r.redis.ReplicaOf(ctx, "127.0.0.1", "1").Err()
}

// onLinks breaks the way to Redis of one process, or of all.
func onLinks(do func(*network.Link) error) func(context.Context, *redisRig, *rand.Rand) (func(context.Context) error, error) {
	return func(_ context.Context, r *redisRig, rng *rand.Rand) (func(context.Context) error, error) {
		links := r.network.To(cluster.Redis)
		if i := rng.IntN(len(links) + 1); i < len(links) {
			links = links[i : i+1]
		}
		var failed error
		for _, l := range links {
			failed = errors.Join(failed, do(l))
		}
		return r.network.Repair, failed
	}
}

// redisRig is a cluster under load whose Redis goes wrong.
type redisRig struct {
	*observation
	network *network.Network
	redis   *redis.Client // of Redis itself: no broken link is between
	direct  *ethclient.Client
	api     *rest.Client
}

func newRedisRig(t *testing.T) *redisRig {
	t.Helper()
	// Shorter leases than by default (3 s), so that many schedules fit into a test.
	ttl := []string{"--lease-ttl", "1s"}
	c, n := networked(t, cluster.Options{Args: map[string][]string{cluster.Producer: append(ttl, "--lock-ttl", "1s"), cluster.Proposer: ttl}})
	client, accounts := wallet(t, c)
	u, err := url.Parse(c.RedisURL())
	must(t, err)
	rdb := redis.NewClient(&redis.Options{Addr: u.Host, ReadTimeout: 5 * time.Second})
	t.Cleanup(func() { _ = rdb.Close() })
	api := rest.New(c.REST, 2)
	t.Cleanup(api.Close)
	r := &redisRig{
		observation: watched(t, c, client, accounts[:2], 100*time.Millisecond), network: n, redis: rdb, direct: direct(t, c), api: api,
	}
	r.Add(func(h *history.History) { h.Wiped = true })
	return r
}

// redisSchedule is some faults, one after the other, some of them at the same time.
type redisSchedule struct {
	number int
	faults []redisFault
	wrong  bool   // of wrong values
	ask    string // id of a request to make afterwards; none when empty
}

func (s redisSchedule) String() string {
	var names []string
	for _, f := range s.faults {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// suffer runs a schedule and returns how long after its end the first new block was made.
func (r *redisRig) suffer(t *testing.T, s redisSchedule, seed uint64) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(t, "Redis speaks to the test, whose client goes on with an old error for a second", func(ctx context.Context) (bool, error) {
		err := r.redis.Ping(ctx).Err()
		return err == nil, err
	})
	rng := rand.New(rand.NewPCG(seed, uint64(s.number)))
	var repairs []func(context.Context) error
	for _, f := range s.faults {
		repair, err := f.do(ctx, r, rng)
		if err != nil && len(s.faults) == 1 { // a second fault may be prevented by the first
			t.Fatalf("%s: %v", f.name, err)
		}
		if repair != nil {
			repairs = append(repairs, repair)
		}
		let(t, time.Duration(20+rng.IntN(400))*time.Millisecond)
	}
	// What could not be repaired while Redis was down is repaired after it was started.
	eventually(t, "end of "+s.String(), func(ctx context.Context) (bool, error) {
		var failed error
		for _, repair := range repairs {
			failed = errors.Join(failed, repair(ctx))
		}
		return failed == nil, failed
	})
	return advances(t, r.direct)
}

const (
	// redisSchedulesEnv is how many schedules of Redis faults are run, 200 if not set.
	redisSchedulesEnv = "BLINDSEQ_E2E_REDIS_SCHEDULES"
	// seedEnv replays a run: the schedules are drawn from it.
	seedEnv = "BLINDSEQ_E2E_SEED"
)

// redisDeck is n schedules: every wrong value in every key once, and the other faults, each as often, half of them
// together with a second one.
func redisDeck(n int, seed uint64) (deck []redisSchedule) {
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := redisFaults()
	for i := range n {
		s := redisSchedule{faults: []redisFault{faults[i%len(faults)]}}
		if rng.IntN(2) == 0 {
			s.faults = append(s.faults, faults[rng.IntN(len(faults))])
		}
		deck = append(deck, s)
	}
	wrong := wrongValues()
	rng.Shuffle(len(wrong), func(i, j int) { wrong[i], wrong[j] = wrong[j], wrong[i] })
	copy(deck, wrong)
	rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	for i := range deck {
		deck[i].number = i + 1
	}
	return deck
}

// TestProductionSurvivesWhateverHappensToRedis runs schedules of faults, in several clusters at the same time, each
// cluster going on from one to the next. After each blocks are made again, by themselves; and at the end every
// acknowledged transaction is in exactly one block, and no number ever had two contents.
func TestProductionSurvivesWhateverHappensToRedis(t *testing.T) {
	t.Parallel()
	seed := uint64(number(t, seedEnv, rand.IntN(1<<31)))
	n := number(t, redisSchedulesEnv, 200)
	t.Logf("%d schedules; to have the same again: %s=%d", n, seedEnv, seed)
	deck := redisDeck(n, seed)
	const clusters = 4
	results := make(chan string, clusters)
	t.Run("in", func(t *testing.T) {
		for i := range clusters {
			t.Run(fmt.Sprintf("cluster_%d", i), func(t *testing.T) {
				t.Parallel()
				var mine []redisSchedule
				for j := i; j < len(deck); j += clusters {
					mine = append(mine, deck[j])
				}
				results <- sufferAll(t, mine, seed)
			})
		}
	})
	close(results)
	for r := range results {
		t.Log(r)
	}
}

// saidSo checks what the services logged: no panic, and that they came upon wrong values if there were any.
func (r *redisRig) saidSo(t *testing.T, schedules []redisSchedule) {
	t.Helper()
	said := 0
	for _, name := range cluster.Services() {
		log := string(r.c.Process(name).Tail(1 << 30))
		if i := strings.Index(log, "panic"); i >= 0 {
			t.Errorf("%s: %s", name, log[i:min(len(log), i+2000)])
		}
		for _, words := range []string{"wrong values in Redis removed", "wrong value in Redis replaced", "cannot be read and is cleared"} {
			said += strings.Count(log, words)
		}
	}
	wrong := 0
	for _, s := range schedules {
		if s.wrong {
			wrong++
		}
	}
	if wrong > 0 && said == 0 {
		t.Errorf("of %d schedules of wrong values the services said nothing", wrong)
	}
	t.Logf("%d schedules of wrong values, of which the services said %d times what they removed", wrong, said)
}

func sufferAll(t *testing.T, schedules []redisSchedule, seed uint64) (summary string) {
	r := newRedisRig(t)
	advances(t, r.direct)
	var took []time.Duration
	for _, s := range schedules {
		d := r.suffer(t, s, seed)
		r.request(t, s)
		t.Logf("schedule %d: %s: blocks again after %s", s.number, s, d.Round(time.Millisecond))
		took = append(took, d)
	}
	r.judge(t)
	r.saidSo(t, schedules)
	slices.Sort(took)
	return fmt.Sprintf("%d schedules: blocks again after %s (median), %s (p99), %s at most", len(took),
		took[len(took)/2].Round(time.Millisecond), took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
}
