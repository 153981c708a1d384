package rounds

import (
	"testing"

	"blindseq/dsn-node/sequencer/round"
)

func set(all ...uint8) (s round.Set) {
	for _, a := range all {
		s = s.With(a)
	}
	return s
}

// A keyholder lets one opening wait, and is not among those asked first again before it has answered.
func TestWhoLetAnOpeningWaitIsNotAskedFirstAgain(t *testing.T) {
	d := new(Driver)
	r := &runningRound{d: d, askFirst: set(0, 1, 2), answered: set(1, 2)}
	r.askOthers(r.askFirst)
	if r.askFirst != set() || d.late != set(0) {
		t.Fatalf("first %v, late %v", r.askFirst.All(), d.late.All())
	}
	for _, c := range []struct{ locked, want round.Set }{
		{set(0, 1, 2), set()}, // too few others: everybody
		{set(0, 1, 2, 3), set(1, 2, 3)},
		{set(1, 2, 3, 4), set(1, 2, 3)},
	} {
		if got := d.prompt(c.locked, 3); got != c.want {
			t.Errorf("of %v: %v, want %v", c.locked.All(), got.All(), c.want.All())
		}
	}
}
