package rounds

import (
	"context"
	"log/slog"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestAQuorumOfStatementsIsChosenThatAllowsTheContent, if there is one.
func TestAQuorumOfStatementsIsChosenThatAllowsTheContent(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	content := func(fee uint64) *preblockv1.Content {
		return &preblockv1.Content{Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1, 0)), BaseFee: fee}
	}
	ours, theirs := make([]*preblockv1.Certificate, 2), make([]*preblockv1.Certificate, 2)
	for view := range ours {
		ours[view], _ = c.CertifyIn(uint64(view), content(1), common.Hash{})
		theirs[view], _ = c.CertifyIn(uint64(view), content(2), common.Hash{})
	}
	r := &runningRound{d: &Driver{o: Options{Committee: c.Committee}}, statement: attest.StatementOf(c.Committee, content(1), common.Hash{})}
	for name, k := range map[string]struct {
		locked []*preblockv1.Certificate // by authority
		want   []uint32                  // nil when none allows it
	}{
		"nothing is locked":                        {[]*preblockv1.Certificate{nil, nil, nil, nil}, []uint32{0, 1, 2}},
		"too few":                                  {[]*preblockv1.Certificate{nil, nil}, nil},
		"another is locked by one":                 {[]*preblockv1.Certificate{theirs[0], nil, nil, nil}, []uint32{1, 2, 3}},
		"another is locked by one of three":        {[]*preblockv1.Certificate{theirs[0], nil, nil}, nil},
		"another is locked by two":                 {[]*preblockv1.Certificate{theirs[0], nil, theirs[0], nil}, nil},
		"it is locked":                             {[]*preblockv1.Certificate{nil, ours[0], nil}, []uint32{0, 1, 2}},
		"it is locked in a higher view":            {[]*preblockv1.Certificate{theirs[0], nil, nil, ours[1]}, []uint32{0, 1, 3}},
		"another one is locked in a higher view":   {[]*preblockv1.Certificate{theirs[1], ours[0], nil, nil}, []uint32{1, 2, 3}},
		"another by two, it in a higher view":      {[]*preblockv1.Certificate{theirs[0], theirs[0], ours[1]}, []uint32{0, 1, 2}},
		"another by two, higher than it is by one": {[]*preblockv1.Certificate{theirs[1], theirs[1], ours[0], nil}, nil},
	} {
		var got []uint32
		chosen := r.opens(c.ViewChanges(1, 2, k.locked...))
		for _, m := range chosen {
			got = append(got, m.GetAuthority())
		}
		if len(got) != len(k.want) {
			t.Errorf("%s: %v, not %v", name, got, k.want)
			continue
		}
		for i := range got {
			if got[i] != k.want[i] {
				t.Errorf("%s: %v, not %v", name, got, k.want)
			}
		}
		if chosen != nil {
			allows(t, c, name, r.statement, chosen)
		}
	}
}

func allows(t *testing.T, c *committeetest.Committee, name string, s attest.Statement, chosen []*keyholderv1.ViewChange) {
	t.Helper()
	if required, err := attest.Opens(c.Committee, 1, 2, chosen); err != nil || required != (attest.Statement{}) && required != s {
		t.Errorf("%s: it requires %+v, %v", name, required, err)
	}
}

// cases counts evidence; it is an observer that looks away, too.
type cases struct{ kept []*keyholderv1.Evidence }

func (c *cases) Add(_ context.Context, e *keyholderv1.Evidence) error {
	c.kept = append(c.kept, e)
	return nil
}

func (*cases) Called(uint8, string, time.Duration, error) {}
func (*cases) Reached(uint8, bool, uint64)                {}
func (*cases) Behind(uint8, uint64)                       {}
func (*cases) Fault(uint8, string)                        {}
func (*cases) Phase(string, time.Duration)                {}

// TestTwoContentsOfOneViewConvictAndThoseOfTwoViewsDoNot, in whatever order they are seen.
func TestTwoContentsOfOneViewConvictAndThoseOfTwoViewsDoNot(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	book := new(cases)
	f := newFaults(Options{Committee: c.Committee, Cases: book, Observer: book, Keyholders: make([]Keyholder, 4), Log: slog.New(slog.DiscardHandler)})
	for i, k := range []struct {
		fee, view uint64
		convicts  bool
	}{{1, 0, false}, {2, 1, false}, {2, 1, false}, {1, 0, false}, {3, 1, true}, {3, 2, false}} {
		s := attest.StatementOf(c.Committee, &preblockv1.Content{Number: 1, BaseFee: k.fee, Timestamp: timestamppb.New(time.Unix(1, 0))}, common.Hash{})
		a, err := s.Sign(c.Identities[2], 2, k.view)
		if err != nil {
			t.Fatal(err)
		}
		before := len(book.kept)
		if f.examine(t.Context(), 2, s, a, nil); (len(book.kept) > before) != k.convicts {
			t.Errorf("statement %d: %d pieces of evidence, before %d", i, len(book.kept), before)
		}
	}
	for _, e := range book.kept {
		if err := evidence.Verify(c.Committee, e); err != nil {
			t.Error(err)
		}
	}
}
