package queue

// Applied says that the producer applied blueprint Number, which came of request ID (empty when it does not know).
type Applied struct {
	anyReplica
	ID     string
	Number uint64
}

// Subject implements Event.
func (e Applied) Subject() string { return e.ID }

func (e Applied) next(s State) (t transition, err error) {
	if e.Number == 0 {
		return t, ErrNoNumber
	}
	if s.Current != nil {
		e.finishCurrent(*s.Current, &t)
	}
	if e.ID != "" && (s.Current == nil || s.Current.ID != e.ID) {
		e.finishNamed(s.Known, &t)
	}
	return t, nil
}

func (e Applied) finishCurrent(c Request, t *transition) {
	switch {
	case c.Phase == Ending && c.ID == e.ID:
		// It was declined although a forgotten proposal of it was on its way: the preblock is what happened.
		c.Number, c.Reason = e.Number, 0
		e.process(c, t)
	case c.Phase != InFlight || c.Number > e.Number:
	case e.ID == "" && !c.Displaced:
		// The number's request is unknown, so the active proposer asks the DSN. Assuming the current request would end it without
		// an event if the DSN had fixed another request's content that Redis has lost.
	case e.displaces(c):
		c.Phase, c.Number, c.Attempt, c.ContentHash, c.Displaced = Queued, 0, 0, nil, false
		t.add(Release, c)
		t.add(Prepend, c)
	default:
		e.process(c, t)
	}
}

// displaces says whether the number of the request in flight went to another request.
func (e Applied) displaces(c Request) bool {
	if c.ID == e.ID {
		return false
	}
	return c.Displaced || e.Number == c.Number
}

func (e Applied) process(c Request, t *transition) {
	c.Phase, c.Displaced = Processed, false
	t.result = c
	t.add(Release, c)
	t.add(Remember, c)
}

// finishNamed ends the request the blueprint came of when that is not the current one.
func (e Applied) finishNamed(known *Request, t *transition) {
	r := Request{ID: e.ID}
	if known != nil {
		r = *known
	}
	if r.Phase == Queued {
		t.add(Remove, r)
	}
	if r.Phase != Processed {
		r.Phase, r.Number = Processed, e.Number
		t.add(Remember, r)
	}
	t.result = r
}
