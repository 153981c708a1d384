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
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/orderproof"
	"blindseq/seal/rules"

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

// sealing starts a producer with a committee whose keyholders make the fake DSN's preblocks.
func sealing(t *testing.T, change func(*Config)) (*node, *committeetest.Committee) {
	t.Helper()
	c := committeetest.New(t, 4, 3, 1)
	n := startLeaderWith(t, func(cfg *Config) {
		cfg.CommitteeFile, cfg.SealMinBalance = fileOf(t, c), "0"
		if change != nil {
			change(cfg)
		}
	})
	n.certified(t, c, func(*preblockv1.Content) {})
	return n, c
}

func fileOf(t *testing.T, c *committeetest.Committee) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "committee.json")
	if err := c.Write(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func (n *node) call(t *testing.T, result any, method string, args ...any) error {
	t.Helper()
	return n.eth.Client().CallContext(t.Context(), result, method, args...)
}

// standing is the whole answer of te_getTransactionStatus.
func (n *node) standing(t *testing.T, hash common.Hash) (answer rpc.TransactionStatus) {
	t.Helper()
	if err := n.call(t, &answer, "te_getTransactionStatus", hash); err != nil {
		t.Fatal(err)
	}
	return answer
}

func (n *node) state(t *testing.T, hash common.Hash) (status, reason string) {
	t.Helper()
	answer := n.standing(t, hash)
	return answer.Status, answer.Reason
}

func (n *node) send(t *testing.T, raw []byte) common.Hash {
	t.Helper()
	var hash common.Hash
	if err := n.call(t, &hash, "eth_sendRawTransaction", hexutil.Bytes(raw)); err != nil || hash != txstore.HashOf(raw) {
		t.Fatalf("send: %s, %v", hash, err)
	}
	return hash
}

// nextSeq is the answer of te_getNextSeq.
func (n *node) nextSeq(t *testing.T, of common.Address) (seq hexutil.Uint64) {
	t.Helper()
	if err := n.call(t, &seq, "te_getNextSeq", of); err != nil {
		t.Fatal(err)
	}
	return seq
}

func (n *node) executed(t *testing.T, hashes ...common.Hash) {
	t.Helper()
	for _, tx := range hashes {
		if receipt, err := n.eth.TransactionReceipt(t.Context(), tx); err != nil || receipt.Status != 1 {
			t.Errorf("%s: %v, %v", tx, receipt, err)
		}
	}
}

func TestAnOpenedTransactionIsExecutedAndAnUnopenableOneIsSkippedWithItsReason(t *testing.T) {
	n, c := sealing(t, nil)
	w := newWallet(t, 0)
	first, second := w.transaction(t, nil), w.transaction(t, nil)
	sealed, garbage, nonsense := c.Sealed(raw(t, first)), c.Garbage(seal.ErrPadding), c.Sealed([]byte("no transaction"))
	n.certified(t, c, func(p *preblockv1.Content) {
		p.Transactions = [][]byte{garbage, sealed, nonsense, raw(t, second)}
	})
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetTransactions() != 4 {
		t.Fatalf("got %v", block)
	}
	n.executed(t, first.Hash(), second.Hash())
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
	if r := reasons[txstore.HashOf(garbage)]; r != "unopenable: padding" {
		t.Errorf("the garbage: %q", r)
	}
	rec, err := n.disk.Log.Get(1)
	if err != nil || len(rec.GetSealed()) != 3 || rec.GetSealed()[0].GetReason() != preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING {
		t.Fatalf("recorded %v, %v", rec.GetSealed(), err)
	}
	if fixed, _ := n.order.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); content.Hash(rec.GetContentHash()) != content.HashOf(fixed.GetPreblock().GetContent()) {
		t.Error("the log has the hash of another list than the one that was ordered")
	}
	for raw, want := range map[string][2]string{
		string(garbage): {"ended", "unopenable: padding"}, string(sealed): {"executed", ""}, string(nonsense): {"ended", reasons[crypto.Keccak256Hash([]byte("no transaction"))]},
	} {
		s := n.standing(t, txstore.HashOf([]byte(raw)))
		if s.Status != want[0] || s.Reason != want[1] || s.BlockNumber == nil || *s.BlockNumber != 1 {
			t.Errorf("got %+v, want %v", s, want)
		}
	}
}

