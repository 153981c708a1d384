package sim

import (
	"time"

	"blindseq/dsn-node/sequencer/round"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// The committee: 4 keyholders, 3 make a certificate, 2 can open. The last one gives wrong shares, and wrong proofs.
const (
	members   = 4
	quorum    = 3
	threshold = 2
	liar      = members - 1
)

// withoutThem is how long an opening waits for others than those whose shares were wrong.
const withoutThem = 60 * time.Millisecond

// openRound is the round of one number, by round.State.
type openRound struct {
	s         *sequencer
	proposal  *preblockv1.Preblock
	statement attest.Statement
	state     round.State
	previous  *preblockv1.Certificate // shows the number before as final
	sealed    bool
	cert      *preblockv1.Certificate // with locks once it is final
	final     bool
	asked     round.Set // those that said whether they attest
	other     round.Set // those that attested another content
	abstains  round.Set // those that lost their votes
	holds     round.Set
	locked    round.Set
	answered  round.Set
	used      round.Set // those whose shares were combined
	proves    bool      // something did not open
	proved    round.Set
	early     round.Set // those asked for shares too early
	over      bool
}

func (s *sequencer) begin(p *preblockv1.Preblock) {
	number := p.GetContent().GetNumber()
	var previous common.Hash
	var finality *preblockv1.Certificate
	if number > 1 {
		before, err := s.statement(number - 1)
		if err != nil {
			s.w.alarm(s.process, err)
			return
		}
		decided, _ := s.decisions.get(number - 1)
		previous, finality = before.Hash(), decided.GetCertificate()
	}
	sealed := len(sealedIn(p.GetContent())) > 0
	r := &openRound{
		s: s, proposal: p, statement: statementOf(p, previous), state: round.New(quorum, threshold, sealed, s.wrong), sealed: sealed,
		previous: finality,
	}
	s.round = r
	for _, f := range s.followers {
		f.pump()
	}
}

func (r *openRound) event(e round.Event) {
	if r.over || r != r.s.round {
		return
	}
	state, effects, err := round.Next(r.state, e)
	if err != nil {
		r.s.w.alarm(r.s.process, err)
		return
	}
	r.state = state
	for _, effect := range effects {
		switch effect := effect.(type) {
		case round.Certify:
			r.cert = r.certificate(effect.By)
			r.pump()
		case round.Finalize:
			r.finalize(effect.By)
		case round.Open:
			r.open(effect.With)
		case round.Prove:
			r.proves = true
			r.pump()
		case round.Check:
			wrong := effect.Of.And(round.Set{}.With(liar))
			r.proved = r.proved.Without(wrong)
			r.s.wrong = r.s.wrong.Without(effect.Of).Or(wrong)
			r.event(round.Checked{Wrong: wrong})
		case round.Decide:
			r.decide()
		}
	}
}

// open opens with bare shares, which the liar's spoil.
func (r *openRound) open(with round.Set) {
	if r.used = with; with.Has(liar) {
		r.event(round.Opened{Failed: 1})
		return
	}
	r.s.wrong = r.s.wrong.Without(with)
	r.event(round.Opened{})
}

// pump lets the followers look what there is to do.
func (r *openRound) pump() {
	for _, f := range r.s.followers {
		f.pump()
	}
}

func (r *openRound) certificate(by round.Set) *preblockv1.Certificate {
	cert := &preblockv1.Certificate{
		Number: r.statement.Number, PreviousPayloadHash: r.statement.Previous[:], ContentHash: r.statement.Content[:],
	}
	for _, a := range by.All() {
		cert.Attestations = append(cert.Attestations, &preblockv1.Attestation{Authority: uint32(a)})
	}
	return cert
}

func (r *openRound) finalize(by round.Set) {
	cert := r.certificate(r.state.Attested())
	for _, a := range by.All() {
		cert.Locks = append(cert.Locks, &preblockv1.Attestation{Authority: uint32(a)})
	}
	r.cert, r.final = cert, true
	if r.sealed {
		r.s.later(withoutThem, func() { r.event(round.Waited{}) })
		r.pump()
	}
}

// asksEarly says whether shares are asked for before the content is final: when a defect gives them.
func (r *openRound) asksEarly() bool {
	return r.s.w.bug(SharesBeforeTheCertificate) || r.s.w.bug(SharesBeforeFinality) && r.cert != nil
}

func (r *openRound) decide() {
	r.over = true
	if r.proves { // who did not prove its share may have spoiled the opening
		r.s.wrong = r.s.wrong.Or(r.used.Without(r.state.Proven()))
	}
	p := r.proposal
	r.s.decided(&preblockv1.Preblock{
		Content: p.GetContent(), ContentHash: p.GetContentHash(), RequestId: p.GetRequestId(), Attempt: p.GetAttempt(), Certificate: r.cert,
	})
}
