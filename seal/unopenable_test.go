package seal

import (
	"errors"
	"testing"
)

func provenShares(t testing.TB, w *world, c *Checked) []ProvenShare {
	t.Helper()
	var out []ProvenShare
	for _, s := range w.secrets[:w.keys.Threshold()] {
		share, proof, err := s.ShareWithProof(c)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ProvenShare{share, proof})
	}
	return out
}

func TestUnopenableIsProvenByShares(t *testing.T) {
	w := newWorld(t, 4, 3)
	garbage := w.check(t, w.sealRandom(t, []byte("tx"), true, false))
	good := provenShares(t, w, garbage)
	reason, err := w.keys.VerifyUnopenable(garbage, good)
	if err != nil || !onlyReason(reason, "seed") {
		t.Errorf("%v, %v", reason, err)
	}
	with := func(change func(s []ProvenShare)) []ProvenShare {
		out := append([]ProvenShare(nil), good...)
		change(out)
		return out
	}
	for name, c := range map[string]struct {
		shares []ProvenShare
		want   error
	}{
		"two":               {good[:2], ErrTooFewShares},
		"one twice":         {with(func(s []ProvenShare) { s[2] = s[1] }), ErrDuplicateShare},
		"a share unproven":  {with(func(s []ProvenShare) { s[2].Proof = s[1].Proof }), ErrShare},
		"a share exchanged": {with(func(s []ProvenShare) { s[2].Point = s[1].Point }), ErrShare},
	} {
		if reason, err := w.keys.VerifyUnopenable(garbage, c.shares); !errors.Is(err, c.want) || reason != nil {
			t.Errorf("%s: %v, %v", name, reason, err)
		}
	}
}

// Nobody proves that a transaction that opens does not.
func TestATransactionThatOpensIsNotUnopenable(t *testing.T) {
	w := newWorld(t, 4, 3)
	c, other := w.check(t, w.seal(t, []byte("tx"))), w.check(t, w.sealRandom(t, []byte("tx"), true, false))
	if reason, err := w.keys.VerifyUnopenable(c, provenShares(t, w, c)); !errors.Is(err, ErrOpens) || reason != nil {
		t.Errorf("%v, %v", reason, err)
	}
	if reason, err := w.keys.VerifyUnopenable(c, provenShares(t, w, other)); !errors.Is(err, ErrShare) || reason != nil {
		t.Errorf("with shares of another one: %v, %v", reason, err)
	}
}
