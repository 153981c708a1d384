package proof_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"blindseq/kit/content"
	"blindseq/monitor-svc/internal/proof"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var errAway = errors.New("away")

// history is a chain of preblocks, as a DSN shows it.
type history struct {
	*committeetest.Committee
	shown   map[uint64]*preblockv1.Preblock
	last    common.Hash
	fetched int
	away    bool
}

func newHistory(t *testing.T, first uint64) *history {
	return &history{Committee: committeetest.New(t, 4, 3, first), shown: map[uint64]*preblockv1.Preblock{}}
}

func contentOf(number uint64, txs ...[]byte) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: txs,
	}
}

func (h *history) add(number uint64, txs ...[]byte) *preblockv1.Preblock {
	h.shown[number], h.last = h.Preblock(contentOf(number, txs...), h.last)
	return h.shown[number]
}

func (h *history) fetch(_ context.Context, number uint64) (*preblockv1.Preblock, error) {
	h.fetched++
	if h.away {
		return nil, errAway
	}
	p, ok := h.shown[number]
	if !ok {
		return nil, fmt.Errorf("number %d is not fixed", number)
	}
	return p, nil
}

func (h *history) checker() *proof.Checker { return proof.New(h.Committee.Committee, h.fetch) }

func TestPreblocksThatShowEverythingPassInOrderWithoutAFetch(t *testing.T) {
	h := newHistory(t, 1)
	c := h.checker()
	for n := uint64(1); n <= 3; n++ {
		if forged, err := c.Check(t.Context(), h.add(n, h.Sealed([]byte("plain")), []byte{1})); forged || err != nil {
			t.Fatalf("preblock %d: %v %v", n, forged, err)
		}
	}
	if h.fetched != 0 {
		t.Errorf("%d fetches", h.fetched)
	}
}

func TestForgedPreblocksAreRefused(t *testing.T) {
	h := newHistory(t, 1)
	h.add(1)
	good := h.add(2, h.Sealed([]byte("plain")), h.Garbage(seal.ErrPadding), []byte{2, 3})
	for name, change := range map[string]func(*preblockv1.Preblock){
		"no certificate": func(p *preblockv1.Preblock) { p.Certificate = nil },
		"no locks":       func(p *preblockv1.Preblock) { p.Certificate.Locks = nil },
		"a lock too few": func(p *preblockv1.Preblock) { p.Certificate.Locks = p.Certificate.Locks[1:] },
		"a lock of an attestation": func(p *preblockv1.Preblock) {
			p.Certificate.Locks[0].Signature = p.Certificate.Attestations[0].Signature
		},
		"another view":        func(p *preblockv1.Preblock) { p.Certificate.View++ },
		"another base fee":    func(p *preblockv1.Preblock) { p.Content.BaseFee++ },
		"another transaction": func(p *preblockv1.Preblock) { p.Content.Transactions[2][1]++ },
		"opened otherwise":    func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction[0]++ },
		"another seed":        func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed[0]++ },
		"said unopenable":     func(p *preblockv1.Preblock) { p.Outcomes[0].Result = p.Outcomes[1].Result },
		"unopenable without a proof": func(p *preblockv1.Preblock) {
			p.Outcomes[1].GetUnopenable().Shares = nil
		},
		"unopenable by too few": func(p *preblockv1.Preblock) {
			u := p.Outcomes[1].GetUnopenable()
			u.Shares = u.Shares[1:]
		},
		"a wrong share":       func(p *preblockv1.Preblock) { p.Outcomes[1].GetUnopenable().Shares[0].Share[0]++ },
		"said opened":         func(p *preblockv1.Preblock) { p.Outcomes[1].Result = p.Outcomes[0].Result },
		"an outcome left out": func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[:1] },
		"one too many": func(p *preblockv1.Preblock) {
			p.Outcomes = append(p.Outcomes, &preblockv1.Outcome{Index: 2, Result: p.Outcomes[0].Result})
		},
		"outcomes exchanged": func(p *preblockv1.Preblock) { p.Outcomes[0], p.Outcomes[1] = p.Outcomes[1], p.Outcomes[0] },
		"after another": func(p *preblockv1.Preblock) {
			p.Certificate, _ = h.Certify(p.Content, common.Hash{1})
		},
	} {
		p := proto.CloneOf(good)
		change(p)
		hash := content.HashOf(p.GetContent())
		p.ContentHash = hash[:]
		if forged, err := h.checker().Check(t.Context(), p); !forged || err == nil {
			t.Errorf("%s: forged %v, %v", name, forged, err)
		}
	}
	if forged, err := h.checker().Check(t.Context(), good); forged || err != nil {
		t.Fatalf("the good one: %v %v", forged, err)
	}
}

