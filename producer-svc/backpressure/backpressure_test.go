package backpressure

import (
	"errors"
	"reflect"
	"testing"
)

var limits = Limits{Lag: 5, Ahead: 10, CatchUp: 4, Cooldown: 2}

// script drives a machine and keeps what it wants.
type script struct {
	t     *testing.T
	state State
	want  *Push // the last effect
}

func begin(t *testing.T, applied uint64) *script {
	return &script{t: t, state: Begin(applied, limits)}
}

func (s *script) after(e Event) *script {
	s.t.Helper()
	next, effects, err := Next(s.state, e)
	if err != nil {
		s.t.Fatalf("%T: %v", e, err)
	}
	s.state, s.want = next, nil
	if len(effects) > 0 {
		push := effects[0].(Push)
		s.want = &push
	}
	return s
}

func (s *script) pushes(from, to uint64) *script {
	s.t.Helper()
	if !reflect.DeepEqual(s.want, &Push{From: from, To: to}) {
		s.t.Fatalf("wants %+v, should push %d to %d; state %+v", s.want, from, to, s.state)
	}
	return s
}

func (s *script) pushesNothing() *script {
	s.t.Helper()
	if s.want != nil {
		s.t.Fatalf("wants %+v, should want nothing; state %+v", *s.want, s.state)
	}
	return s
}

func (s *script) locked(want bool) *script {
	s.t.Helper()
	if s.state.Locked != want {
		s.t.Fatalf("locked is %v; state %+v", s.state.Locked, s.state)
	}
	return s
}

func TestEachBlueprintIsPushedOnceInOrder(t *testing.T) {
	s := begin(t, 0)
	s.after(Applied{1}).pushesNothing() // what the rollup has is not known yet
	s.after(Seen{Level: 100}).pushes(1, 1)
	s.after(Applied{2}).pushesNothing() // one push at a time
	s.after(Applied{3}).pushesNothing()
	s.after(Accepted{1}).pushes(2, 3)
	s.after(Accepted{3}).pushesNothing()
	s.after(Applied{3}).pushesNothing()
	s.after(Applied{4}).pushes(4, 4)
}

func TestARefusedPushGoesOnWhereItStoppedAfterTheNextLook(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 1}).after(Applied{1}).pushes(1, 1)
	s.after(Applied{3}).after(Accepted{1}).pushes(2, 3)
	s.after(Refused{2}).pushesNothing()
	s.after(Applied{4}).pushesNothing()
	s.after(Seen{Level: 1}).pushes(3, 4)
}

func TestALeaderBeginsWhereTheRollupIs(t *testing.T) {
	begin(t, 8).locked(false).after(Seen{Level: 1, Confirmed: 6}).pushes(7, 8)
	begin(t, 8).after(Seen{Level: 1, Confirmed: 9}).pushesNothing().locked(false) // it has what was lost here
}

func TestTheRollupsOwnProgressIsNotPushedAgain(t *testing.T) {
	s := begin(t, 3).after(Seen{Level: 1, Confirmed: 1}).pushes(2, 3)
	s.after(Refused{1}).after(Seen{Level: 2, Confirmed: 3}).pushesNothing() // the refusal's answer was lost, not the push
}

func TestThePoolIsLockedWhenTooMuchIsMissing(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 1})
	s.after(Applied{10}).locked(false)
	s.after(Applied{11}).locked(true)
}

func TestAPoolIsLockedUntilARollupFarBehindIsHeardOf(t *testing.T) {
	begin(t, 10).locked(false)
	begin(t, 11).locked(true).after(Applied{12}).locked(true).after(Seen{Level: 1, Confirmed: 12}).locked(false)
	begin(t, 20).locked(true).after(Seen{Level: 1, Confirmed: 12}).locked(true)
}

