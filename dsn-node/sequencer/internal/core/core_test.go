package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/sequencer/order"
	"blindseq/kit/content"
	"blindseq/kit/requestid"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/rules"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func options(dir string) Options {
	return Options{
		Dir: dir, First: 1, Rules: ordered.Keyless{}, MaxContentBytes: content.MaxBlueprintBytes, MaxSubscribers: 100,
		Log: slog.New(slog.DiscardHandler),
	}
}

func open(t testing.TB, o Options) *Core {
	t.Helper()
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// proposal is one for a number; proposals of another variant have another content.
func proposal(number uint64, variant byte) Proposal {
	return Proposal{
		Content: &preblockv1.Content{
			Number:                   number,
			PreviousBlockHash:        bytes.Repeat([]byte{byte(number)}, 32),
			Timestamp:                timestamppb.New(time.Unix(1_000_000_000, 0)),
			DelayedTransactionHashes: [][]byte{bytes.Repeat([]byte{4}, 32)},
			Transactions:             [][]byte{{variant, byte(number), byte(number >> 8)}},
		},
		RequestID: string('a' + rune(variant)),
		Attempt:   1 + uint32(variant),
	}
}

func submit(t testing.TB, c *Core, p Proposal) Answer {
	t.Helper()
	a, err := c.Submit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// requirePreblock checks that the preblock of p's number is p.
func requirePreblock(t testing.TB, c *Core, p Proposal) {
	t.Helper()
	got, err := c.Preblock(p.Content.Number)
	if err != nil {
		t.Fatal(err)
	}
	hash := content.HashOf(p.Content)
	want := &preblockv1.Preblock{Content: p.Content, ContentHash: hash[:], RequestId: p.RequestID, Attempt: p.Attempt}
	if !proto.Equal(got, want) {
		t.Fatalf("preblock %d is %v, want %v", p.Content.Number, got, want)
	}
}

func TestProposalsBecomePreblocksAndSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	c := open(t, options(dir))
	if c.Last() != 0 {
		t.Fatalf("last is %d", c.Last())
	}
	for n := uint64(1); n <= 5; n++ {
		if a := submit(t, c, proposal(n, 0)); a.Verdict != Accepted || a.RequestID != "a" {
			t.Fatalf("answer %+v", a)
		}
		requirePreblock(t, c, proposal(n, 0))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, options(dir))
	if c.Last() != 5 {
		t.Fatalf("last is %d", c.Last())
	}
	for n := uint64(1); n <= 5; n++ {
		requirePreblock(t, c, proposal(n, 0))
	}
	submit(t, c, proposal(6, 0))
}

func TestKnownNumberIsAnsweredWithWhatWasAccepted(t *testing.T) {
	c := open(t, options(t.TempDir()))
	submit(t, c, proposal(1, 0))
	submit(t, c, proposal(2, 0))
	want := content.HashOf(proposal(1, 0).Content)
	again := proposal(1, 0)
	again.RequestID, again.Attempt = "other", 7
	for _, x := range []struct {
		p       Proposal
		outcome Verdict
	}{{again, Repeated}, {proposal(1, 9), Conflicting}} {
		a := submit(t, c, x.p)
		if a.Verdict != x.outcome || !bytes.Equal(a.ContentHash, want[:]) || a.RequestID != "a" {
			t.Fatalf("answer %+v", a)
		}
	}
	requirePreblock(t, c, proposal(1, 0))
	if c.Last() != 2 {
		t.Fatalf("last is %d", c.Last())
	}
}

func TestRefusedProposalChangesNothing(t *testing.T) {
	o := options(t.TempDir())
	o.MaxContentBytes = 5000
	c := open(t, o)
	submit(t, c, proposal(1, 0))
	with := func(change func(*Proposal)) Proposal {
		p := proposal(2, 0)
		change(&p)
		return p
	}
	for name, x := range map[string]struct {
		p    Proposal
		want error
	}{
		"no content":            {Proposal{}, content.ErrMalformed},
		"number 0":              {with(func(p *Proposal) { p.Content.Number = 0 }), content.ErrMalformed},
		"short parent":          {with(func(p *Proposal) { p.Content.PreviousBlockHash = nil }), content.ErrMalformed},
		"no timestamp":          {with(func(p *Proposal) { p.Content.Timestamp = nil }), content.ErrMalformed},
		"too large":             {with(func(p *Proposal) { p.Content.Transactions = [][]byte{make([]byte, 5000)} }), content.ErrTooLarge},
		"over a blueprint":      {with(func(p *Proposal) { p.Content.Transactions = [][]byte{make([]byte, 600_000)} }), content.ErrTooLarge},
		"sealed, no keyholders": {with(func(p *Proposal) { p.Content.Transactions = [][]byte{{seal.Type, 1}} }), rules.ErrContent},
		"bad request id":        {with(func(p *Proposal) { p.RequestID = "a\nb" }), requestid.ErrInvalid},
		"a number skipped":      {proposal(3, 0), order.ErrNotNext},
		"the largest there":     {proposal(1<<64-1, 0), order.ErrNotNext},
	} {
		if _, err := c.Submit(t.Context(), x.p); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Submit(ended, proposal(2, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if c.Last() != 1 {
		t.Fatalf("last is %d", c.Last())
	}
	submit(t, c, proposal(2, 0))
}

func TestFreshDiskOfAnOldChainBeginsAtFirstNumber(t *testing.T) {
	o := options(t.TempDir())
	o.First = 100
	c := open(t, o)
	for _, n := range []uint64{1, 99, 101} {
		if _, err := c.Submit(t.Context(), proposal(n, 0)); !errors.Is(err, order.ErrNotNext) {
			t.Fatalf("proposal %d: %v", n, err)
		}
	}
	if _, err := c.Subscribe(99); !errors.Is(err, ErrNotHeld) {
		t.Fatalf("subscribe from 99: %v", err)
	}
	if _, err := c.Preblock(99); !errors.Is(err, ErrNotHeld) {
		t.Fatalf("preblock 99: %v", err)
	}
	if c.Last() != 0 {
		t.Fatalf("last is %d", c.Last())
	}
	submit(t, c, proposal(100, 0))
	if c.Last() != 100 {
		t.Fatalf("last is %d", c.Last())
	}
}

func TestConcurrentProposalsOfOneNumberGetOneAnswer(t *testing.T) {
	c := open(t, options(t.TempDir()))
	answers := make([]Answer, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = c.Submit(t.Context(), proposal(1, byte(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	accepted := 0
	for _, a := range answers {
		if !bytes.Equal(a.ContentHash, answers[0].ContentHash) {
			t.Fatalf("answers differ: %x, %x", a.ContentHash, answers[0].ContentHash)
		}
		if a.Verdict == Accepted {
			accepted++
		}
	}
	if accepted != 1 {
		t.Fatalf("%d were accepted", accepted)
	}
}

func TestPreblockTimeFixesOnTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t.TempDir())
		o.PreblockTime = 500 * time.Millisecond
		c := open(t, o)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()

		submit(t, c, proposal(1, 0))
		if _, err := c.Preblock(1); !errors.Is(err, ErrNotFixed) {
			t.Fatalf("before the tick: %v", err)
		}
		if a := submit(t, c, proposal(1, 0)); a.Verdict != Repeated {
			t.Fatalf("repeat before the tick: %+v", a)
		}
		if _, err := c.Submit(ctx, proposal(2, 0)); !errors.Is(err, order.ErrNotNext) {
			t.Fatalf("the next number before the tick: %v", err)
		}
		sub, err := c.Subscribe(1)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		began := time.Now()
		if _, err := sub.Next(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Fatalf("fixed after %s", took)
		}
		submit(t, c, proposal(2, 0))
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// copyDir is what a crash at this moment leaves on the disk.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestProposalAcceptedBeforeACrashIsFinishedOnStart(t *testing.T) {
	o := options(t.TempDir())
	o.PreblockTime = time.Hour
	c := open(t, o)
	submit(t, c, proposal(1, 0))
	if c.Last() != 0 {
		t.Fatal("fixed before the tick")
	}
	for _, preblockTime := range []time.Duration{0, time.Hour} {
		after := options(copyDir(t, o.Dir))
		after.PreblockTime = preblockTime
		c := open(t, after)
		requirePreblock(t, c, proposal(1, 0))
		if a := submit(t, c, proposal(1, 3)); a.Verdict != Conflicting || a.RequestID != "a" {
			t.Fatalf("answer %+v", a)
		}
		submit(t, c, proposal(2, 0))
	}
}

func BenchmarkSubmit(b *testing.B) {
	for _, transactions := range []int{1, 200, 4000} {
		b.Run(fmt.Sprintf("%dtx", transactions), func(b *testing.B) {
			c := open(b, options(b.TempDir()))
			p := proposal(1, 0)
			p.Content.Transactions = nil
			for range transactions {
				p.Content.Transactions = append(p.Content.Transactions, make([]byte, 110))
			}
			for b.Loop() {
				p.Content = proto.CloneOf(p.Content)
				submit(b, c, p)
				p.Content.Number++
			}
		})
	}
}
