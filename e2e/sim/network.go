package sim

import (
	"errors"
	"time"
)

var (
	errReset       = errors.New("connection reset")
	errUnavailable = errors.New("unavailable")
	errTimeout     = errors.New("no answer in time")
	errNotLeading  = errors.New("not the leading producer")
	errNotFound    = errors.New("not found")
)

// pending is a call without an answer.
type pending struct {
	over bool
	fail func(error)
}

// call makes process to serve a request of from. It passes the answer or an error to done: once, in the life that made the
// call. After an error it is unknown whether the request was served.
func call[R any](from, to *process, timeout time.Duration, serve func(answer func(R, error)), done func(R, error)) {
	var none R
	life, c := from.life, &pending{}
	finish := func(r R, err error) {
		if !c.over {
			c.over = true
			from.enter(life, func() { done(r, err) })
		}
	}
	c.fail = func(err error) { from.w.after(from.w.latency(), func() { finish(none, err) }) }
	to.calls = append(to.calls, c)
	if len(to.calls) > 64 {
		to.forget()
	}
	from.w.after(timeout, func() { finish(none, errTimeout) })
	from.w.send(from, to, func() {
		serve(func(r R, err error) { from.w.send(to, from, func() { finish(r, err) }, nil) })
	}, func() { c.fail(errUnavailable) })
}

// forget drops the calls that were answered.
func (p *process) forget() {
	open := p.calls[:0]
	for _, c := range p.calls {
		if !c.over {
			open = append(open, c)
		}
	}
	clear(p.calls[len(open):])
	p.calls = open
}

// send runs f at process to: after a while, never, or twice. It calls refused when that process is not running.
func (w *world) send(from, to *process, f, refused func()) {
	if w.cut(from, to) || w.lost(from, to) {
		w.stats.Lost++
		return
	}
	w.deliver(to, w.transit(from, to), f, refused)
	if w.twice(from, to) {
		w.stats.Doubled++
		w.deliver(to, w.transit(from, to)+w.latency()*20, f, nil)
	}
}

func (w *world) deliver(to *process, after time.Duration, f, refused func()) {
	w.after(after, func() {
		w.stats.Messages++
		if !to.up {
			if refused != nil {
				refused()
			}
			return
		}
		to.enter(to.life, f)
	})
}

// latency is from half a millisecond to two.
func (w *world) latency() time.Duration {
	return 500*time.Microsecond + time.Duration(w.rng.Int64N(int64(1500*time.Microsecond)))
}

// transit is how long a message takes.
func (w *world) transit(from, to *process) time.Duration {
	if w.window(Delay, from, to) {
		w.stats.Delayed++
		return time.Duration(w.rng.Int64N(int64(300 * time.Millisecond)))
	}
	return w.latency()
}

func (w *world) lost(from, to *process) bool {
	return w.window(Loss, from, to) && w.rng.IntN(3) == 0
}

func (w *world) twice(from, to *process) bool {
	return w.window(Twice, from, to) && w.rng.IntN(2) == 0
}

// window reports whether a fault of a kind now affects messages between two processes.
func (w *world) window(k Kind, a, b *process) bool {
	for _, f := range w.open[k] {
		if f.Target == "" || f.Target == a.name || f.Target == b.name {
			return true
		}
	}
	return false
}

func (w *world) cut(a, b *process) bool {
	for _, f := range w.open[Cut] {
		if f.Target == a.name && (f.Other == "" || f.Other == b.name) ||
			f.Target == b.name && (f.Other == "" || f.Other == a.name) {
			return true
		}
	}
	return false
}
