// Package lock is mutual exclusion over Redis with fencing tokens. The consumption lock and the leases of leaders use it.
//
// It guarantees: tokens grow from one acquisition to the next (also beyond Request.Floor, when Redis was wiped); a
// holder's context ends before its lease can, whatever hangs; a release never takes the lock from another holder; a
// waiter is woken at once by a release, and looks again after at most the TTL when the news was lost.
//
// It does not guarantee what no lock in Redis can: after a failover of Redis or a stopped process two sections may
// overlap in time, and a token may repeat after a failover that lost the last one. So a holder passes its token with every
// decision, and the blueprint log refuses an older one.
//
// Within a Locker waiters are served first come first served, priority before normal, and only the first of them talks to
// Redis. Between Lockers a free lock goes to the first that asks. A queue in Redis would be fair between processes too. It was
// rejected because the lock is contended between processes only around a change of leader (docs/adr/020), and each entry of a
// dead process would stall the queue.
package lock

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"blindseq/kit/redisx"
)

// Errors to decide on with errors.Is.
var (
	ErrLost       = errors.New("lock lost")
	ErrBadRequest = errors.New("bad lock request")
	// ErrUnreplicated is why a lock that was granted is given back: too few replicas of Redis confirmed it.
	ErrUnreplicated = errors.New("too few replicas of Redis confirmed the lock")
)

const (
	maxFloor = 1<<53 - 2 // Lua counts in doubles
	maxMeta  = 4096
	// returnTimeout bounds giving the lock back, which is done also when the caller's context has ended.
	returnTimeout = time.Second
)

// Options of a Locker.
type Options struct {
	Name   string        // which lock
	TTL    time.Duration // of the lease in Redis: how long a dead holder keeps others out. Default 5 s
	Margin time.Duration // local belief ends this much before the lease. Default (also for nonsense) a fifth of the TTL
	Holder string        // name of this process, for readers of logs; made unique by New. Default "locker"
	Guard  Guard         // has replicas of Redis confirm each acquisition; the zero value asks none
	Log    *slog.Logger  // default: discarded
}

// Request asks for the lock.
type Request struct {
	Priority bool   // goes before the waiters of this process without it
	Floor    uint64 // the token will be greater
	Meta     string // shown by Inspect; if not empty, taking the lock is announced as an event
}

// Status is the state of a lock in Redis.
type Status struct {
	Holder string // "" while the lock is free
	Token  uint64 // the holder's; while the lock is free, the last one minted
	Meta   string
}

// Locker acquires one lock for one process. It is safe for concurrent use and has nothing to close.
type Locker struct {
	o      Options
	holder string
	store  *store
	ear    *ear
	tries  atomic.Uint64
	doubt  atomic.Bool // the guard's last word was that replicas are missing

	mu   sync.Mutex
	line Line
}

// New makes a Locker. The client should come from redisx.Open: a client that retries commands or ignores deadlines weakens
// what this package guarantees.
func New(rdb *redisx.Client, o Options) *Locker {
	if o.TTL < time.Millisecond {
		o.TTL = 5 * time.Second
	}
	if o.Margin <= 0 || o.Margin > o.TTL/2 {
		o.Margin = o.TTL / 5
	}
	o.Guard.Timeout = min(o.Guard.Timeout, o.TTL/4)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := newStore(rdb, o.Name, o.TTL, o.Log)
	return &Locker{
		o:      o,
		holder: cmp.Or(o.Holder, "locker") + "/" + strings.ToLower(rand.Text()[:10]),
		store:  s,
		ear:    newEar(rdb, s.events),
	}
}

// Options returns the Locker's options with the defaults filled in.
func (l *Locker) Options() Options { return l.o }

// Holder is the name under which this Locker holds the lock; no other Locker has it.
func (l *Locker) Holder() string { return l.holder }

// Inspect reads the state of the lock from Redis.
func (l *Locker) Inspect(ctx context.Context) (Status, error) { return l.store.status(ctx) }

// Inspect reads the state of a lock without a Locker.
func Inspect(ctx context.Context, rdb *redisx.Client, name string) (Status, error) {
	return newStore(rdb, name, 0, nil).status(ctx)
}
