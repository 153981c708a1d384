package merge

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// State is what one replica knows. New makes the first one and Next the others. It shares memory with the state it came
// from: once Next was called with a state, only the one that it returned may be used. A copy for each preblock would cost
// more than all the rest.
type State struct {
	limits  Limits
	next    uint64 // next number needed from the stream; 0 before the DSN was reached
	cache   cache
	shown   map[uint64]Identity
	held    map[uint64]Arrived // above next
	ended   *ended
	waiters map[uint64]Wait
	halted  *Halted
	stopped bool
}

// New returns a state that has seen nothing.
func New(l Limits) State {
	return State{
		limits: l, cache: newCache(l), shown: map[uint64]Identity{}, held: map[uint64]Arrived{}, ended: newEnded(l.Ended),
		waiters: map[uint64]Wait{},
	}
}

// ErrUnexpected is returned for an event that has no meaning: a waiter that is registered already, or no event at all.
var ErrUnexpected = errors.New("unexpected event")

// Next takes an event and returns the state it leads to and what to do, in order. An event that is refused with an
// error changes nothing.
func Next(s State, e Event) (State, []Effect, error) {
	effects, err := s.take(e)
	return s, effects, err
}

func (s *State) take(e Event) ([]Effect, error) {
	switch e := e.(type) {
	case Started:
		return s.start(e.Last), nil
	case Arrived:
		return s.arrive(e), nil
	case NoPreblock:
		return s.end(e), nil
	case Wait:
		if _, waits := s.waiters[e.Waiter]; waits {
			return nil, fmt.Errorf("%w: waiter %d waits already", ErrUnexpected, e.Waiter)
		}
		return s.wait(e), nil
	case Gone:
		delete(s.waiters, e.Waiter)
		return nil, nil
	case Broken:
		clear(s.held) // the stream will bring them again
		return nil, nil
	case Stopped:
		s.stopped = true
		return s.answerAll(func(Wait) bool { return true }, Reply{Err: ErrStopping}), nil
	}
	return nil, fmt.Errorf("%w: %T", ErrUnexpected, e)
}

// start sets where the stream begins. Callers waiting for an older number trigger a fetch.
func (s *State) start(last uint64) (effects []Effect) {
	if s.next != 0 {
		return nil
	}
	s.next = last + 1
	for _, number := range s.waitedFor() {
		if number < s.next {
			effects = append(effects, Fetch{number})
		}
	}
	return effects
}

func (s *State) waitedFor() []uint64 {
	numbers := map[uint64]bool{}
	for _, w := range s.waiters {
		numbers[w.Number] = true
	}
	return slices.Sorted(maps.Keys(numbers))
}

func (s *State) arrive(a Arrived) []Effect {
	number := a.Preblock.GetContent().GetNumber()
	known, seen := s.shown[number]
	switch {
	case s.halted != nil:
		return nil
	case seen && known != a.Identity:
		return s.halt(number, known, a)
	case s.next == 0 || number < s.next:
		return s.old(a, seen)
	case number > s.next:
		return s.hold(a)
	}
	effects := s.accept(a)
	for {
		held, ok := s.held[s.next]
		if !ok {
			return effects
		}
		delete(s.held, s.next)
		effects = append(effects, s.accept(held)...)
	}
}

// old is a preblock below the next needed: fetched for someone, or once more on the stream.
func (s *State) old(a Arrived, seen bool) (effects []Effect) {
	number := a.Preblock.GetContent().GetNumber()
	s.remember(a)
	effects = s.answerNumber(a.Preblock)
	if seen && !a.Asked {
		effects = append(effects, Dropped{Number: number, Why: Duplicate})
	}
	return effects
}

func (s *State) accept(a Arrived) []Effect {
	s.next++
	s.remember(a)
	s.cache.add(a.Preblock)
	effects := []Effect{Advanced{a.Preblock}}
	id := a.Preblock.GetRequestId()
	if e, ok := s.ended.get(id); ok && e.Reason != 0 {
		effects = append(effects, Contradiction{a.Preblock.GetContent().GetNumber(), id})
	}
	s.ended.put(id, Ended{Number: a.Preblock.GetContent().GetNumber()})
	return append(effects, s.answerNumber(a.Preblock)...)
}

