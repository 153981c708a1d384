package opening

import (
	"context"
	"errors"
	"testing"
	"time"

	"blindseq/dsn-node/internal/stoplist"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// chain is final contents from number 1 on.
type chain []*preblockv1.Content

func (c *chain) add(txs ...[]byte) *preblockv1.Content {
	*c = append(*c, &preblockv1.Content{Number: uint64(len(*c)) + 1, Timestamp: timestamppb.New(time.Unix(1, 0)), Transactions: txs})
	return (*c)[len(*c)-1]
}

func (c *chain) planner(t *testing.T, dir string) *Planner {
	t.Helper()
	list, err := stoplist.Open(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := New(list, func(number uint64) (*preblockv1.Content, error) { return (*c)[number-1], nil }, func(time.Duration) {})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func reasons(t *testing.T, p *Planner, c *preblockv1.Content) (out []preblockv1.UndecryptableReason) {
	t.Helper()
	plan, err := p.Plan(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, b := range plan.Bundles {
		if (b.Refused == nil) != (b.Verified != nil) {
			t.Fatalf("bundle %+v is neither opened nor refused", b)
		}
		if b.Verified != nil {
			opened++
		}
		out = append(out, b.Refused.GetUndecryptable().GetReason())
	}
	if opened != len(plan.Open) {
		t.Fatalf("%d opened, %d listed", opened, len(plan.Open))
	}
	return out
}

func same[T comparable](t *testing.T, got []T, want ...T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestACiphertextIsOpenedAtItsFirstPlaceOnly(t *testing.T) {
	c := committeetest.New(t, 1, 1, 1)
	a, b := c.Bundle([]byte("a")), c.Bundle([]byte("b"))
	forged, err := te.DecodeBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	forged.Payload.Ciphertext.EncryptedKey[0]++ // b's point with a proof that does not hold
	var contents chain
	first := contents.add([]byte{1}, a, forged.Encode())
	second := contents.add(a, b, b)
	third := contents.add(b)
	dir := t.TempDir()
	p := contents.planner(t, dir)
	for range 2 { // again, and again after it was closed, is the same
		same(t, reasons(t, p, first), 0, outcome.BadCiphertext)
		same(t, reasons(t, p, second), outcome.AlreadyOrdered, 0, outcome.AlreadyOrdered)
		same(t, reasons(t, p, third), outcome.AlreadyOrdered)
		same(t, reasons(t, p, second), outcome.AlreadyOrdered, 0, outcome.AlreadyOrdered)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = contents.planner(t, dir)
	}
	// A list that was lost is made again from the contents.
	same(t, reasons(t, contents.planner(t, t.TempDir()), third), outcome.AlreadyOrdered)
}

func TestContentsWithoutBundlesNeedNoMark(t *testing.T) {
	c := committeetest.New(t, 1, 1, 1)
	var contents chain
	a := c.Bundle([]byte("a"))
	contents.add(a)
	for range 2500 {
		contents.add([]byte{1})
	}
	last := contents.add(a)
	dir := t.TempDir()
	for range 2 {
		p := contents.planner(t, dir)
		same(t, reasons(t, p, last), outcome.AlreadyOrdered)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlanEndsWithItsContextAndItsPlanner(t *testing.T) {
	var contents chain
	contents.add([]byte{1})
	last := contents.add([]byte{2})
	p := contents.planner(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Plan(ctx, last); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plan(t.Context(), last); !errors.Is(err, ErrClosed) {
		t.Fatalf("closed: %v", err)
	}
}
