package attest_test

import (
	"errors"
	"testing"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// TestTheHighestCertificateSaysWhatIsProposed in a view that a quorum has gone to.
func TestTheHighestCertificateSaysWhatIsProposed(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	first, second := contentOf(1), contentOf(1)
	second.BaseFee++
	low, _ := c.CertifyIn(0, first, common.Hash{})
	high, _ := c.CertifyIn(1, second, common.Hash{})
	for name, k := range map[string]struct {
		shown []*preblockv1.Certificate
		want  attest.Statement
	}{
		"none":                  {[]*preblockv1.Certificate{nil, nil, nil}, attest.Statement{}},
		"one":                   {[]*preblockv1.Certificate{nil, nil, low}, attest.StatementOf(c.Committee, first, common.Hash{})},
		"the highest, at last":  {[]*preblockv1.Certificate{low, low, high}, attest.StatementOf(c.Committee, second, common.Hash{})},
		"the highest, at first": {[]*preblockv1.Certificate{high, low, nil, low}, attest.StatementOf(c.Committee, second, common.Hash{})},
	} {
		if got, err := attest.Opens(c.Committee, 1, 2, c.ViewChanges(1, 2, k.shown...)); err != nil || got != k.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestOnlyStatementsOfAQuorumOpenAView(t *testing.T) {
	c, other := committeetest.New(t, 4, 3, 1), committeetest.New(t, 4, 3, 1)
	cert, _ := c.CertifyIn(0, contentOf(1), common.Hash{})
	ofTheView, _ := c.CertifyIn(2, contentOf(1), common.Hash{})
	ofAnother, _ := c.CertifyIn(0, contentOf(2), common.Hash{})
	foreign, _ := other.CertifyIn(0, contentOf(1), common.Hash{})
	good := c.ViewChanges(1, 2, cert, nil, nil)
	with := func(change func([]*keyholderv1.ViewChange) []*keyholderv1.ViewChange) []*keyholderv1.ViewChange {
		var all []*keyholderv1.ViewChange
		for _, m := range good {
			all = append(all, proto.CloneOf(m))
		}
		return change(all)
	}
	one := func(change func(*keyholderv1.ViewChange)) []*keyholderv1.ViewChange {
		return with(func(all []*keyholderv1.ViewChange) []*keyholderv1.ViewChange { change(all[0]); return all })
	}
	for name, all := range map[string][]*keyholderv1.ViewChange{
		"none":                  nil,
		"one too few":           good[:2],
		"one twice":             {good[0], good[1], good[1]},
		"not in their order":    {good[1], good[0], good[2]},
		"another committee's":   other.ViewChanges(1, 2, nil, nil, nil),
		"of another view":       c.ViewChanges(1, 1, nil, nil, nil),
		"of another number":     c.ViewChanges(2, 2, nil, nil, nil),
		"one of another view":   {good[0], good[1], c.ViewChanges(1, 3, nil, nil, nil)[2]},
		"another's signature":   one(func(m *keyholderv1.ViewChange) { m.Signature = good[1].GetSignature() }),
		"a signature's bit":     one(func(m *keyholderv1.ViewChange) { m.Signature[8] ^= 1 }),
		"without what it shows": one(func(m *keyholderv1.ViewChange) { m.Certificate = nil }),
		"no member":             one(func(m *keyholderv1.ViewChange) { m.Authority = 9 }),
		"a certificate added": with(func(all []*keyholderv1.ViewChange) []*keyholderv1.ViewChange {
			all[1].Certificate = cert
			return all
		}),
		"a certificate of the view":       c.ViewChanges(1, 2, ofTheView, nil, nil),
		"a certificate of another number": c.ViewChanges(1, 2, ofAnother, nil, nil),
		"a certificate that does not hold": one(func(m *keyholderv1.ViewChange) {
			m.Certificate.Attestations = m.Certificate.Attestations[1:]
		}),
	} {
		if got, err := attest.Opens(c.Committee, 1, 2, all); !errors.Is(err, attest.ErrViewChange) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := attest.SignViewChange(c.Committee, c.Identities[0], 0, 1, 1, foreign); !errors.Is(err, attest.ErrCertificate) {
		t.Errorf("with a certificate of another committee: %v", err)
	}
	if _, err := attest.Opens(c.Committee, 1, 0, c.ViewChanges(1, 0, nil, nil, nil)); !errors.Is(err, attest.ErrViewChange) {
		t.Errorf("view 0: %v", err)
	}
}
