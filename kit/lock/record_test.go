package lock

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"blindseq/kit/lock/locktest"
	"blindseq/kit/redistest"
	"blindseq/kit/redisx"
)

// TestTheRecordIsWhatTheScriptsDo gives the scripts and locktest.Record the same random commands, on both kinds of Redis, and
// compares each answer and what is stored. Leases end by DEL: the passing of time is Redis's
// own affair and not the scripts'.
func TestTheRecordIsWhatTheScriptsDo(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		for seed := range uint64(20) {
			p := &pair{
				t: t, ctx: t.Context(), rng: rand.New(rand.NewPCG(seed, 7)), rdb: r.Client,
				store: newStore(r.Client, fmt.Sprint("record", seed), time.Hour, slog.New(slog.DiscardHandler)), record: &locktest.Record{},
			}
			for step := range 120 {
				what := p.command()
				if t.Failed() {
					t.Fatalf("seed %d, step %d: %s", seed, step, what)
				}
				p.compare(fmt.Sprintf("seed %d, step %d: after %s", seed, step, what))
			}
		}
	})
}

// slack is how far apart in time the two may be, in ms, for all the commands of one sequence.
const slack = 60_000

type pair struct {
	t      *testing.T
	ctx    context.Context
	rng    *rand.Rand
	rdb    *redisx.Client
	store  *store
	record *locktest.Record
}

func (p *pair) now() int64 { return time.Now().UnixMilli() }

func (p *pair) command() string {
	holder := string(rune('A' + p.rng.IntN(4)))
	id := holder + strconv.Itoa(p.rng.IntN(2))
	ttl := p.store.ttl.Milliseconds()
	switch n := p.rng.IntN(11); {
	case n < 5:
		var req Request
		if p.rng.IntN(4) == 0 {
			req.Floor = uint64(p.rng.IntN(40))
		}
		got, err := p.store.acquire(p.ctx, attempt{id: id, holder: holder, Request: req})
		token, wait := p.record.Acquire(p.now(), ttl, locktest.Attempt{ID: id, Holder: holder, Floor: req.Floor})
		p.same("token", got.token, token, err)
		p.near("wait", got.wait.Milliseconds(), wait)
		return fmt.Sprintf("acquire %s %+v", id, req)
	case n < 6:
		got, err := p.store.renew(p.ctx, attempt{id: id, holder: holder}, p.record.Token)
		p.same("ours", got, p.record.Renew(p.now(), ttl, id), err)
		return "renew " + id
	case n < 10:
		got, err := p.store.release(p.ctx, attempt{id: id, holder: holder})
		p.same("mine", got, p.record.Release(p.now(), id), err)
		return "release " + id
	}
	p.same("delete", nil, nil, p.rdb.Del(p.ctx, p.store.lease).Err())
	p.record.Free()
	return "the lease ends"
}

func (p *pair) same(what string, redis, record any, err error) {
	p.t.Helper()
	if err != nil || redis != record {
		p.t.Errorf("%s: redis %v, record %v (%v)", what, redis, record, err)
	}
}

func (p *pair) near(what string, redis, record int64) {
	p.t.Helper()
	if d := redis - record; d > slack || d < -slack || (redis == 0) != (record == 0) {
		p.t.Errorf("%s: redis %d, record %d", what, redis, record)
	}
}

// compare compares what is stored.
func (p *pair) compare(when string) {
	p.t.Helper()
	fields, err := p.rdb.HGetAll(p.ctx, p.store.lease).Result()
	if err != nil {
		p.t.Fatal(err)
	}
	got := []string{fields["attempt"], fields["holder"], fields["token"], p.rdb.Get(p.ctx, p.store.token).Val()}
	want := []string{p.record.Attempt, p.record.Holder, number(p.record.Token), number(p.record.Last)}
	if !slices.Equal(got, want) {
		p.t.Fatalf("%s: redis has %q, the record %q", when, got, want)
	}
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
