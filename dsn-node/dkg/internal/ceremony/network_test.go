package ceremony

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// network runs machines in an order drawn from a seed. Messages between two arrive in the order sent, as with the driver.
type network struct {
	t        *testing.T
	rand     *mathrand.Rand
	ceremony *Ceremony
	machines []*State
	queues   map[[2]int][]*Message // from whom to whom
	dead     map[int]bool
	staged   []*Result
	secrets  [][]byte // of the staged shares
	outcome  []Effect // Publish or Fail
	// tamper may change what a participant sends to another; nil keeps it from him.
	tamper func(from, to int, msg *Message) *Message
}

func testCeremony(t *testing.T, n, threshold int) (*Ceremony, []*ecdsa.PrivateKey) {
	t.Helper()
	c := &Ceremony{
		Name: t.Name(), ChainID: 1337, FirstNumber: 1, Threshold: threshold,
		Roles: committee.Roles{Sequencers: []common.Address{{7}}, Relays: []common.Address{{8}}},
	}
	var keys []*ecdsa.PrivateKey
	for i := range n {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		c.Participants = append(c.Participants, Participant{crypto.PubkeyToAddress(key.PublicKey), fmt.Sprintf("host-%d:7107", i)})
	}
	return c, keys
}

func newNetwork(t *testing.T, n, threshold int, seed uint64) *network {
	t.Helper()
	c, keys := testCeremony(t, n, threshold)
	w := &network{
		t: t, rand: mathrand.New(mathrand.NewPCG(seed, 0)), ceremony: c, queues: map[[2]int][]*Message{}, dead: map[int]bool{},
		staged: make([]*Result, n), secrets: make([][]byte, n), outcome: make([]Effect, n),
		tamper: func(_, _ int, msg *Message) *Message { return msg },
	}
	for _, key := range keys {
		m, err := New(c, key, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.machines = append(w.machines, m)
	}
	return w
}

func (w *network) start() {
	for i, m := range w.machines {
		w.do(i, next(m, Started{}))
	}
}

// do carries effects out.
func (w *network) do(i int, effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Send:
			w.send(i, e.Message)
		case Relay:
			w.send(i, e.Message)
		case Stage:
			w.staged[i] = &e.Result
			secret, err := e.Result.Share.Append(nil)
			if err != nil {
				w.t.Fatal(err)
			}
			w.secrets[i] = secret
			defer func() { w.do(i, next(w.machines[i], Staged{})) }()
		case Publish, Fail:
			if w.outcome[i] != nil {
				w.t.Fatalf("participant %d ended twice: %v, %v", i, w.outcome[i], e)
			}
			w.outcome[i] = e
		}
	}
}

func (w *network) send(from int, msg *Message) {
	for to := range w.machines {
		if out := w.tamper(from, to, msg); to != from && to != int(msg.Sender) && out != nil {
			pair := [2]int{from, to}
			w.queues[pair] = append(w.queues[pair], out)
		}
	}
}

// step delivers one message; false when there is none.
func (w *network) step() bool {
	var ready [][2]int
	for from := range w.machines {
		for to := range w.machines {
			pair := [2]int{from, to}
			if len(w.queues[pair]) > 0 && !w.dead[from] && !w.dead[to] {
				ready = append(ready, pair)
			}
		}
	}
	if len(ready) == 0 {
		return false
	}
	pair := ready[w.rand.IntN(len(ready))]
	msg := w.queues[pair][0]
	w.queues[pair] = w.queues[pair][1:]
	if w.outcome[pair[1]] != nil {
		return true // it is gone, and acknowledges nothing
	}
	effects, err := receive(w.machines[pair[1]], msg)
	if err != nil {
		w.t.Fatalf("from %d to %d: %v", pair[0], pair[1], err)
	}
	w.do(pair[1], effects)
	if msg.Kind == Finish && int(msg.Sender) == pair[0] && w.outcome[pair[0]] == nil {
		w.do(pair[0], next(w.machines[pair[0]], Acknowledged{uint8(pair[1])}))
	}
	return true
}

func (w *network) run() {
	for w.step() {
	}
}

// expire lets everyone's time run out, as long as that changes something.
func (w *network) expire() {
	for i, m := range w.machines {
		if !w.dead[i] {
			w.do(i, next(m, Expired{m.Phase()}))
		}
	}
	w.run()
}

func (w *network) failure(i int) *Failure {
	if f, failed := w.outcome[i].(Fail); failed {
		return f.Failure
	}
	return nil
}

func (w *network) committeeOf(i int) common.Hash { return w.staged[i].Committee.Hash() }

// next is Next for an event that is never refused.
func next(m *State, e Event) []Effect {
	_, effects, err := Next(m, e)
	if err != nil {
		panic(err)
	}
	return effects
}

func receive(m *State, msg *Message) ([]Effect, error) {
	_, effects, err := Next(m, Received{msg})
	return effects, err
}
