package hold_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/api-gw/internal/hold"
)

var errAway = errors.New("away")

// world is a room, a line whose backend a test sets, and what was recorded.
type world struct {
	*hold.Line
	mu      sync.Mutex
	who     string
	changed chan struct{}
	held    int
	repeats map[string]int
	ended   map[string]int
}

func (w *world) Held(_ string, change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held += change
}

func (w *world) Repeat(_, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.repeats[reason]++
}

func (w *world) HoldEnded(_, outcome string, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[outcome]++
}

// lead makes another the backend, or the same anew.
func (w *world) lead(who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.who = who
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) count() (held int, repeats int, ended map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.repeats {
		repeats += n
	}
	return w.held, repeats, w.ended
}

// in runs a test in a bubble of fake time.
func in(t *testing.T, timeout time.Duration, limit int64, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{who: "a", changed: make(chan struct{}), repeats: map[string]int{}, ended: map[string]int{}}
		room := hold.New(hold.Config{Timeout: timeout, Max: limit, Recorder: w, Log: slog.New(slog.DiscardHandler)})
		w.Line = room.Line(t.Context(), hold.Backend{
			Name:    "leader",
			Who:     func() string { w.mu.Lock(); defer w.mu.Unlock(); return w.who },
			Changed: func() <-chan struct{} { w.mu.Lock(); defer w.mu.Unlock(); return w.changed },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if held, _, _ := w.count(); held != 0 {
			t.Errorf("%d calls are held at the end", held)
		}
	})
}

// until fails for a while, and then does not.
func until(d time.Duration) func(context.Context) error {
	began := time.Now()
	return func(context.Context) error {
		if time.Since(began) < d {
			return hold.Again(hold.Unavailable, errAway)
		}
		return nil
	}
}

