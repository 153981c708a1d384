package lock

import (
	"maps"
	"slices"
)

// Record is what Redis holds of one lock, and its methods are what the scripts do with it: the same transitions in Go, for
// the simulator. The service runs the scripts; TestTheRecordIsWhatTheScriptsDo holds the two together. Times are in
// milliseconds by the clock of Redis.
type Record struct {
	Attempt, Holder, Meta string // "" while nobody holds it
	Token                 uint64 // the holder's
	Ends                  int64  // the lease is gone from then on
	Last                  uint64 // the last token minted
	waiters               map[string]int64
	waitersEnd            int64
}

// Attempt is one try to take the lock; repeating it is harmless.
type Attempt struct {
	ID, Holder string
	Request
}

// Clone returns a copy that changes by itself: a replica of Redis.
func (r *Record) Clone() *Record {
	c := *r
	c.waiters = maps.Clone(r.waiters)
	return &c
}

// Current is the token of who holds the lock, 0 when nobody does.
func (r *Record) Current(now int64) uint64 {
	if r.expire(now); r.Attempt == "" {
		return 0
	}
	return r.Token
}

// Acquire is acquire.lua: the token, or 0 and in how many milliseconds to look again.
func (r *Record) Acquire(now, ttl int64, a Attempt) (token uint64, wait int64) {
	r.expire(now)
	if r.Attempt == a.ID {
		r.Ends = now + ttl
		return r.Token, 0
	}
	if r.Attempt != "" {
		left := r.Ends - now
		if a.Priority {
			r.await(a.Holder, now, left+ttl)
		}
		return 0, left
	}
	delete(r.waiters, a.Holder)
	if len(r.waiters) > 0 && !a.Priority {
		if void := slices.Max(slices.Collect(maps.Values(r.waiters))); void > now {
			return 0, min(void-now, ttl)
		}
		r.waiters = nil
	}
	r.Last = max(r.Last, a.Floor) + 1
	r.Attempt, r.Holder, r.Meta, r.Token, r.Ends = a.ID, a.Holder, a.Meta, r.Last, now+ttl
	return r.Token, 0
}

// Renew is renew.lua: whether the lock is the attempt's still.
func (r *Record) Renew(now, ttl int64, id string) bool {
	if r.expire(now); r.Attempt != id {
		return false
	}
	r.Ends = now + ttl
	return true
}

// Release is release.lua: whether the lock was the attempt's. place is how long the holder's place among the priority
// waiters is kept: 0 drops it, -1 leaves it as it is. told says whether others are to look again.
func (r *Record) Release(now int64, id, holder string, place int64) (mine, told bool) {
	if r.expire(now); r.Attempt == id {
		mine = true
		r.free()
	}
	told = mine
	switch {
	case place > 0:
		r.await(holder, now, place)
	case place == 0:
		_, waited := r.waiters[holder]
		delete(r.waiters, holder)
		told = told || waited
	}
	return mine, told
}

func (r *Record) await(holder string, now, void int64) {
	if r.waiters == nil {
		r.waiters = map[string]int64{}
	}
	r.waiters[holder] = now + void
	r.waitersEnd = max(r.waitersEnd, now+void)
}

// expire is what Redis does by itself.
func (r *Record) expire(now int64) {
	if r.Attempt != "" && now >= r.Ends {
		r.free()
	}
	if len(r.waiters) == 0 || now >= r.waitersEnd {
		r.waiters, r.waitersEnd = nil, 0
	}
}

func (r *Record) free() { r.Attempt, r.Holder, r.Meta, r.Token, r.Ends = "", "", "", 0, 0 }
