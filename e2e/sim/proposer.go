package sim

import (
	"time"

	"blindseq/kit/rediskeys"
	"blindseq/proposer-svc/queue"
	proposerterm "blindseq/proposer-svc/term"
)

const (
	attemptTimeout = 700 * time.Millisecond
	callTimeout    = 300 * time.Millisecond
)

// proposerNode is one replica of the proposer: it takes requests, and serves them while it is the active one.
type proposerNode struct {
	*process
	campaign *campaign
	term     *term
	woken    bool
}

func (n *proposerNode) recover() {
	n.term, n.woken = nil, false
	n.w.redis.subscribe(n.process, fifoEvents, func(string) { n.wake() })
	n.campaign = newCampaign(n.process, rediskeys.ProposerLease, n.lead, n.unlead)
	n.serves()
}

func (n *proposerNode) lead(token uint64) {
	n.term = &term{n: n}
	n.term.s, n.term.effects = proposerterm.Begin(token, attemptTimeout)
	n.w.spoilTakeover(n.w.redis.data)
	n.term.perform()
}

// leave is SIGTERM.
func (n *proposerNode) leave() { n.campaign.quit(n.exit) }

func (n *proposerNode) unlead(ended func()) {
	if t := n.term; t != nil {
		t.over = true
		t.timer.stop()
		n.term = nil
	}
	ended()
}

// wake says that the FIFO may have changed.
func (n *proposerNode) wake() {
	n.woken = true
	if n.term != nil && n.term.sleeping {
		n.term.awake()
	}
}

// request is RequestProposal.
func (n *proposerNode) request(r queue.Request, answer func(bool, error)) {
	n.apply(RequestQueued, queue.Enqueue{Request: r}, func(r queue.Request, err error) {
		answer(r.Phase == queue.Processed, err)
	})
}

// processed is NotifyProcessed.
func (n *proposerNode) processed(id string, number uint64, answer func(bool, error)) {
	n.apply(ProcessedRecorded, queue.Applied{ID: id, Number: number}, func(_ queue.Request, err error) { answer(err == nil, err) })
}

// apply makes an event of the FIFO happen, and wakes the others for what the active one does not do itself.
func (n *proposerNode) apply(at Point, e queue.Event, done func(queue.Request, error)) {
	_, leased := e.Lease()
	commit(n.process, at, func(k *keys, now int64) (queue.Request, error) {
		r, err := k.apply(now, e)
		if err == nil {
			n.w.recorded()
			if !leased {
				n.w.redis.publish(fifoEvents, r.ID)
			}
		}
		return r, err
	}, func(r queue.Request, err error) {
		if err == nil {
			n.wake()
		}
		done(r, err)
	})
}
