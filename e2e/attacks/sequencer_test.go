package attacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"
	"blindseq/e2e/standin"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
)

// attest asks a keyholder to sign a content as the next one.
func (s *scene) attest(authority int, c *preblockv1.Content) (*keyholderv1.Attested, error) {
	s.t.Helper()
	status, err := s.keyholder(authority).GetStatus(s.t.Context(), &keyholderv1.GetStatusRequest{})
	must(s.t, err)
	committee := s.by.Hash()
	previous := status.GetLastPayloadHash()
	answer, err := s.keyholder(authority).Attest(s.t.Context(), &keyholderv1.AttestRequest{
		CommitteeHash: committee[:], Content: c, PreviousPayloadHash: common.BytesToHash(previous).Bytes(),
	})
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
