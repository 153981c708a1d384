package sim

import (
	"fmt"
	"strings"
)

// Stats are figures of one run, or of many.
type Stats struct {
	Runs     int
	Events   uint64 // things that happened
	Messages uint64
	Steps    uint64 // durable steps
	Blocks   uint64 // fixed by the DSN
	Answers  uint64 // calls answered
	Acks     uint64 // transactions acknowledged
	Crashes  int
	Stops    int
	Lost     int // messages
	Delayed  int
	Doubled  int
	Stale    int // appends refused for their token
	Harms    int // what a hostile sequencer did beside rounds
	Faults   [numKinds]int
}

// Add adds the figures of another run.
func (s *Stats) Add(o Stats) {
	s.Runs += o.Runs
	s.Events += o.Events
	s.Messages += o.Messages
	s.Steps += o.Steps
	s.Blocks += o.Blocks
	s.Answers += o.Answers
	s.Acks += o.Acks
	s.Crashes += o.Crashes
	s.Stops += o.Stops
	s.Lost += o.Lost
	s.Delayed += o.Delayed
	s.Doubled += o.Doubled
	s.Stale += o.Stale
	s.Harms += o.Harms
	for i, n := range o.Faults {
		s.Faults[i] += n
	}
}

func (s Stats) String() string {
	var faults []string
	for i, n := range s.Faults {
		faults = append(faults, fmt.Sprintf("%s %d", Kind(i), n))
	}
	return fmt.Sprintf("%d schedules, %d events, %d messages (%d lost, %d delayed, %d twice), %d durable steps, %d blocks, "+
		"%d calls answered, %d transactions acknowledged, %d stale appends refused, %d harms\nfaults: %s",
		s.Runs, s.Events, s.Messages, s.Lost, s.Delayed, s.Doubled, s.Steps, s.Blocks, s.Answers, s.Acks, s.Stale, s.Harms,
		strings.Join(faults, ", "))
}
