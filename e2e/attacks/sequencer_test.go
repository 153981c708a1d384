package attacks

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"
	"blindseq/e2e/standin"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// identity is the sequencer's key. Whoever has it proposes contents.
func (s *scene) identity() *ecdsa.PrivateKey {
	s.t.Helper()
	text, err := os.ReadFile(s.Keys.Sequencer)
	must(s.t, err)
	key, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"))
	must(s.t, err)
	return key
}

// proposal is a content as the next one of a keyholder, signed by a key.
func (s *scene) proposal(authority int, c *preblockv1.Content, key *ecdsa.PrivateKey) *keyholderv1.AttestRequest {
	s.t.Helper()
	status, err := s.keyholder(authority).GetStatus(s.t.Context(), &keyholderv1.GetStatusRequest{})
	must(s.t, err)
	committee, previous := s.by.Hash(), common.BytesToHash(status.GetLastPayloadHash())
	r := &keyholderv1.AttestRequest{CommitteeHash: committee[:], Content: c, PreviousPayloadHash: previous[:]}
	if number := status.GetLastNumber(); number > 0 {
		r.Finality = s.preblock(number).GetCertificate()
	}
	r.Proposal, err = attest.StatementOf(s.by, c, previous).Propose(key, 0)
	must(s.t, err)
	return r
}

// attest asks a keyholder to sign a content as the next one.
func (s *scene) attest(authority int, c *preblockv1.Content) (*keyholderv1.Attested, error) {
	s.t.Helper()
	answer, err := s.keyholder(authority).Attest(s.t.Context(), s.proposal(authority, c, s.identity()))
	if err == nil && answer.GetRefusal() != 0 {
		err = status.Error(codes.FailedPrecondition, answer.GetRefusal().String())
	}
	return answer.GetAttested(), err
}

// mustNotAttest wants a keyholder to refuse a content.
func (s *scene) mustNotAttest(authority int, what string, c *preblockv1.Content) {
	s.t.Helper()
	_, err := s.attest(authority, c)
	refused(s.t, what, err, codes.InvalidArgument)
}

// TestASequencerCannotHaveKeyholdersSignWhatBreaksTheRules: a sequencer that accepts what the leader must not propose still
// needs the keyholders' signatures before anything is opened.
func TestASequencerCannotHaveKeyholdersSignWhatBreaksTheRules(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	inner, first := s.sealed(s.accounts[0])
	must(t, s.send(first.Encode()))
	s.receipt(inner.Hash())
	s.pool(true)
	waits, victim := s.sealed(s.accounts[2]) // its first, or the copies, whose submitters are new, would be refused for their seq
	must(t, s.send(victim.Encode()))
	plain, err := s.accounts[1].Transfer(s.accounts[1].Address)
	must(t, err)
	front, err := plain.MarshalBinary()
	must(t, err)
	for authority := range s.by.Size() {
		for name, raw := range copies(t, victim.Encode()) {
			s.mustNotAttest(authority, name, s.next(raw))
		}
		s.mustNotAttest(authority, "what was opened before", s.next(first.Encode()))
		s.mustNotAttest(authority, "a plain one before it", s.next(front, victim.Encode()))
		status, err := s.keyholder(authority).GetStatus(t.Context(), &keyholderv1.GetStatusRequest{})
		must(t, err)
		if status.GetLastNumber() != 1 {
			t.Errorf("keyholder %d signed number %d", authority, status.GetLastNumber())
		}
	}
	s.pool(false)
	s.receipt(waits.Hash())
}

// TestATwoFacedSequencerIsNotBelieved attacks the promise that a content has one outcome: the sequencer shows another one for
// a certified content. Nobody follows it, and when it shows the right one again, the chain goes on.
func TestATwoFacedSequencerIsNotBelieved(t *testing.T) {
	t.Parallel()
	var faces *standin.Sequencer
	s := newScene(t, cluster.Options{Fronts: map[string]cluster.Front{
		cluster.DSN: func(address string, _ *keygen.Files) (string, error) {
			var err error
			if faces, err = standin.ServeSequencer(address); err != nil {
				return "", err
			}
			t.Cleanup(func() { _ = faces.Close() }) // streams end with it
			return faces.Address(), nil
		},
	}})
	_, other := s.sealed(s.accounts[1])
	number := uint64(0)
	for name, change := range map[string]func(p *preblockv1.Preblock){
		"another transaction": func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction[3] ^= 1 },
		"another seed":        func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed[3] ^= 1 },
		"none":                func(p *preblockv1.Preblock) { p.Outcomes = nil },
		"unopenable":          func(p *preblockv1.Preblock) { p.Outcomes[0] = outcome.Unopenable(0, seal.ErrSeed, nil) },
		"other bytes ordered": func(p *preblockv1.Preblock) { p.Content.Transactions[0] = other.Encode() },
		"fewer signatures": func(p *preblockv1.Preblock) {
			p.Certificate.Attestations = slices.Clone(p.Certificate.Attestations[1:])
		},
	} {
		faces.Show(func(p *preblockv1.Preblock) {
			if p.GetContent().GetNumber() > number && len(p.GetOutcomes()) > 0 {
				change(p)
			}
		})
		alarms := s.badPreblocks()
		inner, sealed := s.sealed(s.accounts[0])
		must(t, s.send(sealed.Encode()))
		s.eventually("the real sequencer's preblock", func(context.Context) error {
			if s.lastNumber() == number {
				return fmt.Errorf("there is no preblock %d", number+1)
			}
			return nil
		})
		s.eventually("the monitor's alarm for "+name, func(context.Context) error {
			if s.badPreblocks() == alarms {
				return errors.New("nothing is logged")
			}
			return nil
		})
		if head, err := s.client.BlockNumber(t.Context()); err != nil || head != number {
			t.Errorf("%s: the head is %d (%v), want %d", name, head, err, number)
		}
		faces.Show(nil)
		number = s.receipt(inner.Hash()).BlockNumber.Uint64()
	}
}

