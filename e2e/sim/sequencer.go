package sim

import (
	"errors"

	"blindseq/dsn-node/sequencer/order"
	"blindseq/dsn-node/sequencer/round"
	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

// sequencer is the DSN's sequencer: order.State decides what is taken and fixed, round.State how its preblock comes about.
type sequencer struct {
	*process
	proposals disk[*preblockv1.Preblock] // survives
	decisions disk[*preblockv1.Preblock] // survives: the proposal with its certificate
	state     order.State
	window    *rules.Window
	round     *openRound
	wrong     round.Set // those whose last shares were wrong
	followers []*follower
	streams   []*stream
}

// stream is one monitor's subscription.
type stream struct {
	m    *monitor
	life int
	id   int
	next uint64
}

func (s *sequencer) recover() {
	s.proposals.crash()
	s.decisions.crash()
	s.round, s.streams, s.followers, s.wrong = nil, nil, nil, round.Set{}
	s.state = order.New(1)
	if accepted := s.proposals.last(); accepted > 0 {
		var err error
		if s.state, err = order.Recovered(1, accepted, s.decisions.last()); err != nil {
			s.w.alarm(s.process, err)
			return
		}
	}
	s.window = s.w.windowOf(s.proposals.last(), func(number uint64) []seal.Header {
		p, _ := s.proposals.get(number)
		return s.w.headersOf(p.GetContent())
	})
	if s.w.bug(ForgetsTheWindow) {
		for _, k := range s.w.keyholders {
			k.window = rules.NewWindow(k.last()+1, s.w.limits.Lifetime)
		}
	}
	if p, ok := s.decisions.get(s.decisions.last()); ok {
		s.w.fixed(p) // a crash may have come between storing and showing it
	}
	for i := range s.w.keyholders {
		s.followers = append(s.followers, &follower{s: s, by: uint8(i)})
	}
	s.serves()
	s.beginRound()
}

// beginRound begins the round of an accepted proposal.
func (s *sequencer) beginRound() {
	if s.state.Accepted() > s.state.Fixed() {
		p, _ := s.proposals.get(s.state.Accepted())
		s.begin(p)
	}
}

// submit is SubmitProposal.
func (s *sequencer) submit(p *preblockv1.Preblock, answer func(*dsnv1.SubmitProposalResponse, error)) {
	number := p.GetContent().GetNumber()
	if err := content.Check(p.GetContent()); err != nil {
		answer(nil, err)
		return
	}
	state, effects, err := order.Next(s.state, order.Submitted{Number: number})
	if err == nil && number > s.window.Last() {
		err = s.w.checkHeaders(p.GetContent(), s.window)
	}
	if err != nil {
		answer(nil, err)
		return
	}
	s.state = state
	switch effects[0].(type) {
	case order.AnswerAccepted:
		accepted, _ := s.proposals.get(number)
		if s.w.bug(TakesTwoProposals) && s.state.Fixed() < number {
			s.proposals.recs[number-1] = p
			s.begin(p)
		}
		answer(accepts(accepted), nil)
	case order.StoreProposal:
		s.step(ProposalStored, func() {
			s.proposals.append(p)
			s.sync(&s.proposals, ProposalNotSynced)
		}, func() {
			s.event(order.ProposalStored{Number: number})
			_ = s.window.AddHeaders(number, s.w.headersOf(p.GetContent())) // checked above
			answer(accepts(p), nil)
			s.beginRound()
		})
	}
}

// sync makes records durable, unless a defect forgets it. A keyholder is asked for two contents of a number only by a
// sequencer that lost the first.
func (s *sequencer) sync(d *disk[*preblockv1.Preblock], forgotten Bug) {
	if !s.w.bug(forgotten) && !(forgotten == ProposalNotSynced && s.w.bug(AttestsTwoContents)) {
		d.sync()
	}
}

func accepts(p *preblockv1.Preblock) *dsnv1.SubmitProposalResponse {
	return &dsnv1.SubmitProposalResponse{ContentHash: p.GetContentHash(), RequestId: p.GetRequestId()}
}

// event gives the order an event that yields at most one effect.
func (s *sequencer) event(e order.Event) order.Effect {
	state, effects, err := order.Next(s.state, e)
	if err != nil {
		s.w.alarm(s.process, err)
		return nil
	}
	s.state = state
	if len(effects) == 0 {
		return nil
	}
	return effects[0]
}

// decided fixes the preblock of the accepted proposal.
func (s *sequencer) decided(p *preblockv1.Preblock) {
	if _, ok := s.event(order.Due{}).(order.StorePreblock); !ok {
		return
	}
	number := p.GetContent().GetNumber()
	store := func() {
		s.decisions.append(p)
		s.sync(&s.decisions, PreblockNotSynced)
	}
	show := func() {
		s.event(order.PreblockStored{Number: number})
		s.w.fixed(p)
		s.step(PreblockShown, s.push, func() {})
	}
	if s.w.bug(ShowsBeforeStoring) {
		s.w.fixed(p)
		s.pushUpTo(number, p)
	}
	s.step(PreblockStored, store, show)
}

// push sends every stream what it does not have.
func (s *sequencer) push() { s.pushUpTo(s.state.Fixed(), nil) }

func (s *sequencer) pushUpTo(last uint64, unstored *preblockv1.Preblock) {
	for _, t := range s.streams {
		for ; t.next <= last; t.next++ {
			p, ok := s.decisions.get(t.next)
			if !ok {
				p = unstored
			}
			if s.w.bug(SkipsAPreblock) && t.next%5 == 0 {
				continue
			}
			s.sendTo(t, p)
		}
	}
}

func (s *sequencer) sendTo(t *stream, p *preblockv1.Preblock) {
	p = s.w.otherOutcome(p)
	s.w.send(s.process, t.m.process, func() { t.m.streamed(t.id, p) }, nil)
	if s.w.cut(s.process, t.m.process) || s.w.window(Loss, s.process, t.m.process) {
		t.m.w.after(s.w.latency()*100, func() { t.m.enter(t.life, func() { t.m.broken(t.id) }) }) // keepalive
	}
}

// subscribe is StreamPreblocks.
func (s *sequencer) subscribe(m *monitor, life, id int, from uint64) {
	s.streams = append(s.streams, &stream{m: m, life: life, id: id, next: from})
	s.push()
}

// preblock is GetPreblock.
func (s *sequencer) preblock(number uint64) (*preblockv1.Preblock, error) {
	if number > s.state.Fixed() {
		return nil, errNotFound
	}
	p, ok := s.decisions.get(number)
	if !ok {
		return nil, errNotFound
	}
	return p, nil
}

// statement is what the keyholders attested of a decided number.
func (s *sequencer) statement(number uint64) (attest.Statement, error) {
	p, ok := s.decisions.get(number)
	if !ok {
		return attest.Statement{}, errors.New("number is not decided")
	}
	return statementOf(p, common.BytesToHash(p.GetCertificate().GetPreviousPayloadHash())), nil
}

func statementOf(p *preblockv1.Preblock, previous common.Hash) attest.Statement {
	return attest.Statement{Number: p.GetContent().GetNumber(), Previous: previous, Content: common.BytesToHash(p.GetContentHash())}
}
