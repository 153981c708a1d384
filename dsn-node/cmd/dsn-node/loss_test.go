package main

import (
	"os"
	"path/filepath"
	"testing"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
)

// loseDisk kills the sequencer and takes its disk away.
func (s *system) loseDisk(t *testing.T) {
	t.Helper()
	s.ordering.kill()
	if err := os.RemoveAll(filepath.Join(s.dir, "sequencer")); err != nil {
		t.Fatal(err)
	}
}

// goesOn checks that a number has the content that was attested, and that the next one is decided.
func (s *system) goesOn(t *testing.T, seq dsnv1.SequencerServiceClient, attested *preblockv1.Content) {
	t.Helper()
	p, hash := s.decided(t, seq, attested.GetNumber())
	if want := content.HashOf(attested); common.Hash(p.GetContentHash()) != want {
		t.Fatalf("number %d is %x, attested was %x", attested.GetNumber(), p.GetContentHash(), want)
	}
	next, _ := s.decide(t, seq, contentOf(attested.GetNumber()+1, s.sealed(t, "next")))
	if plainOf(next, 0) != "next" || common.Hash(next.GetCertificate().GetPreviousPayloadHash()) != hash {
		t.Fatalf("got %v", next)
	}
}

// TestTwoOfFourAttestedBeforeTheDiskWasLost: with another content, of those two and of the others neither would ever be a
// quorum. One of the two is dead when the recovery starts, so one keyholder alone tells of it.
func TestTwoOfFourAttestedBeforeTheDiskWasLost(t *testing.T) {
	s := newSystem(t, 4, 3)
	seq := s.sequencer(t)
	first := contentOf(1, s.sealed(t, "first"))
	_, previous := s.decide(t, seq, first)
	attested := contentOf(2, s.sealed(t, "second"))
	s.loseDisk(t)
	for i := range 2 {
		s.lost(t, i, first, common.Hash{}) // it may not have been of the three who decided
		s.lost(t, i, attested, previous)
	}
	s.keyholders[1].kill()
	seq = s.sequencer(t)
	p, _ := s.decided(t, seq, 2) // three of four are enough
	if plainOf(p, 0) != "second" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
	s.keyholders[1].start(t)
	s.keyholders[2].kill() // so the one that came back is needed
	s.goesOn(t, seq, attested)
	s.keyholders[2].start(t)
	s.loseDisk(t)
	s.goesOn(t, s.sequencer(t), contentOf(2, attested.GetTransactions()...))
}

// TestTheOthersComeBackDuringTheRecovery: two are dead, so nothing is known, and nothing may be proposed.
func TestTheOthersComeBackDuringTheRecovery(t *testing.T) {
	s := newSystem(t, 4, 3)
	attested := contentOf(1, s.sealed(t, "first"))
	s.lost(t, 0, attested, common.Hash{})
	s.lost(t, 1, attested, common.Hash{})
	s.attest(t, 2, contentOf(7), common.Hash{}) // refused, but they are up
	s.keyholders[0].kill()
	s.keyholders[1].kill()
	seq := s.sequencer(t)
	s.keyholders[0].start(t)
	s.keyholders[1].start(t)
	s.goesOn(t, seq, attested)
}