// hold keeps a preblock that came too early and asks for those before it.
func (s *State) hold(a Arrived) (effects []Effect) {
	number := a.Preblock.GetContent().GetNumber()
	if _, ok := s.held[number]; ok {
		return []Effect{Dropped{Number: number, Why: Duplicate}}
	}
	if number-s.next > uint64(s.limits.Held) {
		return []Effect{Dropped{Number: number, Why: TooEarly}}
	}
	s.shown[number] = a.Identity
	s.held[number] = a
	for missing := s.next; missing < number; missing++ {
		if _, ok := s.held[missing]; !ok {
			effects = append(effects, Fetch{missing})
		}
	}
	return effects
}

// remember keeps the identity of a number's preblock, within the window.
func (s *State) remember(a Arrived) {
	number, window := a.Preblock.GetContent().GetNumber(), uint64(s.limits.Hashes)
	if number+window >= s.next {
		s.shown[number] = a.Identity
	}
	if s.next > window {
		delete(s.shown, s.next-window-1)
	}
}

func (s *State) halt(number uint64, known Identity, a Arrived) []Effect {
	s.halted = &Halted{Number: number, Was: known, Is: a.Identity, First: s.cache.get(number), Second: a.Preblock}
	if held, ok := s.held[number]; ok {
		s.halted.First = held.Preblock
	}
	return append([]Effect{*s.halted}, s.answerAll(func(Wait) bool { return true }, Reply{Err: s.haltErr()})...)
}

func (s *State) haltErr() error {
	was, is, what := s.halted.Was.Hash, s.halted.Is.Hash, "content"
	if was == is {
		was, is, what = s.halted.Was.Outcomes, s.halted.Is.Outcomes, "outcomes"
	}
	return fmt.Errorf("%w: number %d, %s %x and %x", ErrHalted, s.halted.Number, what, was, is)
}

// end takes a notice. A request whose preblock was seen has ended with it. Of two notices the later counts:
// Redis keeps the first one, so another can only arrive after Redis lost that and the request was repeated.
func (s *State) end(n NoPreblock) []Effect {
	if e, ok := s.ended.get(n.RequestID); ok && e.Reason == 0 {
		return []Effect{Dropped{Number: e.Number, RequestID: n.RequestID, Why: LateNotice}}
	}
	s.ended.put(n.RequestID, Ended{Reason: n.Reason})
	return s.answerAll(func(w Wait) bool { return w.RequestID == n.RequestID }, noPreblock(n))
}

func (s *State) wait(w Wait) []Effect {
	answer := func(r Reply) []Effect { return []Effect{Answer{w.Waiter, r}} }
	if s.stopped {
		return answer(Reply{Err: ErrStopping})
	}
	if s.halted != nil {
		return answer(Reply{Err: s.haltErr()})
	}
	if p := s.cache.get(w.Number); p != nil {
		return answer(Reply{Preblock: p})
	}
	// A remembered notice is no reply: the caller looks the request up in Redis. The request may have been repeated after Redis
	// lost its end.
	s.waiters[w.Waiter] = w
	if s.next != 0 && w.Number < s.next {
		return []Effect{Fetch{w.Number}}
	}
	return nil
}

func noPreblock(n NoPreblock) Reply {
	return Reply{NoPreblock: &preblockv1.NoPreblock{RequestId: n.RequestID, Reason: n.Reason}}
}

func (s *State) answerNumber(p *preblockv1.Preblock) []Effect {
	number := p.GetContent().GetNumber()
	return s.answerAll(func(w Wait) bool { return w.Number == number }, Reply{Preblock: p})
}

// answerAll answers the waiters chosen, in the order of their ids, and forgets them.
func (s *State) answerAll(chosen func(Wait) bool, r Reply) (effects []Effect) {
	for _, id := range slices.Sorted(maps.Keys(s.waiters)) {
		if chosen(s.waiters[id]) {
			delete(s.waiters, id)
			effects = append(effects, Answer{id, r})
		}
	}
	return effects
}
