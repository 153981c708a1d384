// Package notices shares, through Redis, which requests ended without a preblock, so that every replica can answer a waiter.
//
// Guarantees: a reason is written once and never changed. It is written only while the proposer's record names the request as
// ending (rediskeys.EndingRequest), checked in the same script. A message on a channel only says where to look.
package notices

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/kit/notify"
	"blindseq/kit/redisx"
	"blindseq/kit/retry"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrOtherReason is returned when the request ended before, for another reason.
	ErrOtherReason = errors.New("the request has already ended another way")
	// ErrNotEnding is returned when the request is not ending: it waits, or has a proposal, or is not known.
	ErrNotEnding = errors.New("the request is not about to end without a preblock")
	// ErrUnavailable is returned when Redis did not answer; whether the notice is recorded is not known.
	ErrUnavailable = errors.New("redis did not answer")
)

// TTL is how long a notice is kept, unless more than limit others are recorded after it. The limit is above that of the requests that
// proposer-svc remembers: what it says has ended has a notice, or a preblock.
const (
	TTL   = time.Hour
	limit = 32_768
)

const commandTimeout = time.Second

// lookUpRetry paces look-ups while Redis does not answer; someone waits for them.
var lookUpRetry = retry.Policy{First: 150 * time.Millisecond, Longest: 150 * time.Millisecond}

//go:embed record.lua
var recordSource string

// Sink takes notices and knows the requests that have a waiter.
type Sink interface {
	Do(merge.Event)
	Waited(requestID string) bool
	Requests() []string
}

// Notices are those of one Redis.
type Notices struct {
	rdb    *redisx.Client
	script *redis.Script
	log    *slog.Logger
	sink   Sink

	mu   sync.Mutex
	ask  map[string]bool // requests to look up
	wake notify.Wake
}

// New returns the notices; Follow sets where they go to before anything else is called.
func New(rdb *redisx.Client, log *slog.Logger) *Notices {
	return &Notices{rdb: rdb, script: redis.NewScript(redisx.MemoryLua + recordSource), log: log, ask: map[string]bool{}, wake: notify.NewWake()}
}

// Follow says where notices go to.
func (n *Notices) Follow(s Sink) { n.sink = s }

// notice is a notice in Redis and on the channel.
type notice struct {
	RequestID string `json:"request_id"`
	Reason    int32  `json:"reason"`
}

// Record makes a reason known to every replica. A repeat is a success. It returns ErrOtherReason for another reason, and
// ErrNotEnding for a request that is not ending.
func (n *Notices) Record(ctx context.Context, in merge.NoPreblock) error {
	value, err := json.Marshal(notice{in.RequestID, int32(in.Reason)})
	if err != nil {
		return fmt.Errorf("encode notice for %s: %w", in.RequestID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	keys := append(n.memory(), n.rdb.Names.EndingRequest())
	// gofail: var noticeRecording struct{}
	reply, err := n.script.Run(ctx, n.rdb, keys, string(value), TTL.Milliseconds(), limit, n.rdb.Names.MonitorEvents(), in.RequestID).StringSlice()
	if err == nil && len(reply) != 3 {
		err = fmt.Errorf("unexpected reply %q", reply)
	}
	if err != nil {
		return fmt.Errorf("record notice for %s: %w: %w", in.RequestID, ErrUnavailable, err)
	}
	if before := reply[0]; before != "" && before != string(value) {
		return fmt.Errorf("record notice for %s: %w: %s", in.RequestID, ErrOtherReason, before)
	}
	if reply[2] == "" {
		return fmt.Errorf("record notice for %s: %w", in.RequestID, ErrNotEnding)
	}
	if reply[1] != "" {
		n.log.WarnContext(ctx, "wrong value in Redis replaced", "key", keys[0], "was", reply[1], "request_id", in.RequestID)
	}
	// gofail: var noticeRecorded struct{}
	n.sink.Do(in)
	return nil
}

// Watch takes notices that other replicas recorded, until ctx ends. After each (re)connection every request that has a waiter
// is looked up: messages sent meanwhile are lost.
func (n *Notices) Watch(ctx context.Context) error {
	return redisx.Watch(ctx, n.rdb, func(_, payload string) {
		if payload == "" {
			for _, id := range n.sink.Requests() {
				n.LookUp(id)
			}
			return
		}
		if in, ok := decode(payload); ok {
			n.sink.Do(in)
		}
	}, n.rdb.Names.MonitorEvents())
}

func decode(payload string) (merge.NoPreblock, bool) {
	var v notice
	if json.Unmarshal([]byte(payload), &v) != nil || v.RequestID == "" {
		return merge.NoPreblock{}, false
	}
	r := preblockv1.NoPreblockReason(v.Reason)
	_, known := preblockv1.NoPreblockReason_name[v.Reason]
	return merge.NoPreblock{RequestID: v.RequestID, Reason: r}, known && r != 0
}

// LookUp has the notice of a request looked up. It does not block.
func (n *Notices) LookUp(requestID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ask[requestID] = true
	n.wake.Notify()
}

// Run looks up until ctx ends. A look-up that failed is retried for as long as the request is waited for.
func (n *Notices) Run(ctx context.Context) error {
	failures := lookUpRetry.New()
	for ctx.Err() == nil {
		select {
		case <-n.wake.C():
		case <-ctx.Done():
			return nil
		}
		if err := n.lookUp(ctx); err != nil && ctx.Err() == nil {
			n.log.DebugContext(ctx, "look up notices", "error", err)
			_ = failures.Wait(ctx) // the loop sees that ctx ended
			continue
		}
		failures.Reset()
	}
	return nil
}

func (n *Notices) lookUp(ctx context.Context) error {
	ids := n.take()
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for _, key := range n.memory() {
		values, err := n.rdb.HMGet(ctx, key, ids...).Result()
		if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") { // the next notice replaces it
			for _, id := range ids {
				n.LookUp(id)
			}
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		for i, v := range values {
			if text, ok := v.(string); ok {
				if in, ok := decode(text); ok && in.RequestID == ids[i] {
					n.sink.Do(in)
				}
			}
		}
	}
	return nil
}

// memory is the keys of the notices. The newer one comes first: one that becomes the older one between two look-ups is seen there.
func (n *Notices) memory() []string {
	return []string{n.rdb.Names.MonitorNoPreblocks(), n.rdb.Names.MonitorNoPreblocksOlder()}
}

// take returns what is to be looked up and still waited for.
func (n *Notices) take() (ids []string) {
	n.mu.Lock()
	asked := n.ask
	n.ask = map[string]bool{}
	n.mu.Unlock()
	for id := range asked {
		if n.sink.Waited(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
