package sim

import (
	"time"

	"blindseq/kit/lock/locktest"
	"blindseq/kit/rediskeys"
	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

const commandTimeout = 300 * time.Millisecond

// redis is the one Redis. Its own crash is Wipe (nothing survives) or Failover (an old copy does); it can be stopped and
// cut off like any process.
type redis struct {
	*process
	data  *keys
	heard map[string][]subscriber
}

// keys is what Redis holds.
type keys struct {
	locks   map[string]*locktest.Record
	fifo    *queuetest.Memory
	notices map[string]preblockv1.NoPreblockReason
}

// ending reports whether a request is the one that is ending: what rediskeys.EndingRequest holds.
func (k *keys) ending(id string) bool {
	head := k.fifo.View("").Current
	return head != nil && head.ID == id && head.Phase == queue.Ending
}

// subscriber receives each message of a channel, and "" after each reconnection.
type subscriber struct {
	p    *process
	life int
	tell func(what string)
}

// Channels.
const (
	fifoEvents   = "fifo"
	noticeEvents = "notices"
)

func newKeys() *keys {
	return &keys{
		locks: map[string]*locktest.Record{}, fifo: queuetest.NewMemory(queue.Limits{Queued: 64}),
		notices: map[string]preblockv1.NoPreblockReason{},
	}
}

func (k *keys) clone() *keys {
	c := newKeys()
	for name, r := range k.locks {
		c.locks[name] = r.Clone()
	}
	c.fifo = k.fifo.Clone()
	for id, reason := range k.notices {
		c.notices[id] = reason
	}
	return c
}

func (k *keys) lock(name string) *locktest.Record {
	r := k.locks[name]
	if r == nil {
		r = &locktest.Record{}
		k.locks[name] = r
	}
	return r
}

// apply makes an event of the FIFO happen, as redisqueue's script does: only under the lease it needs.
func (k *keys) apply(now int64, e queue.Event) (queue.Request, error) {
	k.fifo.SetLease(k.lock(rediskeys.ProposerLease).Current(now))
	return k.fifo.Apply(e)
}

// ms is the clock of Redis.
func (r *redis) ms() int64 { return int64((r.w.now + time.Hour) / time.Millisecond) }

// do runs one command, or one script, for p.
func do[R any](p *process, command func(k *keys, now int64) (R, error), done func(R, error)) {
	r := p.w.redis
	call(p, r.process, commandTimeout, func(answer func(R, error)) {
		answer(command(r.data, r.ms()))
	}, done)
}

func (r *redis) subscribe(p *process, channel string, tell func(string)) {
	r.heard[channel] = append(r.heard[channel], subscriber{p, p.life, tell})
}

// publish sends to the subscribers. One that is cut off gets "" when it is connected again.
func (r *redis) publish(channel, what string) {
	for _, s := range r.heard[channel] {
		if s.p.up && s.p.life == s.life && !r.w.cut(r.process, s.p) {
			r.w.after(r.w.latency(), func() { s.p.enter(s.life, func() { s.tell(what) }) })
		}
	}
}

// reconnect has every subscriber that is connected look.
func (r *redis) reconnect() {
	for _, channel := range sortedKeys(r.heard) {
		r.publish(channel, "")
		r.heard[channel] = alive(r.heard[channel])
	}
}

func alive(all []subscriber) (still []subscriber) {
	for _, s := range all {
		if s.p.up && s.p.life == s.life {
			still = append(still, s)
		}
	}
	return still
}
