package leading

import (
	"testing"

	"blindseq/kit/leader"
)

func TestAProducerIsOutOfReachWhenNoProposerReachesIt(t *testing.T) {
	misses := func(who ...string) (all []leader.Replica) {
		for _, one := range who {
			all = append(all, leader.Replica{Misses: one})
		}
		return all
	}
	for _, one := range []struct {
		proposers []leader.Replica
		want      bool
	}{
		{misses("a:1"), true},
		{misses("a:1", "a:1"), true},
		{misses("a:1", ""), false},
		{misses("b:1"), false},
		{nil, false}, // nobody says anything
	} {
		if got := allMiss(one.proposers, "a:1"); got != one.want {
			t.Errorf("%v: %v", one.proposers, got)
		}
	}
}
