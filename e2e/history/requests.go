package history

import (
	"cmp"
	"slices"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"github.com/ethereum/go-ethereum/common"
)

type attempt struct {
	number  uint64
	attempt uint32
}

// proposals checks S5 on every listing: one proposal in flight, the next only after it, one content for an attempt.
func (c *checker) proposals() {
	contents, refused := map[attempt]common.Hash{}, c.refused()
	for _, l := range c.Listings {
		c.oneInFlight(l)
		if c.Wiped {
			continue
		}
		for _, r := range l.Requests {
			if refused[r.GetRequestId()] {
				continue
			}
			c.oneContent(contents, attempt{r.GetNumber(), r.GetAttempt()}, common.BytesToHash(r.GetContentHash()))
		}
	}
	if c.Wiped {
		return
	}
	for _, p := range c.Preblocks {
		c.oneContent(contents, attempt{p.Value.GetContent().GetNumber(), p.Value.GetAttempt()},
			common.BytesToHash(p.Value.GetContentHash()))
	}
}

// refused are the requests whose proposals the DSN refused: the next request is proposed for the same number.
func (c *checker) refused() map[string]bool {
	ids := map[string]bool{}
	for _, l := range c.Listings {
		for _, r := range l.Requests {
			if r.GetNoPreblockReason() == preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_TIMESTAMP_AHEAD {
				ids[r.GetRequestId()] = true
			}
		}
	}
	return ids
}

func (c *checker) oneContent(contents map[attempt]common.Hash, a attempt, hash common.Hash) {
	if a.number == 0 || a.attempt == 0 || hash == (common.Hash{}) {
		return
	}
	if first, ok := contents[a]; ok && first != hash {
		c.violated("S5", "attempt %d of number %d had two contents, %s and %s", a.attempt, a.number, first, hash)
	}
	contents[a] = hash
}

func (c *checker) oneInFlight(l Listing) {
	var flying *proposalv1.Request
	var processed uint64
	for _, r := range l.Requests {
		switch r.GetState() {
		case proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT:
			if flying != nil {
				c.violated("S5", "two proposals in flight: %s (%d) and %s (%d)",
					flying.GetRequestId(), flying.GetNumber(), r.GetRequestId(), r.GetNumber())
			}
			flying = r
		case proposalv1.RequestState_REQUEST_STATE_PROCESSED:
			processed = max(processed, r.GetNumber())
		}
	}
	if flying != nil && flying.GetNumber() <= processed && !c.Wiped {
		c.violated("S5", "number %d was processed while %d was in flight", processed, flying.GetNumber())
	}
}

// requests checks S7 and S8: a request is served once, in order, and ends in one way.
func (c *checker) requests() {
	numbers := map[string]uint64{}
	for n := uint64(1); n <= c.last; n++ {
		id := c.applied[n].request
		if id == "" {
			continue
		}
		if first, ok := numbers[id]; ok {
			c.violated("S7", "request %s was served twice: blueprints %d and %d", id, first, n)
		}
		numbers[id] = n
	}
	c.queueOrder(numbers)
	c.oneEnding(numbers)
}

// queueOrder: of two requests listed together, the older one has the lower number, and no state goes back.
func (c *checker) queueOrder(numbers map[string]uint64) {
	states := map[string]proposalv1.RequestState{}
	reported := map[string]bool{}
	for _, l := range c.Listings {
		younger := uint64(0)
		for _, r := range l.Requests {
			id := r.GetRequestId()
			if before := states[id]; !c.Wiped && r.GetState() < before {
				c.violated("S7", "request %s went from %s back to %s", id, before, r.GetState())
			}
			states[id] = r.GetState()
			n, ok := numbers[id]
			if !ok || c.Wiped { // requests that Redis lost are repeated, in any order
				continue
			}
			if younger != 0 && n > younger && !reported[id] {
				reported[id] = true
				c.violated("S7", "request %s was served as %d, after a younger one as %d", id, n, younger)
			}
			younger = n
		}
	}
}

