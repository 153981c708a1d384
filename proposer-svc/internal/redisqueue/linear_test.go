package redisqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/kit/linear"
	"blindseq/kit/redistest"
	"blindseq/kit/redisx"
	"blindseq/proposer-svc/queue"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
)

// What replicas do to the FIFO; the model's inputs. Outputs are the state of the request, or why not.
type (
	enqueueOp struct{ id string }
	takeOp    struct{ id string } // it is proposed: the head becomes the current one
	doneOp    struct{ id string } // its blueprint was applied
	lookOp    struct{}            // → the first in line and the current one
)

// line is the FIFO as one would have it without concurrency. The lists are text, so that states can be compared.
type line struct {
	waiting, served string // ids, each followed by a space
	current         string
}

func (l line) first() string {
	id, _, _ := strings.Cut(l.waiting, " ")
	return id
}

func has(list, id string) bool { return slices.Contains(strings.Fields(list), id) }

func (l line) step(input, output any) (bool, line) {
	switch op := input.(type) {
	case enqueueOp:
		switch {
		case has(l.served, op.id):
			return output == queue.Processed, l
		case l.current == op.id:
			return output == queue.InFlight, l
		case !has(l.waiting, op.id):
			l.waiting += op.id + " "
		}
		return output == queue.Queued, l
	case takeOp:
		switch {
		case l.current != "":
			return output == queue.ErrBusy, l //nolint:errorlint // the recorded output
		case l.first() != op.id:
			return output == queue.ErrNotHead, l //nolint:errorlint // the recorded output
		}
		l.waiting, l.current = strings.TrimPrefix(l.waiting, op.id+" "), op.id
		return output == queue.InFlight, l
	case doneOp: // clients name only what was in flight
		if l.current == op.id {
			l.served, l.current = l.served+op.id+" ", ""
		}
		return output == queue.Processed && has(l.served, op.id), l
	case lookOp:
		return output == [2]string{l.first(), l.current}, l
	}
	return false, l
}

func lineModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return line{} },
		Step: func(state, input, output any) (bool, any) { return state.(line).step(input, output) },
	}
}

// fifo is what replicas share; the Store is one, and so are broken ones.
type fifo interface {
	Apply(context.Context, queue.Event) (queue.Request, error)
	View(context.Context) (queue.State, error)
	Refresh()
}

const replicas = 4

// replica is one client. As in the system, the number a request is proposed with grows in the order of the FIFO: it is
// settled when any replica first sees the request at the head.
type replica struct {
	fifo
	c       int
	rng     *rand.Rand
	r       *linear.Recorder
	numbers *numbers
}

type numbers struct {
	mu sync.Mutex
	of map[string]uint64
}

func (n *numbers) number(id string) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of[id] == 0 {
		n.of[id] = uint64(len(n.of)) + 1
	}
	return n.of[id]
}

// contend has replicas enqueue, take and finish requests, each as if it were the active one.
func contend(t *testing.T, stores []fifo, seed uint64) *linear.Recorder {
	t.Helper()
	r, n := new(linear.Recorder), &numbers{of: map[string]uint64{}}
	var all sync.WaitGroup
	for c, s := range stores {
		rep := &replica{fifo: s, c: c, rng: rand.New(rand.NewPCG(seed, uint64(c))), r: r, numbers: n}
		all.Go(func() {
			for range 20 {
				rep.act(t.Context())
			}
		})
	}
	all.Wait()
	return r
}

// act does one thing: a new request or one that others know, or what the last look allows.
func (p *replica) act(ctx context.Context) {
	if p.rng.IntN(5) < 2 {
		id := fmt.Sprintf("r%d", p.rng.IntN(40))
		p.apply(ctx, enqueueOp{id}, request(id))
		return
	}
	var first, current string
	p.r.Do(p.c, lookOp{}, func() any {
		p.Refresh()
		v, err := p.View(ctx)
		if err != nil {
			return failure(err)
		}
		if v.Head != nil {
			first = v.Head.ID
		}
		if v.Current != nil {
			current = v.Current.ID
		}
		return [2]string{first, current}
	})
	switch {
	case current != "" && p.rng.IntN(3) > 0:
		p.apply(ctx, doneOp{current}, queue.Applied{ID: current, Number: p.numbers.number(current)})
	case first != "":
		p.apply(ctx, takeOp{first}, queue.Start{By: queue.By{Token: 9}, ID: first, Number: p.numbers.number(first), Hash: []byte{1}})
	}
}

func (p *replica) apply(ctx context.Context, op any, e queue.Event) {
	p.r.Do(p.c, op, func() any {
		r, err := p.Apply(ctx, e)
		for _, known := range []error{queue.ErrBusy, queue.ErrNotHead} {
			if errors.Is(err, known) {
				return known
			}
		}
		if err != nil {
			return failure(err)
		}
		return r.Phase
	})
}

// failure is what an error tells: a FIFO found damaged is one that the replicas themselves damaged; after any other it is
// not known what happened.
func failure(err error) any {
	if errors.Is(err, ErrDamaged) {
		return ErrDamaged
	}
	return linear.Unknown{Err: err}
}

func storesForT(t *testing.T, r redistest.Redis, source string) (stores []fifo) {
	t.Helper()
	if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	setLease(t, r, 9)
	for range replicas {
		s := New(r.NewClient(t), Config{Limits: queue.Limits{Queued: 1000}, ProcessedTTL: time.Minute}, slog.New(slog.DiscardHandler))
		s.script = redis.NewScript(redisx.MemoryLua + source)
		stores = append(stores, s)
	}
	return stores
}

func TestTheFIFOIsLinearizable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		linear.Check(t, lineModel(), 10, func() *linear.Recorder {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			stores := storesForT(t, r, commitSource)
			redistest.LoseReplies(stores[0].(*Store).rdb, 15) // a few: to judge a history takes long where many are unknown
			return contend(t, stores, seed)
		})
	})
}

func TestTheModelOfTheFIFORefusesBrokenOnes(t *testing.T) {
	for name, change := range map[string][2]string{
		"nobody looks whether it changed": {`if (redis.call('HGET', KEYS[1], 'tag') or '') ~= ARGV[1] then return view('changed') end`, ""},
		"the last come is first":          {`redis.call('RPUSH', KEYS[2], id)`, `redis.call('LPUSH', KEYS[2], id)`},
		"who was served is forgotten":     {`remember(KEYS[6], KEYS[7], id, request, ARGV[7], ARGV[6])`, ""},
		"the head stays in line":          {`redis.call('LREM', KEYS[2], 1, id)`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Replace(commitSource, change[0], change[1], 1)
			if broken == commitSource {
				t.Fatalf("commit.lua has no %q", change[0])
			}
			r := redistest.Mini(t)
			for seed := range uint64(200) {
				if contend(t, storesForT(t, r, broken), seed).Refuted(lineModel()) {
					t.Logf("found with seed %d", seed)
					return
				}
			}
			t.Fatal("not found in 200 runs")
		})
	}
}
