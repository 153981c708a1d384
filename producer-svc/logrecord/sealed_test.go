package logrecord

import (
	"errors"
	"testing"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"

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

func TestOpenedTransactionsStandInThePlaceOfTheirSealedOnes(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	first := c.SealedBy(key, 0, []byte("one"), func(h *seal.Header) { h.Fee = 7 })
	garbage, last := c.Garbage(seal.ErrPadding), c.SealedBy(key, 1, []byte("two"))
	p := preblockOf(c, first, garbage, last, []byte("plain"))
	before := proto.CloneOf(p)
	txs, sealed, err := opened(p)
	if err != nil || len(txs) != 3 || string(txs[0]) != "one" || string(txs[1]) != "two" || string(txs[2]) != "plain" {
		t.Fatalf("executed %q, %v", txs, err)
	}
	record := func(index uint32, raw []byte, change func(*blueprintv1.SealedRecord)) *blueprintv1.SealedRecord {
		s := c.Checked(raw).Sealed()
		id := s.ID()
		r := &blueprintv1.SealedRecord{
			Id: id[:], Index: index, Submitter: s.Submitter.Bytes(), Seq: s.Seq, Gas: 100_000, Fee: s.Fee, Expiry: s.Expiry,
		}
		change(r)
		return r
	}
	want := []*blueprintv1.SealedRecord{
		record(0, first, func(r *blueprintv1.SealedRecord) { r.TransactionHash, r.Fee = crypto.Keccak256([]byte("one")), 7 }),
		record(1, garbage, func(r *blueprintv1.SealedRecord) { r.Reason = preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING }),
		record(2, last, func(r *blueprintv1.SealedRecord) { r.TransactionHash = crypto.Keccak256([]byte("two")) }),
	}
	for i := range want {
		if len(sealed) != len(want) || !proto.Equal(sealed[i], want[i]) {
			t.Errorf("recorded %v, want %v", sealed, want)
		}
	}
	if !proto.Equal(p, before) {
		t.Error("the preblock was changed")
	}
}

func TestARecordHasTheHeadersThatTheWindowNeeds(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	p := preblockOf(c, c.Sealed([]byte("one")), c.Garbage(seal.ErrSeed), []byte("plain"))
	rec, err := Of(p, Parent{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := Headers(rec)
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	for i, h := range got {
		want := c.Checked(p.GetContent().GetTransactions()[i]).Sealed().Header
		if h.Submitter != want.Submitter || h.Seq != want.Seq || h.Gas != want.Gas || h.Fee != want.Fee || h.Expiry != want.Expiry {
			t.Errorf("got %+v, want %+v", h, want)
		}
	}
}

func TestOutcomesThatDoNotFitAreRefused(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	good := preblockOf(c, c.Sealed([]byte("a")), c.Sealed([]byte("b")), []byte("last"))
	for name, change := range map[string]func(*preblockv1.Preblock){
		"left out":  func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[1:] },
		"none":      func(p *preblockv1.Preblock) { p.Outcomes = nil },
		"exchanged": func(p *preblockv1.Preblock) { p.Outcomes[0], p.Outcomes[1] = p.Outcomes[1], p.Outcomes[0] },
		"of no sealed transaction": func(p *preblockv1.Preblock) {
			p.Outcomes = append(p.Outcomes, &preblockv1.Outcome{Index: 7, Result: p.Outcomes[0].GetResult()})
		},
		"of a plain one":      func(p *preblockv1.Preblock) { p.Outcomes[1].Index = 2 },
		"saying nothing":      func(p *preblockv1.Preblock) { p.Outcomes[0].Result = nil },
		"without transaction": func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction = nil },
		"without reason": func(p *preblockv1.Preblock) {
			p.Outcomes[0].Result = &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{}}
		},
		"sealed after plain": func(p *preblockv1.Preblock) {
			txs := p.Content.Transactions
			txs[1], txs[2] = txs[2], txs[1]
			p.Outcomes[1].Index = 2
		},
		"no sealed transaction": func(p *preblockv1.Preblock) { p.Content.Transactions[0] = []byte{seal.Type, 1} },
	} {
		p := proto.CloneOf(good)
		change(p)
		if _, _, err := opened(p); !errors.Is(err, ErrOutcomes) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPlainPreblockIsExecutedAsItIs(t *testing.T) {
	txs := [][]byte{{1}, {seal.Type, 2}}
	got, sealed, err := opened(&preblockv1.Preblock{Content: &preblockv1.Content{Transactions: txs}})
	if err != nil || len(sealed) != 0 || len(got) != 2 || &got[0][0] != &txs[0][0] || &got[1][0] != &txs[1][0] {
		t.Fatalf("got %v, %v, %v", got, sealed, err)
	}
}
