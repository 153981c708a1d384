package demand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shop is a Callers whose sections take a second each, one at a time, in a bubble of fake time.
type shop struct {
	*Callers
	turn    chan struct{} // full while a section runs
	mu      sync.Mutex
	made    []string
	results map[string]Result
	stop    context.CancelFunc
}

func openShop(t *testing.T, max int, verdict func(id string) error) *shop {
	s := &shop{turn: make(chan struct{}, 1), results: map[string]Result{}}
	s.Callers = New(Deps{
		MaxWaiting: max,
		Known:      s.known,
		Make: func(ctx context.Context, r Request) (Result, error) {
			s.turn <- struct{}{}
			defer func() { <-s.turn }()
			s.mu.Lock()
			s.made = append(s.made, r.ID)
			s.mu.Unlock()
			time.Sleep(time.Second)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := verdict(r.ID); err != nil {
				return Result{}, err
			}
			s.results[r.ID] = Result{Number: uint64(len(s.results) + 1)}
			return s.results[r.ID], nil
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	go func() { _ = s.Serve(ctx) }()
	synctest.Wait()
	return s
}

func (s *shop) known(id string) (Result, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.results[id]
	return r, ok
}

// served lists the requests whose sections were run.
func (s *shop) served() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.made)
}

// call asks in a goroutine; the result is read from the channel.
func (s *shop) call(ctx context.Context, id string) <-chan error {
	answer := make(chan error, 1)
	go func() {
		_, err := s.Produce(ctx, Request{ID: id})
		answer <- err
	}()
	synctest.Wait()
	return answer
}

func fine(string) error { return nil }

func TestRequestsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, 100, fine)
		defer s.stop()
		var answers []<-chan error
		var want []string
		for i := range 10 {
			id := fmt.Sprint("r-", i)
			want = append(want, id)
			answers = append(answers, s.call(t.Context(), id))
		}
		for _, a := range answers {
			if err := <-a; err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(s.served(), want) {
			t.Fatalf("served %v", s.served())
		}
	})
}

func TestWhoComesBetweenOpenAndServeIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Deps{
			MaxWaiting: 1,
			Known:      func(string) (Result, bool) { return Result{}, false },
			Make:       func(context.Context, Request) (Result, error) { return Result{Number: 7}, nil },
		})
		if _, err := d.Produce(t.Context(), Request{ID: "early"}); !errors.Is(err, ErrNotServing) {
			t.Fatalf("before: %v", err)
		}
		d.Open()
		answer := make(chan Result, 1)
		go func() {
			r, err := d.Produce(t.Context(), Request{ID: "a"})
			if err != nil {
				t.Error(err)
			}
			answer <- r
		}()
		synctest.Wait()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Serve(ctx) }()
		if r := <-answer; r.Number != 7 {
			t.Fatalf("got %+v", r)
		}
	})
}

func TestTheSameIdAtTheSameTimeIsServedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, 100, fine)
		defer s.stop()
		a, b, c := s.call(t.Context(), "x"), s.call(t.Context(), "x"), s.call(t.Context(), "y")
		for _, answer := range []<-chan error{a, b, c, s.call(t.Context(), "x")} {
			if err := <-answer; err != nil {
				t.Fatal(err)
			}
		}
		if err := <-s.call(t.Context(), "x"); err != nil || !slices.Equal(s.served(), []string{"x", "y"}) {
			t.Fatalf("served %v, %v", s.served(), err)
		}
	})
}

func TestACallerWhoLeavesDoesNotEndItsSection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, 100, fine)
		defer s.stop()
		ctx, leave := context.WithCancel(t.Context())
		begun, next, queued := s.call(ctx, "begun"), s.call(ctx, "next"), s.call(ctx, "queued")
		leave()
		if err := <-begun; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		<-next
		<-queued
		time.Sleep(5 * time.Second)
		if _, ok := s.known("begun"); !ok || !slices.Equal(s.served(), []string{"begun", "next"}) {
			t.Fatalf("served %v: the two that had begun end, the one nobody waits for is not begun", s.served())
		}
		if s.Waiting() != 0 {
			t.Fatalf("%d callers are counted as waiting", s.Waiting())
		}
	})
}

func TestTooManyCallersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, 2, fine)
		defer s.stop()
		a, b := s.call(t.Context(), "a"), s.call(t.Context(), "b")
		if err := <-s.call(t.Context(), "c"); !errors.Is(err, ErrTooMany) {
			t.Fatalf("got %v", err)
		}
		<-a
		<-b
		if err := <-s.call(t.Context(), "c"); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	})
}

func TestAnInterruptedSectionIsTriedAgainForWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 3
		s := openShop(t, 2, func(string) error {
			if left--; left > 0 {
				return ErrAgain
			}
			return nil
		})
		defer s.stop()
		if err := <-s.call(t.Context(), "a"); err != nil || !slices.Equal(s.served(), []string{"a", "a", "a"}) {
			t.Fatalf("%v, %v", s.served(), err)
		}
	})
}

func TestWhoWaitsIsToldWhenLeadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openShop(t, 100, func(string) error { return ErrAgain })
		begun, queued := s.call(t.Context(), "begun"), s.call(t.Context(), "queued")
		s.stop()
		for _, answer := range []<-chan error{begun, queued, s.call(t.Context(), "late")} {
			if err := <-answer; !errors.Is(err, ErrNotServing) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func TestWhoIsNotServedIsToldWhenWaitingIsOfNoUse(t *testing.T) {
	halted := errors.New("halted")
	var why error
	d := New(Deps{Known: func(string) (Result, bool) { return Result{}, false }, Halted: func() error { return why }, MaxWaiting: 1})
	if _, err := d.Produce(t.Context(), Request{ID: "a"}); !errors.Is(err, ErrNotServing) {
		t.Errorf("got %v", err)
	}
	why = halted
	if _, err := d.Produce(t.Context(), Request{ID: "a"}); !errors.Is(err, halted) || errors.Is(err, ErrNotServing) {
		t.Errorf("halted: got %v", err)
	}
}

func TestAFailureIsAnsweredAndNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("refused")
		s := openShop(t, 100, func(string) error { return broken })
		defer s.stop()
		for range 2 {
			if err := <-s.call(t.Context(), "a"); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
		}
		if len(s.served()) != 2 {
			t.Fatalf("tried %v", s.served())
		}
	})
}

func TestAnIdIsForOneBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := Request{ID: "a", Timestamp: time.Unix(100, 0), WithDelayed: true}
		s := openShop(t, 100, fine)
		defer s.stop()
		running := make(chan error, 1)
		go func() {
			_, err := s.Produce(t.Context(), first)
			running <- err
		}()
		synctest.Wait()
		for name, r := range map[string]Request{
			"now":             {ID: "a", WithDelayed: true},
			"later":           {ID: "a", Timestamp: time.Unix(101, 0), WithDelayed: true},
			"without delayed": {ID: "a", Timestamp: time.Unix(100, 0)},
		} {
			if _, err := s.Produce(t.Context(), r); !errors.Is(err, ErrOtherBody) {
				t.Errorf("%s while it runs: %v", name, err)
			}
		}
		if err := <-running; err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.results["a"] = Result{Number: 1, Time: 100}
		s.mu.Unlock()
		if _, err := s.Produce(t.Context(), first); err != nil {
			t.Errorf("a repeat: %v", err)
		}
		if _, err := s.Produce(t.Context(), Request{ID: "a", Timestamp: time.Unix(101, 0)}); !errors.Is(err, ErrOtherBody) {
			t.Errorf("another timestamp when the block is there: %v", err)
		}
		if n := s.Waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}
