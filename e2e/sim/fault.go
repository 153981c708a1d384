package sim

import (
	"fmt"
	"time"
)

// Kind is a kind of fault.
type Kind uint8

// The kinds.
const (
	Crash    Kind = iota // a process is killed, at a moment or at a time, and restarted later
	Stop                 // a process is stopped (SIGSTOP), at a moment or at a time, and continued later
	Cut                  // a process is cut off from all others, or from one
	Loss                 // messages are lost
	Delay                // messages take long, and overtake each other
	Twice                // messages arrive twice, the second time late
	Break                // the stream of preblocks to a monitor breaks
	Jump                 // the wall clock of a process jumps
	Wipe                 // Redis loses everything
	Failover             // Redis comes back as an old copy of itself
	LockPool             // an operator locks the pool of every producer
	LostDisk             // a keyholder is killed and comes back with an empty disk
	numKinds
)

var kindNames = [numKinds]string{
	"crash", "stop", "cut", "loss", "delay", "twice", "break", "jump", "wipe", "failover", "lock pool", "lost disk",
}

func (k Kind) String() string { return kindNames[k] }

// Fault is one thing that goes wrong.
type Fault struct {
	Kind   Kind
	At     time.Duration // when; for a Crash or Stop at a moment, from when on its passes count
	For    time.Duration // how long it lasts
	Target string        // a process; "" for any, or all
	Other  string        // of a Cut: the process it is cut off from, "" for all
	Moment *Moment       // of a Crash or Stop: where, nil for right At
	Nth    int           // how many passes of the moment to let go by first
	Then   bool          // wait until the fault before it in the plan has struck
	By     time.Duration // of a Jump: its size; of a Failover: the age of the copy
}

func (f Fault) String() string {
	s := fmt.Sprintf("%s at %s", f.Kind, f.At)
	if f.Moment != nil {
		s = fmt.Sprintf("%s %s, time %d from %s on", f.Kind, f.Moment, f.Nth+1, f.At)
	}
	if f.Then {
		s = "then " + s
	}
	if f.Target != "" {
		s += ", " + f.Target
	}
	if f.Other != "" {
		s += " from " + f.Other
	}
	if f.For != 0 {
		s += ", for " + f.For.String()
	}
	if f.By != 0 {
		s += ", by " + f.By.String()
	}
	return s
}
