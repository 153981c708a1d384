package queue

// Op is one change of what is stored.
type Op uint8

const (
	// Append puts the request at the end of the FIFO.
	Append Op = iota
	// Prepend puts it at the front.
	Prepend
	// Remove takes it out of the FIFO, wherever it stands.
	Remove
	// Hold makes it the current one, or stores what changed of the current one.
	Hold
	// Release leaves no request current.
	Release
	// Remember stores it as processed, for repeats of its id and for the list of the last ones.
	Remember
)

func (o Op) String() string {
	return [...]string{"append", "prepend", "remove", "hold", "release", "remember"}[o]
}

// Effect is an operation on one request. The effects of one transition are applied in order and all or none.
type Effect struct {
	Op      Op
	Request Request
}

// transition is what an event leads to.
type transition struct {
	effects []Effect
	result  Request // the request the event is about, as it stands afterwards
}

func (t *transition) add(op Op, r Request) { t.effects = append(t.effects, Effect{op, r}) }

// after is the state that a transition leaves.
func (s State) after(t transition) State {
	for _, f := range t.effects {
		s = s.with(f)
	}
	s.Known = nil
	if t.result.ID != "" {
		s.Known = &t.result
	}
	return s
}

func (s State) with(f Effect) State {
	r := f.Request
	switch f.Op {
	case Append:
		if s.Queued++; s.Queued == 1 {
			s.Head = &r
		}
	case Prepend:
		s.Queued++
		s.Head = &r
	case Remove:
		if s.Queued--; s.Head != nil && s.Head.ID == r.ID {
			s.Head = nil
		}
	case Hold:
		s.Current = &r
	case Release:
		s.Current = nil
	case Remember: // it is among neither
	}
	return s
}
