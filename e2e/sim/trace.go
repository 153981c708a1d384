package sim

import "fmt"

// What a trace consists of.
const (
	noteStart uint64 = iota
	noteCrash
	noteStop
	noteContinue
	noteExit
	noteStep
	noteFixed
	noteApplied
	noteAnswered
)

var noteNames = [...]string{"start", "killed", "stopped", "continued", "exit", "", "preblock", "applied", "answered"}

// note adds what happened to the trace: two runs are the same when their traces are.
func (w *world) note(p *process, what, value uint64) {
	for _, v := range [...]uint64{uint64(w.now), uint64(p.id), what, value} {
		w.trace = (w.trace ^ v) * 1099511628211
		w.trace ^= w.trace >> 29
	}
	if what == noteStep {
		w.stats.Steps++
	}
	if w.log == nil {
		return
	}
	if what == noteStep {
		w.print(p, "%s", Point(value))
		return
	}
	w.print(p, "%s %d", noteNames[what], value)
}

func (w *world) print(p *process, format string, args ...any) {
	name := "-"
	if p != nil {
		name = p.name
	}
	fmt.Fprintf(w.log, "%12s  %-12s %s\n", w.now, name, fmt.Sprintf(format, args...))
}
