package queue

// Applied says that the producer applied blueprint Number, which came of request ID (empty when it does not know).
type Applied struct {
	anyReplica
	ID     string
	Number uint64
}

// Subject implements Event.
func (e Applied) Subject() string { return e.ID }

func (e Applied) step(v View, _ Limits) (t Transition, err error) {
	if e.Number == 0 {
		return t, ErrNoNumber
	}
	if v.Current != nil {
		e.finishCurrent(*v.Current, &t)
	}
	if e.ID != "" && (v.Current == nil || v.Current.ID != e.ID) {
		e.finishNamed(v.Known, &t)
	}
	return t, nil
}

func (e Applied) finishCurrent(c Request, t *Transition) {
	switch {
	case c.State == Ending && c.ID == e.ID:
		// It was declined although a forgotten proposal of it was on its way: the preblock is what happened.
		c.Number, c.Reason = e.Number, 0
		e.process(c, t)
	case c.State != InFlight || c.Number > e.Number:
	case e.ID == "" && !c.Displaced:
		// Whose the number became is not known: the active proposer asks the DSN. To take it for the current request's would
		// end that without an event, should the DSN have fixed another's content while Redis had forgotten it.
	case e.displaces(c):
		c.State, c.Number, c.Attempt, c.ContentHash, c.Displaced = Queued, 0, 0, nil, false
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

func (e Applied) process(c Request, t *Transition) {
	c.State, c.Displaced = Processed, false
	t.Result = c
	t.add(Release, c)
	t.add(Remember, c)
}

// finishNamed ends the request the blueprint came of when that is not the current one.
func (e Applied) finishNamed(known *Request, t *Transition) {
	r := Request{ID: e.ID}
	if known != nil {
		r = *known
	}
	if r.State == Queued {
		t.add(Remove, r)
	}
	if r.State != Processed {
		r.State, r.Number = Processed, e.Number
		t.add(Remember, r)
	}
	t.Result = r
}
