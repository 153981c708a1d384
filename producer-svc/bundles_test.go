package producer

import (
	"bytes"
	"testing"

	"blindseq/dsn-node/committee/committeetest"
	"blindseq/dsn-node/outcome"
	"blindseq/dsn-node/te"
	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// certified has the fake DSN's preblocks made by a committee. before is called with each content first.
func (n *node) certified(t *testing.T, c *committeetest.Committee, before func(*preblockv1.Content)) {
	t.Helper()
	var last common.Hash
	n.order.Certify = func(p *preblockv1.Content) (made *preblockv1.Preblock) {
		before(p)
		made, last = c.Preblock(p, last)
		return made
	}
}

func TestADecryptedTransactionIsExecutedAndAGarbledBundleIsSkippedWithItsReason(t *testing.T) {
	n := startNode(t, nil)
	c := committeetest.New(t, 4, 3, 1)
	w := newWallet(t, 0)
	first, second := w.transaction(t, nil), w.transaction(t, nil)
	bundle, garbage, nonsense := c.Bundle(raw(t, first)), []byte{te.BundleType, 1}, c.Bundle([]byte("no transaction"))
	n.certified(t, c, func(p *preblockv1.Content) {
		p.Transactions = [][]byte{garbage, bundle, nonsense, raw(t, second)}
	})
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetTransactions() != 4 {
		t.Fatalf("got %v", block)
	}
	for _, tx := range []common.Hash{first.Hash(), second.Hash()} {
		if receipt, err := n.eth.TransactionReceipt(t.Context(), tx); err != nil || receipt.Status != 1 {
			t.Errorf("%s: %v, %v", tx, receipt, err)
		}
	}
	answer, err := n.producer.GetBlueprint(t.Context(), &blueprintv1.GetBlueprintRequest{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[common.Hash]string{}
	for _, s := range answer.GetBlueprint().GetSkipped() {
		reasons[common.Hash(s.GetHash())] = s.GetReason()
	}
	if len(reasons) != 2 || len(answer.GetBlueprint().GetTransactions()) != 3 {
		t.Errorf("skipped %v of %d", reasons, len(answer.GetBlueprint().GetTransactions()))
	}
	if r := reasons[crypto.Keccak256Hash(garbage)]; !bytes.HasPrefix([]byte(r), []byte("undecryptable: malformed")) {
		t.Errorf("the garbage: %q", r)
	}
	rec, err := n.disk.log.Get(1)
	if err != nil || len(rec.GetBundles()) != 3 || rec.GetBundles()[0].GetReason() != outcome.Malformed {
		t.Fatalf("recorded %v, %v", rec.GetBundles(), err)
	}
	if fixed, _ := n.order.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); content.Hash(rec.GetContentHash()) != content.HashOf(fixed.GetPreblock().GetContent()) {
		t.Error("the log has the hash of another list than the one that was ordered")
	}
}

func TestABundleIsFoundByItsHashAfterARestart(t *testing.T) {
	n := startNode(t, nil)
	c := committeetest.New(t, 4, 3, 1)
	tx := newWallet(t, 0).transaction(t, nil)
	bundle := c.Bundle(raw(t, tx))
	n.certified(t, c, func(p *preblockv1.Content) {
		if p.GetNumber() == 2 {
			p.Transactions = [][]byte{bundle}
		}
	})
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	find := func() {
		t.Helper()
		if number, ok, err := n.disk.chain.NamedIn(crypto.Keccak256Hash(bundle)); number != 2 || !ok || err != nil {
			t.Fatalf("found in %d, %v, %v", number, ok, err)
		}
	}
	find()
	head := n.evm.Head()
	n.stop()
	n.start(t)
	find()
	if n.evm.Head() != head {
		t.Fatalf("came back at %v, was at %v", n.evm.Head(), head)
	}
}
