package producer

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/rpc"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
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
	rec, err := n.disk.Log.Get(1)
	if err != nil || len(rec.GetBundles()) != 3 || rec.GetBundles()[0].GetReason() != outcome.Malformed {
		t.Fatalf("recorded %v, %v", rec.GetBundles(), err)
	}
	if fixed, _ := n.order.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); content.Hash(rec.GetContentHash()) != content.HashOf(fixed.GetPreblock().GetContent()) {
		t.Error("the log has the hash of another list than the one that was ordered")
	}
}

// Two producers may have taken bundles of one sender, and the order of both come out wrong.
func TestABundleThatIsOpenedBeforeItsNonceIsDueIsExecutedWhenItIs(t *testing.T) {
	n, c := encrypting(t, nil)
	w := newWallet(t, 0)
	first, second, third := w.transaction(t, nil), w.transaction(t, nil), w.transaction(t, nil)
	n.certified(t, c, func(p *preblockv1.Content) {
		switch p.GetNumber() {
		case 1:
			p.Transactions = [][]byte{c.Bundle(raw(t, third)), c.Bundle(raw(t, second))}
		case 2:
			p.Transactions = [][]byte{c.Bundle(raw(t, first))}
		}
	})
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for _, tx := range []common.Hash{second.Hash(), third.Hash()} {
		if state, reason := n.state(t, tx); state != "queued" {
			t.Errorf("%s is %s (%s)", tx, state, reason)
		}
	}
	n.stop()
	n.start(t) // they are on disk
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	fakes.WaitFor(t, func() bool { pending, _ := n.disk.Chain.PoolSize(); return pending == 2 })
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetTransactions() != 2 {
		t.Errorf("got %v", block)
	}
	for _, tx := range []common.Hash{first.Hash(), second.Hash(), third.Hash()} {
		if receipt, err := n.eth.TransactionReceipt(t.Context(), tx); err != nil || receipt.Status != 1 {
			t.Errorf("%s: %v, %v", tx, receipt, err)
		}
	}
	if n.disk.Store.Count() != 0 {
		t.Errorf("%d are still kept", n.disk.Store.Count())
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
		if number, ok, err := n.disk.Chain.NamedIn(crypto.Keccak256Hash(bundle)); number != 2 || !ok || err != nil {
			t.Fatalf("found in %d, %v, %v", number, ok, err)
		}
	}
	find()
	head := n.ledger.Head()
	n.stop()
	n.start(t)
	find()
	if n.ledger.Head() != head {
		t.Fatalf("came back at %v, was at %v", n.ledger.Head(), head)
	}
}

// encrypting starts a producer with a committee whose keyholders make the fake DSN's preblocks.
func encrypting(t *testing.T, change func(*Config)) (*node, *committeetest.Committee) {
	t.Helper()
	c := committeetest.New(t, 4, 3, 1)
	file := filepath.Join(t.TempDir(), "committee.json")
	if err := c.Write(file); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, func(cfg *Config) {
		cfg.CommitteeFile = file
		if change != nil {
			change(cfg)
		}
	})
	n.certified(t, c, func(*preblockv1.Content) {})
	return n, c
}

func (n *node) call(t *testing.T, result any, method string, args ...any) error {
	t.Helper()
	return n.eth.Client().CallContext(t.Context(), result, method, args...)
}

func (n *node) state(t *testing.T, hash common.Hash) (status, reason string) {
	t.Helper()
	var answer struct{ Status, Reason string }
	if err := n.call(t, &answer, "te_getTransactionStatus", hash); err != nil {
		t.Fatal(err)
	}
	return answer.Status, answer.Reason
}

func (n *node) send(t *testing.T, raw []byte) common.Hash {
	t.Helper()
	var hash common.Hash
	if err := n.call(t, &hash, "eth_sendRawTransaction", hexutil.Bytes(raw)); err != nil || hash != crypto.Keccak256Hash(raw) {
		t.Fatalf("send: %s, %v", hash, err)
	}
	return hash
}

