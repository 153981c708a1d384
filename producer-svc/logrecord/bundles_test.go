package logrecord

import (
	"errors"
	"testing"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func preblockOf(c *committeetest.Committee, txs ...[]byte) *preblockv1.Preblock {
	p, _ := c.Preblock(&preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: txs,
	}, common.Hash{})
	return p
}

func TestDecryptedTransactionsStandInThePlaceOfTheirBundle(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	secret, garbage := []byte("secret"), []byte{te.BundleType, 1, 2}
	bundle := c.Bundle(secret)
	p := preblockOf(c, []byte("first"), bundle, garbage, []byte("last"))
	before := proto.CloneOf(p)
	txs, bundles, err := opened(p)
	if err != nil || len(txs) != 3 || string(txs[0]) != "first" || string(txs[1]) != "secret" || string(txs[2]) != "last" {
		t.Fatalf("executed %q, %v", txs, err)
	}
	decoded, err := te.DecodeBundle(bundle)
	if err != nil {
		t.Fatal(err)
	}
	id := decoded.Payload.Ciphertext.ID()
	want := []*blueprintv1.BundleRecord{
		{Hash: crypto.Keccak256(bundle), Index: 1, CiphertextId: id[:], TransactionHashes: [][]byte{crypto.Keccak256(secret)}},
		{Hash: crypto.Keccak256(garbage), Index: 2, Reason: outcome.Malformed, Text: "malformed: " + p.Outcomes[1].GetUndecryptable().GetText()},
	}
	for i := range want {
		if len(bundles) != len(want) || !proto.Equal(bundles[i], want[i]) {
			t.Errorf("recorded %v, want %v", bundles, want)
		}
	}
	if !proto.Equal(p, before) {
		t.Error("the preblock was changed")
	}
}

func TestABundleThatWasNotOpenedBarsNoCiphertext(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	p := preblockOf(c, c.Bundle([]byte("secret")))
	p.Outcomes[0] = outcome.RefuseRepeated(0, outcome.Place{Number: 1})
	txs, bundles, err := opened(p)
	if err != nil || len(txs) != 0 || len(bundles) != 1 || len(bundles[0].GetCiphertextId()) != 0 || bundles[0].GetText() == "" {
		t.Fatalf("got %q, %v, %v", txs, bundles, err)
	}
}

func TestOutcomesThatDoNotFitAreRefused(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	good := preblockOf(c, []byte("first"), c.Bundle([]byte("a")), c.Bundle([]byte("b")))
	for name, change := range map[string]func(*preblockv1.Preblock){
		"left out":  func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[1:] },
		"none":      func(p *preblockv1.Preblock) { p.Outcomes = nil },
		"exchanged": func(p *preblockv1.Preblock) { p.Outcomes[0], p.Outcomes[1] = p.Outcomes[1], p.Outcomes[0] },
		"of no bundle": func(p *preblockv1.Preblock) {
			p.Outcomes = append(p.Outcomes, outcome.Refuse(7, outcome.Malformed, ""))
		},
		"saying nothing": func(p *preblockv1.Preblock) { p.Outcomes[0].Result = nil },
		"without reason": func(p *preblockv1.Preblock) { p.Outcomes[0] = outcome.Refuse(1, 0, "") },
	} {
		p := proto.CloneOf(good)
		change(p)
		if _, _, err := opened(p); !errors.Is(err, ErrOutcomes) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPlainPreblockIsExecutedAsItIs(t *testing.T) {
	txs := [][]byte{{1}, {te.BundleType, 2}}
	got, bundles, err := opened(&preblockv1.Preblock{Content: &preblockv1.Content{Transactions: txs}})
	if err != nil || len(bundles) != 0 || len(got) != 2 || &got[0][0] != &txs[0][0] || &got[1][0] != &txs[1][0] {
		t.Fatalf("got %v, %v, %v", got, bundles, err)
	}
}
