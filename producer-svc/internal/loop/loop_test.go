package loop

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scene is a loop in a bubble of fake time, with a pool and a chain that the test plays.
type scene struct {
	mu      sync.Mutex
	between time.Duration
	pace    Pace   // without between
	paced   *Pacer // while it plays
	ready   bool
	verdict Verdict
	last    time.Time // of the last block
	changed chan struct{}
	tries   []time.Duration // since the start
	forced  []bool
	ids     []string
}

// play runs the loop for d while script acts, and then waits for the loop to end.
func (s *scene) play(t *testing.T, d time.Duration, script func(start time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.changed = make(chan struct{}, 1)
		start := time.Now()
		s.last = start
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		l := New(Deps{
			Pacer:   s.pacer(),
			Age:     func() time.Duration { s.mu.Lock(); defer s.mu.Unlock(); return time.Since(s.last) },
			Ready:   func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.ready },
			Changed: s.changed,
			Try: func(_ context.Context, id string, force bool) Verdict {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.tries, s.forced, s.ids = append(s.tries, time.Since(start)), append(s.forced, force), append(s.ids, id)
				if s.verdict == Made {
					s.last, s.ready = time.Now(), false
				}
				return s.verdict
			},
		})
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		synctest.Wait()
		if script != nil {
			script(start)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != d {
			t.Errorf("ended after %s, not when its context did", took)
		}
	})
}

// pacer makes that of the scene, in its bubble: with a time between blocks, they are made for transactions too.
func (s *scene) pacer() *Pacer {
	pace := s.pace
	if s.between > 0 {
		pace = Pace{Transactions: true, Between: s.between}
	}
	s.paced = NewPacer(pace)
	return s.paced
}

func (s *scene) arrive() {
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func TestLoopSleepsAtMostHalfASecondOnNoPreblockAndWakesAtOnceForATransaction(t *testing.T) {
	s := &scene{between: time.Hour, ready: true, verdict: Nothing}
	s.play(t, 1100*time.Millisecond, func(start time.Time) {
		time.Sleep(700 * time.Millisecond) // fake time
		s.arrive()
	})
	want := []time.Duration{0, 500 * time.Millisecond, 700 * time.Millisecond}
	if !slices.Equal(s.tries, want) {
		t.Fatalf("tried at %v, want %v", s.tries, want)
	}
}

func TestLoopMakesABlockAtOnceForATransaction(t *testing.T) {
	s := &scene{between: time.Hour, verdict: Made}
	s.play(t, 5*time.Second, func(time.Time) {
		time.Sleep(1234 * time.Millisecond)
		s.arrive()
	})
	if !slices.Equal(s.tries, []time.Duration{1234 * time.Millisecond}) || s.forced[0] {
		t.Fatalf("tried at %v, forced %v", s.tries, s.forced)
	}
}

func TestLoopForcesABlockWhenTheLastIsOld(t *testing.T) {
	s := &scene{between: 5 * time.Second, verdict: Made}
	s.play(t, 16*time.Second, nil)
	want := []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}
	if !slices.Equal(s.tries, want) || slices.Contains(s.forced, false) {
		t.Fatalf("tried at %v, want %v; forced %v", s.tries, want, s.forced)
	}
}

func TestTimeBetweenBlocksNoneMakesNoBlockByItself(t *testing.T) {
	s := &scene{between: 0, ready: true, verdict: Made}
	s.play(t, time.Hour, func(time.Time) { s.arrive() })
	if len(s.tries) != 0 {
		t.Fatalf("tried at %v", s.tries)
	}
}

func TestBlocksForTransactionsOnlyAreNeverForced(t *testing.T) {
	s := &scene{pace: Pace{Transactions: true}, verdict: Made}
	s.play(t, time.Hour, func(time.Time) {
		time.Sleep(30*time.Minute + 123*time.Millisecond)
		s.arrive()
	})
	if !slices.Equal(s.tries, []time.Duration{30*time.Minute + 123*time.Millisecond}) || s.forced[0] {
		t.Fatalf("tried at %v, forced %v", s.tries, s.forced)
	}
}

func TestTheLoopFollowsThePaceAtOnce(t *testing.T) {
	s := &scene{ready: true, verdict: Made}
	s.play(t, 10*time.Second, func(time.Time) {
		time.Sleep(1250 * time.Millisecond)
		s.paced.Change(func(p *Pace) { p.Transactions = true })
		time.Sleep(1 * time.Second)
		s.paced.Change(func(p *Pace) { p.Between = 3 * time.Second })
		time.Sleep(4 * time.Second)
		s.paced.Change(func(p *Pace) { *p = Pace{} })
		s.arrive()
	})
	if want := []time.Duration{1250 * time.Millisecond, 4250 * time.Millisecond}; !slices.Equal(s.tries, want) {
		t.Fatalf("tried at %v, want %v", s.tries, want)
	}
}

func TestAnInterruptedSectionIsTriedAgainWithItsId(t *testing.T) {
	s := &scene{between: time.Hour, ready: true, verdict: Again}
	s.play(t, time.Second, func(time.Time) {
		time.Sleep(220 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.verdict = Nothing
	})
	if len(s.ids) < 7 || s.ids[0] != s.ids[4] || s.ids[5] != s.ids[0] || s.ids[6] == s.ids[0] {
		t.Fatalf("at %v with %v", s.tries, s.ids)
	}
}

func TestAStuckLoopTriesRarelyUntilSomethingChanges(t *testing.T) {
	s := &scene{between: time.Second, ready: true, verdict: Stuck}
	s.play(t, 12*time.Second, func(time.Time) {
		time.Sleep(6 * time.Second)
		s.arrive()
	})
	if want := []time.Duration{0, 5 * time.Second, 6 * time.Second, 11 * time.Second}; !slices.Equal(s.tries, want) {
		t.Fatalf("tried at %v, want %v", s.tries, want)
	}
}