// TestNobodyChoosesAnOutcome: neither a sender who knows what is inside, nor a sequencer in league with it, has a second opening;
// and which of the keyholders prove that there is none makes no difference.
func TestNobodyChoosesAnOutcome(t *testing.T) {
	h, own := newHistory(t, 1), committeetest.New(t, 4, 3, 1)
	good := h.add(1, h.Sealed([]byte("plain")), h.Garbage(seal.ErrPayload))
	p := proto.CloneOf(good)
	p.Outcomes[1] = own.Outcome(1, own.Sealed([]byte("perhaps")))
	if forged, err := h.checker().Check(t.Context(), p); !forged || !errors.Is(err, outcome.ErrWrong) {
		t.Fatalf("the opening of something else: %v %v", forged, err)
	}
	checked := h.Checked(good.GetContent().GetTransactions()[1])
	proven := make([]seal.ProvenShare, 3)
	for i := range proven {
		var err error
		if proven[i].Share, proven[i].Proof, err = h.Secrets[i+1].ShareWithProof(checked); err != nil {
			t.Fatal(err)
		}
	}
	others := proto.CloneOf(good)
	others.Outcomes[1] = outcome.Unopenable(1, seal.ErrPayload, proven)
	if forged, err := h.checker().Check(t.Context(), others); forged || err != nil || !outcome.Same(others.Outcomes, good.Outcomes) {
		t.Fatalf("proven by others: %v %v", forged, err)
	}
}

func TestTheStatementBeforeIsFetchedAndNotBelieved(t *testing.T) {
	h := newHistory(t, 5)
	h.add(5)
	p := h.add(6)
	honest := h.shown[5]
	forgery := proto.CloneOf(honest)
	forgery.Content.Timestamp.Seconds++
	h.shown[5] = forgery
	if forged, err := h.checker().Check(t.Context(), p); forged || !errors.Is(err, attest.ErrCertificate) {
		t.Fatalf("over a forged predecessor: %v %v", forged, err)
	}
	h.shown[5], h.away = honest, true
	if forged, err := h.checker().Check(t.Context(), p); forged || !errors.Is(err, errAway) {
		t.Fatalf("with the DSN away: %v %v", forged, err)
	}
	h.away = false
	if forged, err := h.checker().Check(t.Context(), p); forged || err != nil {
		t.Fatalf("got %v %v", forged, err)
	}
}

func TestNothingSealedWithoutACommittee(t *testing.T) {
	h := newHistory(t, 3)
	sealed := h.add(1, h.Sealed([]byte("plain")))
	withOutcome := h.add(2, []byte{1})
	withOutcome.Outcomes = sealed.Outcomes
	for name, c := range map[string]*proof.Checker{"none": proof.New(nil, h.fetch), "a later one": h.checker()} {
		for _, p := range []*preblockv1.Preblock{sealed, withOutcome} {
			if forged, err := c.Check(t.Context(), p); !forged || !errors.Is(err, proof.ErrUncertified) {
				t.Errorf("%s: %v %v", name, forged, err)
			}
		}
		plain := &preblockv1.Preblock{Content: contentOf(1, []byte{1})}
		if forged, err := c.Check(t.Context(), plain); forged || err != nil {
			t.Errorf("%s, a plain one: %v %v", name, forged, err)
		}
	}
}

func TestARunIsExaminedAsItsPreblocksAre(t *testing.T) {
	c := committeetest.New(t, 4, 3, 3)
	checker := proof.New(c.Committee, nil)
	var run []*preblockv1.Preblock
	previous := common.Hash{}
	for n := uint64(1); n <= 6; n++ {
		content := &preblockv1.Content{
			Number: n, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: [][]byte{{1}},
		}
		p := &preblockv1.Preblock{Content: content}
		if n >= 3 {
			p, previous = c.Preblock(content, previous)
		}
		run = append(run, p)
	}
	statements, err := checker.ExamineRun(run)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range run {
		if one, err := checker.Examine(p); err != nil || one != statements[i] {
			t.Errorf("number %d: %x alone, %x in a run, %v", i+1, one, statements[i], err)
		}
	}
	run[5].Certificate.Locks[0].Signature[9] ^= 1
	if _, err := checker.ExamineRun(run); err == nil {
		t.Error("accepted with a false certificate at the end")
	}
	if _, err := checker.ExamineRun(run[:5]); err != nil {
		t.Error(err)
	}
	run[1].Content.Transactions[0] = c.Sealed([]byte{1})
	if _, err := checker.ExamineRun(run[:2]); !errors.Is(err, proof.ErrUncertified) {
		t.Errorf("sealed before the committee: %v", err)
	}
}
