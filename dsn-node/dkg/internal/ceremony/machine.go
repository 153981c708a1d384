package ceremony

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"

	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/feldman"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Phase is how far a ceremony is.
type Phase int

const (
	Committing Phase = iota
	Dealing
	Confirming
	Finishing
	Done
	Failed
)

func (p Phase) String() string {
	return [...]string{"committing", "dealing", "confirming", "finishing", "done", "failed"}[p]
}

// awaits is the kind of message everyone sends in a phase.
func (p Phase) awaits() Kind { return Kind(p) + Commit }

// An Effect is something for the driver to do, in the order given: one of the types below.
type Effect interface{ effect() }

type (
	// Send gives a message to all other participants.
	Send struct{ Message *Message }
	// Relay passes another's message on, as far as that is possible: its sender may be gone.
	Relay struct{ Message *Message }
	// Enter says that a phase began: Expired is due when its time is over, and earlier ones are not any more.
	Enter struct{ Phase Phase }
	// Stage makes the result durable where nobody takes it for published; Staged follows, or Stopped.
	Stage struct{ Result Result }
	// Publish makes what was staged the result.
	Publish struct{}
	// Fail ends the ceremony. What was staged is kept when the failure is Undecided, else removed.
	Fail struct{ Failure *Failure }
)

func (Send) effect()    {}
func (Relay) effect()   {}
func (Enter) effect()   {}
func (Stage) effect()   {}
func (Publish) effect() {}
func (Fail) effect()    {}

// Result of a ceremony. The share is erased with the state.
type Result struct {
	Committee  *committee.Committee
	Share      *seal.Secret
	Transcript common.Hash
}

// State is one participant's view of a ceremony. One goroutine uses it.
type State struct {
	ceremony *Ceremony
	id       common.Hash
	key      *ecdsa.PrivateKey
	self     uint8

	phase        Phase
	polynomial   feldman.Polynomial
	unsealing    *ecdh.PrivateKey
	messages     [kinds][]*Message // by kind and sender
	decoded      [kinds][]any
	commitments  []feldman.Commitments // of the deals, once they are checked
	result       Result
	finished     bool   // our finish was sent
	acknowledged []bool // by whom
}

// New prepares a participant, who has the key of one of the ceremony's identities.
func New(c *Ceremony, key *ecdsa.PrivateKey, rand io.Reader) (*State, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	id, err := c.ID()
	if err != nil {
		return nil, err
	}
	self, err := c.Find(crypto.PubkeyToAddress(key.PublicKey))
	if err != nil {
		return nil, err
	}
	m := &State{ceremony: c, id: id, key: key, self: self, acknowledged: make([]bool, len(c.Participants))}
	m.acknowledged[self] = true
	for k := range m.messages {
		m.messages[k], m.decoded[k] = make([]*Message, len(c.Participants)), make([]any, len(c.Participants))
	}
	if m.unsealing, err = ecdh.X25519().GenerateKey(rand); err != nil {
		return nil, fmt.Errorf("make key for shares: %w", err)
	}
	m.polynomial, err = feldman.Draw(rand, c.Threshold)
	return m, err
}

// ID is the ceremony's.
func (m *State) ID() common.Hash { return m.id }

// Self is this participant's place.
func (m *State) Self() uint8 { return m.self }

// Phase is how far the ceremony is here.
func (m *State) Phase() Phase { return m.phase }

// Missing are those whose message of this phase has not come.
func (m *State) Missing() (out []uint8) {
	if m.phase >= Done {
		return nil
	}
	for i, msg := range m.messages[m.phase.awaits()] {
		if msg == nil {
			out = append(out, uint8(i))
		}
	}
	return out
}

// Event is something that happened: one of the types below.
type Event interface{ event() }

type (
	// Started begins the ceremony.
	Started struct{}
	// Received is a message of another participant.
	Received struct{ Message *Message }
	// Staged ends a Stage: the result is durable.
	Staged struct{}
	// Acknowledged says that another participant has our finish.
	Acknowledged struct{ By uint8 }
	// Expired says that the time of a phase is over.
	Expired struct{ Phase Phase }
	// Stopped ends the ceremony for a reason of our own.
	Stopped struct{ Reason error }
)

func (Started) event()      {}
func (Received) event()     {}
func (Staged) event()       {}
func (Acknowledged) event() {}
func (Expired) event()      {}
func (Stopped) event()      {}

// ErrUnexpected is a second Started, or an event of another type. What comes too late, such as Expired of an earlier phase,
// changes nothing and is no error.
var ErrUnexpected = errors.New("event does not fit the ceremony")

