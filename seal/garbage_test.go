package seal

import (
	"errors"
	"testing"
)

func TestGarbagePassesTheCheckAndDoesNotOpenForItsReason(t *testing.T) {
	w := newWorld(t, 4, 3)
	for _, kind := range []error{ErrPayload, ErrPadding, ErrSeed} {
		s, err := SealGarbage(w.keys.Key, w.header(), kind)
		if err == nil {
			err = s.Sign(w.signer)
		}
		if err != nil {
			t.Fatal(err)
		}
		garbage := w.check(t, s)
		reason, err := w.keys.VerifyUnopenable(garbage, provenShares(t, w, garbage))
		if err != nil || !errors.Is(reason, kind) {
			t.Errorf("want %v: got %v, %v", kind, reason, err)
		}
	}
	if _, err := SealGarbage(w.keys.Key, w.header(), ErrProof); err == nil {
		t.Error("an unknown kind is made")
	}
}

// TestAnOpeningIsVerifiedWithoutTheCheck: sealing again shows every byte but the signature.
func TestAnOpeningIsVerifiedWithoutTheCheck(t *testing.T) {
	w := newWorld(t, 1, 1)
	o := Opening{NewSeed(), []byte("a transaction")}
	s := w.sealWith(t, o.Seed, o.Tx)
	if err := w.ring.VerifyOpening(s, o); err != nil {
		t.Fatal(err)
	}
	other := o
	other.Seed[0] ^= 1
	for name, wrong := range map[string]Opening{"seed": other, "transaction": {o.Seed, []byte("b transaction")}, "nothing": {}} {
		if err := w.ring.VerifyOpening(s, wrong); !errors.Is(err, ErrOpening) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(s *Sealed){
		"u": func(s *Sealed) { s.u[0] ^= 2 }, "second u": func(s *Sealed) { s.uBar[0] ^= 2 }, "w": func(s *Sealed) { s.w[0] ^= 2 },
		"second w": func(s *Sealed) { s.wBar[0] ^= 2 }, "f": func(s *Sealed) { s.f[0] ^= 1 },
		"payload": func(s *Sealed) { s.payload[0] ^= 1 }, "seq": func(s *Sealed) { s.Seq++ }, "gas": func(s *Sealed) { s.Gas++ },
		"submitter": func(s *Sealed) { s.Submitter[0] ^= 1 },
	} {
		forged := *s
		forged.payload = append([]byte(nil), s.payload...)
		change(&forged)
		if err := w.ring.VerifyOpening(&forged, o); !errors.Is(err, ErrOpening) {
			t.Errorf("changed %s: %v", name, err)
		}
	}
	chain, key := *s, *s
	chain.ChainID++
	key.Key[0] ^= 1
	if err := w.ring.VerifyOpening(&chain, o); !errors.Is(err, ErrChain) {
		t.Errorf("chain: %v", err)
	}
	if err := w.ring.VerifyOpening(&key, o); !errors.Is(err, ErrKey) {
		t.Errorf("key: %v", err)
	}
}
