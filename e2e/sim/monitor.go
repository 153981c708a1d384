package sim

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

var (
	errEnded     = errors.New("the request had already ended another way")
	errNotEnding = errors.New("the request is not ending")
)

// monitor merges the DSN's preblocks and the notices that there is none, by monitor-svc's state machine.
type monitor struct {
	*process
	m        merge.State
	waiters  map[uint64]func(merge.Reply)
	lastID   uint64
	stream   int // the one that is followed; counts
	fetching map[uint64]bool
}

func (m *monitor) recover() {
	m.m = merge.New(merge.Limits{CacheBlocks: 8, CacheBytes: 1 << 20, Held: 4, Hashes: 64, Ended: 64})
	m.waiters, m.fetching = map[uint64]func(merge.Reply){}, map[uint64]bool{}
	m.w.redis.subscribe(m.process, noticeEvents, m.heard)
	m.serves()
	m.connect()
}

// connect asks the DSN how far it is and follows it from the next number needed.
func (m *monitor) connect() {
	d := m.w.sequencer
	m.stream++
	id, life := m.stream, m.life
	again := func() {
		m.later(50*time.Millisecond, func() {
			if id == m.stream {
				m.connect()
			}
		})
	}
	call(m.process, d.process, 300*time.Millisecond, func(answer func(uint64, error)) { answer(d.state.Fixed(), nil) },
		func(last uint64, err error) {
			if err != nil {
				again()
				return
			}
			m.feed(merge.Started{Last: last}, func() {
				next := m.m.NextNumber()
				if last+1 < next {
					m.w.behind(m.process, last, next-1)
					again()
					return
				}
				call(m.process, d.process, 300*time.Millisecond, func(answer func(bool, error)) {
					answer(true, nil)
					d.subscribe(m, life, id, next)
				}, func(_ bool, err error) {
					if err != nil {
						m.broken(id)
					}
				})
			})
		})
}

// streamed takes what comes by a stream.
func (m *monitor) streamed(id int, p *preblockv1.Preblock) {
	if len(p.GetOutcomes()) > 0 && !m.w.bug(TakesASecondOutcome) { // sealed again, it is another transaction's
		m.broken(id)
		return
	}
	if id == m.stream && !(m.w.bug(DropsAPreblock) && p.GetContent().GetNumber()%4 == 0) {
		m.arrived(p, false)
	}
}

func (m *monitor) broken(id int) {
	if id != m.stream {
		return
	}
	m.stream++
	m.feed(merge.Broken{}, func() { m.later(20*time.Millisecond, m.connect) })
}

func (m *monitor) arrived(p *preblockv1.Preblock, asked bool) {
	a, err := merge.Verify(p)
	if err != nil {
		m.w.alarm(m.process, err)
		return
	}
	a.Asked = asked
	m.feed(a, func() {})
}

// feed gives the machine an event and does what it says, in order.
func (m *monitor) feed(e merge.Event, then func()) { m.perform(m.take(e), then) }

// take keeps the state that an event leads to. The merge refuses no event that a monitor makes.
func (m *monitor) take(e merge.Event) []merge.Effect {
	next, effects, err := merge.Next(m.m, e)
	if err != nil {
		m.w.alarm(m.process, err)
	}
	m.m = next
	return effects
}

func (m *monitor) perform(effects []merge.Effect, then func()) {
	if len(effects) == 0 {
		then()
		return
	}
	rest := func() { m.perform(effects[1:], then) }
	switch e := effects[0].(type) {
	case merge.Answer:
		if tell := m.waiters[e.Waiter]; tell != nil {
			delete(m.waiters, e.Waiter)
			tell(e.Reply)
		}
	case merge.Fetch:
		m.fetch(e.Number)
	case merge.Advanced:
		m.step(PreblockMerged, func() { m.w.merged(m.process, e.Preblock) }, rest)
		return
	case merge.Contradiction:
		m.w.contradicted(m.process, e.Number, e.RequestID)
	case merge.Halted:
		m.w.alarm(m.process, m.m.Halt())
	}
	rest()
}

