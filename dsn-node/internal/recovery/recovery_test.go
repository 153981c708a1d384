package recovery

import "testing"

func TestVerdictsKeepWhatWasCertifiedAndNothingOfOneLiar(t *testing.T) {
	for _, c := range []struct {
		name                         string
		size, quorum, unheard, votes int
		want                         verdict
	}{
		{"nobody attested it", 4, 3, 1, 0, notCertified},
		{"one of three heard of four", 4, 3, 1, 1, notCertified},
		{"one of all four", 4, 3, 0, 1, notCertified},
		{"two of three heard of four", 4, 3, 1, 2, certified},
		{"all of three heard of four", 4, 3, 1, 3, certified},
		{"two of five heard of seven", 7, 5, 2, 2, notCertified},
		{"three of five heard of seven", 7, 5, 2, 3, certified},
		{"the only one", 1, 1, 0, 1, certified},
		{"one of two heard of three", 3, 2, 1, 1, unclear},
		{"one of all three", 3, 2, 0, 1, certified},
	} {
		if got := judge(c.size, c.quorum, c.unheard, c.votes); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestNoCertifiedNumberIsDropped goes through all committees, quorums and faults within the bounds.
func TestNoCertifiedNumberIsDropped(t *testing.T) {
	for size := 1; size <= 30; size++ {
		quorum := size - (size+1)/4
		faulty := size - quorum
		for unheard := 0; unheard <= faulty; unheard++ {
			for liars := 0; unheard+liars <= faulty; liars++ {
				// a quorum attested it; those not heard and those who deny it are among them as far as possible
				votes := quorum - unheard - liars
				if votes > 0 && judge(size, quorum, unheard, votes) == notCertified {
					t.Fatalf("of %d, %d not heard, %d liars: dropped with %d votes", size, unheard, liars, votes)
				}
				if liars > 0 && unheard > 0 && judge(size, quorum, unheard, liars) == certified {
					t.Fatalf("of %d, %d not heard: %d liars chose", size, unheard, liars)
				}
			}
		}
	}
}
