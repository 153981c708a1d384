// Package term is one term of the active proposer as a state machine: it takes the first request of the FIFO, asks the
// leading producer for the proposal's content, and either tells the monitor why there is none, or submits it to the DSN and
// follows it until the producer has applied its number. It does no I/O and reads no clock; package submit performs its
// effects in the service, a simulator elsewhere.
//
// Guarantees: a step is recorded before it is taken, so a proposer that takes over continues where this one stopped. A
// request is never dropped for an error of another service. Another attempt is made only after the DSN said that it has no
// preblock for the number.
//
// It asks of callers: perform the one effect of each Next, and feed its event back. After an error, pause, then perform the
// effect that came with it.
//
// The table shows what each phase does and where its event leads. Failed leads from every phase to looking.
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
//	submitting  Submit            Submitted → looking, or yielding when the number is another request's; Refused → refusing
//	refusing    Record Refuse     Recorded → looking
//	yielding    Record Displace   Recorded → looking
//	checking    Find              Found → comparing, or claiming when the number is another request's
//	claiming    Record Displace   Recorded → comparing
//	comparing   Ask               Content → finishing (applied), looking (fixed, not applied yet), retrying (neither)
//	finishing   Record Applied    Recorded → looking
//	retrying    Record Retry      Recorded → submitting
//	telling     Tell              Told → ending
//	ending      Record Announced  Recorded → looking
package term

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"blindseq/proposer-svc/queue"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// phase is the current step of a term; see the table of the package comment.
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
	refusing
	yielding
	checking
	claiming
	comparing
	finishing
	retrying
	telling
	ending
)

// State is one term, the time of being the active proposer. Begin makes the first one and Next the others.
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

// Begin returns the state of a new term and its first effect. attemptTimeout is the time from a submission to the question
// whether the DSN has a preblock.
func Begin(token uint64, attemptTimeout time.Duration) (State, []Effect) {
	s := State{by: queue.By{Token: token}, timeout: attemptTimeout}
	return s, []Effect{s.effect()}
}

// Request is the request that is served; empty when there is none.
func (s State) Request() queue.Request { return s.request }

// Doing names the step, for logs and metrics.
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
	case submitting, refusing, yielding:
		return "submit"
	}
	return "follow"
}

// effect is what the phase has the driver do.
func (s State) effect() Effect {
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
	case refusing:
		return Record{queue.Refuse{By: s.by, ID: s.request.ID, Reason: queue.Reason(s.reason)}}
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

// ErrUnexpected is returned for an event that is not the result of the state's effect.
var ErrUnexpected = errors.New("the event has no meaning in this phase")

// Next takes the result of the last effect. Its effects are always one. An error is one of the step itself: the state looks
// at the FIFO again, after a pause.
func Next(s State, e Event) (State, []Effect, error) {
	next, err := s.next(e)
	return next, []Effect{next.effect()}, err
}

func (s State) next(e Event) (State, error) {
	if !s.expects(e) {
		return s.look(), fmt.Errorf("%s: event %T: %w", s.Doing(), e, ErrUnexpected)
	}
	switch e := e.(type) {
	case Seen:
		return s.seen(e), nil
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
	case Refused:
		s.phase, s.reason = refusing, e.Reason
		return s, nil
	case Told:
		s.phase = ending
		return s, nil
	}
	return s.look(), nil // Failed, Woken
}

// expects says whether an event is a result of the effect of this phase.
func (s State) expects(e Event) (ok bool) {
	switch effect := s.effect(); e.(type) {
	case Failed:
		ok = true
	case Seen:
		_, ok = effect.(Look)
	case Woken:
		_, ok = effect.(Sleep)
	case Content:
		_, ok = effect.(Ask)
	case Probed:
		_, ok = effect.(Probe)
	case Found:
		_, ok = effect.(Find)
	case Recorded:
		_, ok = effect.(Record)
	case Submitted, Refused:
		_, ok = effect.(Submit)
	case Told:
		_, ok = effect.(Tell)
	}
	return ok
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
	case v.Current.Phase == queue.Ending:
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

// anothers says whether to record that the number of the request in flight went to another.
func (s State) anothers(owner string) bool { return owner != s.request.ID && !s.request.Displaced }

func (s State) watch(now time.Time) State {
	s.watched, s.deadline = attemptOf(s.request), now.Add(s.timeout)
	return s
}

// compared decides the fate of the attempt in flight, from the DSN and from the producer's head. Either a preblock is on its
// way to the producer through the monitor; or the producer has applied it, and its notice was lost; or there is none, and the
// request is proposed again for the same number with what the producer has now. A locked or empty pool does not prevent that:
// an earlier attempt may still become a preblock, so the request cannot end without one any more.
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
