package clock

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, path string) *Clock {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// at fails unless the clock is so far ahead of the machine's.
func at(t *testing.T, c *Clock, want time.Duration) {
	t.Helper()
	if got := time.Until(c.Now()); got != want {
		t.Errorf("the clock is ahead by %s, want %s", got, want)
	}
}

func TestAClockThatIsNoneIsTheMachines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Clock
		c.Passed(time.Now().Add(time.Hour).Unix())
		at(t, c, 0)
		if c.Ahead() != 0 {
			t.Errorf("it is ahead by %s", c.Ahead())
		}
	})
}

func TestTheClockMovesOnAndRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		c := open(t, path)
		at(t, c, 0)
		for range 2 {
			if err := c.Forward(time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		at(t, c, 2*time.Hour)
		at(t, open(t, path), 2*time.Hour) // after a restart
		for _, d := range []time.Duration{-time.Second, farthest} {
			if err := c.Forward(d); !errors.Is(err, ErrMove) {
				t.Errorf("forward by %s: %v", d, err)
			}
		}
		at(t, c, 2*time.Hour)
	})
}

func TestTheClockStandsUntilABlockHasItsTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		c := open(t, path)
		for _, ahead := range []time.Duration{time.Hour, -10 * time.Second} {
			begins := time.Now().Truncate(time.Second)
			if err := c.StandAt(begins.Add(ahead)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second)
			c.Passed(begins.Add(ahead).Unix() - 1) // of a block before
			at(t, c, ahead-7*time.Second)
			c.Passed(begins.Add(ahead).Unix())
			time.Sleep(5 * time.Second)
			at(t, c, ahead-7*time.Second)
		}
	})
}

func TestTheBoundNeverGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		c, begins := open(t, path), time.Now()
		moves := errors.Join(c.Forward(time.Hour), c.StandAt(begins.Add(time.Minute)))
		c.Passed(begins.Add(time.Minute).Unix())
		if moves != nil {
			t.Fatal(moves)
		}
		for _, c := range []*Clock{c, open(t, path)} {
			at(t, c, time.Minute)
			if got := c.Bound().Sub(begins); got != time.Hour {
				t.Errorf("the bound is %s ahead", got)
			}
		}
	})
}

func TestForwardMovesAClockThatStands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		c, begins := open(t, path), time.Now()
		if err := errors.Join(c.StandAt(begins.Add(time.Hour)), c.Forward(time.Minute)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if want := begins.Add(time.Hour + time.Minute); !c.Now().Equal(want) {
			t.Errorf("it stands at %s, want %s", c.Now(), want)
		}
	})
}

func TestTheClockIsNeverBehindABlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	synctest.Test(t, func(t *testing.T) {
		c := open(t, path)
		c.Passed(time.Now().Add(24 * time.Hour).Unix())
		at(t, c, 24*time.Hour)
	})
}

func TestAMoveThatIsNotOnDiskIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, filepath.Join(t.TempDir(), "missing", "clock"))
		if c.Forward(time.Hour) == nil || c.StandAt(time.Now().Add(time.Hour)) == nil {
			t.Error("a move was made that is not on disk")
		}
		at(t, c, 0)
	})
}
