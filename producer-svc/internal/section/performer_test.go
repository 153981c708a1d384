package section_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// chainOf fails every execution.
type chainOf struct{ err error }

func (chainOf) Head() section.Head                    { return section.Head{} }
func (chainOf) BlockHash(uint64) (content.Hash, bool) { return content.Hash{}, false }
func (c chainOf) Apply(context.Context, *blueprintv1.LogRecord) (section.Block, error) {
	return section.Block{}, c.err
}

func TestADiskThatFailsDuringAnExecutionInterruptsAndAnythingElseIsAnAlarm(t *testing.T) {
	apply := func(err error) section.Event {
		p := section.NewPerformer(section.Deps{Chain: chainOf{err}})
		return p.Perform(t.Context(), new(section.Session), section.Apply{Record: &blueprintv1.LogRecord{Number: 7}})
	}
	full := fmt.Errorf("%w: no space left on device", section.ErrStorage)
	if e, ok := apply(full).(section.Interrupt); !ok || !errors.Is(e.Err, section.ErrStorage) {
		t.Errorf("got %#v for a disk that failed", e)
	}
	if _, ok := apply(errors.New("another state root")).(section.Alarm); !ok {
		t.Error("no alarm for an execution that went wrong")
	}
}
