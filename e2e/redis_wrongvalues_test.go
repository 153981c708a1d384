package e2e

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"blindseq/e2e/cluster"

	"github.com/redis/go-redis/v9"
)

// redisKey is a key of package rediskeys: its builder, and how it is called.
type redisKey struct {
	builder   string
	of        string                 // which lock
	key       func(id string) string // id: of a request, for keys that are one request's
	ofRequest bool                   // a request is made while the value is there
}

func always(key string) func(string) string { return func(string) string { return key } }

// redisKeys is every key there is.
func redisKeys() []redisKey {
	keys := []redisKey{
		{builder: "ProposerState", key: always(redistest.Names.ProposerState())},
		{builder: "ProposerFIFO", key: always(redistest.Names.ProposerFIFO())},
		{builder: "ProposerRequests", key: always(redistest.Names.ProposerRequests())},
		{builder: "ProposerRecent", key: always(redistest.Names.ProposerRecent())},
		{builder: "ProposerProcessed", key: always(redistest.Names.ProposerProcessed()), ofRequest: true},
		{builder: "ProposerProcessedOlder", key: always(redistest.Names.ProposerProcessedOlder()), ofRequest: true},
		{builder: "EndingRequest", key: always(redistest.Names.EndingRequest())},
		{builder: "MonitorNoPreblocks", key: always(redistest.Names.MonitorNoPreblocks()), ofRequest: true},
		{builder: "MonitorNoPreblocksOlder", key: always(redistest.Names.MonitorNoPreblocksOlder()), ofRequest: true},
		{builder: "MonitorConflict", key: always(redistest.Names.MonitorConflict(1))},
		{builder: "GatewayBody", key: redistest.Names.GatewayBody, ofRequest: true},
		{builder: "Probe", key: always(redistest.Names.Probe())},
		{builder: "Roster", key: always(redistest.Names.Roster(rediskeys.ProducerLease))},
	}
	for _, lock := range []string{rediskeys.ConsumptionLock, rediskeys.ProducerLease, rediskeys.ProposerLease} {
		keys = append(keys,
			redisKey{builder: "LockLease", of: lock, key: always(redistest.Names.LockLease(lock))},
			redisKey{builder: "LockToken", of: lock, key: always(redistest.Names.LockToken(lock))})
	}
	return keys
}

// redisChannels are those on which processes tell each other something, by their names in package rediskeys.
func redisChannels() map[string]string {
	return map[string]string{
		"LockEvents": redistest.Names.LockEvents(rediskeys.ProducerLease), "ProposerEvents": redistest.Names.ProposerEvents(),
		"MonitorEvents": redistest.Names.MonitorEvents(), "ProbeEvents": redistest.Names.ProbeEvents(),
	}
}

// wrongWrite writes a value that no process of ours writes into a key, without an expiry: it would stay for ever.
type wrongWrite struct {
	name string
	do   func(ctx context.Context, p redis.Pipeliner, key string)
}

func wrongWrites() []wrongWrite {
	return []wrongWrite{
		{"text", func(ctx context.Context, p redis.Pipeliner, key string) { p.Set(ctx, key, "garbage\x00\xff", 0) }},
		{"a large number", func(ctx context.Context, p redis.Pipeliner, key string) { p.Set(ctx, key, "9007199254740991", 0) }},
		{"a list", func(ctx context.Context, p redis.Pipeliner, key string) { p.RPush(ctx, key, "garbage", "{}", "x") }},
		{"a hash", func(ctx context.Context, p redis.Pipeliner, key string) {
			p.HSet(ctx, key, "attempt", "x", "holder", "nobody", "token", "-1", "meta", `{"grpc":"127.0.0.1:1"}`,
				"tag", "x", "current", "x", "x", `{"id":"other","state":3}`)
		}},
		{"a sorted set", func(ctx context.Context, p redis.Pipeliner, key string) {
			p.ZAdd(ctx, key, redis.Z{Score: math.MaxInt64, Member: "ghost"})
		}},
	}
}

// wrongValues is a schedule for every key and every wrong value, and one for what is said on the channels.
func wrongValues() (all []redisSchedule) {
	for _, w := range wrongWrites() {
		for _, k := range redisKeys() {
			id := strings.ReplaceAll("asked-"+k.builder+"-"+w.name, " ", "-")
			s := redisSchedule{wrong: true, faults: []redisFault{{w.name + " as " + k.builder + " " + k.of, instantly(write(w, k.key(id)))}}}
			if k.ofRequest {
				s.ask = id
			}
			all = append(all, s)
		}
	}
	return append(all, redisSchedule{faults: []redisFault{{"garbage on every channel", instantly(babble)}}})
}

func write(w wrongWrite, key string) func(context.Context, *redisRig, *rand.Rand) error {
	return func(ctx context.Context, r *redisRig, _ *rand.Rand) error {
		_, err := r.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, key)
			w.do(ctx, p, key)
			return nil
		})
		return err
	}
}

func babble(ctx context.Context, r *redisRig, _ *rand.Rand) error {
	for _, channel := range redisChannels() {
		for _, payload := range []string{"", "garbage\x00\xff", "{}", strings.Repeat("x", 1<<20)} {
			if err := r.redis.Publish(ctx, channel, payload).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// request makes the request whose keys hold wrong values: once while the pool is locked, which ends by way of a notice
// in Redis, and once with a block.
func (r *redisRig) request(t *testing.T, s redisSchedule) {
	t.Helper()
	if s.ask == "" {
		return
	}
	admin := blueprintv1.NewAdminServiceClient(r.c.Conn(cluster.Producer))
	if strings.Contains(s.ask, "NoPreblock") {
		lockPool(t, admin, true)
	}
	call := r.produce(t, r.api, s.ask)
	lockPool(t, admin, false)
	switch {
	case call.Err != "":
		t.Errorf("schedule %d (%s): request %s was not answered: %s", s.number, s, s.ask, call.Err)
	case strings.Contains(s.ask, "NoPreblock") && call.Reason != "pool_locked":
		t.Errorf("schedule %d (%s): request %s was answered with %+v", s.number, s, s.ask, call)
	}
}

// TestEveryRedisKeyAndChannelIsAmongThoseThatGetWrongValues goes by the source of package rediskeys.
func TestEveryRedisKeyAndChannelIsAmongThoseThatGetWrongValues(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../kit/rediskeys/rediskeys.go", nil, 0)
	must(t, err)
	var known []string
	for _, k := range redisKeys() {
		known = append(known, k.builder)
	}
	for name := range redisChannels() {
		known = append(known, name)
	}
	for _, decl := range file.Decls {
		builder, ok := decl.(*ast.FuncDecl)
		if ok && builder.Recv != nil && !slices.Contains(known, builder.Name.Name) {
			t.Errorf("rediskeys.Names.%s is a key that no schedule writes wrong values into", builder.Name.Name)
		}
	}
}
