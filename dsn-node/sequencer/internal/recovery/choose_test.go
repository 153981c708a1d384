package recovery

import (
	"testing"

	"blindseq/seal"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var (
	genuine = attest.Statement{Content: common.Hash{2}}
	other   = attest.Statement{Content: common.Hash{1}}
)

func TestWhatComesNextAfterALoss(t *testing.T) {
	for _, c := range []struct {
		name                  string
		size, quorum, unheard int
		free, votes, others   int
		settle                bool
		want                  verdict
	}{
		{"nobody attested it", 4, 3, 1, 3, 0, 0, false, fresh},
		{"one attested it, a quorum may sign another", 4, 3, 0, 3, 1, 0, true, fresh},
		{"one of three heard of four, at first", 4, 3, 1, 2, 1, 0, false, unclear},
		{"one of three heard of four, the fourth does not come", 4, 3, 1, 2, 1, 0, true, attested},
		{"two of three heard of four", 4, 3, 1, 1, 2, 0, false, attested},
		{"all of three heard of four", 4, 3, 1, 0, 3, 0, false, attested},
		{"two of four", 4, 3, 0, 2, 2, 0, false, attested},
		{"too few heard", 4, 3, 2, 1, 1, 0, true, unclear},
		{"one attested it, one made up another, two are free", 4, 3, 0, 2, 1, 1, false, attested},
		{"two attested it, one made up another", 4, 3, 0, 1, 2, 1, false, attested},
		{"one attested it, one made up another, one is not heard", 4, 3, 1, 1, 1, 1, true, unclear},
		{"two of each", 4, 3, 0, 0, 2, 2, true, unclear},
		{"two of five heard of seven", 7, 5, 2, 3, 2, 0, true, attested},
		{"two of seven", 7, 5, 0, 5, 2, 0, false, fresh},
		{"three of five heard of seven", 7, 5, 2, 2, 3, 0, false, attested},
		{"the only one", 1, 1, 0, 0, 1, 0, false, attested},
		{"one of two heard of three", 3, 2, 1, 1, 1, 0, true, attested},
		{"one of three", 3, 2, 0, 2, 1, 0, false, attested},
	} {
		p := poll{c.size, c.quorum, c.unheard, c.free, votes(c.votes, c.others)}
		best, got := p.choose(c.settle)
		if got != c.want || got == attested && c.votes > c.others && best != genuine {
			t.Errorf("%s: %d for %v, want %d", c.name, got, best.Content, c.want)
		}
	}
}

func votes(n, others int) map[attest.Statement]int {
	out := map[attest.Statement]int{}
	if n > 0 {
		out[genuine] = n
	}
	if others > 0 {
		out[other] = others
	}
	return out
}

// situation is what each keyholder did about the number that comes next, when the sequencer's disk was lost.
type situation struct {
	size, quorum        int
	signed              int // honest ones that attested the real content, and are heard
	free                int // honest ones that attested nothing, and are heard
	deadSigned, dead    int // as those two, and not heard
	liarsFree, invented int // liars that say they attested nothing, or something that they made up
}

// situations calls f with all that can be in committees of up to 11, within the bound on faults.
func situations(t *testing.T, f func(s situation)) {
	t.Helper()
	for size := 1; size <= 11; size++ {
		quorum := seal.Quorum(size)
		faults := size - quorum
		for deadSigned := 0; deadSigned <= faults; deadSigned++ {
			for dead := 0; deadSigned+dead <= faults; dead++ {
				for liarsFree := 0; deadSigned+dead+liarsFree <= faults; liarsFree++ {
					for invented := 0; deadSigned+dead+liarsFree+invented <= faults; invented++ {
						honest := size - deadSigned - dead - liarsFree - invented
						for signed := 0; signed <= honest; signed++ {
							f(situation{size, quorum, signed, honest - signed, deadSigned, dead, liarsFree, invented})
						}
					}
				}
			}
		}
	}
}

func (s situation) choose() (attest.Statement, verdict) {
	p := poll{s.size, s.quorum, s.deadSigned + s.dead, s.free + s.liarsFree, votes(s.signed, s.invented)}
	return p.choose(true)
}

// liars tells whether there are any; a committee of three does not stand one, whatever recovery does.
func (s situation) liars() bool { return s.liarsFree+s.invented > 0 }

func TestNoCertifiedContentIsGivenUp(t *testing.T) {
	situations(t, func(s situation) {
		if s.liars() && 3*s.quorum <= 2*s.size || s.signed+s.deadSigned+s.liarsFree+s.invented < s.quorum {
			return // it cannot have been certified
		}
		if best, v := s.choose(); v != attested || best != genuine {
			t.Errorf("%+v: %d for %v", s, v, best.Content)
		}
	})
}

func TestLiarsDoNotChooseWhatComesNext(t *testing.T) {
	situations(t, func(s situation) {
		if s.signed+s.deadSigned > 0 || 3*s.quorum <= 2*s.size {
			return
		}
		if best, v := s.choose(); v != fresh {
			t.Errorf("%+v: %d for %v", s, v, best.Content)
		}
	})
}

// TestProductionGoesOnWithThoseHeard: whatever is chosen can be certified without those that did not come.
func TestProductionGoesOnWithThoseHeard(t *testing.T) {
	situations(t, func(s situation) {
		if s.liars() {
			return
		}
		best, v := s.choose()
		switch {
		case v == attested && best == genuine && s.signed+s.free >= s.quorum:
		case v == fresh && s.free >= s.quorum:
		default:
			t.Errorf("%+v: %d for %v", s, v, best.Content)
		}
	})
}
