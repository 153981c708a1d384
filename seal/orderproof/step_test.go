package orderproof_test

import (
	"encoding/json"
	"testing"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAPreconfirmationIsOfTheTransactionAndVerified(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	raw := c.Sealed([]byte("plain"))
	sealed, err := seal.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	preblock, _ := c.Preblock(&preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: [][]byte{raw, {1}},
	}, common.Hash{})
	step := func(position int, of common.Hash, change func(*orderproof.Step)) *orderproof.Step {
		proof, err := orderproof.Of(preblock, position)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(map[string]any{"step": "final", "hash": of, "blockNumber": "0x1", "proof": proof})
		if err != nil {
			t.Fatal(err)
		}
		s := new(orderproof.Step)
		if err := json.Unmarshal(text, s); err != nil {
			t.Fatal(err)
		}
		change(s)
		return s
	}
	id, plain, other := common.Hash(sealed.ID()), crypto.Keccak256Hash([]byte{1}), common.Hash{7}
	for name, s := range map[string]*orderproof.Step{
		"sealed":         step(0, id, func(*orderproof.Step) {}),
		"plain":          step(1, plain, func(*orderproof.Step) {}),
		"of a bundler's": step(0, other, func(s *orderproof.Step) { s.ID = &id }),
	} {
		if err := s.VerifyPreconfirmation(c.Committee); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]*orderproof.Step{
		"another transaction":       step(0, other, func(*orderproof.Step) {}),
		"another one of the list":   step(1, id, func(*orderproof.Step) {}),
		"another id":                step(0, id, func(s *orderproof.Step) { s.ID = &other }),
		"another number":            step(0, id, func(s *orderproof.Step) { *s.BlockNumber = 2 }),
		"no number":                 step(0, id, func(s *orderproof.Step) { s.BlockNumber = nil }),
		"no proof":                  step(0, id, func(s *orderproof.Step) { s.Proof = nil }),
		"no list":                   step(0, id, func(s *orderproof.Step) { s.Proof.Transactions = nil }),
		"another step":              step(0, id, func(s *orderproof.Step) { s.Step = "executed" }),
		"a lock too few":            step(0, id, func(s *orderproof.Step) { s.Proof.Locks = s.Proof.Locks[1:] }),
		"an attestation too few":    step(0, id, func(s *orderproof.Step) { s.Proof.Attestations = s.Proof.Attestations[1:] }),
		"a certificate of a number": step(0, id, func(s *orderproof.Step) { s.Proof.Number, *s.BlockNumber = 2, 2 }),
	} {
		if s.VerifyPreconfirmation(c.Committee) == nil {
			t.Errorf("%s: it verifies", name)
		}
	}
	if s := step(0, id, func(*orderproof.Step) {}); s.VerifyPreconfirmation(committeetest.New(t, 4, 3, 1).Committee) == nil {
		t.Error("another committee takes it")
	}
}
