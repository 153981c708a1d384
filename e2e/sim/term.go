package sim

import (
	"errors"
	"time"

	"blindseq/kit/rediskeys"
	"blindseq/proposer-svc/queue"
	proposerterm "blindseq/proposer-svc/term"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// term is one time of being active: proposer-svc's state machine with its effects performed.
type term struct {
	n        *proposerNode
	s        proposerterm.State
	effects  []proposerterm.Effect // to be performed next
	over     bool
	sleeping bool
	timer    *timer
	failures int
}

func (t *term) feed(e proposerterm.Event) {
	if t.over {
		return
	}
	var err error
	if t.s, t.effects, err = proposerterm.Next(t.s, e); err != nil {
		t.fail()
		return
	}
	if _, look := t.effects[0].(proposerterm.Look); look {
		t.failures = 0
	}
	t.perform()
}

// failed takes an error of an effect.
func (t *term) failed(err error) {
	if t.over {
		return
	}
	if errors.Is(err, queue.ErrNotActive) {
		t.n.campaign.end()
		return
	}
	t.s, t.effects, _ = proposerterm.Next(t.s, proposerterm.Failed{})
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
	t.feed(proposerterm.Woken{})
}

func (t *term) perform() {
	n := t.n
	switch e := t.effects[0].(type) {
	case proposerterm.Look:
		do(n.process, func(k *keys, _ int64) (proposerterm.Seen, error) {
			return proposerterm.Seen{View: k.fifo.View("")}, nil
		},
			func(seen proposerterm.Seen, err error) {
				if err != nil {
					t.failed(err)
					return
				}
				seen.Now = n.w.mono()
				t.feed(seen)
			})
	case proposerterm.Sleep:
		t.sleep(e.Until)
	case proposerterm.Ask:
		t.ask(e)
	case proposerterm.Probe:
		d := n.w.sequencer
		call(n.process, d.process, callTimeout, func(answer func(uint64, error)) { answer(d.state.Accepted(), nil) },
			func(accepted uint64, err error) {
				if err != nil {
					t.failed(err)
					return
				}
				t.feed(proposerterm.Probed{Accepted: accepted >= e.Number})
			})
	case proposerterm.Find:
		d := n.w.sequencer
		call(n.process, d.process, callTimeout, func(answer func(*preblockv1.Preblock, error)) { answer(d.preblock(e.Number)) },
			func(p *preblockv1.Preblock, err error) {
				if err != nil && !errors.Is(err, errNotFound) {
					t.failed(err)
					return
				}
				t.feed(proposerterm.Found{Preblock: p})
			})
	case proposerterm.Record:
		n.apply(pointOf(e.Event), e.Event, func(r queue.Request, err error) {
			if err != nil {
				t.failed(err)
				return
			}
			t.feed(proposerterm.Recorded{Request: r})
		})
	case proposerterm.Submit:
		t.submit(e)
	case proposerterm.Tell:
		t.tell(e.Request)
	}
}

// pointOf is which step an event of the FIFO is.
func pointOf(e queue.Event) Point {
	switch e.(type) {
	case queue.Start:
		return AttemptRecorded
	case queue.Retry:
		return AttemptRepeated
	case queue.Decline:
		return DeclineRecorded
	case queue.Displace:
		return DisplaceRecorded
	case queue.Announced:
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

func (t *term) ask(e proposerterm.Ask) {
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
		t.feed(proposerterm.Content{Answer: c, Now: n.w.mono()})
	})
}

func (t *term) submit(e proposerterm.Submit) {
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
				n.moment(Moment{ProposalSubmitted, true}, func() { t.feed(proposerterm.Submitted{Answer: a, Now: n.w.mono()}) })
			})
	})
}

func (t *term) tell(r queue.Request) {
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
			t.feed(proposerterm.Told{})
		})
}
