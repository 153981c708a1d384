package voter

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
)

// hostile is four keyholders of which the first lies, and an operator and a sequencer that do whatever is allowed, to have two contents
// of one number final.
type hostile struct {
	*committeetest.Committee
	t        *testing.T
	random   *rand.Rand
	contents []*preblockv1.Content
	honest   []*Voter // by authority; the liar's is nil
	options  []Options

	changes  map[uint64]map[uint8][]*keyholderv1.ViewChange // by view and authority; the liar has several
	attested map[place]map[uint8]*preblockv1.Attestation
	locked   map[place]map[uint8]*preblockv1.Attestation
}

// place is a content in a view.
type place struct {
	content int
	view    uint64
}

const hostileViews = 4

func newHostile(t *testing.T, c *committeetest.Committee, seed uint64) *hostile {
	t.Helper()
	h := &hostile{
		Committee: c, t: t, random: rand.New(rand.NewPCG(seed, 1)), honest: make([]*Voter, 4), options: make([]Options, 4),
		changes: map[uint64]map[uint8][]*keyholderv1.ViewChange{}, attested: map[place]map[uint8]*preblockv1.Attestation{},
		locked: map[place]map[uint8]*preblockv1.Attestation{},
	}
	for i := range 2 {
		h.contents = append(h.contents, contentOf(5, byte(i)))
	}
	dir := t.TempDir()
	for i := 1; i < 4; i++ {
		h.options[i] = Options{
			Dir: filepath.Join(dir, fmt.Sprint(i)), Committee: c.Committee, Key: c.Identities[i], Share: c.Secrets[i],
			Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return began },
		}
		h.open(i)
		var reports []*keyholderv1.Report
		for j := range 4 {
			if j != i {
				r, err := attest.SignReport(c.Committee, c.Identities[j], uint8(j), *h.honest[i].Status().Challenge, nil)
				if err != nil {
					t.Fatal(err)
				}
				reports = append(reports, r)
			}
		}
		if _, err := h.honest[i].Restore(t.Context(), reports); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *hostile) open(i int) {
	h.t.Helper()
	var err error
	if h.honest[i], err = Open(h.t.Context(), h.options[i]); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hostile) statement(content int) attest.Statement {
	return attest.StatementOf(h.Committee.Committee, h.contents[content], common.Hash{})
}

func note[K comparable](m map[K]map[uint8]*preblockv1.Attestation, k K, by uint8, a *preblockv1.Attestation) {
	if m[k] == nil {
		m[k] = map[uint8]*preblockv1.Attestation{}
	}
	m[k][by] = a
}

// quorum is three of what several authorities gave, ascending, nil when there are fewer.
func quorum(of map[uint8]*preblockv1.Attestation) (out []*preblockv1.Attestation) {
	for by := range uint8(4) {
		if a := of[by]; a != nil && len(out) < 3 {
			out = append(out, a)
		}
	}
	if len(out) < 3 {
		return nil
	}
	return out
}

// lie has the liar sign everything for a content and view, and that it went there with nothing locked, or any certificate there is.
func (h *hostile) lie(v place, views uint64) {
	s := h.statement(v.content)
	signed, err := s.Sign(h.Identities[0], 0, v.view)
	if err != nil {
		h.t.Fatal(err)
	}
	lock, err := s.Lock(h.Identities[0], 0, v.view)
	if err != nil {
		h.t.Fatal(err)
	}
	note(h.attested, v, 0, signed.GetAttestation())
	note(h.locked, v, 0, lock)
	var cert *preblockv1.Certificate
	if old := (place{v.content, h.random.Uint64N(hostileViews)}); old.view < v.view && h.random.IntN(2) == 0 {
		if list := quorum(h.attested[old]); list != nil {
			cert = h.statement(old.content).Certificate(old.view, list)
		}
	}
	if v.view > 0 {
		m, err := attest.SignViewChange(h.Committee.Committee, h.Identities[0], 0, 5, v.view, cert)
		if err != nil {
			h.t.Fatal(err)
		}
		h.went(m)
	}
}

func (h *hostile) went(m *keyholderv1.ViewChange) {
	by := h.changes[m.GetView()]
	if by == nil {
		by = map[uint8][]*keyholderv1.ViewChange{}
		h.changes[m.GetView()] = by
	}
	by[uint8(m.GetAuthority())] = append(by[uint8(m.GetAuthority())], m)
}

// opens is three statements that they went to a view, one of the authorities left out.
func (h *hostile) opens(view uint64) (out []*keyholderv1.ViewChange) {
	without := uint8(h.random.IntN(4))
	for by := range uint8(4) {
		if all := h.changes[view][by]; by != without && len(all) > 0 {
			out = append(out, all[h.random.IntN(len(all))])
		}
	}
	return out
}

// step asks an honest keyholder for something in one of so many views, or kills it.
func (h *hostile) step(views uint64) {
	i, v := 1+h.random.IntN(3), place{h.random.IntN(len(h.contents)), h.random.Uint64N(views)}
	k := h.honest[i]
	h.lie(v, views)
	switch ctx := h.t.Context(); h.random.IntN(8) {
	case 0:
		if err := k.Close(); err != nil {
			h.t.Fatal(err)
		}
		h.open(i)
	case 1:
		if m, err := k.ChangeView(ctx, 5, v.view); err == nil {
			h.went(m)
		}
	case 2, 3, 4:
		signature, err := h.statement(v.content).Propose(h.Sequencer, v.view)
		if err != nil {
			h.t.Fatal(err)
		}
		a, err := k.Attest(ctx, Proposal{Content: h.contents[v.content], View: v.view, Signature: signature, Changes: h.opens(v.view)})
		if err == nil && a.Refusal == 0 {
			note(h.attested, v, uint8(i), a.Attested.GetAttestation())
		}
		if left := k.Status().Left; left != nil {
			h.went(left)
		}
	default:
		if list := quorum(h.attested[v]); list != nil {
			if lock, err := k.Lock(ctx, h.statement(v.content).Certificate(v.view, list), h.contents[v.content]); err == nil {
				note(h.locked, v, uint8(i), lock)
			}
		}
	}
}

// final is a content that is final in some view, with a certificate and locks of a quorum; two of them are what must never be.
func (h *hostile) final() map[int]uint64 {
	out := map[int]uint64{}
	for v, locks := range h.locked {
		if quorum(locks) != nil && quorum(h.attested[v]) != nil {
			out[v.content] = v.view
		}
	}
	return out
}

// TestNoTwoContentsOfANumberAreFinalWhateverIsAsked of keyholders in four views, when one of four lies. Each is killed at times.
func TestNoTwoContentsOfANumberAreFinalWhateverIsAsked(t *testing.T) {
	c := committeetest.New(t, 4, 3, 5)
	views := map[uint64]int{}
	for seed := range uint64(24) {
		h := newHostile(t, c, seed)
		for step := range uint64(400) {
			views := uint64(hostileViews)
			if seed%2 == 1 {
				views = 1 + step*hostileViews/400 // one after the other: else keyholders are soon in the last one
			}
			h.step(views)
		}
		final := h.final()
		if len(final) > 1 {
			t.Fatalf("seed %d: contents are final in views %v", seed, final)
		}
		for _, view := range final {
			views[view]++
		}
		for _, k := range h.honest[1:] {
			_ = k.Close()
		}
	}
	t.Logf("final in views: %v", views)
	if views[1]+views[2]+views[3] == 0 {
		t.Error("nothing was decided in a higher view: this was no test of it")
	}
}
