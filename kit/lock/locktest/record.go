// Package locktest is the lock of package lock without Redis, for the simulator.
package locktest

// Record is what Redis holds of one lock, and its methods are what the scripts do with it: the same transitions in Go. The
// service runs the scripts; lock.TestTheRecordIsWhatTheScriptsDo holds the two together. Times are in milliseconds by the
// clock of Redis.
type Record struct {
	Attempt, Holder, Meta string // "" while the lock is free
	Token                 uint64 // the holder's
	Ends                  int64  // the lease is gone from then on
	Last                  uint64 // the last token minted
}

// Attempt is one try to take the lock; repeating it is harmless.
type Attempt struct {
	ID, Holder, Meta string
	Floor            uint64 // the token will be greater
}

// Clone returns an independent copy, as a replica of Redis has.
func (r *Record) Clone() *Record {
	c := *r
	return &c
}

// Current is the holder's token, 0 while the lock is free.
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
		return 0, r.Ends - now
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

// Release is release.lua: whether the lock was the attempt's. Then the others are notified.
func (r *Record) Release(now int64, id string) bool {
	if r.expire(now); r.Attempt != id {
		return false
	}
	r.Free()
	return true
}

// expire removes the record when its lease has ended, as Redis does.
func (r *Record) expire(now int64) {
	if r.Attempt != "" && now >= r.Ends {
		r.Free()
	}
}

// Free ends the lease.
func (r *Record) Free() { r.Attempt, r.Holder, r.Meta, r.Token, r.Ends = "", "", "", 0, 0 }