func (c *checker) oneEnding(numbers map[string]uint64) {
	reasons := map[string]string{}
	reported := map[string]bool{}
	note := func(id, reason string) {
		if reason == "" || reported[id] {
			return
		}
		if first, ok := reasons[id]; ok && first != reason {
			reported[id] = true
			c.violated("S8", "request %s ended with %s and with %s", id, first, reason)
		}
		if n, ok := numbers[id]; ok && !c.Wiped { // Redis may have forgotten that it had ended
			reported[id] = true
			c.violated("S8", "request %s ended with %s, and blueprint %d came of it", id, reason, n)
		}
		reasons[id] = reason
	}
	for _, l := range c.Listings {
		for _, r := range l.Requests {
			if c.Wiped || r.GetState() != proposalv1.RequestState_REQUEST_STATE_PROCESSED {
				continue // the reason was recorded, but lost with Redis before any caller got it
			}
			if r.GetNoPreblockReason() != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_UNSPECIFIED {
				note(r.GetRequestId(), ReasonName(r.GetNoPreblockReason()))
			}
		}
	}
	for _, call := range c.Calls {
		note(call.Request, call.Reason)
	}
}

// served is one request as its callers saw it: from its first call to its first answer.
type served struct {
	id         string
	start, end time.Duration
	number     uint64
}

// calls checks that answers are true (S1, S7) and in order: a call made after another was answered has a higher number.
func (c *checker) calls() {
	byID, first := map[string]*served{}, map[string]time.Duration{}
	for _, call := range c.Calls {
		if at, ok := first[call.Request]; !ok || call.Start < at {
			first[call.Request] = call.Start // it may have been answered with an error, and served
		}
	}
	for _, call := range c.Calls {
		if call.Number == 0 {
			continue
		}
		c.answer(call)
		s, ok := byID[call.Request]
		if !ok {
			byID[call.Request] = &served{call.Request, first[call.Request], call.End, call.Number}
			continue
		}
		if s.number != call.Number {
			c.violated("S7", "request %s was answered with block %d and with %d", s.id, s.number, call.Number)
		}
		s.end = min(s.end, call.End)
	}
	c.realTimeOrder(byID)
}

func (c *checker) answer(call Call) {
	a, ok := c.applied[call.Number]
	if !ok {
		return
	}
	if a.block != (common.Hash{}) && a.block != call.Hash {
		c.violated("S1", "request %s was answered with block %d %s, applied was %s", call.Request, call.Number, call.Hash, a.block)
	}
	if a.request != call.Request {
		c.violated("S7", "request %s was answered with block %d, which is of request %q", call.Request, call.Number, a.request)
	}
	if int(call.Transactions) != a.total {
		c.violated("S1", "request %s was answered with %d transactions, blueprint %d has %d", call.Request, call.Transactions, call.Number, a.total)
	}
}

func (c *checker) realTimeOrder(byID map[string]*served) {
	byStart := make([]*served, 0, len(byID))
	for _, s := range byID {
		byStart = append(byStart, s)
	}
	byEnd := slices.Clone(byStart)
	slices.SortFunc(byStart, func(a, b *served) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.number, b.number)) })
	slices.SortFunc(byEnd, func(a, b *served) int { return cmp.Compare(a.end, b.end) })
	var latest *served // of those answered before s began, the one with the highest number
	for _, s := range byStart {
		for len(byEnd) > 0 && byEnd[0].end < s.start {
			if latest == nil || byEnd[0].number > latest.number {
				latest = byEnd[0]
			}
			byEnd = byEnd[1:]
		}
		if latest != nil && s.number <= latest.number {
			c.violated("S7", "request %s got block %d, though %s had been answered with %d before it was made",
				s.id, s.number, latest.id, latest.number)
		}
	}
}