func (s *scene) lastNumber() uint64 {
	s.t.Helper()
	var last uint64
	s.eventually("the sequencer's status", func(ctx context.Context) error {
		status, err := s.sequencer().GetStatus(ctx, nil)
		last = status.GetLastNumber()
		return err
	})
	return last
}

// badPreblocks counts the alarms of the monitor.
func (s *scene) badPreblocks() int {
	return bytes.Count(s.Process(cluster.Monitor).Tail(16<<20), []byte("the DSN sent a bad preblock"))
}

// TestASequencerGetsNoSharesBeforeAQuorumHasLocked attacks the promise that nobody reads a sealed transaction before its place is
// fixed: a sequencer with a certificate asks keyholders for shares one at a time, with no locks, with too few, with those of
// another content. Only what a quorum has locked, and what is ordered for ever with that, is opened.
func TestASequencerGetsNoSharesBeforeAQuorumHasLocked(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	inner, first := s.sealed(s.accounts[0])
	must(t, s.send(first.Encode()))
	s.receipt(inner.Hash())
	s.pool(true)
	before, err := attest.Verify(s.by, s.preblock(1).GetCertificate())
	must(t, err)
	_, victim := s.sealed(s.accounts[1])
	c := s.next(victim.Encode())
	statement := attest.StatementOf(s.by, c, before.Hash())
	var signed, locks []*preblockv1.Attestation
	for authority := range s.by.Quorum() {
		answer, err := s.attest(authority, c)
		must(t, err)
		signed = append(signed, answer.GetAttestation())
	}
	cert := statement.Certificate(0, signed)
	mustRefuse := func(what string, locks []*preblockv1.Attestation) {
		t.Helper()
		for authority := range s.by.Quorum() {
			_, err := s.keyholder(authority).ReleaseShares(t.Context(), &keyholderv1.ReleaseSharesRequest{Certificate: attest.Final(cert, locks)})
			refused(t, what, err, codes.PermissionDenied)
		}
	}
	mustRefuse("a certificate", nil)
	mustRefuse("attestations instead of locks", signed)
	mustRefuse("locks of another number", s.preblock(1).GetCertificate().GetLocks())
	for authority := range s.by.Quorum() {
		answer, err := s.keyholder(authority).Lock(t.Context(), &keyholderv1.LockRequest{Certificate: cert})
		must(t, err)
		if locks = append(locks, answer.GetLock()); len(locks) < s.by.Quorum() {
			mustRefuse(fmt.Sprint("locks of ", len(locks)), locks)
		}
	}
	mustRefuse("one lock twice", append(slices.Clone(locks[:2]), locks[0]))
	// The control: now its place is fixed.
	if _, err := s.keyholder(0).ReleaseShares(t.Context(), &keyholderv1.ReleaseSharesRequest{Certificate: attest.Final(cert, locks)}); err != nil {
		t.Errorf("shares of a final content: %v", err)
	}
}

// TestASequencerThatSplitsKeyholdersHasNothingOpened attacks the same promise: two keyholders sign one content, two another. Nobody
// can be made to lock or open either, and no keyholder signs both. Nothing is decided for the number from then on, as long as there
// is no change of view: the sequencer stops its own chain.
func TestASequencerThatSplitsKeyholdersHasNothingOpened(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	_, victim := s.sealed(s.accounts[0])
	contents := []*preblockv1.Content{s.next(victim.Encode()), s.next()}
	requests := make([][]*keyholderv1.AttestRequest, 2)
	for authority := range s.by.Size() {
		for i, c := range contents {
			requests[i] = append(requests[i], s.proposal(authority, c, s.identity()))
		}
	}
	signed := make([][]*preblockv1.Attestation, 2)
	for authority := range s.by.Size() {
		for i := range contents {
			answer, err := s.keyholder(authority).Attest(t.Context(), requests[(authority+i)%2][authority])
			must(t, err)
			if own := i == 0; own != (answer.GetRefusal() == 0) {
				t.Fatalf("keyholder %d: %s", authority, answer.GetRefusal())
			} else if own {
				signed[authority%2] = append(signed[authority%2], answer.GetAttested().GetAttestation())
			}
		}
	}
	for i, c := range contents {
		cert := attest.StatementOf(s.by, c, common.Hash{}).Certificate(0, append(signed[i], signed[i][0]))
		for authority := range s.by.Size() {
			_, err := s.keyholder(authority).Lock(t.Context(), &keyholderv1.LockRequest{Certificate: cert, Content: c})
			refused(t, "a lock", err, codes.PermissionDenied)
			_, err = s.keyholder(authority).ReleaseShares(t.Context(), &keyholderv1.ReleaseSharesRequest{Certificate: attest.Final(cert, cert.GetAttestations())})
			refused(t, "shares", err, codes.PermissionDenied)
		}
	}
}
