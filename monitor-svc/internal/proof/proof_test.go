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
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

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
		if forged, err := c.Check(t.Context(), h.add(n, []byte{1}, h.Bundle([]byte("plain")))); forged || err != nil {
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
	good := h.add(2, h.Bundle([]byte("plain")), []byte{2, 3}, []byte{0x7e, 1})
	for name, change := range map[string]func(*preblockv1.Preblock){
		"no certificate":      func(p *preblockv1.Preblock) { p.Certificate = nil },
		"another transaction": func(p *preblockv1.Preblock) { p.Content.Transactions[1][1]++ },
		"decrypted otherwise": func(p *preblockv1.Preblock) { p.Outcomes[0].GetDecrypted().Transactions[0][0]++ },
		"one too many in it": func(p *preblockv1.Preblock) {
			d := p.Outcomes[0].GetDecrypted()
			d.Transactions = append(d.Transactions, []byte{1})
		},
		"said undecryptable":   func(p *preblockv1.Preblock) { p.Outcomes[0] = outcome.Refuse(0, outcome.BadCiphertext, "") },
		"said repeated":        func(p *preblockv1.Preblock) { p.Outcomes[0] = outcome.RefuseRepeated(0, outcome.Place{Number: 1}) },
		"said repeated before": func(p *preblockv1.Preblock) { p.Outcomes[0] = outcome.RefuseRepeated(0, outcome.Place{}) },
		"an outcome left out":  func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[:1] },
		"outcomes exchanged":   func(p *preblockv1.Preblock) { p.Outcomes[0], p.Outcomes[1] = p.Outcomes[1], p.Outcomes[0] },
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

// TestABundleIsNotDecryptedAtWill: a sender that encrypts for a key of its own leaves it to a sequencer in league with it
// whether the bundle opens, if hashes are all that is compared.
func TestABundleIsNotDecryptedAtWill(t *testing.T) {
	h, own := newHistory(t, 1), committeetest.New(t, 4, 3, 1)
	good := h.add(1, h.Bundle([]byte("plain")), own.Bundle([]byte("perhaps")))
	if forged, err := h.checker().Check(t.Context(), good); forged || err != nil {
		t.Fatalf("the right outcome: %v %v", forged, err)
	}
	atWill, _ := own.Preblock(good.GetContent(), common.Hash{})
	p := proto.CloneOf(good)
	p.Outcomes[1] = atWill.GetOutcomes()[1]
	if p.Outcomes[1].GetDecrypted() == nil || good.Outcomes[1].GetDecrypted() != nil {
		t.Fatalf("outcomes %v and %v", p.Outcomes[1], good.Outcomes[1])
	}
	if forged, err := h.checker().Check(t.Context(), p); !forged || !errors.Is(err, te.ErrOpening) {
		t.Fatalf("with the sender's own opening: %v %v", forged, err)
	}
	p.Outcomes[1].Opening = good.Outcomes[1].Opening
	if forged, err := h.checker().Check(t.Context(), p); !forged || !errors.Is(err, outcome.ErrWrong) {
		t.Fatalf("with the true opening: %v %v", forged, err)
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

func TestARepeatedCiphertextIsLookedUpWhereItIsSaidToStand(t *testing.T) {
	h := newHistory(t, 1)
	bundle := h.Bundle([]byte("plain"))
	h.add(1, []byte{9}, bundle)
	p := h.add(2, bundle)
	p.Outcomes[0] = outcome.RefuseRepeated(0, outcome.Place{Number: 1, Index: 1})
	if forged, err := h.checker().Check(t.Context(), p); forged || err != nil {
		t.Fatalf("got %v %v", forged, err)
	}
	p.Outcomes[0] = outcome.RefuseRepeated(0, outcome.Place{Number: 1, Index: 0})
	if forged, err := h.checker().Check(t.Context(), p); !forged || !errors.Is(err, outcome.ErrWrong) {
		t.Fatalf("at another place: %v %v", forged, err)
	}
}

func TestNothingEncryptedWithoutACommittee(t *testing.T) {
	h := newHistory(t, 3)
	withBundle := h.add(1, h.Bundle([]byte("plain")))
	withOutcome := h.add(2, []byte{1})
	withOutcome.Outcomes = []*preblockv1.Outcome{outcome.Refuse(0, outcome.Malformed, "")}
	for name, c := range map[string]*proof.Checker{"none": proof.New(nil, h.fetch), "a later one": h.checker()} {
		for _, p := range []*preblockv1.Preblock{withBundle, withOutcome} {
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
