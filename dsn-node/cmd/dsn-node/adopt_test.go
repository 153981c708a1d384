package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// decide has a sequencer decide a content, verifies the preblock and returns it with the hash the next one follows.
func (s *system) decide(t *testing.T, seq dsnv1.SequencerServiceClient, c *preblockv1.Content) (*preblockv1.Preblock, common.Hash) {
	t.Helper()
	if _, err := seq.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: c}); err != nil {
		t.Fatal(err)
	}
	return s.decided(t, seq, c.GetNumber())
}

func (s *system) decided(t *testing.T, seq dsnv1.SequencerServiceClient, number uint64) (*preblockv1.Preblock, common.Hash) {
	t.Helper()
	stream, err := seq.StreamPreblocks(t.Context(), &dsnv1.StreamPreblocksRequest{FromNumber: number})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	p := answer.GetPreblock()
	hash, err := attest.VerifyPreblock(s.committee, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome.Verify(s.committee, p); err != nil {
		t.Fatal(err)
	}
	s.finals[hash] = p.GetCertificate()
	return p, hash
}

// lost has one keyholder attest a content that no sequencer knows, as one would have that lost its disk just after.
func (s *system) lost(t *testing.T, i int, c *preblockv1.Content, previous common.Hash) *keyholderv1.AttestResponse {
	t.Helper()
	s.restore(t, i)
	a := s.attest(t, i, c, previous)
	if a.GetRefusal() != 0 {
		t.Fatalf("keyholder %d does not attest: %v", i, a)
	}
	return a
}

func plainOf(p *preblockv1.Preblock, i int) string {
	opened := p.GetOutcomes()[i].GetOpened()
	if opened == nil {
		return fmt.Sprint(p.GetOutcomes()[i])
	}
	return string(opened.GetTransaction())
}

func TestKeyholderThatAttestedALostContentFollowsTheCertifiedOne(t *testing.T) {
	s := begun(t, 4, 3)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	by := committeetest.Of(t, s.committee)
	one := by.SealedBy(key, 0, []byte("one"))
	mine := s.lost(t, 3, contentOf(1, one, by.SealedBy(key, 1, []byte("lost")), []byte{1}), common.Hash{})
	seq := s.sequencer(t)
	s.decide(t, seq, contentOf(1, one, []byte{9}))
	s.keyholders[0].kill() // from here on the one that had attested something else is needed, for its signature and its shares
	// It judges by the content that was certified: there seq 1 is still to come.
	p, hash := s.decide(t, seq, contentOf(2, s.sealed(t, "two"), by.SealedBy(key, 1, []byte("next"))))
	if plainOf(p, 0) != "two" || plainOf(p, 1) != "next" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
	s.keyholders[3].kill()
	s.keyholders[3].start(t)
	p, _ = s.decide(t, seq, contentOf(3, s.sealed(t, "three")))
	if plainOf(p, 0) != "three" || common.Hash(p.GetCertificate().GetPreviousPayloadHash()) != hash {
		t.Fatalf("got %v", p)
	}
	stream, err := s.clients[3].GetAttested(t.Context(), &keyholderv1.GetAttestedRequest{FromNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil || first.GetAttested().String() != mine.GetAttested().String() || first.GetAdopted().GetContent() == nil {
		t.Fatalf("it tells of number 1: %v, %v", first, err)
	}
	again := s.attest(t, 3, first.GetAdopted().GetContent(), common.Hash{})
	// It locked it in its round, or adopted it with the locks of the others: which of both depends on who was faster.
	shown, err := attest.VerifyContent(s.committee, first.GetAdopted().GetContent(), again.GetCertificate())
	if err != nil || shown.Number != 1 || again.GetRefusal() == 0 || again.GetAttested().String() != mine.GetAttested().String() {
		t.Fatalf("asked for what it follows instead: %v, %v", again, err)
	}

	// What it adopted is as good as what it attested to a sequencer that begins anew.
	s.ordering.kill()
	if err := os.RemoveAll(filepath.Join(s.dir, "sequencer")); err != nil {
		t.Fatal(err)
	}
	seq = s.sequencer(t)
	for number := uint64(1); number <= 3; number++ {
		s.decided(t, seq, number)
	}
	if got, _ := s.decided(t, seq, 3); string(got.GetContentHash()) != string(p.GetContentHash()) {
		t.Fatal("preblock 3 changed")
	}
}

// TestKeyholderFollowsFromWhereTheLostOrderBegan: which is its last number, because a sequencer that has nothing final gets no
// keyholder further.
func TestKeyholderFollowsFromWhereTheLostOrderBegan(t *testing.T) {
	s := begun(t, 4, 3)
	lost := contentOf(1, []byte{0xee})
	s.lost(t, 3, lost, common.Hash{})
	next := s.attest(t, 3, contentOf(2, []byte{0xee}), attest.StatementOf(s.committee, lost, common.Hash{}).Hash())
	if next.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL {
		t.Fatalf("it attests what follows something that is not final: %v", next)
	}
	seq := s.sequencer(t)
	for number := uint64(1); number <= 4; number++ {
		s.decide(t, seq, contentOf(number, s.sealed(t, fmt.Sprint(number))))
	}
	s.keyholders[1].kill()
	p, _ := s.decide(t, seq, contentOf(5, s.sealed(t, "five")))
	if plainOf(p, 0) != "five" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
}

// TestKeyholderKilledAtAnyTimeOfAnAdoptionFollows kills the one that adopts at a random moment around each adoption. At the
// end, and so after every one of them, it is needed.
func TestKeyholderKilledAtAnyTimeOfAnAdoptionFollows(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencer(t)
	var previous common.Hash
	const last = 8
	for number := uint64(1); number <= last; number++ {
		sealed := s.sealed(t, fmt.Sprint("transaction ", number))
		s.lost(t, 3, contentOf(number, sealed, []byte{0xee}), previous)
		var killed sync.WaitGroup
		killed.Go(func() {
			<-time.After(rand.N(30 * time.Millisecond))
			s.keyholders[3].kill()
		})
		p, hash := s.decide(t, seq, contentOf(number, sealed, []byte{byte(number)}))
		if plainOf(p, 0) != fmt.Sprint("transaction ", number) {
			t.Fatalf("outcomes %v", p.GetOutcomes())
		}
		killed.Wait()
		s.keyholders[3].start(t)
		s.follows(t, 3, contentOf(number, sealed, []byte{byte(number)}), previous)
		previous = hash
	}
	s.keyholders[0].kill()
	if p, _ := s.decide(t, seq, contentOf(last+1, s.sealed(t, "last"))); plainOf(p, 0) != "last" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
}

// follows waits until a keyholder has locked or adopted a content.
func (s *system) follows(t *testing.T, i int, c *preblockv1.Content, previous common.Hash) {
	t.Helper()
	eventually(t, fmt.Sprintf("keyholder %d does not adopt number %d", i, c.GetNumber()), func() (struct{}, bool) {
		hash := content.HashOf(c)
		return struct{}{}, bytes.Equal(s.attest(t, i, c, previous).GetCertificate().GetContentHash(), hash[:])
	})
}

// eventually looks until there is what is looked for.
func eventually[A any](t *testing.T, otherwise string, look func() (A, bool)) A {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(20 * time.Second)
	for {
		if found, ok := look(); ok {
			return found
		}
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal(otherwise)
		}
	}
}