func (m *monitor) fetch(number uint64) {
	if m.fetching[number] {
		return
	}
	m.fetching[number] = true
	d := m.w.sequencer
	call(m.process, d.process, 300*time.Millisecond, func(answer func(*preblockv1.Preblock, error)) { answer(d.preblock(number)) },
		func(p *preblockv1.Preblock, err error) {
			delete(m.fetching, number)
			switch {
			case err == nil:
				m.arrived(p, true)
			case m.m.Needs(number):
				m.fetching[number] = true
				m.later(40*time.Millisecond, func() {
					delete(m.fetching, number)
					if m.m.Needs(number) {
						m.fetch(number)
					}
				})
			}
		})
}

// next is Next: the preblock of a number, or the notice of a request, or errTimeout.
func (m *monitor) next(requestID string, number uint64, timeout time.Duration, answer func(merge.Reply, error)) {
	m.lastID++
	id := m.lastID
	over := m.later(timeout, func() {
		if m.waiters[id] != nil {
			delete(m.waiters, id)
			m.take(merge.Gone{Waiter: id})
			answer(merge.Reply{}, errTimeout)
		}
	})
	m.waiters[id] = func(o merge.Reply) {
		over.stop()
		answer(o, o.Err)
	}
	m.feed(merge.Wait{Waiter: id, RequestID: requestID, Number: number}, func() {
		if m.waiters[id] != nil {
			m.lookUp(requestID)
		}
	})
}

// get is GetPreblock.
func (m *monitor) get(number uint64, answer func(*preblockv1.Preblock, error)) {
	if p := m.m.Cached(number); p != nil {
		answer(p, nil)
		return
	}
	d := m.w.sequencer
	call(m.process, d.process, 300*time.Millisecond, func(answer func(*preblockv1.Preblock, error)) { answer(d.preblock(number)) },
		func(p *preblockv1.Preblock, err error) {
			if err == nil && number < m.m.NextNumber() {
				m.arrived(p, true) // it is compared with what was seen of this number
			}
			answer(p, err)
		})
}

// notify is NotifyNoPreblock.
func (m *monitor) notify(id string, reason preblockv1.NoPreblockReason, answer func(bool, error)) {
	if e, ok := m.m.EndOf(id); ok && e.Reason == 0 && !m.w.bug(TellsBothEnds) {
		answer(false, errEnded)
		return
	}
	commit(m.process, NoticeStored, func(k *keys, _ int64) (bool, error) {
		if before, ok := k.notices[id]; ok && before != reason && !m.w.bug(OverwritesAReason) {
			return false, errEnded
		}
		if k.notices[id] == 0 && !k.ending(id) && !m.w.bug(TellsBothEnds) {
			return false, errNotEnding
		}
		k.notices[id] = reason
		m.w.redis.publish(noticeEvents, id+"="+strconv.Itoa(int(reason)))
		return true, nil
	}, func(_ bool, err error) {
		if err != nil {
			answer(false, err)
			return
		}
		m.w.noticed(m.process, id, reason)
		m.feed(merge.NoPreblock{RequestID: id, Reason: reason}, func() { answer(true, nil) })
	})
}

// heard takes a notice that another replica recorded; after a reconnection everything waited for is looked up.
func (m *monitor) heard(what string) {
	if what == "" {
		for _, id := range m.m.Requests() {
			m.lookUp(id)
		}
		return
	}
	id, text, _ := strings.Cut(what, "=")
	reason, err := strconv.Atoi(text)
	if err == nil {
		m.feed(merge.NoPreblock{RequestID: id, Reason: preblockv1.NoPreblockReason(reason)}, func() {})
	}
}

func (m *monitor) lookUp(id string) {
	do(m.process, func(k *keys, _ int64) (preblockv1.NoPreblockReason, error) { return k.notices[id], nil },
		func(reason preblockv1.NoPreblockReason, err error) {
			switch {
			case err != nil && m.m.Waited(id):
				m.later(100*time.Millisecond, func() { m.lookUp(id) })
			case reason != 0:
				m.feed(merge.NoPreblock{RequestID: id, Reason: reason}, func() {})
			}
		})
}

// commit runs a command that is a step.
func commit[R any](p *process, at Point, command func(k *keys, now int64) (R, error), done func(R, error)) {
	p.moment(Moment{at, false}, func() {
		do(p, command, func(r R, err error) {
			if err != nil {
				done(r, err)
				return
			}
			p.w.note(p, noteStep, uint64(at))
			p.moment(Moment{at, true}, func() { done(r, nil) })
		})
	})
}