func TestACallIsRepeatedUntilItIsServed(t *testing.T) {
	in(t, time.Minute, 1, func(t *testing.T, w *world) {
		began := time.Now()
		if err := w.Do(t.Context(), until(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it took %s", took)
		}
		if _, repeats, ended := w.count(); repeats < 20 || repeats > 60 || ended[hold.Served] != 1 {
			t.Errorf("%d repeats, %v", repeats, ended)
		}
	})
}

func TestOnlyWhatIsNotNowIsRepeated(t *testing.T) {
	in(t, time.Minute, 1, func(t *testing.T, w *world) {
		bad, tries := errors.New("bad input"), 0
		if err := w.Do(t.Context(), func(context.Context) error { tries++; return bad }); !errors.Is(err, bad) || tries != 1 {
			t.Errorf("%d tries, %v", tries, err)
		}
		tries = 0
		err := w.Do(t.Context(), func(context.Context) error {
			if tries++; tries < 3 {
				return hold.Again(hold.Unavailable, errAway)
			}
			return bad
		})
		if _, _, ended := w.count(); !errors.Is(err, bad) || tries != 3 || ended[hold.Refused] != 1 {
			t.Errorf("%d tries, %v, %v", tries, err, ended)
		}
	})
}

func TestACallIsGivenUpWhenItsTimeIsOver(t *testing.T) {
	in(t, 5*time.Second, 1, func(t *testing.T, w *world) {
		began := time.Now()
		err := w.Do(t.Context(), until(time.Hour))
		gaveUp := new(hold.GaveUp)
		if !errors.As(err, &gaveUp) || !errors.Is(err, errAway) || gaveUp.Repeats == 0 || time.Since(began) != 5*time.Second {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		if !strings.HasPrefix(err.Error(), "away; held for 5s and repeated ") {
			t.Errorf("it says %q", err)
		}
	})
}

func TestACallEndsWithItsCaller(t *testing.T) {
	in(t, time.Hour, 1, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := w.Do(ctx, until(time.Hour)); !errors.Is(err, errAway) || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if _, _, ended := w.count(); ended[hold.Left] != 1 {
			t.Errorf("counted %v", ended)
		}
	})
}

func TestWhoLeadsNewlyIsAskedAtOnce(t *testing.T) {
	for _, next := range []string{"b", "a"} { // another, or the same anew
		in(t, time.Minute, 1, func(t *testing.T, w *world) {
			var led atomic.Bool
			var served time.Time
			done := make(chan error, 1)
			go func() {
				done <- w.Do(t.Context(), func(context.Context) error {
					if !led.Load() {
						return hold.Again(hold.NoLeader, errAway)
					}
					served = time.Now()
					return nil
				})
			}()
			time.Sleep(20 * time.Second) // in fake time: pauses are the longest by now
			led.Store(true)
			began := time.Now()
			w.lead(next)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if after := served.Sub(began); after > 50*time.Millisecond {
				t.Errorf("asked %s after it came to lead", after)
			}
		})
	}
}

func TestWhoGetsThroughWakesTheOthers(t *testing.T) {
	in(t, time.Minute, 100, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		var mu sync.Mutex
		var first, last time.Time
		began := time.Now()
		for range 100 {
			all.Go(func() {
				if err := w.Do(t.Context(), until(30*time.Second)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if last = time.Now(); first.IsZero() {
					first = last
				}
			})
		}
		all.Wait()
		if first.Sub(began) < 30*time.Second || last.Sub(first) > 50*time.Millisecond {
			t.Errorf("the first after %s, the last %s later", first.Sub(began), last.Sub(first))
		}
	})
}

func TestMoreThanMayBeHeldAreRefusedAtOnce(t *testing.T) {
	in(t, time.Minute, 2, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if err := w.Do(t.Context(), until(10*time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		err := w.Do(t.Context(), until(10*time.Second))
		gaveUp := new(hold.GaveUp)
		if !errors.As(err, &gaveUp) || !gaveUp.Full || time.Since(began) != 0 {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		all.Wait()
		if _, _, ended := w.count(); ended[hold.TurnedAway] != 1 || ended[hold.Served] != 2 {
			t.Errorf("counted %v", ended)
		}
	})
}

func TestWhoIsCutOffIsGivenUpWhenAnotherLeads(t *testing.T) {
	in(t, time.Minute, 1, func(t *testing.T, w *world) {
		done, tries := make(chan error, 1), 0
		go func() {
			done <- w.Do(t.Context(), func(ctx context.Context) error {
				if tries++; tries > 1 {
					return nil
				}
				<-ctx.Done() // it never answers
				return ctx.Err()
			})
		}()
		time.Sleep(10 * time.Second)
		began := time.Now()
		w.lead("a") // the same anew is no reason
		time.Sleep(10 * time.Second)
		w.lead("b")
		if err := <-done; err != nil || tries != 2 {
			t.Fatalf("%d tries, %v", tries, err)
		}
		if took := time.Since(began) - 10*time.Second; took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("given up %s after another came to lead", took)
		}
		if w.repeats[hold.Succeeded] != 1 {
			t.Errorf("counted %v", w.repeats)
		}
	})
}

func TestWhoHandsOverMayAnswerWhatItHasBegun(t *testing.T) {
	in(t, time.Minute, 1, func(t *testing.T, w *world) {
		tries := 0
		go func() { time.Sleep(time.Second); w.lead("b") }()
		err := w.Do(t.Context(), func(ctx context.Context) error {
			tries++
			select {
			case <-time.After(1500 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil || tries != 1 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

func TestNothingIsHeldWithoutTimeOrLine(t *testing.T) {
	in(t, 0, 1, func(t *testing.T, w *world) {
		if err := w.Do(t.Context(), until(time.Second)); !errors.Is(err, errAway) {
			t.Errorf("without time: %v", err)
		}
		var none *hold.Line
		if err := none.Do(t.Context(), until(time.Second)); !errors.Is(err, errAway) {
			t.Errorf("without a line: %v", err)
		}
	})
}
