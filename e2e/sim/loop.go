package sim

import (
	"fmt"
	"time"

	"blindseq/producer-svc/section"
)

// loop makes blocks without being asked: at once when there is something to include, an empty one when the last is old.
type loop struct {
	p       *producerNode
	on      bool
	running bool
	again   bool // something came while a section ran
	count   int
	id      string
	timer   *timer
}

func (l *loop) begin() {
	l.on = true
	l.renew()
	l.look()
}

func (l *loop) end() {
	l.on = false
	l.timer.stop()
}

func (l *loop) renew() {
	l.count++
	l.id = fmt.Sprintf("%s/%d/%d", l.p.name, l.p.life, l.count)
}

func (l *loop) look() {
	if !l.on {
		return
	}
	if l.running {
		l.again = true
		return
	}
	l.timer.stop()
	age := l.p.w.now - l.p.moved
	force := age >= between
	// Now and then it finds out under the lock only that there is nothing.
	ready := !l.p.w.poolLocked() && (len(l.p.executable()) > 0 || len(l.p.chain.waiting) > 0) || l.p.w.rng.IntN(16) == 0
	if !force && !ready {
		l.sleep(min(500*time.Millisecond, between-age))
		return
	}
	l.running = true
	l.p.run(section.Request{ID: l.id, Force: force, WithDelayed: true}, l.made)
}

func (l *loop) made(r section.Result) {
	l.running = false
	if r.Kind != section.Interrupted {
		l.renew()
	}
	again := l.again
	l.again = false
	switch {
	case r.Kind == section.Produced || again && r.Kind == section.Empty:
		l.sleep(time.Millisecond)
	case r.Kind == section.Interrupted:
		l.sleep(50 * time.Millisecond)
	default:
		l.sleep(500 * time.Millisecond)
	}
}

func (l *loop) sleep(d time.Duration) {
	if l.on {
		l.timer = l.p.later(d, l.look)
	}
}
