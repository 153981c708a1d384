package lock

import (
	"slices"

	"blindseq/kit/notify"
)

// Waiter is one Acquire call in this process. Locker.step notifies it.
type Waiter struct {
	priority  bool
	granted   notify.Wake // it is this waiter's turn
	displaced notify.Wake // a priority waiter has come: give the turn up unless the lock is already held
}

// NewWaiter returns a waiter that is in no line.
func NewWaiter(priority bool) *Waiter {
	return &Waiter{priority: priority, granted: notify.NewWake(), displaced: notify.NewWake()}
}

// Line decides whose turn it is in this process to talk to Redis, and then to hold the lock: one at a time, priority
// waiters first, first come first served in each class. It is pure: every method returns whom to notify.
//
//	waiting --(turn is free, first in its class, no priority Waiter before it)--> turn
//	turn    --yield: a priority waiter came while this one was not holding------> waiting, first of its class
//	any     --leave: gave up, or released the lock------------------------------> out
type Line struct {
	turn     *Waiter
	priority []*Waiter
	normal   []*Waiter
}

// Effects of a step: whom to notify of what. Either may be nil.
type Effects struct{ Granted, Displaced *Waiter }

// Join puts a waiter at the end of its class.
func (l *Line) Join(w *Waiter) Effects {
	if w.priority {
		l.priority = append(l.priority, w)
	} else {
		l.normal = append(l.normal, w)
	}
	if l.turn == nil {
		return l.next()
	}
	if w.priority && !l.turn.priority {
		return Effects{Displaced: l.turn}
	}
	return Effects{}
}

// Yield hands the turn to a priority Waiter; without one (it gave up meanwhile) w gets its turn back.
func (l *Line) Yield(w *Waiter) Effects {
	if l.turn != w || w.priority || len(l.priority) == 0 {
		return Effects{Granted: w}
	}
	l.normal = slices.Insert(l.normal, 0, w)
	return l.next()
}

// Leave takes a waiter out, in its turn or not.
func (l *Line) Leave(w *Waiter) Effects {
	if l.turn == w {
		return l.next()
	}
	is := func(o *Waiter) bool { return o == w }
	l.priority = slices.DeleteFunc(l.priority, is)
	l.normal = slices.DeleteFunc(l.normal, is)
	return Effects{}
}

func (l *Line) next() Effects {
	l.turn = nil
	for _, class := range []*[]*Waiter{&l.priority, &l.normal} {
		if len(*class) > 0 {
			l.turn = (*class)[0]
			*class = slices.Delete(*class, 0, 1)
			break
		}
	}
	return Effects{Granted: l.turn}
}
