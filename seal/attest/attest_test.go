package attest_test

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func contentOf(number uint64) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: [][]byte{{1}},
	}
}

func TestDigestsAreTheDocumentedOnes(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	s := attest.Statement{ChainID: 1337, Committee: common.Hash{1}, Number: 42, Previous: common.Hash{2}, Content: common.Hash{3}}
	payload := crypto.Keccak256Hash([]byte("blindseq/attestation/v1"), binary.BigEndian.AppendUint64(nil, 1337), s.Committee[:],
		binary.BigEndian.AppendUint64(nil, 42), s.Previous[:], s.Content[:])
	if s.Hash() != payload {
		t.Fatalf("got %s, want %s", s.Hash(), payload)
	}
	key := c.Identities[0]
	attested, _ := s.Sign(key, 0, 7)
	lock, _ := s.Lock(key, 0, 7)
	proposal, _ := s.Propose(key, 7)
	for domain, signature := range map[string][]byte{
		"blindseq/attestation/v2": attested.GetAttestation().GetSignature(),
		"blindseq/lock/v2":        lock.GetSignature(),
		"blindseq/proposal/v2":    proposal,
	} {
		digest := crypto.Keccak256Hash([]byte(domain), binary.BigEndian.AppendUint64(nil, 7), payload[:])
		by, err := crypto.SigToPub(digest[:], append(slices.Clone(signature[1:]), signature[0]))
		if err != nil || crypto.PubkeyToAddress(*by) != crypto.PubkeyToAddress(key.PublicKey) {
			t.Errorf("%s: %v", domain, err)
		}
	}
}