// Next is the transition table: the state after an event, and what to do. The state shares memory with the one before,
// because secrets must not be copied: use only the one returned. On an error nothing was changed.
func Next(s *State, e Event) (*State, []Effect, error) {
	switch e := e.(type) {
	case Started:
		if s.messages[Commit][s.self] != nil {
			return s, nil, fmt.Errorf("%w: it has begun", ErrUnexpected)
		}
		return s, s.start(), nil
	case Received:
		effects, err := s.receive(e.Message)
		return s, effects, err
	case Staged:
		return s, s.staged(), nil
	case Acknowledged:
		return s, s.acknowledge(e.By), nil
	case Expired:
		return s, s.expire(e.Phase), nil
	case Stopped:
		return s, s.stop(e.Reason), nil
	}
	return s, nil, fmt.Errorf("%w: %T", ErrUnexpected, e)
}

func (m *State) start() []Effect {
	promise := commitment{Key: m.unsealing.PublicKey().Bytes(), Hash: m.promise(m.self, m.polynomial.Commit().Encode())}
	return append([]Effect{Enter{Committing}}, m.say(Commit, &promise)...)
}

func (m *State) receive(msg *Message) ([]Effect, error) {
	if err := m.ceremony.Verify(m.id, msg); err != nil {
		return nil, err
	}
	if m.phase >= Done {
		return nil, nil
	}
	if before := m.messages[msg.Kind][msg.Sender]; before != nil {
		if before.digest() != msg.digest() {
			return m.fail(ErrEquivocal, msg.Sender), nil
		}
		return nil, nil
	}
	payload, err := decode(msg, len(m.ceremony.Participants))
	if err != nil {
		return m.fail(err, msg.Sender), nil // it signed what no honest participant signs
	}
	m.keep(msg, payload)
	effects := []Effect(nil)
	switch msg.Kind {
	case Abort:
		return m.end(fmt.Errorf("%w: %q", ErrEnded, payload.(*abort).Reason), msg.Sender), nil
	case Finish:
		effects = []Effect{Relay{msg}}
	case Published:
		m.acknowledged[msg.Sender] = true // it would not have published without our finish, which may have been passed on to it
	}
	return append(effects, m.advance()...), nil
}

func (m *State) staged() []Effect {
	if m.phase != Finishing || m.finished {
		return nil
	}
	m.finished = true
	return append(m.say(Finish, &finish{Committee: m.result.Committee.Hash()}), m.advance()...)
}

func (m *State) acknowledge(by uint8) []Effect {
	if m.phase != Finishing || !m.finished {
		return nil
	}
	m.acknowledged[by] = true
	return m.advance()
}

func (m *State) expire(p Phase) []Effect {
	switch {
	case m.phase != p || m.phase >= Done:
		return nil
	case len(m.Missing()) == 0:
		return m.fail(fmt.Errorf("%w: our finish was not acknowledged by all", ErrStopped))
	}
	return m.fail(ErrSilent, m.Missing()...)
}

func (m *State) stop(reason error) []Effect {
	if m.phase >= Done {
		return nil
	}
	return m.fail(fmt.Errorf("%w: %w", ErrStopped, reason))
}

// Erase overwrites the secrets.
func (m *State) Erase() {
	m.polynomial.Erase()
	if m.result.Share != nil {
		m.result.Share.Erase()
	}
	m.unsealing = nil // the library has no way to overwrite it
}

// say signs a message of ours, keeps it and sends it.
func (m *State) say(kind Kind, payload any) []Effect {
	msg, err := m.sign(kind, payload)
	if err != nil {
		return m.end(fmt.Errorf("%w: %w", ErrStopped, err))
	}
	m.keep(msg, payload)
	return []Effect{Send{msg}}
}

func (m *State) keep(msg *Message, payload any) {
	m.messages[msg.Kind][msg.Sender], m.decoded[msg.Kind][msg.Sender] = msg, payload
}

// fail notifies the others and ends the ceremony.
func (m *State) fail(reason error, culprits ...uint8) []Effect {
	effects := m.end(reason, culprits...)
	text := effects[len(effects)-1].(Fail).Failure.Error()
	msg, err := m.sign(Abort, &abort{Reason: text[:min(len(text), maxReasonBytes)], Finished: m.finished})
	if err != nil {
		return effects // the failure is what matters
	}
	return append([]Effect{Send{msg}}, effects...)
}

// end ends the ceremony. That nobody publishes is sure as long as someone has not sent its finish: we, or who aborted.
func (m *State) end(reason error, culprits ...uint8) []Effect {
	f := &Failure{Phase: m.phase, Culprits: culprits, Reason: reason, Undecided: m.finished, ceremony: m.ceremony}
	for _, payload := range m.decoded[Abort] {
		if said, aborted := payload.(*abort); aborted && !said.Finished {
			f.Undecided = false
		}
	}
	m.phase = Failed
	m.Erase()
	return []Effect{Fail{f}}
}
