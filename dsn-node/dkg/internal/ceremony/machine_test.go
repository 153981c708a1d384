package ceremony

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

func TestEveryScheduleEndsWithOneKeyThatWorks(t *testing.T) {
	for seed := range uint64(8) {
		w := newNetwork(t, 4, 3, seed)
		w.start()
		w.run()
		for i, o := range w.outcome {
			if _, published := o.(Publish); !published {
				t.Fatalf("seed %d: participant %d ended with %v", seed, i, o)
			}
			if w.committeeOf(i) != w.committeeOf(0) || w.staged[i].Transcript != w.staged[0].Transcript {
				t.Fatalf("seed %d: participants 0 and %d differ", seed, i)
			}
		}
		if seed < 2 {
			opens(t, w)
		}
	}
}

// opens seals a transaction for the key that was made, and opens it with all shares but the first.
func opens(t *testing.T, w *network) {
	t.Helper()
	keys, plain := w.staged[0].Committee.Keys, []byte("sealed bid")
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	header := seal.Header{ChainID: 1337, Key: keys.ID(), Submitter: crypto.PubkeyToAddress(key.PublicKey), Gas: 21_000, Expiry: 1}
	sealed, err := seal.Seal(keys.Key, header, seal.NewSeed(), plain)
	if err == nil {
		err = sealed.Sign(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	checked, err := w.staged[0].Committee.Ring().Check(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var shares []seal.Share
	for i, encoded := range w.secrets[1:] {
		secret, err := seal.NewSecret(uint8(i+1), encoded)
		if err != nil {
			t.Fatal(err)
		}
		share, err := secret.Share(checked)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	z, err := keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	if opening, err := checked.Open(z); err != nil || !bytes.Equal(opening.Tx, plain) {
		t.Fatalf("got %q, %v", opening.Tx, err)
	}
}

const liar = 2

// resign gives a message of the liar another payload.
func resign(w *network, msg *Message, payload any) *Message {
	b, err := rlp.EncodeToBytes(payload)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := Sign(w.machines[liar].key, msg.Ceremony, liar, msg.Kind, b)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// edit decodes a message's payload as T, changes it and signs it again.
func edit[T any](w *network, msg *Message, change func(*T)) *Message {
	var p T
	if err := rlp.DecodeBytes(msg.Payload, &p); err != nil {
		w.t.Fatal(err)
	}
	change(&p)
	return resign(w, msg, &p)
}

func TestALiarIsNamedAndNobodyHasAKey(t *testing.T) {
	for name, c := range map[string]struct {
		kind   Kind
		reason error
		lie    func(w *network, to int, msg *Message) *Message
	}{
		"a bad share for one": {Deal, ErrBadShare, func(w *network, _ int, msg *Message) *Message {
			return edit(w, msg, func(d *deal) { d.Sealed[1] = d.Sealed[0] })
		}},
		"other commitments than promised": {Deal, ErrPromise, func(w *network, _ int, msg *Message) *Message {
			return edit(w, msg, func(d *deal) { d.Commitments[1] = d.Commitments[0] })
		}},
		"two commits, one of them right": {Commit, ErrPromise, func(w *network, to int, msg *Message) *Message {
			return edit(w, msg, func(c *commitment) { c.Hash[0] ^= byte(to / 3) })
		}},
		"two deals that both hold": {Deal, ErrEquivocal, func(w *network, to int, msg *Message) *Message {
			if to != 3 {
				return msg
			}
			return edit(w, msg, func(d *deal) { d.Sealed[0] = d.Sealed[1] })
		}},
		"a transcript of its own": {Confirm, ErrTranscript, func(w *network, _ int, msg *Message) *Message {
			return edit(w, msg, func(c *confirmation) { c.Transcript[0] ^= 1; c.Signed[1].Digest[0] ^= 1 })
		}},
		"a committee of its own": {Finish, ErrResult, func(w *network, _ int, msg *Message) *Message {
			return edit(w, msg, func(f *finish) { f.Committee[0] ^= 1 })
		}},
		"no RLP": {Deal, ErrMalformed, func(w *network, _ int, msg *Message) *Message { return resign(w, msg, "garbage") }},
		"a key of low order": {Commit, ErrMalformed, func(w *network, _ int, msg *Message) *Message {
			return edit(w, msg, func(c *commitment) { clear(c.Key) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				w := newNetwork(t, 4, 3, seed)
				w.tamper = func(from, to int, msg *Message) *Message {
					if from == liar && msg.Sender == liar && msg.Kind == c.kind {
						return c.lie(w, to, msg)
					}
					return msg
				}
				w.start()
				w.run()
				w.expire()
				liarIsNamed(t, w, c.reason)
			}
		})
	}
}

// liarIsNamed checks that all honest participants failed, and blame the liar or one who blames the liar.
func liarIsNamed(t *testing.T, w *network, reason error) {
	t.Helper()
	named := 0
	for i := range w.machines {
		f := w.failure(i)
		switch {
		case i == liar:
		case f == nil:
			t.Fatalf("participant %d ended with %v", i, w.outcome[i])
		case errors.Is(f, reason) && slices.Equal(f.Culprits, []uint8{liar}):
			named++
		case errors.Is(f, ErrEnded) && strings.Contains(f.Error(), fmt.Sprintf("participant %d (", liar)):
		default:
			t.Fatalf("participant %d: %v", i, f)
		}
	}
	if named == 0 {
		t.Fatalf("nobody says %v", reason)
	}
}

func TestAFalseComplaintFallsBackOnWhoMadeIt(t *testing.T) {
	for name, change := range map[string]func(*complaint){
		"with the right key":  func(*complaint) {},
		"with another's key":  func(c *complaint) { c.Key[5] ^= 1 },
		"before it has cause": func(c *complaint) { c.Dealer = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 4, 3, 7)
			said := &complaint{Dealer: 1, Key: w.machines[liar].unsealing.Bytes()}
			change(said)
			w.tamper = func(from, _ int, msg *Message) *Message {
				if from == liar && msg.Kind == Confirm && msg.Sender == liar {
					return resign(w, &Message{Ceremony: msg.Ceremony, Kind: Complaint}, said)
				}
				return msg
			}
			w.start()
			w.run()
			liarIsNamed(t, w, ErrComplaint)
		})
	}
}

func TestWhoIsSilentIsNamedInEveryPhase(t *testing.T) {
	for _, kind := range []Kind{Commit, Deal, Confirm, Finish} {
		w := newNetwork(t, 4, 3, uint64(kind))
		w.tamper = func(from, _ int, msg *Message) *Message {
			if from == liar && msg.Kind >= kind {
				return nil
			}
			return msg
		}
		w.start()
		w.run()
		w.expire()
		liarIsNamed(t, w, ErrSilent)
	}
}

func TestAFailureThatIsDecidedMeansNobodyPublishes(t *testing.T) {
	published, failed := 0, 0
	for seed := range uint64(80) {
		w := newNetwork(t, 3, 2, seed)
		w.start()
		for range w.rand.IntN(60) {
			w.step()
		}
		w.dead[w.rand.IntN(3)] = true
		for range w.rand.IntN(20) {
			w.step()
		}
		for i, m := range w.machines { // time runs out for one before the other
			if !w.dead[i] && w.rand.IntN(2) == 0 {
				w.do(i, next(m, Expired{m.Phase()}))
				break
			}
		}
		w.run()
		w.expire()
		p, decided := 0, 0
		for i, o := range w.outcome {
			if _, is := o.(Publish); is {
				p++
			} else if f := w.failure(i); f != nil && !f.Undecided {
				decided++
			} else if f == nil && !w.dead[i] {
				t.Fatalf("seed %d: participant %d did not end", seed, i)
			}
		}
		if p > 0 && decided > 0 {
			t.Fatalf("seed %d: %d published, %d failed for sure", seed, p, decided)
		}
		published, failed = published+min(p, 1), failed+min(decided, 1)
	}
	if published == 0 || failed == 0 {
		t.Fatalf("the schedules were one-sided: %d published, %d failed", published, failed)
	}
}

func TestAMessageThatIsNotSignedByItsSenderChangesNothing(t *testing.T) {
	w := newNetwork(t, 3, 2, 1)
	good := next(w.machines[0], Started{})[1].(Send).Message
	for name, c := range map[string]struct {
		change func(*Message)
		want   error
	}{
		"another sender":       {func(m *Message) { m.Sender = 1 }, ErrNotSigned},
		"another kind":         {func(m *Message) { m.Kind = Abort }, ErrNotSigned},
		"another payload":      {func(m *Message) { m.Payload = []byte{0xc0} }, ErrNotSigned},
		"another ceremony":     {func(m *Message) { m.Ceremony[0] ^= 1 }, ErrOtherCeremony},
		"no such sender":       {func(m *Message) { m.Sender = 9 }, ErrMalformed},
		"no such kind":         {func(m *Message) { m.Kind = kinds }, ErrMalformed},
		"too much":             {func(m *Message) { m.Payload = make([]byte, MaxPayloadBytes+1) }, ErrMalformed},
		"an invalid signature": {func(m *Message) { clear(m.Signature[:]) }, ErrNotSigned},
	} {
		bad := *good
		c.change(&bad)
		if effects, err := receive(w.machines[1], &bad); !errors.Is(err, c.want) || effects != nil {
			t.Errorf("%s: %v, %v", name, effects, err)
		}
	}
	if missing := w.machines[1].Missing(); len(missing) != 3 {
		t.Fatalf("missing %v", missing)
	}
	for range 2 { // the same again is fine
		if effects, err := receive(w.machines[1], good); err != nil || effects != nil {
			t.Fatalf("%v, %v", effects, err)
		}
	}
}

func TestNoSecretIsLeftWhenAMachineEnds(t *testing.T) {
	w := newNetwork(t, 3, 2, 3)
	w.start()
	w.run()
	for _, m := range w.machines {
		m.Erase()
		if _, err := m.result.Share.Append(nil); !errors.Is(err, seal.ErrErased) || !bytes.Equal(m.polynomial[0].Bytes(), make([]byte, seal.ScalarSize)) {
			t.Fatalf("a secret is left: %v", err)
		}
	}
}

func TestASecondStartIsUnexpectedAndWhatComesTooLateChangesNothing(t *testing.T) {
	s := newNetwork(t, 3, 2, 1).machines[0]
	if _, effects, err := Next(s, Started{}); err != nil || len(effects) != 2 {
		t.Fatalf("%d effects, %v", len(effects), err)
	}
	for _, e := range []Event{Started{}, nil} {
		if _, effects, err := Next(s, e); !errors.Is(err, ErrUnexpected) || effects != nil {
			t.Errorf("%T: %v, %v", e, effects, err)
		}
	}
	for _, e := range []Event{Staged{}, Acknowledged{1}, Expired{Dealing}} {
		if _, effects, err := Next(s, e); err != nil || effects != nil || s.Phase() != Committing {
			t.Errorf("%T: %v, %v, %s", e, effects, err, s.Phase())
		}
	}
}