func TestOnlyTheOwnerOfTheViewProposes(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	s := attest.StatementOf(c.Committee, contentOf(1), common.Hash{})
	by := func(key *ecdsa.PrivateKey, view uint64) []byte {
		signature, err := s.Propose(key, view)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	if err := attest.VerifyProposal(c.Committee, s, 0, by(c.Sequencer, 0)); err != nil {
		t.Fatal(err)
	}
	other := s
	other.Previous[0]++
	for name, err := range map[string]error{
		"a keyholder":       attest.VerifyProposal(c.Committee, s, 0, by(c.Identities[0], 0)),
		"another view":      attest.VerifyProposal(c.Committee, s, 0, by(c.Sequencer, 1)),
		"another statement": attest.VerifyProposal(c.Committee, other, 0, by(c.Sequencer, 0)),
		"nobody":            attest.VerifyProposal(c.Committee, s, 0, nil),
	} {
		if !errors.Is(err, attest.ErrProposal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAReportIsForOneChallenge(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	cert, _ := c.Certify(contentOf(1), common.Hash{})
	challenge := common.Hash{9}
	for number, shown := range []*preblockv1.Certificate{nil, cert} {
		r, err := attest.SignReport(c.Committee, c.Identities[2], 2, challenge, shown)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := attest.VerifyReport(c.Committee, r, challenge); err != nil || got != uint64(number) {
			t.Errorf("got %d, %v", got, err)
		}
		for name, change := range map[string]func(*keyholderv1.Report){
			"another authority":  func(r *keyholderv1.Report) { r.Authority = 1 },
			"another challenge":  func(r *keyholderv1.Report) { r.Challenge[0]++ },
			"no challenge":       func(r *keyholderv1.Report) { r.Challenge = nil },
			"signature":          func(r *keyholderv1.Report) { r.Signature[7]++ },
			"no signature":       func(r *keyholderv1.Report) { r.Signature = nil },
			"a certificate less": func(r *keyholderv1.Report) { r.Certificate = &preblockv1.Certificate{} },
		} {
			forged := proto.CloneOf(r)
			change(forged)
			if _, err := attest.VerifyReport(c.Committee, forged, challenge); !errors.Is(err, attest.ErrReport) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestCertificateHoldsForItsContentOnly(t *testing.T) {
	c := committeetest.New(t, 7, 5, 1)
	p, payload := c.Preblock(contentOf(1), common.Hash{})
	if got, err := attest.VerifyPreblock(c.Committee, p); err != nil || got != payload {
		t.Fatalf("got %s, %v", got, err)
	}
	other := committeetest.New(t, 7, 5, 1)
	for name, change := range map[string]func(*preblockv1.Preblock){
		"none":                  func(p *preblockv1.Preblock) { p.Certificate = nil },
		"transaction":           func(p *preblockv1.Preblock) { p.Content.Transactions[0][0]++ },
		"timestamp":             func(p *preblockv1.Preblock) { p.Content.Timestamp.Seconds++ },
		"parent":                func(p *preblockv1.Preblock) { p.Content.PreviousBlockHash[0]++ },
		"number":                func(p *preblockv1.Preblock) { p.Content.Number++ },
		"number of both":        func(p *preblockv1.Preblock) { p.Content.Number++; p.Certificate.Number++ },
		"chain":                 func(p *preblockv1.Preblock) { p.Certificate.ChainId++ },
		"committee":             func(p *preblockv1.Preblock) { h := other.Hash(); p.Certificate.CommitteeHash = h[:] },
		"predecessor":           func(p *preblockv1.Preblock) { p.Certificate.PreviousPayloadHash[0]++ },
		"short hash":            func(p *preblockv1.Preblock) { p.Certificate.ContentHash = p.Certificate.ContentHash[1:] },
		"one too few":           func(p *preblockv1.Preblock) { p.Certificate.Attestations = p.Certificate.Attestations[1:] },
		"one twice":             func(p *preblockv1.Preblock) { p.Certificate.Attestations[1] = p.Certificate.Attestations[0] },
		"another's":             func(p *preblockv1.Preblock) { p.Certificate.Attestations[0].Authority = 6; swap(p) },
		"unknown authority":     func(p *preblockv1.Preblock) { p.Certificate.Attestations[4].Authority = 7 },
		"a large authority":     func(p *preblockv1.Preblock) { p.Certificate.Attestations[4].Authority = 256 + 4 },
		"a signature's bit":     func(p *preblockv1.Preblock) { p.Certificate.Attestations[2].Signature[9] ^= 1 },
		"a short signature":     func(p *preblockv1.Preblock) { p.Certificate.Attestations[2].Signature = nil },
		"not in their order":    swap,
		"view":                  func(p *preblockv1.Preblock) { p.Certificate.View++ },
		"base fee":              func(p *preblockv1.Preblock) { p.Content.BaseFee++ },
		"no locks":              func(p *preblockv1.Preblock) { p.Certificate.Locks = nil },
		"a lock too few":        func(p *preblockv1.Preblock) { p.Certificate.Locks = p.Certificate.Locks[1:] },
		"one lock twice":        func(p *preblockv1.Preblock) { p.Certificate.Locks[1] = p.Certificate.Locks[0] },
		"a lock's bit":          func(p *preblockv1.Preblock) { p.Certificate.Locks[2].Signature[9] ^= 1 },
		"attestations as locks": func(p *preblockv1.Preblock) { p.Certificate.Locks = p.Certificate.Attestations },
	} {
		forged := proto.CloneOf(p)
		change(forged)
		if _, err := attest.VerifyPreblock(c.Committee, forged); !errors.Is(err, attest.ErrCertificate) && !errors.Is(err, attest.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func swap(p *preblockv1.Preblock) {
	a := p.Certificate.Attestations
	a[0], a[1] = a[1], a[0]
}

func TestSharesAreSignedAsAWhole(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	s := &keyholderv1.SignedShares{
		Authority: 2, Number: 9, PayloadHash: make([]byte, 32),
		Answers: []*keyholderv1.ShareAnswer{{Index: 1, Id: make([]byte, 32), Share: make([]byte, 32)}, {Index: 3, Id: make([]byte, 32), Share: make([]byte, 32), Proof: make([]byte, 96)}},
	}
	if err := attest.SignShares(c.Committee, c.Identities[2], s); err != nil {
		t.Fatal(err)
	}
	if err := attest.VerifyShares(c.Committee, s); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*keyholderv1.SignedShares){
		"authority": func(s *keyholderv1.SignedShares) { s.Authority = 1 },
		"number":    func(s *keyholderv1.SignedShares) { s.Number++ },
		"payload":   func(s *keyholderv1.SignedShares) { s.PayloadHash[0]++ },
		"index":     func(s *keyholderv1.SignedShares) { s.Answers[0].Index++ },
		"id":        func(s *keyholderv1.SignedShares) { s.Answers[0].Id[0]++ },
		"share":     func(s *keyholderv1.SignedShares) { s.Answers[0].Share[0]++ },
		"proof":     func(s *keyholderv1.SignedShares) { s.Answers[1].Proof[5]++ },
		"no proof":  func(s *keyholderv1.SignedShares) { s.Answers[1].Proof = nil },
		"dropped":   func(s *keyholderv1.SignedShares) { s.Answers = s.Answers[:1] },
		"no hash":   func(s *keyholderv1.SignedShares) { s.PayloadHash = nil },
	} {
		forged := proto.CloneOf(s)
		change(forged)
		if attest.VerifyShares(c.Committee, forged) == nil {
			t.Errorf("%s is not signed", name)
		}
	}
}

func TestStatementOfAnotherIsNotReadAsTheirs(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	s := attest.StatementOf(c.Committee, contentOf(1), common.Hash{})
	signed, err := s.Sign(c.Identities[1], 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := attest.Read(c.Committee, signed); err != nil || got != s || common.Hash(signed.GetContentHash()) != content.HashOf(contentOf(1)) {
		t.Fatalf("got %v, %v", got, err)
	}
	signed.Attestation.Authority = 2
	if _, err := attest.Read(c.Committee, signed); !errors.Is(err, attest.ErrNotSigned) {
		t.Fatalf("another's: %v", err)
	}
	if _, err := attest.Read(c.Committee, nil); !errors.Is(err, attest.ErrMalformed) {
		t.Fatalf("none: %v", err)
	}
}