// What waited after its opening could be surrounded.
func TestATransactionThatIsOpenedBeforeItsNonceIsDueHasEnded(t *testing.T) {
	n, c := sealing(t, nil)
	w := newWallet(t, 0)
	first, second := w.transaction(t, nil), w.transaction(t, nil)
	early, own := c.Sealed(raw(t, second)), w.transaction(t, nil)
	self := c.SealedBy(w.key, 0, raw(t, own))
	n.certified(t, c, func(p *preblockv1.Content) {
		switch p.GetNumber() {
		case 1:
			p.Transactions = [][]byte{early, self}
		case 2:
			p.Transactions = [][]byte{c.Sealed(raw(t, first))}
		}
	})
	for range 3 {
		n.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
	n.executed(t, first.Hash())
	for sealed, inside := range map[string]common.Hash{string(early): second.Hash(), string(self): own.Hash()} {
		s := n.standing(t, txstore.HashOf([]byte(sealed)))
		if s.Status != "ended" || !strings.Contains(s.Reason, "nonce too high") || s.TransactionHash == nil || *s.TransactionHash != inside {
			t.Errorf("got %+v", s)
		}
		if s.Barred != (inside == own.Hash()) {
			t.Errorf("%s is barred: %v", inside, s.Barred)
		}
		if s := n.standing(t, inside); s.Status != "skipped" || s.Barred != (inside == own.Hash()) {
			t.Errorf("the transaction inside: %+v", s)
		}
		if receipt, err := n.eth.TransactionReceipt(t.Context(), inside); !errors.Is(err, ethereum.NotFound) {
			t.Errorf("it was executed later: %v, %v", receipt, err)
		}
	}
	if pending, queued := n.disk.Chain.PoolSize(); pending+queued != 0 || n.disk.Store.Count() != 0 {
		t.Errorf("%d, %d in the public pool", pending, queued)
	}
}

func TestASealedTransactionIsFoundByItsIDAfterARestart(t *testing.T) {
	n, c := sealing(t, nil)
	tx := newWallet(t, 0).transaction(t, nil)
	sealed := c.Sealed(raw(t, tx))
	n.certified(t, c, func(p *preblockv1.Content) {
		if p.GetNumber() == 2 {
			p.Transactions = [][]byte{sealed}
		}
	})
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	find := func() {
		t.Helper()
		if number, ok, err := n.disk.Chain.NamedIn(txstore.HashOf(sealed)); number != 2 || !ok || err != nil {
			t.Fatalf("found in %d, %v, %v", number, ok, err)
		}
		if s, _ := n.state(t, txstore.HashOf(sealed)); s != "executed" {
			t.Errorf("it is %s", s)
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

func TestASealedTransactionIsOneThingFromSealToReceipt(t *testing.T) {
	n, c := sealing(t, nil)
	tx := newWallet(t, 0).transaction(t, nil)
	id := n.send(t, c.Sealed(raw(t, tx)))
	broken := n.send(t, c.Sealed([]byte("no transaction")))
	for range 2 {
		if s := n.standing(t, id); s.Status != "sealed" || s.BlockNumber != nil || s.TransactionHash != nil {
			t.Errorf("while it waits: %+v", s)
		}
		if s, _ := n.state(t, tx.Hash()); s != "unknown" {
			t.Errorf("the transaction inside is %s", s)
		}
		n.stop() // it is durable
		n.start(t)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	if s := n.standing(t, id); s.Status != "executed" || *s.BlockNumber != 1 || *s.TransactionHash != tx.Hash() {
		t.Errorf("it is %+v", s)
	}
	if s, _ := n.state(t, tx.Hash()); s != "included" {
		t.Errorf("the transaction inside is %s", s)
	}
	for _, h := range []common.Hash{id, tx.Hash()} {
		if receipt, err := n.eth.TransactionReceipt(t.Context(), h); err != nil || receipt.TxHash != tx.Hash() {
			t.Errorf("receipt of %s: %v, %v", h, receipt, err)
		}
		if found, pending, err := n.eth.TransactionByHash(t.Context(), h); err != nil || pending || found.Hash() != tx.Hash() {
			t.Errorf("transaction %s: %v, %v", h, found, err)
		}
	}
	if s, reason := n.state(t, broken); s != "ended" || reason == "" {
		t.Errorf("what was no transaction is %s: %q", s, reason)
	}
	if n.sealed.Count() != 0 {
		t.Error("sealed transactions stayed in the pool")
	}
}

func TestAnUnopenableOneEndsWithItsReasonAndBlocksGoOn(t *testing.T) {
	n, c := sealing(t, nil)
	tx := newWallet(t, 1).transaction(t, nil)
	var bad []common.Hash
	for _, kind := range []error{seal.ErrPayload, seal.ErrPadding, seal.ErrSeed} {
		bad = append(bad, n.send(t, c.Garbage(kind)))
	}
	good := n.send(t, c.Sealed(raw(t, tx)))
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for i, want := range []string{"unopenable: payload", "unopenable: padding", "unopenable: seed"} {
		if s, reason := n.state(t, bad[i]); s != "ended" || reason != want {
			t.Errorf("got %s: %q, want %q", s, reason, want)
		}
	}
	if s, _ := n.state(t, good); s != "executed" {
		t.Errorf("the one after them is %s", s)
	}
	if _, err := n.eth.TransactionReceipt(t.Context(), bad[0]); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("its receipt: %v", err)
	}
	if n.sealed.Count() != 0 {
		t.Error("sealed transactions stayed in the pool")
	}
}

func TestASubmittersTransactionsAreExecutedBySeqHoweverTheyArrive(t *testing.T) {
	n, c := sealing(t, nil)
	w := newWallet(t, 0)
	from := crypto.PubkeyToAddress(w.key.PublicKey)
	var sealed [][]byte
	for seq := range uint64(4) {
		sealed = append(sealed, c.SealedBy(w.key, seq, raw(t, w.transaction(t, nil))))
	}
	n.send(t, sealed[2])
	n.send(t, sealed[0])
	if seq := n.nextSeq(t, from); seq != 1 {
		t.Errorf("the next seq is %d", seq)
	}
	n.send(t, sealed[1])
	if seq := n.nextSeq(t, from); seq != 3 {
		t.Errorf("the next seq is %d", seq)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	n.stop()
	n.start(t) // the window comes from the log
	if seq := n.nextSeq(t, from); seq != 3 {
		t.Errorf("after a restart the next seq is %d", seq)
	}
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(c.SealedBy(w.key, 2, []byte("another")))); err == nil || !strings.Contains(err.Error(), "seq out of range") {
		t.Errorf("a used seq: %v", err)
	}
	n.send(t, sealed[3])
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for i := range sealed {
		if s := n.standing(t, txstore.HashOf(sealed[i])); s.Status != "executed" || (*s.BlockNumber == 2) != (i == 3) {
			t.Errorf("%d: %+v", i, s)
		}
	}
}

func TestTheLoopMakesABlockForASealedTransactionAndRepeatsAreRefused(t *testing.T) {
	n, c := sealing(t, func(cfg *Config) { cfg.TimeBetweenBlocks = "1h" })
	w := newWallet(t, 0)
	sealed := c.SealedBy(w.key, 0, raw(t, w.transaction(t, nil)))
	id := n.send(t, sealed)
	fakes.WaitFor(t, func() bool { s, _ := n.state(t, id); return s == "executed" })
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(sealed)); err == nil || !strings.Contains(err.Error(), "ordered already") {
		t.Errorf("again: %v", err)
	}
	signed := c.Checked(sealed).Sealed().Encode()
	signed[len(signed)-1] ^= 1 // another signature is the same transaction
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(signed)); err == nil || !strings.Contains(err.Error(), "ordered already") {
		t.Errorf("with another signature: %v", err)
	}
}

func TestAContentThatBreaksARuleStopsProductionAndIsNotKept(t *testing.T) {
	n, c := sealing(t, nil)
	w := newWallet(t, 0)
	n.certified(t, c, func(p *preblockv1.Content) {
		p.Transactions = [][]byte{c.SealedBy(w.key, 1, raw(t, w.transaction(t, nil)))}
	})
	if answer, err := n.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{}); err == nil {
		t.Fatalf("got %v", answer)
	}
	fakes.WaitFor(t, func() bool { return strings.Contains(n.guard.Reason(), rules.ErrSeq.Error()) })
	if n.disk.Log.Last() != 0 || n.ledger.Head().Number != 0 {
		t.Errorf("the log ends at %d, the chain at %d", n.disk.Log.Last(), n.ledger.Head().Number)
	}
}

func TestAStandbyKeepsWhatIsSealedAndKnowsTheSeqsWhenItTakesOver(t *testing.T) {
	a, c := sealing(t, func(cfg *Config) { cfg.AckReplicas = 1 })
	b := beside(t, a, func(cfg *Config) { cfg.CommitteeFile = a.cfg.CommitteeFile })
	w := newWallet(t, 0)
	var sealed [][]byte
	for seq := range uint64(3) {
		sealed = append(sealed, c.SealedBy(w.key, seq, raw(t, w.transaction(t, nil))))
	}
	fakes.WaitFor(t, func() bool { connected, _ := a.standbys.Standbys(); return connected == 1 })
	a.send(t, sealed[0])
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	last := a.send(t, sealed[2])
	b.send(t, sealed[1]) // the leader takes it
	if a.sealed.Count() != 2 {
		t.Errorf("the leader has %d", a.sealed.Count())
	}
	fakes.WaitFor(t, func() bool { return headOf(b)() == 1 && b.sealed.Count() == 2 })
	if s, _ := b.state(t, last); s != "sealed" {
		t.Errorf("at the standby it is %s", s)
	}
	a.stop()
	fakes.WaitFor(t, func() bool { return b.production.Stance.Leads() })
	if err := b.order.Follow(b.grpc.Addr()); err != nil {
		t.Fatal(err)
	}
	b.produce(t, &blueprintv1.ProduceBlockRequest{})
	for i := range sealed {
		if s, reason := b.state(t, txstore.HashOf(sealed[i])); s != "executed" {
			t.Errorf("%d is %s: %s", i, s, reason)
		}
	}
}

func TestTheEncryptionKeyIsTheCommittees(t *testing.T) {
	n, c := sealing(t, nil)
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	var key rpc.EncryptionKey
	if err := n.call(t, &key, "te_getEncryptionKey"); err != nil {
		t.Fatal(err)
	}
	point, id := c.Keys.Point(), c.Keys.ID()
	if !bytes.Equal(key.Key, point[:]) || !bytes.Equal(key.KeyID, id[:]) || key.Threshold != 3 || key.Quorum != c.Quorum() || len(key.Members) != 4 ||
		key.ChainID != 1337 || key.CommitteeHash != c.Hash() || uint64(key.Lifetime) != c.Limits.Lifetime || uint64(key.SealedGas) != c.Limits.SealedGas || key.Head != 1 ||
		uint64(key.BaseFee) != n.disk.Chain.BaseFee() || len(key.Relays) != 0 {
		t.Errorf("got %+v", key)
	}
}

func TestWithoutACommitteeSealedTransactionsAreOfATypeThatIsNotSupported(t *testing.T) {
	n := startNode(t, nil)
	err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(committeetest.New(t, 4, 3, 1).Sealed([]byte{1})))
	if err == nil || !strings.Contains(err.Error(), "type not supported") {
		t.Errorf("sent: %v", err)
	}
	for method, args := range map[string][]any{"te_getEncryptionKey": nil, "te_getNextSeq": {common.Address{}}} {
		if err := n.call(t, nil, method, args...); err == nil || !strings.Contains(err.Error(), "no keyholders") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestTheOrderProofOfASealedTransactionWhatIsInsideAndAPlainOneVerifies(t *testing.T) {
	n, c := sealing(t, nil)
	tx, plain := newWallet(t, 0).transaction(t, nil), newWallet(t, 1).transaction(t, nil)
	id := n.send(t, c.Sealed(raw(t, tx)))
	n.send(t, raw(t, plain))
	fakes.WaitFor(t, func() bool { pending, _ := n.disk.Chain.PoolSize(); return pending == 1 })
	if err := n.call(t, nil, "te_getOrderProof", id); err == nil {
		t.Error("proven before it was ordered")
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	for hash, position := range map[common.Hash]uint64{id: 0, tx.Hash(): 0, plain.Hash(): 1} {
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

func TestACommitteeWhoseSealedTransactionsCouldFillABlockIsRefused(t *testing.T) {
	n := startNode(t, nil)
	n.stop()
	limits := committeetest.New(t, 4, 3, 1).Limits
	limits.SealedGas = 1 << 40
	n.cfg.CommitteeFile = fileOf(t, committeetest.NewWith(t, 4, 3, 1, limits))
	if s, err := New(t.Context(), n.cfg, n.logger); err == nil || !strings.Contains(err.Error(), "sealed_gas") {
		t.Errorf("started: %v, %v", s, err)
	}
}

// A submitter of garbage is out, at every replica and after a restart. A funded one is let in.
func TestASubmitterOfGarbageIsOutAlsoAfterARestart(t *testing.T) {
	n, c := sealing(t, func(cfg *Config) { cfg.SealMinBalance = "" })
	b := beside(t, n, func(cfg *Config) { cfg.CommitteeFile = n.cfg.CommitteeFile })
	honest, spoiler := newWallet(t, 0), newWallet(t, 1)
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(c.Sealed([]byte{1}))); err == nil || !strings.Contains(err.Error(), "--seal-min-balance") {
		t.Errorf("an unfunded submitter is answered with %v", err)
	}
	over := func(h *seal.Header) { h.Gas = 21_000 }
	for seq := range uint64(2) {
		n.send(t, c.SealedBy(honest.key, seq, raw(t, honest.transaction(t, nil))))
		n.send(t, c.SealedBy(spoiler.key, 2*seq, []byte("no transaction")))
		n.send(t, c.SealedBy(spoiler.key, 2*seq+1, raw(t, spoiler.transaction(t, bytes.Repeat([]byte{1}, 100))), over))
	}
	last := n.send(t, c.SealedBy(spoiler.key, 4, []byte("one more")))
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	submitter := func(n *node, w *wallet) (answer rpc.Submitter) {
		t.Helper()
		if err := n.call(t, &answer, "te_getSubmitter", crypto.PubkeyToAddress(w.key.PublicKey)); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	check := func(who string, n *node) {
		t.Helper()
		if got := submitter(n, spoiler); got.Class != "out" || got.Garbage != 4 || got.Refused == "" || got.NextSeq != 4 {
			t.Errorf("%s: the spoiler is %+v", who, got)
		}
		if got := submitter(n, honest); got.Class != "front" || got.Executed != 2 || got.Refused != "" || got.Quota == nil || got.NextSeq != 2 {
			t.Errorf("%s: the honest one is %+v", who, got)
		}
	}
	check("leader", n)
	if state, reason := n.state(t, last); state != "ended" || !strings.Contains(reason, "garbage") {
		t.Errorf("what waited of it is %s: %s", state, reason)
	}
	n.produce(t, &blueprintv1.ProduceBlockRequest{}) // the head is applied again at a start, so another block has to be remembered
	fakes.WaitFor(t, func() bool { return headOf(b)() == 2 })
	check("standby", b)
	n.stop()
	n.start(t)
	check("after a restart", n)
	if err := n.call(t, nil, "eth_sendRawTransaction", hexutil.Bytes(c.SealedBy(spoiler.key, 4, []byte("again")))); err == nil || !strings.Contains(err.Error(), "garbage") {
		t.Errorf("then it is answered with %v", err)
	}
}
