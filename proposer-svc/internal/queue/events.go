package queue

// Enqueue asks for a request to be served. Only what the caller chose is taken of it.
type Enqueue struct {
	anyReplica
	Request Request
}

// Subject implements Event.
func (e Enqueue) Subject() string { return e.Request.ID }

func (e Enqueue) step(v View, l Limits) (t Transition, err error) {
	if v.Known != nil {
		return Transition{Result: *v.Known}, nil
	}
	if v.Queued >= l.Queued {
		return t, ErrFull
	}
	t.Result = Request{
		ID: e.Request.ID, Timestamp: e.Request.Timestamp, Force: e.Request.Force, WithDelayed: e.Request.WithDelayed,
		Token: e.Request.Token, Trace: e.Request.Trace, State: Queued,
	}
	t.add(Append, t.Result)
	return t, nil
}

// Start records the first attempt of the head's proposal; only then may it be submitted.
type Start struct {
	By
	ID     string
	Number uint64
	Hash   []byte
}

// Subject implements Event.
func (e Start) Subject() string { return e.ID }

func (e Start) step(v View, _ Limits) (t Transition, err error) {
	if e.Number == 0 {
		return t, ErrNoNumber
	}
	r, err := next(v, e.ID)
	if err != nil {
		return t, err
	}
	r.State, r.Number, r.Attempt, r.ContentHash = InFlight, e.Number, 1, e.Hash
	t.Result = r
	t.add(Remove, r)
	t.add(Hold, r)
	return t, nil
}

// Decline records that the head gets no proposal, before anyone is told: a proposer that takes over in between tells
// the same reason again, and does not come to another end.
type Decline struct {
	By
	ID     string
	Reason Reason
}

// Subject implements Event.
func (e Decline) Subject() string { return e.ID }

func (e Decline) step(v View, _ Limits) (t Transition, err error) {
	if e.Reason == 0 {
		return t, ErrNoReason
	}
	r, err := next(v, e.ID)
	if err != nil {
		return t, err
	}
	r.State, r.Reason = Ending, e.Reason
	t.Result = r
	t.add(Remove, r)
	t.add(Hold, r)
	return t, nil
}

// next is the head, when it is the one named and nothing is current.
func next(v View, id string) (Request, error) {
	switch {
	case v.Current != nil:
		return Request{}, ErrBusy
	case v.Head == nil || v.Head.ID != id:
		return Request{}, ErrNotHead
	}
	return *v.Head, nil
}

// Retry records another attempt for the same number; only then may it be submitted.
type Retry struct {
	By
	ID   string
	Hash []byte
}

// Subject implements Event.
func (e Retry) Subject() string { return e.ID }

func (e Retry) step(v View, _ Limits) (t Transition, err error) {
	r, err := current(v, e.ID, InFlight)
	if err != nil {
		return t, err
	}
	r.Attempt++
	r.ContentHash = e.Hash
	t.Result = r
	t.add(Hold, r)
	return t, nil
}

// Displace records that the DSN fixed another request's content for the number of the current one.
type Displace struct {
	By
	ID string
}

// Subject implements Event.
func (e Displace) Subject() string { return e.ID }

func (e Displace) step(v View, _ Limits) (t Transition, err error) {
	r, err := current(v, e.ID, InFlight)
	if err != nil {
		return t, err
	}
	r.Displaced = true
	t.Result = r
	t.add(Hold, r)
	return t, nil
}

// Announced says that the monitor has the reason of the ending request.
type Announced struct {
	By
	ID string
}

// Subject implements Event.
func (e Announced) Subject() string { return e.ID }

func (e Announced) step(v View, _ Limits) (t Transition, err error) {
	r, err := current(v, e.ID, Ending)
	if err != nil {
		return t, err
	}
	r.State = Processed
	t.Result = r
	t.add(Release, r)
	t.add(Remember, r)
	return t, nil
}

func current(v View, id string, s State) (Request, error) {
	if v.Current == nil || v.Current.ID != id || v.Current.State != s {
		return Request{}, ErrNotCurrent
	}
	return *v.Current, nil
}
