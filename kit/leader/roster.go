package leader

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"blindseq/kit/redisx"
)

var (
	//go:embed scripts/enroll.lua
	enrollSource string
	//go:embed scripts/roster.lua
	rosterSource string
)

const (
	rosterTTL   = 3 * time.Second // how long a replica that died is still found
	rosterEvery = time.Second     // between two words of a replica, and between two looks
	rosterCall  = time.Second     // of one call to Redis
)

// Replica is one that serves, whether it leads or not.
type Replica struct {
	Endpoint
	Head    uint64 `json:"head"`               // a number that it had applied when it said so
	MayLead bool   `json:"may_lead,omitempty"` // it leads or stands by to
	Whole   bool   `json:"whole,omitempty"`    // it could do the work of a leader
	// Ahead is how far its clock is ahead of Redis's, which may be wrong itself.
	Ahead time.Duration `json:"ahead,omitempty"`
	// Misses is the leader of another service that it cannot reach, by id.
	Misses string `json:"misses,omitempty"`
}

// Enroll keeps a replica in the roster of a service while describe says that it serves reads, until ctx ends; then it is
// taken out at once. While Redis cannot be asked, others remember the last roster they have seen.
func Enroll(ctx context.Context, rdb *redisx.Client, name string, describe func() (r Replica, serves bool)) error {
	script := redis.NewScript(enrollSource)
	say := func(ctx context.Context, r Replica, text string) {
		ctx, cancel := context.WithTimeout(ctx, rosterCall)
		defer cancel()
		// An error is ignored: the next tick repeats the call, and a replica that is silent for the TTL leaves the roster.
		_ = script.Run(ctx, rdb, []string{rdb.Names.Roster(name)}, r.GRPC, text, rosterTTL.Milliseconds()).Err()
	}
	tick := time.NewTicker(rosterEvery)
	defer tick.Stop()
	enrolled := false
	for {
		r, serves := describe()
		if text, err := json.Marshal(r); err != nil {
			return fmt.Errorf("enroll %s: %w", r.GRPC, err)
		} else if serves {
			say(ctx, r, string(text))
			enrolled = true
		} else if enrolled {
			say(ctx, r, "")
			enrolled = false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if enrolled {
				say(context.WithoutCancel(ctx), r, "")
			}
			return nil
		}
	}
}

// Roster knows the replicas of a service that serve reads.
type Roster struct {
	rdb    *redisx.Client
	script *redis.Script
	name   string
	seen   atomic.Pointer[[]Replica]
}

// NewRoster makes a roster that is empty before Run.
func NewRoster(rdb *redisx.Client, name string) *Roster {
	r := &Roster{rdb: rdb, script: redis.NewScript(rosterSource), name: name}
	r.seen.Store(new([]Replica))
	return r
}

// Current is the replicas last seen, in the order of their addresses. It is not to be changed.
func (r *Roster) Current() []Replica { return *r.seen.Load() }

// Run looks until ctx ends.
func (r *Roster) Run(ctx context.Context) error {
	tick := time.NewTicker(rosterEvery)
	defer tick.Stop()
	for {
		_ = r.Look(ctx) // the last roster stays
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Look looks once. It is for callers that do not Run.
func (r *Roster) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rosterCall)
	defer cancel()
	texts, err := r.script.Run(ctx, r.rdb, []string{r.rdb.Names.Roster(r.name)}).StringSlice()
	if err != nil {
		return fmt.Errorf("read the roster of %s: %w", r.name, err)
	}
	var all []Replica
	for _, text := range texts {
		var one Replica
		if json.Unmarshal([]byte(text), &one) == nil && one.GRPC != "" {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Replica) int { return cmp.Compare(a.GRPC, b.GRPC) })
	r.seen.Store(&all)
	return nil
}
