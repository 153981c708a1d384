package lock

import "slices"

// waiter is one Acquire call in this process. The channels carry at most one signal each, given by Locker.tell.
type waiter struct {
	priority  bool
	granted   chan struct{} // it is this waiter's turn
	displaced chan struct{} // a priority waiter has come: give the turn up unless the lock is already held
}

func newWaiter(priority bool) *waiter {
	return &waiter{priority: priority, granted: make(chan struct{}, 1), displaced: make(chan struct{}, 1)}
}

// line decides whose turn it is in this process to talk to Redis, and then to hold the lock: one at a time, priority
// waiters first, first come first served in each class. It is pure: every method returns whom to tell.
//
//	waiting --(turn is free, first in its class, no priority waiter before it)--> turn
//	turn    --yield: a priority waiter came while this one was not holding------> waiting, first of its class
//	any     --leave: gave up, or released the lock------------------------------> out
type line struct {
	turn     *waiter
	priority []*waiter
	normal   []*waiter
}

// effects of a step: whom to tell what. Either may be nil.
type effects struct{ granted, displaced *waiter }

func (l *line) join(w *waiter) effects {
	if w.priority {
		l.priority = append(l.priority, w)
	} else {
		l.normal = append(l.normal, w)
	}
	if l.turn == nil {
		return l.next()
	}
	if w.priority && !l.turn.priority {
		return effects{displaced: l.turn}
	}
	return effects{}
}

// yield hands the turn to a priority waiter; without one (it gave up meanwhile) w gets its turn back.
func (l *line) yield(w *waiter) effects {
	if l.turn != w || w.priority || len(l.priority) == 0 {
		return effects{granted: w}
	}
	l.normal = slices.Insert(l.normal, 0, w)
	return l.next()
}

func (l *line) leave(w *waiter) effects {
	if l.turn == w {
		return l.next()
	}
	is := func(o *waiter) bool { return o == w }
	l.priority = slices.DeleteFunc(l.priority, is)
	l.normal = slices.DeleteFunc(l.normal, is)
	return effects{}
}

// priorityWaits says whether there is a priority waiter, in its turn or not, besides the one given.
func (l *line) priorityWaits(besides *waiter) bool {
	return len(l.priority) > 0 || l.turn != nil && l.turn != besides && l.turn.priority
}

func (l *line) next() effects {
	l.turn = nil
	for _, class := range []*[]*waiter{&l.priority, &l.normal} {
		if len(*class) > 0 {
			l.turn = (*class)[0]
			*class = slices.Delete(*class, 0, 1)
			break
		}
	}
	return effects{granted: l.turn}
}
