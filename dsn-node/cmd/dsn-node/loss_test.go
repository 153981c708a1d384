package main

import (
	"os"
	"path/filepath"
	"testing"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

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
	s := begun(t, 4, 3)
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
	s := begun(t, 4, 3)
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

// TestOneShowsTheCertificateBeforeTheDiskWasLost: three of four attested a content, the fourth another one. One of them alone was
// shown the certificate, and locked it, before the sequencer lost its disk, and one of the three never comes back. So those
// left cannot make the certificate again: the one that is shown decides.
func TestOneShowsTheCertificateBeforeTheDiskWasLost(t *testing.T) {
	for name, locker := range map[string]int{"one that attested it": 0, "the one that attested another": 3} {
		t.Run(name, func(t *testing.T) {
			s := begun(t, 4, 3)
			certified := contentOf(1, s.sealed(t, "certified"))
			var list []*preblockv1.Attestation
			for i := range 3 {
				list = append(list, s.lost(t, i, certified, common.Hash{}).GetAttested().GetAttestation())
			}
			s.lost(t, 3, contentOf(1, []byte{0xee}), common.Hash{})
			cert := attest.StatementOf(s.committee, certified, common.Hash{}).Certificate(0, list)
			untilUp(t, &keyholderv1.LockRequest{Certificate: cert, Content: certified}, s.clients[locker].Lock)
			s.keyholders[2].kill()
			s.goesOn(t, s.sequencer(t), certified)
		})
	}
}

// TestLocksOfAQuorumBeforeTheDiskWasLost: what is final stays so, also when those who locked it come back one by one.
func TestLocksOfAQuorumBeforeTheDiskWasLost(t *testing.T) {
	s := begun(t, 4, 3)
	final := contentOf(1, s.sealed(t, "final"))
	s.certify(t, final, common.Hash{})
	s.keyholders[0].kill()
	s.keyholders[1].kill()
	seq := s.sequencer(t)
	s.keyholders[0].start(t)
	s.goesOn(t, seq, final)
}
