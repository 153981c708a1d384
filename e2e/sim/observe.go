package sim

import (
	"time"

	"blindseq/e2e/history"
	"blindseq/kit/content"
	"blindseq/producer-svc/section"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// The methods of this file record what processes do, for the history that is checked at the end. The process itself calls
// them, in the same step.

func (w *world) saw(by *process, kind history.StepKind, number uint64, hash []byte) *history.Step {
	w.h.Steps = append(w.h.Steps, history.Step{By: by.name, Kind: kind, Number: number, Hash: common.BytesToHash(hash)})
	return &w.h.Steps[len(w.h.Steps)-1]
}

func (w *world) submitted(by *process, p *preblockv1.Preblock) {
	s := w.saw(by, history.Submitted, p.GetContent().GetNumber(), p.GetContentHash())
	s.Request, s.Attempt = p.GetRequestId(), p.GetAttempt()
}

// attested is told when a keyholder has signed a content. It is nil when it was signed before.
func (w *world) attested(by *process, s attest.Statement, c *preblockv1.Content) {
	w.attestations[s] = w.attestations[s].With(by.index())
	step := w.saw(by, history.Attested, s.Number, s.Content[:])
	if c != nil {
		step.Breaks = w.breaks(c)
	}
}

// locked is told when a keyholder has locked a content.
func (w *world) locked(by *process, s attest.Statement) {
	w.locks[s] = w.locks[s].With(by.index())
	w.saw(by, history.Locked, s.Number, s.Content[:])
}

// shared is told when a keyholder has given shares.
func (w *world) shared(by *process, s attest.Statement) {
	w.saw(by, history.Shared, s.Number, s.Content[:])
}

func (w *world) fixed(p *preblockv1.Preblock) {
	n := p.GetContent().GetNumber()
	w.note(w.sequencer.process, noteFixed, n)
	w.saw(w.sequencer.process, history.Fixed, n, p.GetContentHash()).Sealed = idsOf(p.GetContent())
}

func (w *world) merged(by *process, p *preblockv1.Preblock) {
	w.saw(by, history.Merged, p.GetContent().GetNumber(), p.GetContentHash()).Request = p.GetRequestId()
	w.h.Preblocks = append(w.h.Preblocks, history.Seen[*preblockv1.Preblock]{By: by.name, Value: p})
}

func (w *world) noticed(by *process, id string, reason preblockv1.NoPreblockReason) {
	s := w.saw(by, history.Noticed, 0, nil)
	s.Request, s.Reason = id, history.ReasonName(reason)
}

func (w *world) inside(by *process, token uint64) { w.saw(by, history.Inside, token, nil) }

func (w *world) appended(p *producerNode, rec *blueprintv1.LogRecord) {
	w.saw(p.process, history.Appended, rec.GetNumber(), rec.GetContentHash())
}

func (w *world) applied(p *producerNode, b section.Block) {
	w.note(p.process, noteApplied, b.Number)
	w.saw(p.process, history.Applied, b.Number, nil)
}

// published records a blueprint that is shown. It is nil when a defect shows a number that has no blueprint yet.
func (w *world) published(p *producerNode, number uint64, b *blueprintv1.Blueprint) {
	w.saw(p.process, history.Published, number, nil)
	if b == nil {
		return
	}
	feed := "feed of " + p.name
	if at := p.shown; number == at+1 {
		p.shown++
	} else if number <= at {
		feed = "feed of " + p.name + " after a restart" + string(rune('0'+p.life%10))
	}
	w.h.Blueprints = append(w.h.Blueprints, history.Seen[*blueprintv1.Blueprint]{By: feed, Value: b})
}

func (w *world) left(by *process, tx content.Hash) {
	n := w.producer(by).chain.done[tx]
	w.saw(by, history.Left, n, tx[:])
}

func (w *world) recovered(p *producerNode) {
	w.saw(p.process, history.Recovered, p.chain.head().Number, nil)
}

func (w *world) refused(by *process, what string, before, after content.Hash) {
	w.h.Refusals = append(w.h.Refusals, history.Refusal{By: by.name, What: what, Before: before, After: after})
}

func (w *world) alarm(by *process, err error) {
	w.say(by, "alarm: %v", err)
	w.h.Alarms = append(w.h.Alarms, history.Seen[string]{By: by.name, Value: err.Error()})
}

// behind records that the DSN lost preblocks that it had shown.
func (w *world) behind(by *process, last, seen uint64) {
	w.saw(w.sequencer.process, history.Recovered, last, nil)
	w.say(by, "the DSN is at %d, %d was seen", last, seen)
}

func (w *world) contradicted(by *process, number uint64, id string) {
	w.say(by, "preblock %d arrived for request %s, which had ended without one", number, id)
}

func (w *world) answered(id string, began time.Duration, r section.Result) {
	w.note(w.client.process, noteAnswered, r.Block.Number)
	call := history.Call{Request: id, Start: began, End: w.now}
	switch r.Kind {
	case section.Produced:
		call.Number, call.Hash, call.Transactions = r.Block.Number, r.Block.Hash, uint32(r.Block.Transactions)
	case section.Empty:
		call.Reason = history.ReasonName(r.Reason)
	}
	w.h.Calls = append(w.h.Calls, call)
}

// recorded lists the FIFO after each change.
func (w *world) recorded() {
	var l history.Listing
	recent := w.redis.data.fifo.Recent()
	for i := len(recent) - 1; i >= max(0, len(recent)-4); i-- {
		l.Requests = append(l.Requests, listed(recent[i]))
	}
	waiting := w.redis.data.fifo.Waiting()
	for _, r := range waiting {
		l.Requests = append([]*proposalv1.Request{listed(r)}, l.Requests...)
	}
	w.h.Listings = append(w.h.Listings, l)
}

var listedStates = map[bool]proposalv1.RequestState{
	true: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, false: proposalv1.RequestState_REQUEST_STATE_QUEUED,
}

func listed(r queue.Request) *proposalv1.Request {
	state := listedStates[r.Phase == queue.InFlight]
	if r.Phase == queue.Processed {
		state = proposalv1.RequestState_REQUEST_STATE_PROCESSED
	}
	return &proposalv1.Request{
		RequestId: r.ID, State: state, Number: r.Number, Attempt: r.Attempt, ContentHash: r.ContentHash, Token: r.Token,
		NoPreblockReason: preblockv1.NoPreblockReason(r.Reason),
	}
}
