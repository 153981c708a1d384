package sim

import "time"

// process is a simulated process: it can be killed, stopped and cut off. Everything that runs in one goes through enter, which
// drops what was meant for an earlier life and waits while the process is stopped.
type process struct {
	w    *world
	id   int
	name string

	up      bool
	life    int // counts starts
	stopped bool
	backlog []func()
	wall    time.Duration // how far its wall clock is off
	leaving bool          // SIGTERM came
	gone    bool          // it exited on its own

	boot      func() // begins a life
	terminate func() // what SIGTERM makes it do; nil exits at once
	calls     []*pending
	started   time.Duration
	serving   bool
	known     map[string]*process // leaders it heard of last
}

// index is the number at the end of the name.
func (p *process) index() uint8 { return p.name[len(p.name)-1] - '0' }

// enter runs f in the life it was meant for.
func (p *process) enter(life int, f func()) {
	switch {
	case !p.up || life != p.life:
	case p.stopped:
		p.backlog = append(p.backlog, func() { p.enter(life, f) })
	default:
		f()
	}
}

// later runs f in this life after a while.
func (p *process) later(d time.Duration, f func()) *timer {
	life := p.life
	return p.w.after(d, func() { p.enter(life, f) })
}

// start begins a life.
func (p *process) start() {
	if p.up || p.gone {
		return
	}
	p.up, p.stopped, p.backlog, p.leaving, p.serving = true, false, nil, false, false
	p.life++
	p.started = p.w.now
	p.w.note(p, noteStart, uint64(p.life))
	p.w.restarted(p)
	if !p.w.bug(NeverServesAgain) || p.life == 1 {
		p.boot()
	}
}

// serves says that the process does its work (again).
func (p *process) serves() {
	p.serving = true
	p.w.served(p)
}

func (p *process) crash(down time.Duration) {
	if !p.up {
		return
	}
	p.w.note(p, noteCrash, uint64(p.life))
	p.w.stats.Crashes++
	p.up, p.stopped, p.backlog = false, false, nil
	p.reset()
	p.w.crashed(p)
	p.w.after(down, p.start)
}

// reset breaks the connections of those who wait for an answer.
func (p *process) reset() {
	calls := p.calls
	p.calls = nil
	for _, c := range calls {
		c.fail(errReset)
	}
}

func (p *process) pause(d time.Duration) {
	if !p.up || p.stopped {
		return
	}
	p.w.note(p, noteStop, uint64(d))
	p.w.stats.Stops++
	p.stopped = true
	life := p.life
	p.w.after(d, func() {
		if p.life != life || !p.up {
			return
		}
		p.w.note(p, noteContinue, 0)
		backlog := p.backlog
		p.stopped, p.backlog = false, nil
		for _, f := range backlog {
			f()
		}
	})
}

// exit ends the process; it is not restarted.
func (p *process) exit() {
	p.up, p.gone = false, true
	p.reset()
	p.w.note(p, noteExit, 0)
}

// step performs a durable step do, then what follows it. A fault may strike before and after do.
func (p *process) step(at Point, do, then func()) {
	p.moment(Moment{at, false}, func() {
		do()
		p.w.note(p, noteStep, uint64(at))
		p.moment(Moment{at, true}, then)
	})
}

// moment is where a fault can strike.
func (p *process) moment(m Moment, next func()) {
	f := p.w.strike(p, m)
	switch {
	case f == nil:
		next()
	case f.Kind == Crash:
		p.crash(f.For)
	default:
		life := p.life
		p.pause(f.For)
		p.enter(life, next)
	}
}
