package core

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func subscribe(t testing.TB, c *Core, from uint64) *Subscription {
	t.Helper()
	s, err := c.Subscribe(from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestSubscribersGetEveryPreblockOnceWhileOthersAreMade(t *testing.T) {
	const last = 120
	c := open(t, options(t.TempDir()))
	for n := uint64(1); n <= 20; n++ {
		submit(t, c, proposal(n, 0))
	}
	var wg sync.WaitGroup
	for from := uint64(1); from <= 50; from += 7 {
		s := subscribe(t, c, from)
		wg.Go(func() {
			for want := from; want <= last; want++ {
				p, err := s.Next(t.Context())
				if err != nil || p.GetContent().GetNumber() != want {
					t.Errorf("from %d: got %d (%v), want %d", from, p.GetContent().GetNumber(), err, want)
					return
				}
			}
		})
	}
	for n := uint64(21); n <= last; n++ {
		submit(t, c, proposal(n, 0))
	}
	wg.Wait()
}

func TestNewSubscriptionsBeginAfterWhatIsFixed(t *testing.T) {
	c := open(t, options(t.TempDir()))
	submit(t, c, proposal(1, 0))
	s, err := c.SubscribeNew()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	submit(t, c, proposal(2, 0))
	submit(t, c, proposal(3, 0))
	for want := uint64(2); want <= 3; want++ {
		if p, err := s.Next(t.Context()); err != nil || p.GetContent().GetNumber() != want {
			t.Fatalf("got %v, %v", p, err)
		}
	}
}

func TestSubscriberThatNeverReadsHoldsUpNobody(t *testing.T) {
	c := open(t, options(t.TempDir()))
	slow := subscribe(t, c, 1)
	quick := subscribe(t, c, 1)
	for n := uint64(1); n <= 300; n++ {
		submit(t, c, proposal(n, 0))
		if p, err := quick.Next(t.Context()); err != nil || p.GetContent().GetNumber() != n {
			t.Fatalf("got %v, %v", p, err)
		}
	}
	for n := uint64(1); n <= 300; n++ {
		if p, err := slow.Next(t.Context()); err != nil || p.GetContent().GetNumber() != n {
			t.Fatalf("got %v, %v", p, err)
		}
	}
}

func TestWaitingSubscriberSleepsUntilItsNumberOrItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, options(t.TempDir()))
		s := subscribe(t, c, 3)
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 1)
		next := func() { _, err := s.Next(ctx); got <- err }
		go next()
		submit(t, c, proposal(1, 0))
		submit(t, c, proposal(2, 0))
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("ended before preblock 3: %v", err)
		default:
		}
		submit(t, c, proposal(3, 0))
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		go next()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Fatalf("ended with %v", err)
		}
	})
}

func TestSubscribersAreLimited(t *testing.T) {
	o := options(t.TempDir())
	o.MaxSubscribers = 2
	c := open(t, o)
	subscribe(t, c, 1)
	s, err := c.Subscribe(5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SubscribeNew(); !errors.Is(err, ErrTooManySubscribers) {
		t.Fatalf("third: %v", err)
	}
	s.Close()
	subscribe(t, c, 1)
	if c.Subscribers() != 2 {
		t.Fatalf("%d subscribers", c.Subscribers())
	}
}
