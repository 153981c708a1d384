package rpc

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// clock is a computing whose processors are two, and whose time is set.
func clock(t *testing.T) (c *computing, now *time.Time) {
	t.Helper()
	at := time.Unix(1_000, 0)
	c = newComputing(1)
	c.all, c.atOnce, c.share, c.now = make(chan struct{}, 1), 1, 0.25, func() time.Time { return at }
	return c, &at
}

func begin(t *testing.T, c *computing, name string) (end func()) {
	t.Helper()
	end, err := c.turn(t.Context(), name, 1)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return end
}

func refused(t *testing.T, c *computing, name, why string) {
	t.Helper()
	_, err := c.turn(t.Context(), name, 1)
	if limit := limitExceeded(""); !errors.As(err, &limit) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want a refusal with %q", name, err, why)
	}
}

func TestAClientComputesForItsShareOfTime(t *testing.T) {
	c, now := clock(t)
	end := begin(t, c, "a")
	*now = now.Add(5 * time.Second) // of 1 that was saved up, and 1.25 more
	end()
	refused(t, c, "a", "250ms of a second; try again in 11.001s")
	begin(t, c, "b")()
	*now = now.Add(11*time.Second - time.Millisecond)
	refused(t, c, "a", "again")
	*now = now.Add(2 * time.Millisecond)
	begin(t, c, "a")()
}

func TestCallsOfAClientTakeTurns(t *testing.T) {
	c, _ := clock(t)
	end := begin(t, c, "a")
	begin(t, c, "b")() // another does not wait for long
	next := make(chan func(), 1)
	go func() {
		end, err := c.turn(t.Context(), "a", 1)
		if err != nil {
			t.Error(err)
		}
		next <- end
	}()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.turn(ended, "a", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a call whose client has left: %v", err)
	}
	select {
	case <-next:
		t.Fatal("two compute at a time")
	default:
	}
	end()
	(<-next)()
}

func TestCallsOfAllClientsLeaveRoomUnlessOneWaitsForLong(t *testing.T) {
	c, _ := clock(t)
	end := begin(t, c, "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		begin(t, c, "b")()
	}()
	for waiting := false; !waiting; runtime.Gosched() {
		c.mu.Lock()
		waiting = c.of["b"] != nil && len(c.of["b"].slots) == 1
		c.mu.Unlock()
	}
	end()
	<-done
	end = begin(t, c, "a")
	began := time.Now()
	endOther := begin(t, c, "b") // no room
	if time.Since(began) < computingWait || len(c.all) != 1 {
		t.Errorf("it waited %s; %d have room", time.Since(began), len(c.all))
	}
	endOther()
	end()
	if len(c.all) != 0 {
		t.Error("room was not made")
	}
}

func TestFewCallsOfAClientWait(t *testing.T) {
	c, _ := clock(t)
	c.atOnce, c.all = computingCalls, make(chan struct{}, computingCalls+1)
	for range computingCalls {
		defer begin(t, c, "a")()
	}
	refused(t, c, "a", "128 calls")
	begin(t, c, "b")()
}

func TestClientsThatOweNothingAreForgotten(t *testing.T) {
	c, now := clock(t)
	c.all = make(chan struct{}, 2)
	end := begin(t, c, "computes")
	for i := range manyComputing {
		begin(t, c, strings.Repeat("x", i))()
	}
	*now = now.Add(time.Second)
	begin(t, c, "one more")()
	if len(c.of) > 3 {
		t.Errorf("%d are remembered", len(c.of))
	}
	end()
	*now = now.Add(time.Second)
	if c.of["computes"].time.TokensAt(*now) >= float64(c.of["computes"].time.Burst()) {
		t.Error("its time was forgotten")
	}
}