func TestThePoolIsUnlockedWhenTheRollupHasBeenNearForTheCooldown(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 1}).after(Applied{11}).locked(true)
	s.after(Seen{Level: 2, Confirmed: 5}).locked(true)  // 6 are missing
	s.after(Seen{Level: 9, Confirmed: 6}).locked(true)  // near, from now on
	s.after(Seen{Level: 10, Confirmed: 8}).locked(true) // one block
	s.after(Seen{Level: 10, Confirmed: 8}).locked(true) // a look is no block
	s.after(Seen{Level: 11, Confirmed: 8}).locked(false)
	s.after(Applied{18}).locked(false)
	s.after(Applied{19}).locked(true)
}

func TestARollupThatFallsBackBeginsItsCooldownAnew(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 1}).after(Applied{11})
	s.after(Seen{Level: 2, Confirmed: 8}).after(Seen{Level: 3, Confirmed: 8}).locked(true)
	s.after(Seen{Level: 4, Confirmed: 2}).locked(true) // a reorganisation of layer 1
	s.after(Seen{Level: 9, Confirmed: 8}).locked(true)
	s.after(Seen{Level: 11, Confirmed: 8}).locked(false)
}

func TestWhatIsMissingIsPushedAgainBetweenCooldowns(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 1})
	for n := uint64(1); n <= 9; n++ {
		s.after(Applied{n}).pushes(n, n).after(Accepted{n})
	}
	s.after(Seen{Level: 1, Confirmed: 4}).pushesNothing() // 5 are missing, which is usual
	s.after(Seen{Level: 2, Confirmed: 2}).pushes(3, 6)    // at most 4 at a time
	s.after(Accepted{6}).pushesNothing()
	s.after(Seen{Level: 3, Confirmed: 3}).pushesNothing()
	s.after(Seen{Level: 4, Confirmed: 3}).pushes(4, 7)
}

func TestWhatIsMissingIsPushedAgainThoughNothingFollows(t *testing.T) {
	s := begin(t, 0).after(Seen{Level: 100}).after(Applied{1}).pushes(1, 1).after(Accepted{1})
	s.after(Seen{Level: 109}).pushesNothing()
	s.after(Seen{Level: 110, Confirmed: 1}).pushesNothing()
	s.after(Seen{Level: 150, Confirmed: 1}).pushesNothing() // nothing is missing
	s.after(Applied{3}).pushes(2, 3).after(Accepted{3})
	s.after(Seen{Level: 155, Confirmed: 1}).pushesNothing()
	s.after(Seen{Level: 160, Confirmed: 2}).pushesNothing() // it goes on
	s.after(Seen{Level: 170, Confirmed: 2}).pushesNothing()
	s.after(Seen{Level: 171, Confirmed: 2}).pushes(3, 3).after(Accepted{3})
	s.after(Seen{Level: 181, Confirmed: 2}).pushesNothing()
	s.after(Seen{Level: 182, Confirmed: 2}).pushes(3, 3)
}

func TestACatchUpWaitsForThePushUnderWay(t *testing.T) {
	s := begin(t, 8).after(Seen{Level: 1}).pushes(1, 4).after(Accepted{4}).pushes(5, 8)
	s.after(Seen{Level: 4, Confirmed: 0}).pushesNothing()
	s.after(Applied{9}).pushesNothing()
	s.after(Accepted{8}).pushes(1, 4).after(Accepted{4}).pushes(9, 9)
}

func TestPushesStayWithinWhatIsApplied(t *testing.T) {
	s := begin(t, 3).after(Seen{Level: 1, Confirmed: 7}).pushesNothing()
	s.after(Applied{7}).pushes(4, 7) // the rollup has them, but this was not seen since
	if s.state.Behind() != 0 {
		t.Fatalf("behind is %d", s.state.Behind())
	}
}

func TestTheEndOfNoPushIsUnexpected(t *testing.T) {
	s := begin(t, 0).state
	for _, e := range []Event{Accepted{1}, Refused{1}, nil} {
		if next, effects, err := Next(s, e); !errors.Is(err, ErrUnexpected) || next != s || effects != nil {
			t.Errorf("%T: %+v, %v, %v", e, next, effects, err)
		}
	}
}
