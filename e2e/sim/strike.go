package sim

// schedule has the plan's faults happen.
func (w *world) schedule() {
	for i := range w.plan.Faults {
		f := w.plan.Faults[i]
		if f.Moment != nil {
			a := &armed{Fault: f, left: f.Nth}
			if f.Then && len(w.armed) > 0 {
				a.before = w.armed[len(w.armed)-1]
			}
			w.armed = append(w.armed, a)
			continue
		}
		if f.Kind == Failover {
			var copied *keys
			w.after(f.At-f.By, func() { copied = w.redis.data.clone() })
			w.after(f.At, func() { w.failover(&f, copied) })
			continue
		}
		w.after(f.At, func() { w.inject(&f) })
	}
}

// strike says which fault, if any, a process meets at a moment.
func (w *world) strike(p *process, m Moment) *Fault {
	for _, a := range w.armed {
		if a.spent || *a.Moment != m || w.now < a.At || a.Target != "" && a.Target != p.name ||
			a.before != nil && !a.before.spent {
			continue
		}
		if a.left--; a.left >= 0 {
			continue
		}
		a.spent = true
		w.stats.Faults[a.Kind]++
		if a.Kind == Crash {
			w.struck = append(w.struck, m)
		}
		w.say(p, "%s: %s", a.Kind, m)
		return &a.Fault
	}
	return nil
}

func (w *world) inject(f *Fault) {
	w.stats.Faults[f.Kind]++
	w.say(nil, "%s", f)
	switch p := w.byName[f.Target]; f.Kind {
	case Crash:
		if p == w.redis.process {
			w.wipe()
		}
		p.crash(f.For)
	case Stop:
		p.pause(f.For)
	case Break:
		for _, m := range w.monitors {
			if m.process == p && p.up {
				p.enter(p.life, func() { m.broken(m.stream) })
			}
		}
	case Jump:
		p.wall += f.By
	case Wipe:
		w.wipe()
	case LostDisk:
		k := w.keyholders[p.index()]
		p.crash(f.For)
		k.lose()
	default:
		w.openWindow(f)
	}
}

// openWindow opens a window and closes it.
func (w *world) openWindow(f *Fault) {
	w.open[f.Kind] = append(w.open[f.Kind], f)
	w.after(f.For, func() {
		w.open[f.Kind] = without(w.open[f.Kind], f)
		if f.Kind == Cut {
			w.redis.reconnect()
		}
	})
}

func (w *world) wipe() {
	w.h.Wiped = true
	w.redis.data = newKeys()
}

// failover brings Redis back as an old copy, with its connections broken.
func (w *world) failover(f *Fault, copied *keys) {
	w.stats.Faults[Failover]++
	w.say(nil, "%s", f)
	w.h.Wiped = true
	w.redis.crash(f.For)
	w.redis.data = copied
}

// say writes into the log of a run.
func (w *world) say(p *process, format string, args ...any) {
	if w.log != nil {
		w.print(p, format, args...)
	}
}
