package orderproof_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAProofShowsTheOnePlaceToWhoHasTheCommittee(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	preblock, _ := c.Preblock(&preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		DelayedTransactionHashes: [][]byte{make([]byte, 32)}, Transactions: [][]byte{c.Sealed([]byte("plain")), {1}, {2}},
	}, common.Hash{})
	proof, err := orderproof.Of(preblock, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	read := func() *orderproof.Proof {
		p := new(orderproof.Proof)
		if err := json.Unmarshal(text, p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := read().Verify(c.Committee); err != nil {
		t.Fatal(err)
	}
	if read().Verify(committeetest.New(t, 4, 3, 1).Committee) == nil {
		t.Error("another committee takes it")
	}
	for name, change := range map[string]func(*orderproof.Proof){
		"position":       func(p *orderproof.Proof) { p.Position = 2 },
		"far away":       func(p *orderproof.Proof) { p.Position = 1 << 40 },
		"number":         func(p *orderproof.Proof) { p.Number = 2 },
		"timestamp":      func(p *orderproof.Proof) { p.Timestamp++ },
		"before it":      func(p *orderproof.Proof) { p.Transactions[0][0]++ },
		"behind it":      func(p *orderproof.Proof) { p.Transactions = p.Transactions[:2] },
		"delayed":        func(p *orderproof.Proof) { p.DelayedTransactions = nil },
		"list hash":      func(p *orderproof.Proof) { p.ListHash[0]++ },
		"predecessor":    func(p *orderproof.Proof) { p.PreviousPayloadHash[0]++ },
		"too few":        func(p *orderproof.Proof) { p.Attestations = p.Attestations[1:] },
		"authority":      func(p *orderproof.Proof) { p.Attestations[0].Authority = 1 << 32 },
		"a lock too few": func(p *orderproof.Proof) { p.Locks = p.Locks[1:] },
		"a lock's owner": func(p *orderproof.Proof) { p.Locks[0].Authority = 1 << 32 },
		"view":           func(p *orderproof.Proof) { p.View++ },
		"base fee":       func(p *orderproof.Proof) { p.BaseFee++ },
		"signature":      func(p *orderproof.Proof) { p.Attestations[0].Signature[5]++ },
		"parent":         func(p *orderproof.Proof) { p.PreviousBlockHash[0]++ },
		"of what chain":  func(p *orderproof.Proof) { p.ChainID++ },
	} {
		p := read()
		change(p)
		if p.Verify(c.Committee) == nil {
			t.Errorf("%s: it still verifies", name)
		}
	}
	if _, err := orderproof.Of(preblock, 3); !errors.Is(err, orderproof.ErrNotOrdered) {
		t.Errorf("beyond the list: %v", err)
	}
	preblock.Certificate = nil
	if _, err := orderproof.Of(preblock, 1); !errors.Is(err, orderproof.ErrUncertified) {
		t.Errorf("without a certificate: %v", err)
	}
}
