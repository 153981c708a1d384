package queue

// Enqueue asks for a request to be served. Only what the caller chose is taken of it.
type Enqueue struct {
	anyReplica
	Request Request
}

// Subject implements Event.
func (e Enqueue) Subject() string { return e.Request.ID }

func (e Enqueue) next(s State) (t transition, err error) {
	if s.Known != nil {
		return transition{result: *s.Known}, nil
	}
	if s.Queued >= s.Limits.Queued {
		return t, ErrFull
	}
	t.result = Request{
		ID: e.Request.ID, Timestamp: e.Request.Timestamp, Force: e.Request.Force, WithDelayed: e.Request.WithDelayed,
		Token: e.Request.Token, Trace: e.Request.Trace, Phase: Queued,
	}
	t.add(Append, t.result)
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

func (e Start) next(s State) (t transition, err error) {
	if e.Number == 0 {
		return t, ErrNoNumber
	}
	r, err := first(s, e.ID)
	if err != nil {
		return t, err
	}
	r.Phase, r.Number, r.Attempt, r.ContentHash = InFlight, e.Number, 1, e.Hash
	t.result = r
	t.add(Remove, r)
	t.add(Hold, r)
	return t, nil
}

// Decline records that the head gets no proposal, before the monitor is notified: a proposer that takes over in between
// repeats the same reason and cannot end the request in another way.
type Decline struct {
	By
	ID     string
	Reason Reason
}

// Subject implements Event.
func (e Decline) Subject() string { return e.ID }

func (e Decline) next(s State) (t transition, err error) {
	if e.Reason == 0 {
		return t, ErrNoReason
	}
	r, err := first(s, e.ID)
	if err != nil {
		return t, err
	}
	r.Phase, r.Reason = Ending, e.Reason
	t.result = r
	t.add(Remove, r)
	t.add(Hold, r)
	return t, nil
}

// Refuse records that the DSN refused the proposal in flight for good, before the monitor is notified. It is recorded only after the
// DSN said that nothing is accepted for the number: an earlier attempt cannot become a preblock then.
type Refuse struct {
	By
	ID     string
	Reason Reason
}

// Subject implements Event.
func (e Refuse) Subject() string { return e.ID }

func (e Refuse) next(s State) (t transition, err error) {
	if e.Reason == 0 {
		return t, ErrNoReason
	}
	r, err := current(s, e.ID, InFlight)
	if err != nil {
		return t, err
	}
	r.Phase, r.Reason, r.Displaced = Ending, e.Reason, false
	t.result = r
	t.add(Hold, r)
	return t, nil
}

// first is the head, when it is the one named and nothing is current.
func first(s State, id string) (Request, error) {
	switch {
	case s.Current != nil:
		return Request{}, ErrBusy
	case s.Head == nil || s.Head.ID != id:
		return Request{}, ErrNotHead
	}
	return *s.Head, nil
}

// Retry records another attempt for the same number; only then may it be submitted.
type Retry struct {
	By
	ID   string
	Hash []byte
}

// Subject implements Event.
func (e Retry) Subject() string { return e.ID }

func (e Retry) next(s State) (t transition, err error) {
	r, err := current(s, e.ID, InFlight)
	if err != nil {
		return t, err
	}
	r.Attempt++
	r.ContentHash = e.Hash
	t.result = r
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

func (e Displace) next(s State) (t transition, err error) {
	r, err := current(s, e.ID, InFlight)
	if err != nil {
		return t, err
	}
	r.Displaced = true
	t.result = r
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

func (e Announced) next(s State) (t transition, err error) {
	r, err := current(s, e.ID, Ending)
	if err != nil {
		return t, err
	}
	r.Phase = Processed
	r.Number, r.Attempt, r.ContentHash = 0, 0, nil // of one that was refused: another request gets the number
	t.result = r
	t.add(Release, r)
	t.add(Remember, r)
	return t, nil
}

func current(s State, id string, p Phase) (Request, error) {
	if s.Current == nil || s.Current.ID != id || s.Current.Phase != p {
		return Request{}, ErrNotCurrent
	}
	return *s.Current, nil
}
