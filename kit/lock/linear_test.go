package lock

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"blindseq/kit/linear"
	"blindseq/kit/redistest"
)

// What clients do to a lock and to what it fences; the model's inputs.
type (
	acquireOp struct { // → token, 0 while another holds it
		id    string
		floor uint64
	}
	renewOp struct { // → whether it is still held
		id    string
		token uint64
	}
	releaseOp struct{ id string } // → whether it was still held
	loseOp    struct{}            // the lease ends → how many keys were there to lose
	wipeOp    struct{}            // Redis forgets lease and token → the same
	writeOp   struct {            // → whether it was admitted
		token  uint64
		holder string
		value  int
	}
	readOp struct{} // → fenced
)

// fenced is a value that only a holder of the lock may change, as the blueprint log decides it: no token below the last,
// nor the same token from another.
type fenced struct {
	token  uint64
	holder string
	value  int
}

func (f *fenced) admits(w writeOp) bool {
	return w.token > f.token || w.token == f.token && w.holder == f.holder
}

// lockState is a lock and what it fences, as one would have it without concurrency.
type lockState struct {
	owner       string
	token, last uint64
	fenced      fenced
}

func (s lockState) step(input, output any) (bool, lockState) {
	switch op := input.(type) {
	case acquireOp:
		switch {
		case s.owner == op.id:
			return output == s.token, s
		case s.owner != "":
			return output == uint64(0), s
		}
		s.owner, s.last = op.id, max(s.last, op.floor)+1
		s.token = s.last
		return output == s.token, s
	case renewOp:
		return output == (s.owner == op.id), s
	case releaseOp:
		mine := s.owner == op.id
		if mine {
			s.owner = ""
		}
		return output == mine, s
	case loseOp:
		there := count(s.owner != "")
		s.owner = ""
		return output == there, s
	case wipeOp:
		there := count(s.owner != "") + count(s.last > 0)
		s.owner, s.last = "", 0
		return output == there, s
	case writeOp:
		admitted := s.fenced.admits(op)
		if admitted {
			s.fenced = fenced(op)
		}
		return output == admitted, s
	case readOp:
		return output == s.fenced, s
	}
	return true, s
}

func count(there bool) int64 {
	if there {
		return 1
	}
	return 0
}

func lockModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return lockState{} },
		Step: func(state, input, output any) (bool, any) { return state.(lockState).step(input, output) },
	}
}

// lockSystem is the lock of this package and a fenced value; tests of the model break a part of it.
type lockSystem struct {
	store   *store
	acquire func(context.Context, acquireOp) (uint64, error)
	renew   func(context.Context, renewOp) (bool, error)
	release func(context.Context, releaseOp) (bool, error)
	admits  func(*fenced, writeOp) bool

	mu     sync.Mutex
	fenced fenced
}

func newLockSystem(s *store) *lockSystem {
	return &lockSystem{
		store: s,
		acquire: func(ctx context.Context, op acquireOp) (uint64, error) {
			got, err := s.acquire(ctx, attempt{id: op.id, holder: op.id, Request: Request{Floor: op.floor}})
			return got.token, err
		},
		renew: func(ctx context.Context, op renewOp) (bool, error) {
			return s.renew(ctx, attempt{id: op.id, holder: op.id}, op.token)
		},
		release: func(ctx context.Context, op releaseOp) (bool, error) {
			return s.release(ctx, attempt{id: op.id, holder: op.id})
		},
		admits: (*fenced).admits,
	}
}

func (s *lockSystem) write(op writeOp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.admits(&s.fenced, op) {
		return false
	}
	s.fenced = fenced(op)
	return true
}

func (s *lockSystem) read() fenced {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fenced
}

// run has clients contend for the lock while leases end and Redis forgets. A client that lost the lock writes all the
// same, late: the fence has to refuse it.
func (s *lockSystem) run(t *testing.T, seed uint64) *linear.Recorder {
	t.Helper()
	const clients, rounds = 4, 8
	r := new(linear.Recorder)
	var all sync.WaitGroup
	for c := range clients {
		rng := rand.New(rand.NewPCG(seed, uint64(c)))
		all.Go(func() { s.client(t, r, rng, c, rounds) })
	}
	rng := rand.New(rand.NewPCG(seed, clients))
	all.Go(func() {
		for range rounds {
			if rng.IntN(4) == 0 {
				r.Do(clients, wipeOp{}, func() any { return linear.Or(s.store.rdb.Del(t.Context(), s.store.lease, s.store.token).Result()) })
			} else {
				r.Do(clients, loseOp{}, func() any { return linear.Or(s.store.rdb.Del(t.Context(), s.store.lease).Result()) })
			}
			s.store.rdb.Ping(t.Context())
		}
	})
	all.Wait()
	return r
}

