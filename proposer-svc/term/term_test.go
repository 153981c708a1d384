package term

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"blindseq/proposer-svc/queue"
)

// every is one event of each kind.
var every = []Event{Seen{}, Woken{}, Content{}, Probed{}, Found{}, Recorded{}, Submitted{}, Refused{}, Told{}}

// TestAnEventThatIsNotTheEffectsIsRefused goes through every phase: it takes the results of its effect, and any other event
// leads back to looking, with an error.
func TestAnEventThatIsNotTheEffectsIsRefused(t *testing.T) {
	expected := map[phase]Event{
		looking: Seen{}, sleeping: Woken{}, asking: Content{}, served: Recorded{}, freeing: Probed{}, declining: Recorded{},
		refusing: Recorded{}, starting: Recorded{}, submitting: Submitted{}, yielding: Recorded{}, checking: Found{}, claiming: Recorded{},
		comparing: Content{}, finishing: Recorded{}, retrying: Recorded{}, telling: Told{}, ending: Recorded{},
	}
	for p := looking; p <= ending; p++ {
		for _, e := range every {
			s := State{phase: p, request: queue.Request{ID: "a"}}
			_, _, err := Next(s, e)
			want := reflect.TypeOf(e) != reflect.TypeOf(expected[p])
			if _, refused := e.(Refused); refused && p == submitting {
				want = false
			}
			if errors.Is(err, ErrUnexpected) != want {
				t.Errorf("phase %d, %T: error %v, want it refused: %v", p, e, err, want)
			}
		}
	}
}

// TestAFailureLooksAgain holds for every phase, and keeps what is watched.
func TestAFailureLooksAgain(t *testing.T) {
	watched, deadline := attempt{"a", 1, 1}, time.Unix(9, 0)
	for p := looking; p <= ending; p++ {
		next, effects, err := Next(State{phase: p, watched: watched, deadline: deadline}, Failed{})
		if err != nil || next.phase != looking || next.watched != watched || next.deadline != deadline {
			t.Errorf("phase %d: %+v, %v", p, next, err)
		}
		if !reflect.DeepEqual(effects, []Effect{Look{}}) {
			t.Errorf("phase %d: effects %v", p, effects)
		}
	}
}
