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

// Transition is what an event leads to.
type Transition struct {
	Effects []Effect
	// Result is the request the event is about, as it stands afterwards.
	Result Request
}

func (t *Transition) add(op Op, r Request) { t.Effects = append(t.Effects, Effect{op, r}) }
