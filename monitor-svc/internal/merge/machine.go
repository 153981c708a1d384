package merge

import (
	"fmt"
	"maps"
	"slices"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Machine is the state of one replica. It is not safe for concurrent use.
type Machine struct {
	limits  Limits
	next    uint64 // next number needed from the stream; 0 before the DSN was reached
	cache   cache
	hashes  map[uint64][32]byte
	held    map[uint64]Arrived // above next
	ended   *ended
	waiters map[uint64]Wait
	halted  *Halted
	stopped bool
}

// New returns a machine that has seen nothing.
func New(l Limits) *Machine {
	return &Machine{
		limits: l, cache: newCache(l), hashes: map[uint64][32]byte{}, held: map[uint64]Arrived{}, ended: newEnded(l.Ended),
		waiters: map[uint64]Wait{},
	}
}

// Step takes an input and returns what is to be done, in order.
func (m *Machine) Step(in Input) []Effect {
	switch in := in.(type) {
	case Started:
		return m.start(in.Last)
	case Arrived:
		return m.arrive(in)
	case NoPreblock:
		return m.end(in)
	case Wait:
		return m.wait(in)
	case Gone:
		delete(m.waiters, in.Waiter)
	case Broken:
		clear(m.held) // the stream will bring them again
	case Stopped:
		m.stopped = true
		return m.answerAll(func(Wait) bool { return true }, Outcome{Err: ErrStopping})
	}
	return nil
}

// start sets where the stream begins. Who waited for an older number has it fetched.
func (m *Machine) start(last uint64) (effects []Effect) {
	if m.next != 0 {
		return nil
	}
	m.next = last + 1
	for _, number := range m.waitedFor() {
		if number < m.next {
			effects = append(effects, Fetch{number})
		}
	}
	return effects
}

func (m *Machine) waitedFor() []uint64 {
	numbers := map[uint64]bool{}
	for _, w := range m.waiters {
		numbers[w.Number] = true
	}
	return slices.Sorted(maps.Keys(numbers))
}

func (m *Machine) arrive(a Arrived) []Effect {
	number := a.Preblock.GetContent().GetNumber()
	known, seen := m.hashes[number]
	switch {
	case m.halted != nil:
		return nil
	case seen && known != a.Hash:
		return m.halt(number, known, a)
	case m.next == 0 || number < m.next:
		return m.old(a, seen)
	case number > m.next:
		return m.hold(a)
	}
	effects := m.accept(a)
	for {
		held, ok := m.held[m.next]
		if !ok {
			return effects
		}
		delete(m.held, m.next)
		effects = append(effects, m.accept(held)...)
	}
}

// old is a preblock below the next needed: fetched for someone, or once more on the stream.
func (m *Machine) old(a Arrived, seen bool) (effects []Effect) {
	number := a.Preblock.GetContent().GetNumber()
	m.remember(a)
	effects = m.answerNumber(a.Preblock)
	if seen && !a.Asked {
		effects = append(effects, Dropped{Number: number, Why: Duplicate})
	}
	return effects
}

func (m *Machine) accept(a Arrived) []Effect {
	m.next++
	m.remember(a)
	m.cache.add(a.Preblock)
	effects := []Effect{Advanced{a.Preblock}}
	id := a.Preblock.GetRequestId()
	if e, ok := m.ended.get(id); ok && e.Reason != 0 {
		effects = append(effects, Contradiction{a.Preblock.GetContent().GetNumber(), id})
	}
	m.ended.put(id, Ended{Number: a.Preblock.GetContent().GetNumber()})
	return append(effects, m.answerNumber(a.Preblock)...)
}

// hold keeps a preblock that came too early and asks for those before it.
func (m *Machine) hold(a Arrived) (effects []Effect) {
	number := a.Preblock.GetContent().GetNumber()
	if _, ok := m.held[number]; ok {
		return []Effect{Dropped{Number: number, Why: Duplicate}}
	}
	if number-m.next > uint64(m.limits.Held) {
		return []Effect{Dropped{Number: number, Why: TooEarly}}
	}
	m.hashes[number] = a.Hash
	m.held[number] = a
	for missing := m.next; missing < number; missing++ {
		if _, ok := m.held[missing]; !ok {
			effects = append(effects, Fetch{missing})
		}
	}
	return effects
}

// remember keeps the hash of a number, within the window.
func (m *Machine) remember(a Arrived) {
	number, window := a.Preblock.GetContent().GetNumber(), uint64(m.limits.Hashes)
	if number+window >= m.next {
		m.hashes[number] = a.Hash
	}
	if m.next > window {
		delete(m.hashes, m.next-window-1)
	}
}

func (m *Machine) halt(number uint64, known [32]byte, a Arrived) []Effect {
	m.halted = &Halted{Number: number, FirstHash: known, SecondHash: a.Hash, First: m.cache.get(number), Second: a.Preblock}
	if held, ok := m.held[number]; ok {
		m.halted.First = held.Preblock
	}
	return append([]Effect{*m.halted}, m.answerAll(func(Wait) bool { return true }, Outcome{Err: m.haltErr()})...)
}

func (m *Machine) haltErr() error {
	return fmt.Errorf("%w: number %d, %x and %x", ErrHalted, m.halted.Number, m.halted.FirstHash, m.halted.SecondHash)
}

// end takes a notice. A request whose preblock was seen has ended with it. Of two notices the later counts: where they are
// recorded the first one stays, so another can only come when Redis lost that and the request was made again.
func (m *Machine) end(n NoPreblock) []Effect {
	if e, ok := m.ended.get(n.RequestID); ok && e.Reason == 0 {
		return []Effect{Dropped{Number: e.Number, RequestID: n.RequestID, Why: LateNotice}}
	}
	m.ended.put(n.RequestID, Ended{Reason: n.Reason})
	return m.answerAll(func(w Wait) bool { return w.RequestID == n.RequestID }, noPreblock(n))
}

func (m *Machine) wait(w Wait) []Effect {
	answer := func(o Outcome) []Effect { return []Effect{Answer{w.Waiter, o}} }
	if m.stopped {
		return answer(Outcome{Err: ErrStopping})
	}
	if m.halted != nil {
		return answer(Outcome{Err: m.haltErr()})
	}
	if p := m.cache.get(w.Number); p != nil {
		return answer(Outcome{Preblock: p})
	}
	// A notice that is remembered here is not answered with: the request is looked up (Waited), as it may have been made
	// again since, after Redis forgot that it had ended.
	m.waiters[w.Waiter] = w
	if m.next != 0 && w.Number < m.next {
		return []Effect{Fetch{w.Number}}
	}
	return nil
}

func noPreblock(n NoPreblock) Outcome {
	return Outcome{NoPreblock: &preblockv1.NoPreblock{RequestId: n.RequestID, Reason: n.Reason}}
}

func (m *Machine) answerNumber(p *preblockv1.Preblock) []Effect {
	number := p.GetContent().GetNumber()
	return m.answerAll(func(w Wait) bool { return w.Number == number }, Outcome{Preblock: p})
}

// answerAll answers the waiters chosen, in the order of their ids, and forgets them.
func (m *Machine) answerAll(chosen func(Wait) bool, o Outcome) (effects []Effect) {
	for _, id := range slices.Sorted(maps.Keys(m.waiters)) {
		if chosen(m.waiters[id]) {
			delete(m.waiters, id)
			effects = append(effects, Answer{id, o})
		}
	}
	return effects
}
