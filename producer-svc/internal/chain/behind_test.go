package chain_test

import (
	"errors"
	"testing"
	"time"

	"blindseq/producer-svc/internal/chain"
)

func TestABlockIsNotWrittenBeforeItsRecordIsDurable(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	b := next(c, w[0].transfer(t, nobody, 1))
	broken := errors.New("no space left on device")
	b.Durable = func() error { return broken }
	if _, err := c.Apply(ctx, b); !errors.Is(err, broken) {
		t.Fatalf("applied: %v", err)
	}
	if c.Number() != 0 {
		t.Fatalf("the head is %d", c.Number())
	}
	waited := false
	b.Durable = func() error {
		waited = c.Number() == 0
		return nil
	}
	if result := apply(t, c, b); !waited || len(result.Included) != 1 {
		t.Fatalf("waited: %v, included: %d", waited, len(result.Included))
	}
}

// manyStates are more than are in memory.
const manyStates = 300

func TestAChainThatCatchesUpHasItsStatesWhenItHasCaughtUp(t *testing.T) {
	c := open(t, t.TempDir(), func(cfg *chain.Config) { cfg.History = chain.History{Archive: true} })
	must(t, c.Behind(true))
	w := wallets(t)
	for range manyStates {
		apply(t, c, next(c, w[0].transfer(t, nobody, 1)))
	}
	if kept := c.Kept(); kept.States == 0 || kept.Proofs == 0 {
		t.Errorf("states from %d and proofs from %d are indexed one by one", kept.States, kept.Proofs)
	}
	must(t, c.Behind(false))
	for range manyStates { // what comes after it is indexed too
		apply(t, c, next(c, w[0].transfer(t, nobody, 1)))
	}
	deadline := time.Now().Add(2 * time.Minute) // geth looks every 15 seconds
	for c.Kept().States > 0 || c.Kept().Proofs > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("kept are %+v", c.Kept())
		}
		time.Sleep(50 * time.Millisecond) // between looks
	}
	for range manyStates {
		apply(t, c, next(c, w[0].transfer(t, nobody, 1)))
	}
	if kept := c.Kept(); kept.States > 0 || kept.Proofs > 0 {
		t.Errorf("afterwards kept are %+v", kept)
	}
}
