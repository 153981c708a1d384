package sim

import (
	"errors"
	"time"

	"blindseq/kit/rediskeys"
	proposer "blindseq/proposer-svc/machine"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// term is one time of being active: proposer-svc's machine with its effects done.
type term struct {
	n        *proposerNode
	s        proposer.Term
	over     bool
	sleeping bool
	timer    *timer
	failures int
}

func (t *term) feed(e proposer.Event) {
	if t.over {
		return
	}
	s, err := t.s.Step(e)
	if t.s = s; err != nil {
		t.fail()
		return
	}
	if _, look := s.Effect().(proposer.Look); look {
		t.failures = 0
	}
	t.perform()
}

// failed takes an error of an effect.
func (t *term) failed(err error) {
	if t.over {
		return
	}
	if errors.Is(err, proposer.ErrNotActive) {
		t.n.campaign.end()
		return
	}
	t.s, _ = t.s.Step(proposer.Failed{})
	t.fail()
}

func (t *term) fail() {
	t.failures++
	wait := min(20*time.Millisecond<<min(t.failures, 5), 500*time.Millisecond)
	t.timer = t.n.later(wait, func() {
		if !t.over {
			t.perform()
		}
	})
}

func (t *term) awake() {
	t.sleeping, t.n.woken = false, false
	t.timer.stop()
	t.feed(proposer.Woken{})
}

func (t *term) perform() {
	n := t.n
	switch e := t.s.Effect().(type) {
	case proposer.Look:
		do(n.process, func(k *keys, _ int64) (proposer.Seen, error) { return proposer.Seen{View: k.fifo.View("")}, nil },
			func(seen proposer.Seen, err error) {
				if err != nil {
					t.failed(err)
					return
				}
				seen.Now = n.w.mono()
				t.feed(seen)
			})
	case proposer.Sleep:
		t.sleep(e.Until)
	case proposer.Ask:
		t.ask(e)
	case proposer.Probe:
		d := n.w.sequencer
		call(n.process, d.process, callTimeout, func(answer func(uint64, error)) { answer(d.state.Accepted(), nil) },
			func(accepted uint64, err error) {
				if err != nil {
					t.failed(err)
					return
				}
				t.feed(proposer.Probed{Accepted: accepted >= e.Number})
			})
	case proposer.Find:
		d := n.w.sequencer
		call(n.process, d.process, callTimeout, func(answer func(*preblockv1.Preblock, error)) { answer(d.preblock(e.Number)) },
			func(p *preblockv1.Preblock, err error) {
				if err != nil && !errors.Is(err, errNotFound) {
					t.failed(err)
					return
				}
				t.feed(proposer.Found{Preblock: p})
			})
	case proposer.Record:
		n.apply(pointOf(e.Event), e.Event, func(r proposer.Request, err error) {
			if err != nil {
				t.failed(err)
				return
			}
			t.feed(proposer.Recorded{Request: r})
		})
	case proposer.Submit:
		t.submit(e)
	case proposer.Tell:
		t.tell(e.Request)
	}
}

// pointOf is which step an event of the FIFO is.
func pointOf(e proposer.FIFOEvent) Point {
	switch e.(type) {
	case proposer.Start:
		return AttemptRecorded
	case proposer.Retry:
		return AttemptRepeated
	case proposer.Decline:
		return DeclineRecorded
	case proposer.Displace:
		return DisplaceRecorded
	case proposer.Announced:
		return DeclineAnnounced
	}
	return ProcessedRecorded
}

func (t *term) sleep(until time.Time) {
	t.sleeping = true
	if t.n.woken {
		t.awake()
		return
	}
	if !until.IsZero() {
		t.timer = t.n.later(until.Sub(t.n.w.mono()), func() {
			if t.sleeping {
				t.awake()
			}
		})
	}
}

func (t *term) ask(e proposer.Ask) {
	n, id := t.n, ""
	if e.Served {
		id = e.Request.ID
	}
	p := n.w.producer(n.w.leader(n.process, rediskeys.ProducerLease))
	if p == nil {
		t.failed(errUnavailable)
		return
	}
	call(n.process, p.process, callTimeout, func(answer func(*blueprintv1.GetProposalContentResponse, error)) {
		answer(p.content(e.Request.Timestamp, id))
	}, func(c *blueprintv1.GetProposalContentResponse, err error) {
		if err != nil {
			t.failed(err)
			return
		}
		t.feed(proposer.Content{Answer: c, Now: n.w.mono()})
	})
}

func (t *term) submit(e proposer.Submit) {
	n, d, r := t.n, t.n.w.sequencer, e.Request
	n.moment(Moment{ProposalSubmitted, false}, func() {
		p := n.w.spoilProposal(e.Content, r)
		n.w.submitted(n.process, p)
		if n.w.bug(SubmitsTwice) {
			other := second(p)
			n.w.submitted(n.process, other)
			n.w.send(n.process, d.process, func() { d.submit(other, func(*dsnv1.SubmitProposalResponse, error) {}) }, nil)
		}
		call(n.process, d.process, callTimeout, func(answer func(*dsnv1.SubmitProposalResponse, error)) { d.submit(p, answer) },
			func(a *dsnv1.SubmitProposalResponse, err error) {
				if err != nil {
					t.failed(err)
					return
				}
				n.w.note(n.process, noteStep, uint64(ProposalSubmitted))
				if n.w.bug(TellsBothEnds) {
					m := n.w.anyMonitor()
					n.later(200*time.Millisecond, func() {
						n.w.send(n.process, m.process, func() { m.notify(r.ID, 1, func(bool, error) {}) }, nil)
					})
				}
				n.moment(Moment{ProposalSubmitted, true}, func() { t.feed(proposer.Submitted{Answer: a, Now: n.w.mono()}) })
			})
	})
}

func (t *term) tell(r proposer.Request) {
	n := t.n
	m := n.w.anyMonitor()
	reason := preblockv1.NoPreblockReason(r.Reason)
	if n.w.bug(OverwritesAReason) {
		reason = preblockv1.NoPreblockReason(1 + n.w.rng.IntN(3))
	}
	call(n.process, m.process, callTimeout*2, func(answer func(bool, error)) { m.notify(r.ID, reason, answer) },
		func(_ bool, err error) {
			if err != nil && !errors.Is(err, errEnded) {
				t.failed(err)
				return
			}
			t.feed(proposer.Told{})
		})
}
