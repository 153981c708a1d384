package attacks

import (
	"slices"
	"testing"

	"blindseq/e2e/cluster"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc/codes"
)

// TestACopyOfASealedTransactionOpensNothing attacks the promise that nobody reads a sealed transaction before its place is
// final: whoever sees the victim's bytes sends a changed copy, to have it opened first.
func TestACopyOfASealedTransactionOpensNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	inner, victim := s.sealed(s.accounts[0])
	all := copies(t, victim.Encode())
	for name, raw := range all { // sent by somebody who is faster than the victim
		if err := s.send(raw); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	must(t, s.send(victim.Encode()))
	for name, raw := range all {
		if err := s.send(raw); err == nil {
			t.Errorf("%s: taken beside the victim", name)
		}
	}
	s.pool(false)
	r := s.receipt(inner.Hash())
	if r.TransactionIndex != 0 || r.BlockNumber.Uint64() != 1 {
		t.Errorf("the victim is transaction %d of block %s", r.TransactionIndex, r.BlockNumber)
	}
	for number := uint64(1); number <= r.BlockNumber.Uint64(); number++ {
		if n := len(s.preblock(number).GetOutcomes()); n != 1 {
			t.Errorf("preblock %d opened %d sealed transactions", number, n)
		}
	}
}

// TestAStrangerGetsNoShares attacks the same promise at the keyholders: shares are given for the place in a certified content
// and for nothing else.
func TestAStrangerGetsNoShares(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	s.receipt(inner.Hash())
	certificate := s.preblock(1).GetCertificate()

	// A content that two keyholders have signed, fewer than a quorum, with a certificate of strangers.
	s.pool(true)
	_, waiting := s.sealed(s.accounts[1])
	content := s.next(waiting.Encode())
	var signed []*preblockv1.Attestation
	for authority := range 2 {
		answer, err := s.attest(authority, content)
		must(t, err)
		signed = append(signed, answer.GetAttestation())
	}
	previous, err := attest.Verify(s.by, certificate)
	must(t, err)
	statement := attest.StatementOf(s.by, content, previous.Hash())
	var forged []*preblockv1.Attestation
	for i := range s.by.Quorum() {
		key, err := crypto.GenerateKey()
		must(t, err)
		stranger, err := statement.Sign(key, uint8(i), 0)
		must(t, err)
		forged = append(forged, stranger.GetAttestation())
	}
	twice := append(slices.Clone(signed), signed[0])
	for name, c := range map[string]struct {
		request *keyholderv1.ReleaseSharesRequest
		want    []codes.Code
	}{
		"no certificate":            {&keyholderv1.ReleaseSharesRequest{}, []codes.Code{codes.PermissionDenied, codes.InvalidArgument}},
		"signed by strangers":       {&keyholderv1.ReleaseSharesRequest{Certificate: statement.Certificate(0, forged)}, []codes.Code{codes.PermissionDenied}},
		"fewer than a quorum":       {&keyholderv1.ReleaseSharesRequest{Certificate: statement.Certificate(0, signed)}, []codes.Code{codes.PermissionDenied}},
		"one of them counted twice": {&keyholderv1.ReleaseSharesRequest{Certificate: statement.Certificate(0, twice)}, []codes.Code{codes.PermissionDenied}},
		"a quorum of another one's": {&keyholderv1.ReleaseSharesRequest{Certificate: statement.Certificate(0, certificate.GetAttestations())}, []codes.Code{codes.PermissionDenied}},
		"a place that has nothing":  {&keyholderv1.ReleaseSharesRequest{Certificate: certificate, Proven: []uint32{7}}, []codes.Code{codes.InvalidArgument}},
	} {
		for authority := range s.by.Size() {
			_, err := s.keyholder(authority).ReleaseShares(t.Context(), c.request)
			refused(t, name, err, c.want...)
		}
	}
	// The control: what is certified is given, again and again.
	if _, err := s.keyholder(0).ReleaseShares(t.Context(), &keyholderv1.ReleaseSharesRequest{Certificate: certificate}); err != nil {
		t.Errorf("shares of a certified content: %v", err)
	}
}

// TestAStrangersProposalIsNotSigned: whoever reaches a keyholder could have it sign contents, and stop the chain or order what it
// likes, without the sequencer's signature under each.
func TestAStrangersProposalIsNotSigned(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	_, waiting := s.sealed(s.accounts[0])
	c, other := s.next(waiting.Encode()), s.next()
	stranger, err := crypto.GenerateKey()
	must(t, err)
	for authority := range s.by.Size() {
		for name, r := range map[string]*keyholderv1.AttestRequest{
			"signed by a stranger": s.proposal(authority, c, stranger),
			"another content's":    {Proposal: s.proposal(authority, other, s.identity()).GetProposal()},
			"not signed":           {},
			"for a view to come":   {Proposal: s.proposal(authority, c, s.identity()).GetProposal(), View: 1},
		} {
			honest := s.proposal(authority, c, s.identity())
			r.CommitteeHash, r.Content, r.PreviousPayloadHash = honest.GetCommitteeHash(), honest.GetContent(), honest.GetPreviousPayloadHash()
			_, err := s.keyholder(authority).Attest(t.Context(), r)
			refused(t, name, err, codes.PermissionDenied, codes.InvalidArgument)
		}
		status, err := s.keyholder(authority).GetStatus(t.Context(), &keyholderv1.GetStatusRequest{})
		must(t, err)
		if status.GetLastNumber() != 0 {
			t.Errorf("keyholder %d signed number %d", authority, status.GetLastNumber())
		}
	}
	inner, good := s.sealed(s.accounts[1])
	must(t, s.send(good.Encode()))
	s.pool(false)
	s.receipt(inner.Hash())
}