func TestABundleIsOneThingFromCiphertextToReceipt(t *testing.T) {
	n, c := encrypting(t, nil)
	tx := newWallet(t, 0).transaction(t, nil)
	hash := n.send(t, c.Bundle(raw(t, tx)))
	broken := n.send(t, c.Bundle([]byte("no transaction")))
	if s, _ := n.state(t, hash); s != "received" {
		t.Errorf("at first %s", s)
	}
	n.stop() // it is durable
	n.start(t)
	if s, _ := n.state(t, hash); s != "received" {
		t.Errorf("after a restart %s", s)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for _, h := range []common.Hash{hash, tx.Hash()} {
		if s, _ := n.state(t, h); s != "included" {
			t.Errorf("%s is %s", h, s)
		}
		if receipt, err := n.eth.TransactionReceipt(t.Context(), h); err != nil || receipt.TxHash != tx.Hash() {
			t.Errorf("receipt of %s: %v, %v", h, receipt, err)
		}
		if found, pending, err := n.eth.TransactionByHash(t.Context(), h); err != nil || pending || found.Hash() != tx.Hash() {
			t.Errorf("transaction %s: %v, %v", h, found, err)
		}
	}
	if s, reason := n.state(t, broken); s != "skipped" || reason == "" {
		t.Errorf("what was no transaction is %s: %q", s, reason)
	}
	if n.bundles.Count() != 0 {
		t.Error("bundles stayed in the pool")
	}
}

// standing is the whole answer of te_getTransactionStatus.
func (n *node) standing(t *testing.T, hash common.Hash) (answer rpc.TransactionStatus) {
	t.Helper()
	if err := n.call(t, &answer, "te_getTransactionStatus", hash); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestATransactionInAWaitingBundleHasTheBundlesStateAsAClaim(t *testing.T) {
	n, c := encrypting(t, nil)
	inner := newWallet(t, 0).transaction(t, nil)
	if s := n.standing(t, inner.Hash()); s.Status != "unknown" || s.Bundle != nil {
		t.Errorf("before it is sent: %+v", s)
	}
	hash := n.send(t, c.Bundle(raw(t, inner)))
	n.send(t, c.Bundle(raw(t, inner))) // a second one with the same transaction comes after it
	for range 2 {
		if s := n.standing(t, inner.Hash()); s.Status != "received" || s.Bundle == nil || *s.Bundle != hash || s.Reason == "" || s.BlockNumber != nil {
			t.Errorf("while it waits: %+v", s)
		}
		if s := n.standing(t, hash); s.Status != "received" || s.Bundle != nil {
			t.Errorf("the bundle itself: %+v", s)
		}
		n.stop() // claims are known after a restart
		n.start(t)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	if s := n.standing(t, inner.Hash()); s.Status != "included" || s.Bundle != nil {
		t.Errorf("when it is in a block: %+v", s)
	}
}

func TestAClaimDoesNotHideTheTransactionItself(t *testing.T) {
	n, c := encrypting(t, nil)
	w := newWallet(t, 0)
	included, pending, forged := w.transaction(t, nil), w.transaction(t, nil), newWallet(t, 1).transaction(t, nil)
	wrong, err := te.DecodeBundle(c.Bundle(raw(t, forged)))
	if err != nil {
		t.Fatal(err)
	}
	wrong.Payload.Txs[0].Data[0]++ // something else is inside
	n.send(t, raw(t, included))
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	fakes.WaitFor(t, func() bool { s, _ := n.state(t, included.Hash()); return s == "included" })
	n.send(t, raw(t, pending))
	fakes.WaitFor(t, func() bool { s, _ := n.state(t, pending.Hash()); return s == "pending" })
	for _, bundle := range [][]byte{c.Bundle(raw(t, included)), c.Bundle(raw(t, pending)), wrong.Encode()} {
		n.send(t, bundle)
	}
	for hash, want := range map[common.Hash]string{included.Hash(): "included", pending.Hash(): "pending"} {
		if s := n.standing(t, hash); s.Status != want || s.Bundle != nil {
			t.Errorf("got %+v, want %s", s, want)
		}
	}
	if s := n.standing(t, forged.Hash()); s.Status != "received" || s.Bundle == nil {
		t.Errorf("claimed only: %+v", s)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	if s := n.standing(t, forged.Hash()); s.Status != "unknown" || s.Bundle != nil {
		t.Errorf("a claim that was wrong: %+v", s)
	}
}

func TestAnUndecryptableBundleEndsWithItsReasonAndBlocksGoOn(t *testing.T) {
	n, c := encrypting(t, nil)
	other := committeetest.New(t, 4, 3, 1) // encrypted with the key of others: the opened key is not the one promised
	w := newWallet(t, 0)
	lost, tx := w.transaction(t, nil), newWallet(t, 1).transaction(t, nil)
	bad, good := n.send(t, other.Bundle(raw(t, lost))), n.send(t, c.Bundle(raw(t, tx)))
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	if s, reason := n.state(t, bad); s != "undecryptable" || !strings.HasPrefix(reason, "key_hash") {
		t.Errorf("got %s: %q", s, reason)
	}
	if s, _ := n.state(t, good); s != "included" {
		t.Errorf("the one after it is %s", s)
	}
	if _, err := n.eth.TransactionReceipt(t.Context(), bad); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("its receipt: %v", err)
	}
	if n.bundles.Count() != 0 {
		t.Error("bundles stayed in the pool")
	}
}

func TestTheLoopMakesABlockForABundleAndRepeatsAreRefused(t *testing.T) {
	n, c := encrypting(t, func(cfg *Config) { cfg.TimeBetweenBlocks = "1h" })
	tx := newWallet(t, 0).transaction(t, nil)
	bundle := c.Bundle(raw(t, tx))
	hash := n.send(t, bundle)
	fakes.WaitFor(t, func() bool { s, _ := n.state(t, hash); return s == "included" })
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(bundle)); err == nil || !strings.Contains(err.Error(), "ordered already") {
		t.Errorf("again: %v", err)
	}
	decoded, err := te.DecodeBundle(bundle)
	if err != nil {
		t.Fatal(err)
	}
	decoded.Nonce++
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(decoded.Encode())); err == nil || !strings.Contains(err.Error(), "ordered already") {
		t.Errorf("its ciphertext again: %v", err)
	}
}

func TestTheEncryptionKeyIsTheCommittees(t *testing.T) {
	n, c := encrypting(t, nil)
	var key rpc.EncryptionKey
	if err := n.call(t, &key, "te_getEncryptionKey"); err != nil {
		t.Fatal(err)
	}
	master := c.Keys.Master().Bytes()
	if !bytes.Equal(key.MasterKey, master[:]) || key.Threshold != 3 || key.Quorum != c.Quorum() || len(key.Members) != 4 || key.ChainID != 1337 || key.CommitteeHash != c.Hash() {
		t.Errorf("got %+v", key)
	}
}

func TestWithoutACommitteeBundlesAreOfATypeThatIsNotSupported(t *testing.T) {
	n := startNode(t, nil)
	err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(committeetest.New(t, 4, 3, 1).Bundle([]byte{1})))
	if err == nil || !strings.Contains(err.Error(), "type not supported") {
		t.Errorf("sent: %v", err)
	}
	if err := n.call(t, nil, "te_getEncryptionKey"); err == nil {
		t.Error("there is a key")
	}
}

func TestTheOrderProofOfABundleItsTransactionAndAPlainOneVerifies(t *testing.T) {
	n, c := encrypting(t, nil)
	tx, plain := newWallet(t, 0).transaction(t, nil), newWallet(t, 1).transaction(t, nil)
	bundle := n.send(t, c.Bundle(raw(t, tx)))
	n.send(t, raw(t, plain))
	fakes.WaitFor(t, func() bool { pending, _ := n.disk.Chain.PoolSize(); return pending == 1 })
	if err := n.call(t, nil, "te_getOrderProof", bundle); err == nil {
		t.Error("proven before it was ordered")
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for hash, position := range map[common.Hash]uint64{bundle: 0, tx.Hash(): 0, plain.Hash(): 1} {
		var proof orderproof.Proof
		if err := n.call(t, &proof, "te_getOrderProof", hash); err != nil {
			t.Fatal(err)
		}
		if err := proof.Verify(c.Committee); err != nil || uint64(proof.Position) != position || proof.Number != 1 {
			t.Errorf("%s: at %d of %d, %v", hash, proof.Position, proof.Number, err)
		}
	}
	if err := n.call(t, nil, "te_getOrderProof", common.Hash{1}); err == nil {
		t.Error("something unknown is proven")
	}
}
