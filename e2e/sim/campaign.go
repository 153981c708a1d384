package sim

import (
	"time"

	"blindseq/kit/lock"
)

// campaign has one replica lead, as kit/leader does.
type campaign struct {
	l    *locker
	lead func(token uint64) // begins a term
	stop func(ended func()) // ends it, and says when nothing of it runs any more

	term    *held
	ending  bool
	lost    bool   // the last term ended by the loss of the lease
	leaving func() // called when the campaign has ended after quit
	giveUp  func()
}

func newCampaign(p *process, name string, lead func(uint64), stop func(func())) *campaign {
	c := &campaign{l: newLocker(p, name, LeaseTaken), lead: lead, stop: stop}
	c.run()
	return c
}

func (c *campaign) run() {
	if c.leaving != nil || c.lost && c.l.p.w.bug(NeverLeadsAgain) {
		return
	}
	c.ending = false
	c.giveUp = c.l.acquire(lock.Request{Meta: c.l.p.name}, func(h *held) {
		c.giveUp, c.term = nil, h
		h.lost = func() { c.lost = true; c.end() }
		c.lead(h.token)
	})
}

// leads says whether this process believes to lead.
func (c *campaign) leads() bool { return c.term != nil && !c.ending && c.term.check() == nil }

// end ends a term: the lease was lost, or is to be handed back.
func (c *campaign) end() {
	if c.term == nil || c.ending {
		return
	}
	c.ending = true
	c.stop(func() {
		c.term.release(func() {
			c.term = nil
			if c.leaving != nil {
				c.leaving()
				return
			}
			c.l.p.later(50*time.Millisecond, c.run)
		})
	})
}

// quit ends the campaign, for SIGTERM.
func (c *campaign) quit(ended func()) {
	c.leaving = ended
	switch {
	case c.giveUp != nil:
		c.giveUp()
		c.l.p.later(0, ended)
	case c.term != nil:
		c.end()
	default:
		c.l.p.later(0, ended) // between two terms
	}
}
