package sim

import "blindseq/e2e/history"

// restarted, served: L2.

func (w *world) restarted(p *process) {
	if p.life > 1 && p != w.redis.process {
		w.waits(p.name)
	}
}

func (w *world) waits(name string) {
	w.h.Recovery.Restarts = append(w.h.Recovery.Restarts, history.Restart{Name: name, At: w.now})
}

func (w *world) served(p *process) {
	for i := range w.h.Recovery.Restarts {
		if r := &w.h.Recovery.Restarts[i]; r.Name == p.name && r.Served == 0 {
			r.Served = w.now
		}
	}
}

func (w *world) crashed(p *process) {
	if p == w.sequencer.process { // its streams break
		for _, m := range w.monitors {
			if id, life := m.stream, m.life; m.up {
				w.after(w.latency(), func() { m.enter(life, func() { m.broken(id) }) })
			}
		}
	}
	// A life that ended before it served is made up for by the next.
	w.h.Recovery.Restarts = deleteOpen(w.h.Recovery.Restarts, p.name)
}

func deleteOpen(all []history.Restart, name string) (rest []history.Restart) {
	for _, r := range all {
		if r.Name != name || r.Served != 0 {
			rest = append(rest, r)
		}
	}
	return rest
}

// lostLock, taken: L3.

func (w *world) lostLock(p *process, name string) {
	w.say(p, "lost %s", name)
	l := history.Loss{Lock: name, At: w.now}
	if w.redis.data.lock(name).Current(w.redis.ms()) != 0 { // another has it already
		l.Regained = w.now
	}
	w.h.Recovery.Losses = append(w.h.Recovery.Losses, l)
}

func (w *world) taken(p *process, name string) {
	w.say(p, "holds %s", name)
	for i := range w.h.Recovery.Losses {
		if l := &w.h.Recovery.Losses[i]; l.Lock == name && l.Regained == 0 {
			l.Regained = w.now
		}
	}
}
