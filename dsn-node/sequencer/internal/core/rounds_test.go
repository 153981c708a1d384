package core

import (
	"context"
	"errors"
	"sync"
	"testing"

	"blindseq/dsn-node/sequencer/order"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
)

// fakeRounds decides as told by its gate, and gives every run of a round another certificate, as quorums differ.
type fakeRounds struct {
	first uint64
	gate  chan struct{} // nil: open

	mu   sync.Mutex
	runs uint32
}

func (f *fakeRounds) First() uint64 { return f.first }

func (f *fakeRounds) Decide(ctx context.Context, c *preblockv1.Content) (*preblockv1.Preblock, error) {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs++
	return &preblockv1.Preblock{
		Certificate: &preblockv1.Certificate{Number: c.GetNumber(), Attestations: []*preblockv1.Attestation{{Authority: f.runs}}},
		Outcomes:    []*preblockv1.Outcome{{Index: 7}},
	}, nil
}

// run runs a core until the test, or the returned function, ends it.
func run(t *testing.T, c *Core) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error { cancel(); return <-done }
}

func next(t *testing.T, c *Core, number uint64) *preblockv1.Preblock {
	t.Helper()
	p, err := subscribe(t, c, number).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPreblockIsShownWhenItsRoundIsDecided(t *testing.T) {
	o := options(t.TempDir())
	rounds := &fakeRounds{first: 1, gate: make(chan struct{})}
	o.Rounds = rounds
	c := open(t, o)
	stop := run(t, c)
	if a := submit(t, c, proposal(1, 0)); a.Verdict != Accepted {
		t.Fatalf("answer %+v", a)
	}
	if _, err := c.Preblock(1); !errors.Is(err, ErrNotFixed) || c.Last() != 0 || c.Accepted() != 1 {
		t.Fatalf("before its round: %v, last %d, accepted %d", err, c.Last(), c.Accepted())
	}
	if a := submit(t, c, proposal(1, 3)); a.Verdict != Conflicting {
		t.Fatalf("answer %+v", a)
	}
	if _, err := c.Submit(t.Context(), proposal(2, 0)); !errors.Is(err, order.ErrNotNext) {
		t.Fatalf("the next one meanwhile: %v", err)
	}
	rounds.gate <- struct{}{}
	p := next(t, c, 1)
	if p.GetCertificate().GetNumber() != 1 || len(p.GetOutcomes()) != 1 || p.GetRequestId() != "a" || len(p.GetContentHash()) != 32 {
		t.Fatalf("preblock %v", p)
	}
	submit(t, c, proposal(2, 0))
	if err := stop(); err != nil { // in the middle of round 2
		t.Fatal(err)
	}
	rounds.gate = nil
	c = open(t, o)
	if got, err := c.Preblock(1); err != nil || !proto.Equal(got, p) || c.Last() != 1 || c.Accepted() != 2 {
		t.Fatalf("after a restart: %v, %v", got, err)
	}
	run(t, c)
	next(t, c, 2)
}

func TestLogThatDoesNotFitItsRoundsIsRefused(t *testing.T) {
	o := options(t.TempDir())
	c := open(t, o)
	for n := uint64(1); n <= 3; n++ {
		submit(t, c, proposal(n, 0))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, first := range []uint64{1, 2, 5} {
		bad := o
		bad.Dir = copyDir(t, o.Dir)
		bad.Rounds = &fakeRounds{first: first}
		if _, err := Open(t.Context(), bad); !errors.Is(err, ErrRounds) {
			t.Errorf("rounds from %d: %v", first, err)
		}
	}
	o.Rounds = &fakeRounds{first: 4} // keyholders from now on
	c = open(t, o)
	stop := run(t, c)
	submit(t, c, proposal(4, 0))
	if p := next(t, c, 4); p.GetCertificate() == nil {
		t.Fatal("no certificate")
	}
	requirePreblock(t, c, proposal(3, 0))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	o.Rounds = nil
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrRounds) {
		t.Errorf("without rounds: %v", err)
	}
}

func TestCrashAtAnyStepOfARoundNeverChangesWhatWasShown(t *testing.T) {
	const last = 3
	for _, late := range []bool{false, true} {
		for good := 0; ; good++ {
			rounds := &fakeRounds{first: 1}
			o := options(t.TempDir())
			o.Rounds, o.FS = rounds, &crashingFS{good: good, late: late}
			shown := crashInRounds(t, o, last)
			o.FS = nil
			c := open(t, o)
			stop := run(t, c)
			for i, want := range shown {
				if got := next(t, c, uint64(i)+1); !proto.Equal(got, want) {
					t.Fatalf("crash %d: preblock %d is %v, was %v", good, i+1, got, want)
				}
			}
			for n := max(c.Accepted(), 1); n <= last+1; n++ {
				submit(t, c, proposal(n, 0))
				next(t, c, n)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if len(shown) == last {
				break
			}
		}
	}
}

// crashInRounds submits until the disk fails, or the last number is shown, and returns what was shown.
func crashInRounds(t *testing.T, o Options, last uint64) (shown []*preblockv1.Preblock) {
	t.Helper()
	c, err := Open(t.Context(), o)
	if err != nil {
		if !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx); cancel() }()
	s := subscribe(t, c, 1)
	for n := uint64(1); n <= last; n++ {
		if _, err := c.Submit(t.Context(), proposal(n, 0)); err != nil {
			break
		}
		p, err := s.Next(ctx)
		if err != nil {
			break
		}
		shown = append(shown, p)
	}
	if uint64(len(shown)) == last {
		cancel() // else the failed disk ends it
	}
	if err := <-done; uint64(len(shown)) < last && !errors.Is(err, ErrStorage) {
		t.Fatalf("run: %v", err)
	}
	return shown
}
