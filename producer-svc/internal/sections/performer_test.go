package sections_test

import (
	"context"
	"errors"
	"testing"

	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// failing is an engine that fails every execution.
type failing struct {
	sections.Engine
	err error
}

func (f failing) Apply(context.Context, *blueprintv1.LogRecord) (section.Block, error) {
	return section.Block{}, f.err
}

func TestADiskThatFailsDuringAnExecutionInterruptsAndAnythingElseIsAnAlarm(t *testing.T) {
	apply := func(err error) section.Event {
		p := sections.NewPerformer(sections.Deps{Engine: failing{err: err}})
		return p.Perform(t.Context(), new(sections.Session), section.Apply{Record: &blueprintv1.LogRecord{Number: 7}})
	}
	full := errors.New("no space left on device")
	if e, ok := apply(&engine.Error{Kind: engine.Broken, Err: full}).(section.Interrupt); !ok || !errors.Is(e.Err, full) {
		t.Errorf("got %#v for a disk that failed", e)
	}
	if _, ok := apply(errors.New("another state root")).(section.Alarm); !ok {
		t.Error("no alarm for an execution that went wrong")
	}
}
