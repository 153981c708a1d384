package producer

import (
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// claims are how many wrong claims of each kind a replica has reported.
func (n *node) claims(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := n.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "blindseq_producer_false_claims_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return got
}

func (n *node) reports(t *testing.T, who string, parent, timestamp, baseFee float64) {
	t.Helper()
	if got := n.claims(t); got["parent"] != parent || got["timestamp"] != timestamp || got["base_fee"] != baseFee {
		t.Errorf("%s reports %v", who, got)
	}
}

// TestAFinalContentIsExecutedOnTheHeadWhateverItSaysOfIt: keyholders cannot check what it says. A chain that stopped for it could be
// stopped by any proposer, after what is sealed in it was opened.
func TestAFinalContentIsExecutedOnTheHeadWhateverItSaysOfIt(t *testing.T) {
	a, c := sealing(t, nil)
	b := beside(t, a, func(cfg *Config) { cfg.CommitteeFile = a.cfg.CommitteeFile })
	w, cheap := newWallet(t, 0), newWallet(t, 1)
	var sealed [][]byte
	for seq := range uint64(3) {
		sealed = append(sealed, c.SealedBy(w.key, seq, raw(t, w.transaction(t, nil))))
	}
	unpaid := cheap.priced(t, 1)
	low := c.SealedBy(cheap.key, 0, raw(t, unpaid), func(h *seal.Header) { h.Fee = 1 })
	a.certified(t, c, func(p *preblockv1.Content) {
		switch p.GetNumber() {
		case 2:
			p.PreviousBlockHash, p.Transactions = make([]byte, 32), [][]byte{sealed[0]}
		case 3:
			p.Timestamp.Seconds, p.Transactions = 1, [][]byte{sealed[1]}
		case 4:
			p.BaseFee, p.Transactions = 1, [][]byte{sealed[2], low}
		case 5:
			p.BaseFee = 1 // means nothing when nothing is sealed
		}
	})
	for range 6 {
		a.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
	o := beside(t, a, func(cfg *Config) {
		cfg.CommitteeFile, cfg.Role, cfg.SequencerKeyFile = a.cfg.CommitteeFile, roleObserver, ""
	})
	for who, n := range map[string]*node{"the leader": a, "the standby": b, "the observer": o} {
		fakes.WaitFor(t, func() bool { return headOf(n)() == 6 })
		n.reports(t, who, 1, 1, 1)
		if n.ledger.Head() != a.ledger.Head() {
			t.Errorf("%s is at %v", who, n.ledger.Head())
		}
		for i := range sealed {
			if s := n.standing(t, txstore.HashOf(sealed[i])); s.Status != "executed" || *s.BlockNumber != uint64At(i+2) {
				t.Errorf("%s: %d: %+v", who, i, s)
			}
		}
		if s := n.standing(t, txstore.HashOf(low)); s.BaseFee == nil || *s.BaseFee != 1 {
			t.Errorf("%s: the base fee that its content names is %v", who, s.BaseFee)
		}
		if s, reason := n.state(t, txstore.HashOf(low)); s != "ended" || !strings.Contains(reason, "less than block base fee") {
			t.Errorf("%s: what does not pay is %s: %s", who, s, reason)
		}
		for number := uint64(2); number <= 6; number++ {
			rec, err := n.disk.Log.Get(number)
			before, _ := n.ledger.BlockHash(number - 1)
			if err != nil || common.Hash(rec.GetParentHash()) != common.Hash(before) || (len(rec.GetNamedParentHash()) > 0) != (number == 2) ||
				(rec.GetNamedTimestamp() != nil) != (number == 3) {
				t.Errorf("%s: record %d: %v, %v", who, number, rec, err)
			}
		}
	}
	published, err := a.producer.GetBlueprint(t.Context(), &blueprintv1.GetBlueprintRequest{Number: 2})
	before, _ := a.ledger.BlockHash(1)
	if err != nil || common.Hash(published.GetBlueprint().GetParentHash()) != common.Hash(before) {
		t.Errorf("the blueprint names %x, %v", published.GetBlueprint().GetParentHash(), err)
	}
	head := a.ledger.Head()
	a.stop()
	a.forgetChain(t)
	a.follows = true
	a.start(t) // it executes everything again
	if a.ledger.Head() != head {
		t.Errorf("started again it is at %v, was at %v", a.ledger.Head(), head)
	}
	a.reports(t, "the leader, started again,", 1, 1, 1)
}

// TestWhatARelaySealedIsBarredOnEveryReplica: a relay seals nothing that it has seen in public, so what it sealed and what ended is
// barred. Anybody else could bar a public transaction.
func TestWhatARelaySealedIsBarredOnEveryReplica(t *testing.T) {
	relay, stranger := newWallet(t, 8), newWallet(t, 9)
	c := committeetest.NewWith(t, 4, 3, 1, committee.Limits{}, crypto.PubkeyToAddress(relay.key.PublicKey))
	file := fileOf(t, c)
	a := startLeaderWith(t, func(cfg *Config) { cfg.CommitteeFile = file })
	w, other := newWallet(t, 0), newWallet(t, 1)
	dues := []*types.Transaction{w.transaction(t, nil), other.transaction(t, nil)}
	early, public := w.transaction(t, nil), other.transaction(t, nil)
	bySealer := [][]byte{c.SealedBy(relay.key, 0, raw(t, early)), c.SealedBy(stranger.key, 0, raw(t, public))}
	a.certified(t, c, func(p *preblockv1.Content) {
		switch p.GetNumber() {
		case 1:
			p.Transactions = bySealer
		case 2:
			p.Transactions = [][]byte{raw(t, dues[0]), raw(t, dues[1]), raw(t, early), raw(t, public)}
		}
	})
	for range 2 {
		a.produce(t, &blueprintv1.ProduceBlockRequest{})
	}
	o := beside(t, a, func(cfg *Config) { cfg.CommitteeFile, cfg.Role, cfg.SequencerKeyFile = file, roleObserver, "" })
	fakes.WaitFor(t, func() bool { return headOf(o)() == 2 })
	check := func(who string, n *node) {
		t.Helper()
		n.executed(t, dues[0].Hash(), dues[1].Hash(), public.Hash())
		if s := n.standing(t, early.Hash()); s.Status != "skipped" || !s.Barred {
			t.Errorf("%s: what the relay sealed: %+v", who, s)
		}
		if n.ledger.Head() != a.ledger.Head() {
			t.Errorf("%s is at %v", who, n.ledger.Head())
		}
	}
	check("the leader", a)
	check("the observer", o)
	a.stop()
	a.forgetChain(t)
	a.start(t)
	check("the leader, started again", a)
	if err := a.call(t, nil, "eth_sendRawTransaction", hexOf(raw(t, early))); err == nil {
		t.Error("what is barred was taken")
	}
}

func uint64At(n int) hexutil.Uint64 { return hexutil.Uint64(n) }

func hexOf(raw []byte) hexutil.Bytes { return raw }

// priced is a transfer with a fee cap in wei.
func (w *wallet) priced(t *testing.T, feeCap int64) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(w.key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: w.nonce, To: &common.Address{1}, Gas: 21_000, GasFeeCap: big.NewInt(feeCap),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.nonce++
	return tx
}

// forgetChain removes the EVM state, so that the next start executes the blueprint log from the genesis.
func (n *node) forgetChain(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(n.cfg.DataDir, "chain")); err != nil {
		t.Fatal(err)
	}
}

// Keyholders attest nothing far ahead of their clocks: such a content would hold up everything until they have caught up.
func TestNoProposalIsSoFarAheadThatKeyholdersRefuseIt(t *testing.T) {
	n, _ := sealing(t, nil)
	plain := startNode(t, nil)
	ahead := &blueprintv1.ProduceBlockRequest{Timestamp: timestamppb.New(time.Now().Add(30 * time.Second).Truncate(time.Second))}
	if _, err := n.producer.ProduceBlock(t.Context(), ahead); code(err) != codes.InvalidArgument {
		t.Errorf("with keyholders: %v", err)
	}
	plain.produce(t, ahead)
	answer, err := n.producer.GetProposalContent(t.Context(), &blueprintv1.GetProposalContentRequest{Timestamp: ahead.GetTimestamp()})
	if got := answer.GetContent().GetTimestamp().AsTime(); err != nil || got.After(time.Now().Add(rules.ClockSkew)) {
		t.Errorf("a request that came through Redis: %s, %v", got, err)
	}
}
