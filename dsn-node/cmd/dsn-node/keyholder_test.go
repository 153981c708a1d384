package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// empty kills a keyholder, empties its disk and starts it.
func (s *system) empty(t *testing.T, i int) {
	t.Helper()
	s.keyholders[i].kill()
	if err := os.RemoveAll(filepath.Join(s.dir, fmt.Sprint("keyholder-", i))); err != nil {
		t.Fatal(err)
	}
	s.keyholders[i].start(t)
}

// TestAStrangersProposalBindsNoKeyholder: not even that of one who holds keys of the committee.
func TestAStrangersProposalBindsNoKeyholder(t *testing.T) {
	s := begun(t, 4, 3)
	owner := s.owner
	strangers, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.clients {
		s.owner = strangers
		if _, err := s.clients[i].Attest(t.Context(), s.proposal(t, contentOf(1, []byte{byte(i)}), common.Hash{})); status.Code(err) != codes.PermissionDenied {
			t.Errorf("keyholder %d: %v", i, err)
		}
		s.owner = owner
	}
	s.certify(t, contentOf(1, []byte{9}), common.Hash{})
}

func TestNoNumberIsAttestedBeforeTheOneBeforeIsFinal(t *testing.T) {
	s := begun(t, 4, 3)
	first := contentOf(1, s.sealed(t, "plain"))
	cert, hash := s.certify(t, first, common.Hash{})
	for i := range s.clients {
		request := s.proposal(t, contentOf(2), hash)
		request.Finality = nil
		answer := untilUp(t, request, s.clients[i].Attest)
		if answer.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL || answer.GetAttested().GetNumber() != 1 {
			t.Errorf("keyholder %d, nothing shown: %v", i, answer)
		}
		for name, finality := range map[string]*preblockv1.Certificate{
			"no locks": attest.Final(cert, nil), "too few": attest.Final(cert, cert.GetLocks()[:2]),
		} {
			request.Finality = finality
			if _, err := s.clients[i].Attest(t.Context(), request); status.Code(err) != codes.PermissionDenied {
				t.Errorf("keyholder %d, %s: %v", i, name, err)
			}
		}
	}
	s.certify(t, contentOf(2), hash)
}

func TestANewCommitteeOfProcessesStartsWithOneOfFourDown(t *testing.T) {
	s := newSystem(t, 4, 3)
	for i := range s.clients { // they are up, and no directory is made when nobody expects it
		untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[i].GetStatus)
	}
	s.keyholders[2].kill()
	seq := s.sequencer(t)
	if p, _ := s.decide(t, seq, contentOf(1, s.sealed(t, "one"))); plainOf(p, 0) != "one" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
	s.keyholders[2].start(t) // it is restored by its peers
	from := s.reaches(t, 2, 1).GetSignsFrom()
	for number := uint64(2); number < from; number++ {
		s.decide(t, seq, contentOf(number, s.sealed(t, "more")))
		s.reaches(t, 2, number)
	}
	s.keyholders[0].kill() // from here on it is needed
	if p, _ := s.decide(t, seq, contentOf(from, s.sealed(t, "later"))); plainOf(p, 0) != "later" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
}

// reaches waits until a keyholder holds a number.
func (s *system) reaches(t *testing.T, i int, number uint64) *keyholderv1.GetStatusResponse {
	t.Helper()
	return eventually(t, fmt.Sprintf("keyholder %d does not get to number %d", i, number), func() (*keyholderv1.GetStatusResponse, bool) {
		answer := untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[i].GetStatus)
		return answer, answer.GetLastNumber() >= number && len(answer.GetChallenge()) == 0
	})
}

// TestAKeyholderWhoseDiskWasEmptiedSignsNothingItMayHaveSignedBefore attested number 4, which is not final, when its disk was emptied.
func TestAKeyholderWhoseDiskWasEmptiedSignsNothingItMayHaveSignedBefore(t *testing.T) {
	s := begun(t, 4, 3)
	var previous common.Hash
	hashes := map[uint64]common.Hash{}
	for number := uint64(1); number <= 3; number++ {
		_, previous = s.certify(t, contentOf(number, s.sealed(t, fmt.Sprint(number))), previous)
		hashes[number] = previous
	}
	s.attest(t, 3, contentOf(4, []byte{1}), previous)
	s.empty(t, 3)
	other := func(number uint64) *keyholderv1.AttestResponse {
		return s.attest(t, 3, contentOf(number, []byte{2}), hashes[number-1])
	}
	for number := uint64(1); number <= 4; number++ {
		if answer := other(number); answer.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED || answer.GetAttested() != nil {
			t.Errorf("number %d, not restored: %v", number, answer)
		}
	}
	if from := s.restore(t, 3); from != 5 {
		t.Fatalf("it signs from %d", from)
	}
	for range 2 { // also after a kill
		for number := uint64(1); number <= 4; number++ {
			if answer := other(number); answer.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED || answer.GetAttested() != nil {
				t.Errorf("number %d, restored: %v", number, answer)
			}
		}
		s.keyholders[3].kill()
		s.keyholders[3].start(t)
		if from := s.restore(t, 3); from != 5 {
			t.Fatalf("it signs from %d", from)
		}
	}
	// The others decide number 4 with another content, and the one that lost its disk is needed after it.
	seq := s.sequencer(t)
	s.decide(t, seq, contentOf(4, s.sealed(t, "four")))
	s.reaches(t, 3, 4)
	s.keyholders[0].kill()
	if p, _ := s.decide(t, seq, contentOf(5, s.sealed(t, "five"))); plainOf(p, 0) != "five" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
	if status := s.reaches(t, 3, 5); status.GetSignsFrom() != 5 {
		t.Fatalf("status %v", status)
	}
}

// TestAKeyholderIsRestoredWhileTheOthersGoOn: it does not have to wait for a pause.
func TestAKeyholderIsRestoredWhileTheOthersGoOn(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencer(t)
	s.decide(t, seq, contentOf(1, s.sealed(t, "one")))
	s.reaches(t, 3, 1)
	s.empty(t, 3)
	for number := uint64(2); ; number++ {
		s.decide(t, seq, contentOf(number, []byte{1, byte(number)}))
		status := untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[3].GetStatus)
		if from := status.GetSignsFrom(); from > 0 && status.GetLastNumber() >= from {
			return
		}
		if number == 2000 {
			t.Fatalf("after %d numbers it is at %v", number, status)
		}
	}
}
