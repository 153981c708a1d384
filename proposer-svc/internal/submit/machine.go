package submit

import (
	"bytes"
	"fmt"
	"time"

	"blindseq/proposer-svc/internal/queue"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// phase is where a term stands. An error of any effect goes back to looking, after a pause.
//
//	phase       done by           event → next phase
//	looking     Look              Seen → sleeping, asking (a head, nothing current), telling (ending), or checking (in
//	                              flight, and its deadline has passed or it was submitted by another)
//	sleeping    Sleep             Woken → looking
//	asking      Ask               Content → starting, freeing when it is refused, or served
//	served      Record Applied    Recorded → looking: Redis had forgotten that the request was served
//	freeing     Probe             Probed → declining; accepted → starting
//	declining   Record Decline    Recorded → looking
//	starting    Record Start      Recorded → submitting
//	submitting  Submit            Submitted → looking, or yielding when the number is another request's
//	yielding    Record Displace   Recorded → looking
//	checking    Find              Found → comparing, or claiming when the number is another request's
//	claiming    Record Displace   Recorded → comparing
//	comparing   Ask               Content → finishing (applied), looking (fixed, not applied yet), retrying (neither)
//	finishing   Record Applied    Recorded → looking
//	retrying    Record Retry      Recorded → submitting
//	telling     Tell              Told → ending
//	ending      Record Announced  Recorded → looking
type phase uint8

const (
	looking phase = iota
	sleeping
	asking
	served
	freeing
	declining
	starting
	submitting
	yielding
	checking
	claiming
	comparing
	finishing
	retrying
	telling
	ending
)

// State of one term, the time of being the active proposer. Only Begin and Step make one. It is pure: Loop performs its
// effects in the service, a simulator elsewhere.
type State struct {
	by      queue.By
	timeout time.Duration

	phase   phase
	until   time.Time // of sleeping; zero: until woken
	request queue.Request
	answer  Content // while it is not known whether the number is free
	content *preblockv1.Content
	hash    []byte
	reason  preblockv1.NoPreblockReason
	fixed   *preblockv1.Preblock
	number  uint64 // of the block that the request gave already

	// What is watched: the attempt submitted, and when to ask the DSN for it. An in-flight request that is not the one
	// watched was submitted, or not, by an earlier active proposer.
	watched  attempt
	deadline time.Time
}

type attempt struct {
	id      string
	number  uint64
	attempt uint32
}

func attemptOf(r queue.Request) attempt { return attempt{r.ID, r.Number, r.Attempt} }

// Begin is the state of a new term. attemptTimeout is from a submission to the question whether the DSN has a preblock.
func Begin(token uint64, attemptTimeout time.Duration) State {
	return State{by: queue.By{Token: token}, timeout: attemptTimeout}
}

// Request is the one that is served; empty when there is none.
func (s State) Request() queue.Request { return s.request }

// Doing names the step for people.
func (s State) Doing() string {
	switch s.phase {
	case looking:
		return "read queue"
	case sleeping:
		return "idle"
	case asking, served, freeing, declining, starting:
		return "propose"
	case telling, ending:
		return "announce"
	case submitting, yielding:
		return "submit"
	}
	return "follow"
}

// Effect is what the phase wants done.
func (s State) Effect() Effect {
	switch s.phase {
	case sleeping:
		return Sleep{Until: s.until}
	case asking, comparing:
		return Ask{Request: s.request, Served: s.phase == asking}
	case freeing:
		return Probe{Number: s.content.GetNumber()}
	case checking:
		return Find{Number: s.request.Number}
	case declining:
		return Record{queue.Decline{By: s.by, ID: s.request.ID, Reason: queue.Reason(s.reason)}}
	case starting:
		return Record{queue.Start{By: s.by, ID: s.request.ID, Number: s.content.GetNumber(), Hash: s.hash}}
	case retrying:
		return Record{queue.Retry{By: s.by, ID: s.request.ID, Hash: s.hash}}
	case yielding, claiming:
		return Record{queue.Displace{By: s.by, ID: s.request.ID}}
	case served:
		return Record{queue.Applied{ID: s.request.ID, Number: s.number}}
	case finishing:
		return Record{queue.Applied{ID: s.fixed.GetRequestId(), Number: s.request.Number}}
	case ending:
		return Record{queue.Announced{By: s.by, ID: s.request.ID}}
	case submitting:
		return Submit{Request: s.request, Content: s.content}
	case telling:
		return Tell{Request: s.request}
	}
	return Look{}
}

// Step takes what the last effect came to. An error is one of the step itself, to be taken like one of its effect: after
// a pause the state looks again.
func (s State) Step(e Event) (State, error) {
	switch e := e.(type) {
	case Failed:
		return s.look(), nil
	case Seen:
		return s.seen(e), nil
	case Woken:
		return s.look(), nil
	case Content:
		if s.phase == comparing {
			return s.compared(e)
		}
		return s.asked(e)
	case Probed:
		if e.Accepted {
			return s.propose(s.answer, starting)
		}
		s.phase = declining
		return s, nil
	case Found:
		return s.found(e), nil
	case Recorded:
		return s.recorded(e.Request), nil
	case Submitted:
		return s.submitted(e), nil
	case Told:
		s.phase = ending
		return s, nil
	}
	return s.look(), fmt.Errorf("event %T has no meaning here", e)
}

// look forgets all but what is watched.
func (s State) look() State {
	return State{by: s.by, timeout: s.timeout, watched: s.watched, deadline: s.deadline}
}

func (s State) seen(e Seen) State {
	switch v := e.View; {
	case v.Current == nil && v.Head == nil:
		s.phase = sleeping
	case v.Current == nil:
		s.phase, s.request = asking, *v.Head
	case v.Current.State == queue.Ending:
		s.phase, s.request = telling, *v.Current
	case s.watched == attemptOf(*v.Current) && e.Now.Before(s.deadline):
		s.phase, s.request, s.until = sleeping, *v.Current, s.deadline
	default:
		s.phase, s.request = checking, *v.Current
	}
	return s
}

// asked makes the first attempt for the head of the FIFO, or ends it without a preblock.
func (s State) asked(e Content) (State, error) {
	if s.number = e.Answer.GetServedNumber(); s.number > 0 {
		s.phase = served
		return s, nil
	}
	if s.reason = refusal(s.request, e.Answer); s.reason == none {
		return s.propose(e, starting)
	}
	s.answer, s.content, s.phase = e, e.Answer.GetContent(), freeing
	if s.content == nil {
		s.phase = declining // the producer did not say which number
		return s, nil
	}
	// Should the DSN have accepted a proposal for the number already, the request is proposed for it all the same: the DSN
	// answers with what it has, and if that was an earlier proposal of this very request, its preblock is this one's event.
	return s, nil
}

func (s State) propose(e Content, next phase) (State, error) {
	c, hash, err := proposal(e.Answer)
	if err != nil {
		return s.look(), err
	}
	s.content, s.hash, s.phase = c, hash, next
	return s, nil
}

func (s State) found(e Found) State {
	switch {
	case e.Preblock != nil && s.anothers(e.Preblock.GetRequestId()):
		s.fixed, s.phase = e.Preblock, claiming
	default:
		s.fixed, s.phase = e.Preblock, comparing
	}
	return s
}

func (s State) recorded(r queue.Request) State {
	switch s.phase {
	case starting, retrying:
		s.request, s.phase = r, submitting
	case claiming:
		s.request, s.phase = r, comparing
	default:
		return s.look()
	}
	return s
}

func (s State) submitted(e Submitted) State {
	s = s.watch(e.Now)
	if bytes.Equal(s.request.ContentHash, e.Answer.GetContentHash()) || !s.anothers(e.Answer.GetRequestId()) {
		return s.look()
	}
	s.phase = yielding
	return s
}

// anothers says whether it is to be recorded that the number of the request in flight went to another.
func (s State) anothers(owner string) bool { return owner != s.request.ID && !s.request.Displaced }

func (s State) watch(now time.Time) State {
	s.watched, s.deadline = attemptOf(s.request), now.Add(s.timeout)
	return s
}

// compared finds out what became of the attempt in flight, from the DSN and from the producer's head: a preblock is on
// its way to the producer by way of the monitor; or the producer applied it, and its notice was lost; or there is none,
// and another attempt is made for the same number with what the producer has now. That is made also with the pool locked
// or empty: an earlier attempt may still become a preblock, so the request cannot end without one any more.
func (s State) compared(e Content) (State, error) {
	switch next := e.Answer.GetContent().GetNumber(); {
	case next > s.request.Number && s.fixed == nil:
		return s.look(), fmt.Errorf("follow proposal %d: the producer is at %d: %w", s.request.Number, next, ErrPreblockLost)
	case next > s.request.Number:
		s.phase = finishing
		return s, nil
	case s.fixed != nil:
		return s.watch(e.Now).look(), nil
	case next < s.request.Number:
		return s.look(), fmt.Errorf("follow proposal %d: the producer is at %d: %w", s.request.Number, next, ErrProducerBehind)
	}
	return s.propose(e, retrying)
}