func (s *lockSystem) client(t *testing.T, r *linear.Recorder, rng *rand.Rand, c, rounds int) {
	ctx, value := t.Context(), c*1000
	for i := range rounds {
		id, token := fmt.Sprintf("%d.%d", c, i), uint64(0)
		floor := s.read().token
		for range 1 + rng.IntN(20) {
			r.Do(c, acquireOp{id, floor}, func() any {
				var err error
				token, err = s.acquire(ctx, acquireOp{id, floor})
				return linear.Or(token, err)
			})
			if token > 0 {
				break
			}
		}
		if token == 0 {
			continue
		}
		for range rng.IntN(3) {
			value++
			w := writeOp{token, id, value}
			r.Do(c, w, func() any { return s.write(w) })
			r.Do(c, renewOp{id, token}, func() any { return linear.Or(s.renew(ctx, renewOp{id, token})) })
		}
		r.Do(c, releaseOp{id}, func() any { return linear.Or(s.release(ctx, releaseOp{id})) })
		r.Do(c, readOp{}, func() any { return s.read() })
		if rng.IntN(2) == 0 { // a late write, after the lock was given back
			w := writeOp{token, id, value + 500}
			r.Do(c, w, func() any { return s.write(w) })
		}
	}
}

func TestLockAndFenceAreLinearizable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		linear.Check(t, lockModel(), 10, func() *linear.Recorder {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			client := r.NewClient(t)
			redistest.LoseReplies(client, 20)
			return newLockSystem(newStore(client, "test", longTTL, slog.New(slog.DiscardHandler))).run(t, seed)
		})
	})
}

func TestTheModelOfTheLockRefusesBrokenOnes(t *testing.T) {
	for name, damage := range map[string]func(s *lockSystem){
		"a release takes the lock from whoever holds it": func(s *lockSystem) {
			s.release = func(ctx context.Context, _ releaseOp) (bool, error) {
				n, err := s.store.rdb.Del(ctx, s.store.lease).Result()
				return n == 1, err
			}
		},
		"taking the lock is two steps": func(s *lockSystem) {
			s.acquire = func(ctx context.Context, op acquireOp) (uint64, error) {
				if n, err := s.store.rdb.Exists(ctx, s.store.lease).Result(); err != nil || n == 1 {
					return 0, err
				}
				token := s.store.rdb.Incr(ctx, s.store.token).Val()
				return uint64(token), s.store.rdb.HSet(ctx, s.store.lease, "attempt", op.id, "token", token).Err()
			}
		},
		"a renewal does not look whose it is": func(s *lockSystem) {
			s.renew = func(ctx context.Context, _ renewOp) (bool, error) {
				return s.store.rdb.Persist(ctx, s.store.lease).Err() == nil, nil
			}
		},
		"tokens are counted by Redis alone": func(s *lockSystem) {
			acquire := s.acquire
			s.acquire = func(ctx context.Context, op acquireOp) (uint64, error) { return acquire(ctx, acquireOp{id: op.id}) }
		},
		"the fence forgets the token": func(s *lockSystem) {
			s.admits = func(*fenced, writeOp) bool { return true }
		},
		"the fence takes a token from anyone": func(s *lockSystem) {
			s.admits = func(f *fenced, w writeOp) bool { return w.token >= f.token }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := redistest.Mini(t)
			for seed := range uint64(200) {
				s := newLockSystem(newStore(r.NewClient(t), "test", longTTL, slog.New(slog.DiscardHandler)))
				damage(s)
				if s.run(t, seed).Refuted(lockModel()) {
					t.Logf("found with seed %d", seed)
					return
				}
				if err := r.Client.Del(t.Context(), redistest.Names.LockLease("test"), redistest.Names.LockToken("test")).Err(); err != nil {
					t.Fatal(err)
				}
			}
			t.Fatal("not found in 200 runs")
		})
	}
}
